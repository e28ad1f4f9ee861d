#!/usr/bin/env bash
# start.sh as a newcomer meets it: the calls it prints work as printed, Ctrl-C stops it, the data outlives it.
# shellcheck source=../shell.sh
. "$(dirname "$0")/../shell.sh"

data=$scratch/place/data
said=$scratch/said

# As a terminal would: a process group of its own, in which an interrupt is not ignored.
start() {
    said=$scratch/said.$1
    setsid env --default-signal=INT "$top/start.sh" --data "$data" --listen 127.0.0.1:0 >"$said" 2>&1 &
    starter=$!
    children+=("$starter")
    wait_for 240 up_or_ended
    says "$said" 'Ctrl-C stops it'
}

up_or_ended() { grep -q 'Ctrl-C stops it' "$said" || ! kill -0 "$starter"; }

# Ctrl-C reaches every process of the group.
interrupt() {
    kill -INT -- "-$starter" && wait "$starter"
}

# The printed calls between two headings, as they stand.
calls_between() {
    awk -v from="$1" -v to="$2" '
        index($0, to) == 1 { exit }
        inside && /^  / { print substr($0, 3) }
        index($0, from) == 1 { inside = 1 }' "$said"
}

answers() {
    local answer
    answer=$(bash -c "$1")
    shift
    says <(printf '%s\n' "$answer") "$@"
}

only_the_owners() {
    stat -c '%a %n' "$data" "$data.log" "$data.master-key" &&
        [ "$(stat -c %a "$data" "$data.log" "$data.master-key" | tr '\n' ' ')" = '700 600 600 ' ]
}

without_a_name() { ! grep -q -e '"ann"' -e '/ann' "$data.log"; }

second_start_is_refused() {
    local status=0
    "$top/start.sh" --data "$data" --listen 127.0.0.1:0 >"$scratch/second" 2>&1 || status=$?
    cat "$scratch/second"
    [ "$status" -eq 1 ]
}

check 'it starts' start first
check 'it prints license and keys' says "$said" 'License:    demo' 'API key:' 'Write key:'
check 'it says where things lie, and what the master key is' says "$said" "$data" "$data.log" "$data.master-key" \
    'apart from the data'
check 'it says how to remove everything' says "$said" "rm -rf $data $data.master-key $data.log"
check 'the printed event call works' answers "$(calls_between 'Send an event' 'Read the person')" '"status":"queued"'
check 'the printed read calls show it' answers "$(calls_between 'Read the person' 'Erase her')" \
    '"userId":"ann"' 'Added to Cart' '39.80'
check 'the printed erase calls work' answers "$(calls_between 'Erase her' 'The erasure stays')" \
    'erasure request registered' '"status":"PENDING"'
check 'log, data and master key are for the owner only' only_the_owners
check 'the log names nobody' without_a_name
check 'a second one on the same data is refused' second_start_is_refused
check 'Ctrl-C stops it cleanly' interrupt
check 'and says so' says "$said" 'Stopped.'

check 'it starts again' start again
check 'it tells that keys were shown once, and how to make another' says "$said" 'were shown once' \
    "build/habeas key add --data $data --license demo"
key_call=$(sed -n 's/^  \(.*build\/habeas key add .*\)$/\1/p' "$said")
API_KEY=$(bash -c "$key_call" | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
export API_KEY
check 'that makes another key' test -n "$API_KEY"
check 'the data is still there' answers "$(calls_between 'Erase her' 'The erasure stays' | tail -n 1)" '"status":"PENDING"'
kill -TERM "$starter"
check 'SIGTERM stops it cleanly too' wait "$starter"
