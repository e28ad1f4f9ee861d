#!/usr/bin/env bash
# The TLS proxy of packaging/nginx.conf, as it is but for ports, places and certificate: what goes in comes out.
# shellcheck source=../shell.sh
. "$(dirname "$0")/../shell.sh"

program=$top/build/habeas
data=$scratch/data
certificate=$scratch/certificate.pem

start_habeas() {
    "$program" account add --data "$data" --license shop >"$scratch/account" || return 1
    api_key=$(sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p' "$scratch/account")
    "$program" serve --data "$data" --listen 127.0.0.1:0 >"$scratch/habeas.log" 2>&1 &
    children+=($!)
    wait_for 30 grep -q 'listening on' "$scratch/habeas.log"
}

# A port that was free a moment ago.
free_port() {
    # shellcheck disable=SC2016 # the words are JavaScript
    "$top/tools/node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1",
        () => { console.log(s.address().port); s.close() })'
}

# Another program may have taken the port meanwhile: then nginx ends, and another port is tried.
start_nginx() {
    local address child
    address=$(sed -n 's#.*listening on http://\([^ ]*\).*#\1#p' "$scratch/habeas.log")
    nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || return 1
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=habeas.example \
        -addext subjectAltName=DNS:habeas.example -keyout "$scratch/key.pem" -out "$certificate" || return 1
    cat >"$scratch/nginx.conf" <<END
daemon off;
master_process off;
pid $scratch/nginx.pid;
error_log $scratch/nginx.error.log;
events {}
http {
    client_body_temp_path $scratch/bodies;
    proxy_temp_path $scratch/answers;
    fastcgi_temp_path $scratch/unused-1;
    scgi_temp_path $scratch/unused-2;
    uwsgi_temp_path $scratch/unused-3;
    include $scratch/site.conf;
}
END
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        sed -e "s#127.0.0.1:8080#$address#" -e "s#listen 443#listen 127.0.0.1:$port#" \
            -e "s#/etc/ssl/habeas#$scratch#" -e "s#/var/log/nginx/#$scratch/#" "$top/packaging/nginx.conf" \
            >"$scratch/site.conf"
        "$nginx" -c "$scratch/nginx.conf" &
        child=$!
        children+=("$child")
        wait_for 30 is_up_or_ended "$child"
        call /healthz && return
    done
    return 1
}

is_up_or_ended() {
    call /healthz || ! kill -0 "$1"
}

# A call through the proxy, with the certificate checked.
call() {
    local path=$1
    shift
    curl -sS --path-as-is --cacert "$certificate" --resolve "habeas.example:$port:127.0.0.1" \
        -H "Authorization: Bearer $api_key" -H 'Content-Type: application/json' \
        "$@" "https://habeas.example:$port$path"
}

# People whose ids a proxy that tidies paths up would confuse: sent in a body, read back by URL.
comes_back() {
    call /v1/accounts/shop/users -d "{\"userId\":\"$1\",\"firstName\":\"$2\"}" >"$scratch/sent" &&
        call "/api/users/$2" >"$scratch/read" && says "$scratch/read" "\"userId\":\"$1\"" "\"$2\""
}

status_of() {
    local path=$1 wanted=$2
    shift 2
    [ "$(call "$path" -o /dev/null -w '%{http_code}' "$@")" = "$wanted" ]
}

wrong_key() {
    local api_key=wrong
    status_of /api/users/ann 401
}

body_of() {
    printf '{"userId":"big","firstName":"'
    head -c "$1" /dev/zero | tr '\0' x
    printf '"}'
}

nothing_written() {
    ! grep -r -l -e 'a%2Fb' -e 'xxxxxxxx' "$scratch"/*.log "$scratch/bodies" "$scratch/answers"
}

check 'Habeas starts' start_habeas
check 'nginx takes the file and starts' start_nginx
check 'a plain id' comes_back ann ann
check 'a slash in an id' comes_back a/b a%2Fb
check 'two slashes in an id' comes_back a//b a%2F%2Fb
check 'an id of two dots' comes_back .. %2E%2E
check 'an id that looks escaped' comes_back %2e %252e
body_of 8000000 >"$scratch/below.json"
check 'a large body goes through' status_of /v1/accounts/shop/users 201 --data-binary "@$scratch/below.json"
body_of 8500000 >"$scratch/above.json"
check 'a body past the limit of Habeas is refused by it' status_of /v1/accounts/shop/users 413 \
    --data-binary "@$scratch/above.json"
check 'a wrong key is refused' wrong_key
check 'nginx wrote no path and no body to a file' nothing_written
