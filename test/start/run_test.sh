#!/usr/bin/env bash
# start.sh as a newcomer meets it: the calls it prints work as printed, Ctrl-C stops it, the data outlives it.
# shellcheck source=../shell.sh
. "$(dirname "$0")/../shell.sh"

data=$scratch/place/data
said=$scratch/said

# As a terminal would: a process group of its own, in which an interrupt is not ignored.
# launch WHAT [NAME=VALUE...] [OPTION...]
launch() {
    local settings=()
    said=$scratch/said.$1
    shift
    while [[ ${1:-} = HABEAS_* ]]; do settings+=("$1"); shift; done
    setsid env --default-signal=INT HABEAS_LISTEN=127.0.0.1:0 "${settings[@]}" "$top/start.sh" --data "$data" "$@" \
        >"$said" 2>&1 &
    starter=$!
    children+=("$starter")
}

start() {
    launch "$@"
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

url_in() { sed -n 's/^Habeas serves on \(.*\)\. Ctrl-C stops it\.$/\1/p' "$1"; }

start_loading() {
    launch loading --sample
    wait_for 240 grep -q 'sample: 10 %' "$said"
}

keys_in_force() {
    "$top/build/habeas" key list --data "$data" --license demo --json | tee "$scratch/keys"
    [ "$(grep -o '"revokedAt":null' "$scratch/keys" | wc -l)" -eq "$1" ]
}

erases_at_once() {
    local answer
    answer=$(bash -c "$(calls_between 'Erase her' 'This server erases')")
    printf '%s\n' "$answer"
    [[ $answer =~ '"status":"'(PROCESSING|DONE)'"' ]]
}

says_not() { ! says "$@" >/dev/null; }

without_a_name() { ! grep -q -e '"ann"' -e '/ann' "$data.log"; }

second_start_is_refused() {
    local status=0
    "$top/start.sh" --data "$data" --listen 127.0.0.1:0 >"$scratch/second" 2>&1 || status=$?
    cat "$scratch/second"
    [ "$status" -eq 1 ]
}

check 'it starts' start first
asked=$(calls_between 'Erase her' 'The erasure' | tail -n 1)
asked_at=$(url_in "$said")
check 'it prints license and keys' says "$said" 'License:    demo' 'API key:' 'Write key:'
check 'it says where things lie, and what the master key is' says "$said" "$data" "$data.log" "$data.master-key" \
    'apart from the data'
check 'it says how long an erasure waits' says "$said" 'PENDING for 7 days'
check 'on loopback nothing is warned of' says_not "$said" WARNING
check 'it says how to remove everything' says "$said" "rm -rf $data $data.master-key $data.log"
check 'the printed event call works' answers "$(calls_between 'Send an event' 'Read the person')" '"status":"queued"'
check 'the printed read calls show it' answers "$(calls_between 'Read the person' 'Erase her')" \
    '"userId":"ann"' 'Added to Cart' '39.80'
check 'the printed erase calls work' answers "$(calls_between 'Erase her' 'The erasure')" \
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
check 'the data is still there' answers "${asked//"$asked_at"/$(url_in "$said")}" '"status":"PENDING"'
check 'the calls it prints now work beside those of the first start' answers \
    "$(calls_between 'Send an event' 'Read the person'; calls_between 'Read the person' 'Erase her'
        calls_between 'Erase her' 'The erasure')" '"status":"queued"' '39.80' 'erasure request registered' '"status":"PENDING"'
kill -TERM "$starter"
check 'SIGTERM stops it cleanly too' wait "$starter"

check 'it loads the sample into what is there' start_loading
check 'Ctrl-C in the middle stops it cleanly' interrupt
check 'and leaves no key of the loading in force' keys_in_force 3

data=$scratch/other/data
check 'it starts as the environment says' start other HABEAS_CANCEL_WINDOW=0 \
    HABEAS_MASTER_KEY_HEX="$(printf '5a%.0s' {1..32})" HABEAS_LISTEN=0.0.0.0:0
check 'without a window it promises none' says "$said" 'erases at once (HABEAS_CANCEL_WINDOW=0)'
check 'nor a wait' says_not "$said" 'PENDING for'
check 'a master key in the environment is not said to be a file' says_not "$said" "$data.master-key"
check 'listening beyond this machine is warned of' says "$said" 'WARNING: the server listens on 0.0.0.0:'
check 'and the address it gives can be called' answers "$(calls_between 'Send an event' 'Read the person')" \
    '"status":"queued"'
check 'it erases at once' erases_at_once
check 'Ctrl-C stops it as well' interrupt
