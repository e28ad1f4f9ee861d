-- wrk script: the shared event.lua or batch.lua with other people in it. Those scripts draw from a pool of at most 10,000
-- people made at their start; here each event gets its own:
--   PEOPLE=any    one of USERS, at random
--   PEOPLE=next   START, START + 1, ...: nobody twice
-- BENCH_LOAD is the folder of the shared scripts, BENCH_KIND which of them.
dofile(os.getenv("BENCH_LOAD") .. "/" .. os.getenv("BENCH_KIND") .. ".lua")
local shared_init, shared_request = init, request
local following = os.getenv("PEOPLE") == "next"
local users = tonumber(os.getenv("USERS") or "10000")
local who = tonumber(os.getenv("START") or "0")
local pieces = {}

function init(arguments)
  shared_init(arguments)
  math.randomseed(os.time() + tid)
  for i, parts in ipairs(pool) do
    pieces[i] = {}
    for j, part in ipairs(parts) do
      local before, after = string.match(part, '^(.-"userId":"u)%d+(".*)$')
      if before then pieces[i][#pieces[i] + 1] = { j, before, after } end
    end
  end
end

local function person()
  if not following then return math.random(0, users - 1) end
  who = who + 1
  return who - 1
end

-- wrk asks for one request more before it begins, only to look at it: the people in that are named again.
local looked = false

function request()
  if not looked and seq > 0 then
    looked = true
    who = tonumber(os.getenv("START") or "0")
  end
  local i = (seq + 1) % #pool + 1 -- the one that the shared script takes next
  for _, piece in ipairs(pieces[i]) do
    pool[i][piece[1]] = piece[2] .. string.format("%07d", person()) .. piece[3]
  end
  return shared_request()
end
