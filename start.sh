#!/usr/bin/env bash
# Installs what is missing, builds Habeas, makes a data directory with one account, and serves it. See --help.
# Checks come first: nothing is changed before everything that is missing has been said.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$here/build/habeas
logs=$here/build-logs
license=demo
. "$here/tools/packages.sh"

data=${HABEAS_DATA:-$here/data}
master_key=${HABEAS_MASTER_KEY:-}
listen=${HABEAS_LISTEN:-127.0.0.1:8080}
sample=no
missing=()
problems=()
server=
api_key=
write_key=
sample_key=
window=${HABEAS_CANCEL_WINDOW:-7d}
request=erase-ann-$(date +%Y%m%d-%H%M%S-%3N)

usage() {
    cat <<END
Usage: ./start.sh [--data DIR] [--listen HOST:PORT] [--sample]

Installs what is missing (Debian 12), builds in release mode, and serves until Ctrl-C.

  --data DIR          where everything is kept (default: ./data beside this script; twin HABEAS_DATA)
  --listen HOST:PORT  address to serve on, or only a port (default: 127.0.0.1:8080; twin HABEAS_LISTEN)
  --sample            also loads a shop's sample: 2,000 people, 200,000 events; twice is the same as once

The server also heeds the other variables that \`habeas serve --help\` lists, such as HABEAS_CANCEL_WINDOW.
END
}

say() { printf '%s\n' "$*"; }

fail() {
    printf 'start.sh: %s\n' "$*" >&2
    exit 1
}

# What was wrong, then the usage.
misused() {
    printf 'start.sh: %s\n\n' "$*" >&2
    usage >&2
    exit 2
}

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --data | --listen)
            [ $# -ge 2 ] || misused "$1 needs a value"
            if [ "$1" = --data ]; then data=$2; else listen=$2; fi
            shift
            ;;
        --data=*) data=${1#*=} ;;
        --listen=*) listen=${1#*=} ;;
        --sample) sample=yes ;;
        -h | --help) usage; exit 0 ;;
        *) misused "unknown option: $1" ;;
        esac
        shift
    done
    case $listen in
    *[!0-9]*) ;;
    *) listen=127.0.0.1:$listen ;;
    esac
    [[ $listen =~ ^.+:[0-9]+$ ]] || fail "--listen wants HOST:PORT or a port"
    [ -n "$data" ] || fail "--data wants a directory"
    data=$(realpath -m -- "$data")
    master_key=$(realpath -m -- "${master_key:-$data.master-key}")
}

# ---- What is missing: said as a whole, before anything is changed ----

find_missing_packages() {
    local needed=("${build_packages[@]}")
    [ "$sample" = no ] || mapfile -t -O "${#needed[@]}" needed < <(node_packages)
    mapfile -t missing < <(missing_of "${needed[@]}")
}

check_system() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        problems+=("this is not Debian (no apt-get): install what tools/packages.sh lists by hand, then use make")
    fi
}

check_rights() {
    local parent=$data
    if [ ${#missing[@]} -gt 0 ] && ! is_root; then
        if ! command -v sudo >/dev/null; then
            problems+=("packages are missing (${missing[*]}), and you are neither root nor is there sudo:" \
                "    become root, or let an administrator run: apt-get install ${missing[*]}")
        elif ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
            problems+=("packages are missing (${missing[*]}), and sudo wants a password: run this in a terminal")
        fi
    fi
    while [ ! -e "$parent" ]; do parent=$(dirname "$parent"); done
    [ -w "$parent" ] || problems+=("$parent cannot be written: choose another place with --data DIR")
    [ -w "$here" ] || problems+=("$here cannot be written, and the build goes there: use a copy of your own")
}

# Megabytes: what the packages and their downloads take, the build, and room for the first data.
check_disk() {
    local system=0 building=60 keeping=200
    [ ${#missing[@]} -eq 0 ] || system=700
    [[ " ${missing[*]} " != *" npm "* ]] || system=1400
    [ -x "$program" ] && building=0
    [ "$sample" = yes ] && keeping=600
    local -A wanted=() place=()
    add_need "$system" /usr
    add_need "$building" "$here"
    add_need "$keeping" "$(dirname "$data")"
    local device
    for device in "${!wanted[@]}"; do
        local free
        free=$(df -Pk "${place[$device]}" | awk 'NR == 2 { print int($4 / 1024) }')
        [ "$free" -ge "${wanted[$device]}" ] ||
            problems+=("too little disk at ${place[$device]}: ${wanted[$device]} MB are needed, $free MB are free")
    done
}

# Adds up what is wanted on each file system (the arrays are check_disk's).
add_need() {
    local where=$2 device
    while [ ! -e "$where" ]; do where=$(dirname "$where"); done
    device=$(df -Pk "$where" | awk 'NR == 2 { print $1 " " $6 }')
    wanted[$device]=$((${wanted[$device]:-0} + $1))
    place[$device]=$where
}

# Asks the package source for its smallest file, into a folder of its own: the machine's lists stay as they are.
check_network() {
    local probe
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || return 0
    probe=$(mktemp -d)
    mkdir -p "$probe/lists/partial"
    apt-get -o Dir::State::Lists="$probe/lists" -o Dir::Cache="$probe" -o Acquire::Retries=0 \
        -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 -o APT::Sandbox::User=root \
        -o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false \
        -o Acquire::IndexTargets::deb::Translations::DefaultEnabled=false \
        update >/dev/null 2>&1 || true
    if ! find "$probe/lists" -maxdepth 1 -type f -name '*Release' -size +0 | grep -q .; then
        problems+=("packages are missing (${missing[*]}), and Debian's package source does not answer:" \
            "    check the network (and the proxy, if apt needs one), then run this again")
    fi
    rm -rf "$probe"
}

# Lines "ADDRESS-IN-HEX INODE" of everything that listens on a port. Read from /proc: a small Debian has no ss.
listeners_on() {
    awk -v port="$(printf '%04X' "$1")" '
        $4 == "0A" && substr($2, length($2) - 3) == port { print substr($2, 1, length($2) - 5), $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

# The program behind a socket, as well as this user may see it.
holder_of() {
    local pid
    pid=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$1\\]" -print -quit 2>/dev/null | cut -d/ -f3)
    if [ -n "$pid" ]; then
        printf '%s (process %s)' "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid"
    else
        printf 'a program of another user'
    fi
}

# 127.0.0.1 as /proc/net/tcp writes it: 0100007F. Empty for an IPv6 address.
address_in_hex() {
    local a b c d
    IFS=. read -r a b c d <<<"$(getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }')"
    [ -z "$d" ] || printf '%02X%02X%02X%02X' "$d" "$c" "$b" "$a"
}

# Whether what listens on the same port of one address (in hex) leaves no room for ours.
in_the_way() {
    local theirs=$1 ours=$2
    if [ -z "$ours" ]; then
        [ ${#theirs} -eq 32 ]
    else
        [[ $theirs =~ ^0+$ || $ours = 00000000 || $theirs = "$ours" ]]
    fi
}

check_port() {
    local host=${listen%:*} port=${listen##*:} address inode ours
    [ "$port" -ne 0 ] || return 0
    [ "$port" -le 65535 ] || { problems+=("port $port does not exist: choose one below 65536"); return; }
    ours=$(address_in_hex "$host")
    while read -r address inode; do
        if [ -n "$address" ] && in_the_way "$address" "$ours"; then
            problems+=("port $port is taken by $(holder_of "$inode"):" \
                "    stop it, or choose another port: ./start.sh --listen $host:$((port < 65535 ? port + 1 : port - 1))")
            return
        fi
    done <<<"$(listeners_on "$port")"
}

check_everything() {
    check_system
    find_missing_packages
    check_rights
    check_disk
    check_network
    check_port
    [ ${#problems[@]} -eq 0 ] && return
    say "Nothing was changed. Before Habeas can start:" >&2
    printf '  %s\n' "${problems[@]}" >&2
    exit 1
}

# ---- Install and build ----

# Runs a step quietly; what it says goes to a log, which is shown when the step fails.
step() {
    local what=$1 log=$logs/$2.log
    shift 2
    say "$what ..."
    mkdir -p "$logs"
    if ! "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        fail "this failed: $what (all of it: $log)"
    fi
}

install_what_is_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    step "Installing ${missing[*]}" install install_packages "${missing[@]}"
    printf '%s\n' "${missing[@]}" >>"$logs/installed-packages"
}

build() {
    [ -f "$here/build/build.ninja" ] ||
        step "Preparing the build" build-setup meson setup "$here/build" "$here" -Dtests=false
    if [ -x "$program" ]; then
        step "Checking the build" build ninja -C "$here/build"
    else
        step "Building (a minute or two)" build ninja -C "$here/build"
    fi
}

# ---- Run ----

json_member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# Asks the running server, so that a first start which was cut off before its account was made is mended by the next.
make_account() {
    local answer
    ! "$program" key list --data "$data" --license "$license" >/dev/null 2>&1 || return 0
    answer=$("$program" account add --data "$data" --license "$license") || stop_because "the account was not made"
    api_key=$(json_member api_key <<<"$answer")
    write_key=$(json_member write_key <<<"$answer")
}

# The key that loads the sample into data of an earlier start is nobody's afterwards, however the loading ends.
drop_sample_key() {
    [ -n "$sample_key" ] || return 0
    "$program" key revoke --data "$data" --license "$license" "$sample_key" >/dev/null ||
        say "Key $sample_key was not revoked: $program key revoke --data $(printf '%q' "$data") --license $license $sample_key" >&2
    sample_key=
}

stop() {
    trap '' INT TERM HUP
    say ""
    say "Stopping ..."
    drop_sample_key
    trap - INT TERM HUP
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" && say "Stopped. Everything is in $data." && exit 0
    fail "the server did not stop cleanly: see $data.log"
}

stop_because() {
    drop_sample_key
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
    fail "$1 (log: $data.log)"
}

# Starts the server and waits until it says that it listens; then `address` is where, and `url` where this machine finds it.
start_server() {
    local before waited=0
    mkdir -p "$(dirname "$data")"
    (umask 077 && : >>"$data.log")
    before=$(wc -c <"$data.log")
    "$program" serve --data "$data" --listen "$listen" >>"$data.log" 2>&1 &
    server=$!
    trap stop INT TERM HUP
    while :; do
        url=$(tail -c +$((before + 1)) "$data.log" | sed -n 's/^habeas: listening on //p' | head -n 1)
        if [ -n "$url" ]; then
            address=${url#http://}
            url=${url/#http:\/\/0.0.0.0:/http:\/\/127.0.0.1:}
            url=${url/#http:\/\/\[::\]:/http:\/\/[::1]:}
            return 0
        fi
        if ! kill -0 "$server" 2>/dev/null; then
            tail -c +$((before + 1)) "$data.log" | tail -n 15 >&2
            fail "the server did not start (log: $data.log)"
        fi
        [ "$waited" -ne 50 ] || say "Still starting; a large data directory takes longer (log: $data.log) ..."
        waited=$((waited + 1))
        sleep 0.1
    done
}

show_keys() {
    cat <<END
License:    $license
API key:    $api_key   (may do everything)
Write key:  $write_key   (may only send users and events)
The keys are shown this once. Another is made by:
  $program key add --data $(printf '%q' "$data") --license $license
END
}

show_keys_or_how() {
    if [ -n "$api_key" ]; then
        show_keys
        return
    fi
    cat <<END
License:    $license
Keys:       were shown once, when $data was made. Another is made by:
  $program key add --data $(printf '%q' "$data") --license $license
Put it into the calls below: API_KEY=...
END
}

# A span in words: 7d, 12h, 30m, 5s.
in_words() {
    local unit
    case $1 in
    *d) unit=day ;;
    *h) unit=hour ;;
    *m) unit=minute ;;
    *) unit=second ;;
    esac
    [ "${1%?}" -eq 1 ] || unit+=s
    printf '%s %s' "${1%?}" "$unit"
}

show_window() {
    if [[ $window =~ ^0+[dhms]?$ ]]; then
        say "This server erases at once (HABEAS_CANCEL_WINDOW=$window): nothing can be cancelled."
    else
        cat <<END
The erasure stays PENDING for $(in_words "$window"), in which nobody may use her data and the request can still be cancelled
(the same call with -X DELETE). A server started with HABEAS_CANCEL_WINDOW=0 erases at once.
END
    fi
}

# On the start that made the account the person is ann; on later ones she may be erased, so it is another.
show_calls() {
    local key=${api_key:-\$API_KEY} person=ann
    [ -n "$api_key" ] || person=${request#erase-}
    cat <<END

Send an event:
  curl -sS -X POST "$url/v1/accounts/$license/events" \\
    -H "Authorization: Bearer $key" -H "Content-Type: application/json" \\
    -d '{"userId":"$person","eventName":"Added to Cart","eventData":{"Product":"Shoes","Price":39.80}}'

Read the person and what she did:
  curl -sS -H "Authorization: Bearer $key" "$url/api/users/$person"
  curl -sS -H "Authorization: Bearer $key" "$url/api/users/$person/events"

Erase her:
  curl -sS -X POST "$url/v1/accounts/$license/opengdpr_requests" \\
    -H "Authorization: Bearer $key" -H "Content-Type: application/json" \\
    -d '{"subject_request_id":"$request","subject_request_type":"erasure","subject_identities":[{"identity_type":"cuid","identity_value":"$person"}]}'
  curl -sS -H "Authorization: Bearer $key" "$url/v1/accounts/$license/opengdpr_requests/$request"
END
    show_window
}

show_places() {
    local places key=$master_key
    places=$(printf '%q' "$data")
    if [ -n "${HABEAS_MASTER_KEY_HEX:-}" ]; then
        key="the one in HABEAS_MASTER_KEY_HEX (no file of it was made here)"
    else
        places+=" $(printf '%q' "$master_key")"
    fi
    places+=$(printf ' %q' "$data.log" "$here/build" "$logs")
    [ ! -d "$here/node_modules" ] || places+=" $(printf '%q' "$here/node_modules")"
    cat <<END

Data:       $data
Log:        $data.log
Master key: $key
  Keep a copy of the master key safe, and apart from the data: whoever has both can read everything,
  and without the key nobody can, ever.
Remove everything (the server must be stopped):
END
    [ ! -s "$logs/installed-packages" ] ||
        say "  apt-get purge --autoremove $(sort -u "$logs/installed-packages" | tr '\n' ' ')"
    say "  rm -rf $places"
    # npm's own store may serve others of this user, so it is named apart.
    [ ! -d "$here/node_modules" ] || [ ! -d ~/.npm ] ||
        say "  rm -rf ~/.npm      # what npm fetched for the sample: only if nothing else of yours uses npm"
    say ""
    warn_beyond_loopback
    say "Habeas serves on $url. Ctrl-C stops it."
}

warn_beyond_loopback() {
    case $address in
    127.* | '[::1]:'*) return 0 ;;
    esac
    cat >&2 <<END
WARNING: the server listens on $address, so beyond this machine, without TLS: whoever is on the way can read
along, keys included. Put a TLS proxy in front (doc/operating.md), or leave out --listen and HABEAS_LISTEN.

END
}

# An interrupt waits these milliseconds out: a key that was made and not yet noted would stay.
make_sample_key() {
    local answer
    trap '' INT TERM HUP
    answer=$("$program" key add --data "$data" --license "$license" --scopes ingest,read) || answer=
    sample_key=$(sed -n 's/.*"number":\([0-9]*\).*/\1/p' <<<"$answer")
    key=$(json_member key <<<"$answer")
    trap stop INT TERM HUP
    [ -n "$key" ] || stop_because "there is no key to load the sample with"
}

# With the key made just now, or with one that is revoked as soon as the sample is in.
load_sample() {
    local key=$api_key status=0
    [ "$sample" = yes ] || return 0
    [ -n "$key" ] || make_sample_key
    say ""
    "$here/tools/node" "$here/sample/load.mjs" --url "$url" --license "$license" --key "$key" || status=$?
    drop_sample_key
    [ "$status" -eq 0 ] || stop_because "the sample was not loaded; run this again, it goes on where it was"
}

read_options "$@"
check_everything
install_what_is_missing
build
start_server
make_account
say ""
show_keys_or_how
show_calls
load_sample
show_places
wait "$server" && fail "the server stopped by itself: see $data.log"
fail "the server stopped with an error: see $data.log"
