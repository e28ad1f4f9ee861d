# What the shell tests share: each case says "ok - what" or "not ok - what"; test.sh counts these lines. Sourced (bash).
# shellcheck shell=bash
set -uo pipefail

# shellcheck disable=SC2034 # used by those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
failures=0
children=()

# Runs at the end, however that comes: ends what the test started and removes what it made.
clean_up() {
    local child
    for child in "${children[@]}"; do
        { kill -KILL -- "-$child" || kill -KILL "$child"; } 2>/dev/null && wait "$child" 2>/dev/null
    done
    rm -rf "$scratch"
    [ "$failures" -eq 0 ]
    exit
}
trap clean_up EXIT

# check WHAT COMMAND...: the command must succeed; what it said is shown when it does not.
check() {
    local what=$1
    shift
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok - $what"
    else
        echo "not ok - $what"
        tail -n 30 "$scratch/output"
        failures=$((failures + 1))
    fi
}

# says FILE TEXT...: each text stands in the file.
says() {
    local text all
    all=$(cat "$1")
    shift
    for text in "$@"; do
        if [[ $all != *"$text"* ]]; then
            printf 'this is missing: %s, in:\n%s\n' "$text" "$all"
            return 1
        fi
    done
}

# wait_for SECONDS COMMAND...: until the command succeeds, at most so long.
wait_for() {
    local left=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.05
    done
}
