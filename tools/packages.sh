# Which Debian packages are needed for what, and how they are put there. Sourced by start.sh and test.sh (bash).
# shellcheck shell=bash

# To build and run the program, and to make the calls that start.sh prints.
build_packages=(gcc g++ libc6-dev meson ninja-build pkgconf libmicrohttpd-dev libsqlite3-dev libsodium-dev libsimdjson-dev
    libcurl4-openssl-dev libcsv-dev zlib1g-dev ca-certificates curl)
# To run every test as well.
# shellcheck disable=SC2034 # used by test.sh
test_packages=(make clang clang-format shellcheck libcmocka-dev libjansson-dev nginx-light openssl systemd procps strace
    sqlite3 mount e2fsprogs chromium)

is_root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

# Those of the named packages that are not installed, one a line.
missing_of() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# npm brings the Node.js that tools/node wants; not needed where that one, or another new enough, is here.
node_packages() {
    local node
    for node in node "$(dirname "${BASH_SOURCE[0]}")"/../node_modules/node-linux-*/bin/node; do
        command -v "$node" >/dev/null && "$node" -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' &&
            return
    done
    echo npm
}

# Never removes a package for another: whoever uses this machine for something else keeps it.
install_packages() {
    as_root apt-get -q update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove install "$@"
}
