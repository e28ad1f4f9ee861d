#!/usr/bin/env bash
# Installs what the tests need, builds the program every way, runs every test, and ends with one line:
# N passed, N failed. With CI=true a skipped test counts as failed. What each step said lies in build-logs/.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
. tools/packages.sh

logs=$PWD/build-logs
passed=0
failed=0

finish() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# Adds up: count PASSED FAILED SKIPPED.
count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    if [ "${CI:-}" = true ]; then failed=$((failed + $3)); fi
}

# Runs one step quietly; true when it succeeded. Its name is also the name of its log.
step() {
    local name=$1 log=$logs/$1.log began=$SECONDS status=ok
    shift
    printf '%-14s ' "$name"
    "$@" >"$log" 2>&1 </dev/null || status=FAILED
    printf '%s (%d s)\n' "$status" $((SECONDS - began))
    [ "$status" = ok ] && return
    tail -n 60 "$log"
    return 1
}

# A step that is one test; true when it passed.
test_step() {
    if step "$@"; then count 1 0 0; else count 0 1 0 && false; fi
}

# A step that the others stand on: without it there is nothing to run.
needed_step() {
    step "$@" && return
    count 0 1 0
    finish
}

install() {
    local needed=("${build_packages[@]}" "${test_packages[@]}") missing
    mapfile -t -O "${#needed[@]}" needed < <(node_packages)
    mapfile -t missing < <(missing_of "${needed[@]}")
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# What npm brings for the tests, when package-lock.json changed since.
install_node_modules() {
    tools/node --version && [ node_modules/.package-lock.json -nt package-lock.json ] && return
    command -v npm || install_packages npm
    npm ci --no-audit --no-fund
}

# Unit tests of one build directory: meson runs the programs, their own counts are added up.
unit_step() {
    local name=$1 directory=$2
    shift 2
    rm -f "$directory/meson-logs/testlog.txt"
    step "$name" meson test -C "$directory" --no-rebuild --print-errorlogs "$@"
    # shellcheck disable=SC2046 # three numbers
    count $(tools/count-unit "$directory/meson-logs/testlog.txt")
}

e2e_step() {
    local counts=$logs/e2e.tap
    rm -f "$counts"
    E2E_COUNTS=$counts step e2e tools/test-e2e
    # shellcheck disable=SC2046 # three numbers
    count $(awk '
        $1 == "#" && $2 == "pass" { pass = $3; seen = 1 }
        $1 == "#" && ($2 == "fail" || $2 == "cancelled") { fail += $3 }
        $1 == "#" && ($2 == "skipped" || $2 == "todo") { skip += $3 }
        END { print pass + 0, seen ? fail + 0 : 1, skip + 0 }' "$counts" 2>/dev/null || echo 0 1 0)
}

# Shell tests say "ok - what", "not ok - what" or "skip - what" on a line each; one that breaks off has failed.
shell_step() {
    local name=$1 whole=0
    step "$@" || whole=1
    # shellcheck disable=SC2046 # three numbers
    count $(awk -v whole="$whole" '
        /^ok - / { pass++ }
        /^not ok - / { fail++ }
        /^skip - / { skip++ }
        END { print pass + 0, fail || !whole ? fail + 0 : 1, skip + 0 }' "$logs/$name.log")
}

mkdir -p "$logs"
needed_step install install
needed_step npm install_node_modules
needed_step build make all
needed_step build-asan make asan
needed_step build-control make control
needed_step build-tsan make build-tsan

shell_step check-layers tools/check-layers --self-test
test_step layers tools/check-layers
test_step format make format-check
test_step shellcheck make shellcheck

unit_step unit-asan build-asan
test_step build-clang make clang && unit_step unit-clang build-clang
unit_step unit-tsan build-tsan --suite vault --suite work --suite http --timeout-multiplier 4

e2e_step
for file in test/*/*_test.sh; do
    shell_step "test-$(basename "$file" _test.sh)" "$file"
done
finish
