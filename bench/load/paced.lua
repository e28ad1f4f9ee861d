-- wrk script: people.lua with a pause before each call, DELAY milliseconds on average, so that a server can be given a
-- part of what it could take. Between half and one and a half, or all connections would call at the same moment.
dofile(os.getenv("BENCH_OWN") .. "/people.lua")
local pause = tonumber(os.getenv("DELAY") or "0")

function delay()
  return math.floor(pause * (0.5 + math.random()) + 0.5)
end
