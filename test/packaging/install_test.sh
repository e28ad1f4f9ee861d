#!/usr/bin/env bash
# `make install` puts everything where packaging/README.md says, and systemd finds no fault with the unit.
# shellcheck source=../shell.sh
. "$(dirname "$0")/../shell.sh"

root=$scratch/root

install_there() { make -C "$top" install DESTDIR="$root" PREFIX="$1"; }

all_there() {
    local file
    for file in bin/habeas lib/systemd/system/habeas.service lib/sysusers.d/habeas.conf \
        share/doc/habeas/nginx.conf share/doc/habeas/logrotate.conf; do
        [ -f "$root$1/$file" ] || { echo "not installed: $1/$file"; return 1; }
    done
}

# Only what systemd says about this unit counts, with the program where this test put it.
unit_is_right() {
    mkdir -p "$scratch/unit"
    sed "s#^ExecStart=/#&${root#/}/#" "$root/usr/local/lib/systemd/system/habeas.service" >"$scratch/unit/habeas.service"
    systemd-analyze verify "$scratch/unit/habeas.service" 2>&1 | grep -F habeas.service >"$scratch/verdict"
    cat "$scratch/verdict"
    [ ! -s "$scratch/verdict" ]
}

user_is_made() {
    mkdir -p "$root/etc"
    systemd-sysusers --root="$root" "$root/usr/local/lib/sysusers.d/habeas.conf" && says "$root/etc/passwd" 'habeas:'
}

check 'make install with PREFIX=/usr' install_there /usr
check 'everything is below /usr' all_there /usr
check 'the unit starts the program below /usr' says "$root/usr/lib/systemd/system/habeas.service" \
    'ExecStart=/usr/bin/habeas serve'
check 'make install' install_there /usr/local
check 'everything is below /usr/local' all_there /usr/local
check 'the installed program runs' "$root/usr/local/bin/habeas" --help
check 'systemd takes the unit' unit_is_right
check 'the user of the unit is made' user_is_made
