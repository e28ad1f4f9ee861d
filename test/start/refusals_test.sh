#!/usr/bin/env bash
# start.sh says everything that is missing before it changes anything. Each case runs it where only Debian's
# essential programs are found, and one or more of them answer as on a machine that lacks something.
# shellcheck source=../shell.sh
. "$(dirname "$0")/../shell.sh"

nobody=65534
tree=$scratch/tree
essential=$scratch/essential
said=$scratch/said

# A copy of what start.sh needs, so that a change would be seen, and a path without gcc, curl, sudo, ss and the like.
prepare() {
    local name
    chmod 755 "$scratch"
    mkdir -p "$tree" "$essential" "$scratch/fake"
    cp -r "$top/start.sh" "$top/tools" "$tree"
    for name in apt-get awk bash cat cut date df dirname dpkg-query env find getent grep head id mkdir mktemp readlink realpath rm sed \
        sleep sort tail touch tr wc; do
        ln -s "$(command -v "$name")" "$essential/$name"
    done
    [ "$(id -u)" -ne 0 ] || chown -R "$nobody" "$tree"
    printf 'Acquire::http::Proxy "http://127.0.0.1:9";\nAcquire::https::Proxy "http://127.0.0.1:9";\n' >"$scratch/offline.conf"
    fake no-packages dpkg-query 'exit 1'
    fake all-packages dpkg-query 'echo installed'
    # shellcheck disable=SC2016 # the words of the fake itself
    fake little-disk df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted on\ndisk 9 9 2048 99%% /\n"'
}

# fake SITUATION PROGRAM BODY
fake() {
    mkdir -p "$scratch/fake/$1"
    printf '#!/bin/sh\n%s\n' "$3" >"$scratch/fake/$1/$2"
    chmod 755 "$scratch/fake/$1/$2"
}

# refused WHO "SITUATION..." OPTION...: start.sh ends with 1, leaves what it said in $said and the tree as it was.
# WHO is `nobody`, or `root`, which is whoever runs this test.
refused() {
    local as=() path=$essential situation before status=0
    [ "$1" != nobody ] || [ "$(id -u)" -ne 0 ] ||
        as=(setpriv --reuid "$nobody" --regid "$nobody" --clear-groups)
    for situation in $2; do path=$scratch/fake/$situation:$path; done
    shift 2
    before=$(find "$tree" -printf '%p %s %T@ %m\n')
    (cd "$tree" && "${as[@]}" env -i PATH="$path" HOME="$tree" APT_CONFIG="$scratch/offline.conf" ./start.sh "$@") \
        >"$said" 2>&1 || status=$?
    cat "$said"
    [ "$status" -eq 1 ] && [ "$before" = "$(find "$tree" -printf '%p %s %T@ %m\n')" ] &&
        says "$said" 'Nothing was changed'
}

listen_somewhere() {
    # shellcheck disable=SC2016 # the words are JavaScript
    "$top/tools/node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1",
        () => console.log(s.address().port))' >"$scratch/port" &
    listener=$!
    children+=("$listener")
    wait_for 20 test -s "$scratch/port"
    port=$(cat "$scratch/port")
}

prepare
listen_somewhere

check 'no root and no sudo: refused' refused nobody no-packages --listen 0
check 'no root and no sudo: says what to install and who can' says "$said" 'neither root nor is there sudo' \
    'apt-get install' 'libmicrohttpd-dev'

check 'offline: refused' refused root no-packages --listen 0
check 'offline: says so, and which packages are missing' says "$said" "package source does not answer" 'meson'

check 'too little disk: refused' refused root 'no-packages little-disk' --listen 0
check 'too little disk: says how much is needed and how much is free' says "$said" 'too little disk' '2 MB are free'

check 'port taken: refused' refused root all-packages --listen "127.0.0.1:$port"
check 'port taken: says which program holds it, and the option' says "$said" \
    "port $port is taken by" "(process $listener)" './start.sh --listen 127.0.0.1:'
check 'port taken: only a port is an address too' refused root all-packages --listen "$port"
check 'port taken: a name for the address meets it too' refused root all-packages --listen "localhost:$port"
check 'port taken: a wildcard address meets it too' refused root all-packages --listen "0.0.0.0:$port"

check 'everything at once: refused' refused nobody 'no-packages little-disk' --listen "$port"
check 'everything at once: all of it is said' says "$said" 'neither root' 'too little disk' 'does not answer' 'is taken by'

check 'an unknown option is a usage error' test "$("$top/start.sh" --nonsense >/dev/null 2>&1; echo $?)" -eq 2
check 'and names the word that was wrong' says <("$top/start.sh" --nonsense 2>&1) 'unknown option: --nonsense'
check 'help names the options' says <("$top/start.sh" --help) '--data DIR' '--listen HOST:PORT' '--sample'
