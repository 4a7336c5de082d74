# shellcheck shell=bash
# The HTTP server, tested with curl.

case_curl() {
    clients_up "$LOGS"
    serve "$(image arch)"
    unpack arch
    BASE=http://$SERVER_ADDRESS
    FILE=arch/boot/x86_64/vmlinuz-linux
    WANT=$LOGS/tree-arch/$FILE
    SIZE=$(stat -c %s "$WANT")
    curl_ranges
    step "ranges"
    curl_resume
    curl_conditions
    step "resume and conditions"
    curl_answers
    step "answers without a file"
    curl_paths
    curl_many
    step "many at once"
    alive
}

# status [CURL FLAGS…] URL: prints the status code.
status() { in_lan "$WITHIN" 20 curl -sS -o "$LOGS/body" -D "$LOGS/head" -w '%{http_code}' "$@" || true; }

# answers CODE WHAT [CURL FLAGS…] URL
answers() {
    local code
    code=$(status "${@:3}")
    [[ $code == "$1" ]] || wrong "$2: $code, not $1"
}

# field NAME VALUE: the last answer's head must contain it.
field() {
    local found
    found=$(tr -d '\r' <"$LOGS/head" | grep -i "^$1:" | tail -n 1 | cut -d ' ' -f 2- || true)
    [[ $found == "$2" ]] || wrong "$1 is '$found', not '$2'"
}

range() { # RANGE FIRST LAST
    answers 206 "range $1" -r "$1" "$BASE/$FILE"
    field Content-Range "bytes $2-$3/$SIZE"
    field Content-Length "$(($3 - $2 + 1))"
    [[ $(stat -c %s "$LOGS/body") == $(($3 - $2 + 1)) ]] || wrong "range $1: $(stat -c %s "$LOGS/body") bytes came"
    cmp -s -n $(($3 - $2 + 1)) -i "$2:0" "$WANT" "$LOGS/body" || wrong "range $1: other bytes"
}

curl_ranges() {
    range 0-0 0 0
    range 0-99 0 99
    range 4095-4097 4095 4097
    range "$((SIZE - 10))-" $((SIZE - 10)) $((SIZE - 1))
    range -100 $((SIZE - 100)) $((SIZE - 1))
    range "100-$((SIZE * 9))" 100 $((SIZE - 1))
    range "0-$((SIZE - 1))" 0 $((SIZE - 1))
    answers 416 "a range behind the end" -r "$SIZE-" "$BASE/$FILE"
    field Content-Range "bytes */$SIZE"
    # An invalid Range field is ignored (RFC 9110 §14.2).
    answers 200 "bytes=5-2" -H 'Range: bytes=5-2' "$BASE/$FILE"
    answers 200 "a range in another unit" -H 'Range: lines=1-2' "$BASE/$FILE"
    answers 206 "two ranges" -r 5-9,20-29 "$BASE/$FILE"
    python3 "$CLIENTS/multipart" "$LOGS/head" "$LOGS/body" "$WANT" 5-9 20-29 2>"$LOGS/multipart" ||
        wrong "two ranges: $(tail -n 1 "$LOGS/multipart")"
    answers 200 HEAD -I "$BASE/$FILE"
    field Content-Length "$SIZE"
    field Accept-Ranges bytes
    in_lan curl -sS -I "$BASE/$FILE" -o "$LOGS/head-get"
    in_lan curl -sS -o /dev/null -D "$LOGS/get-head" "$BASE/$FILE"
    diff <(grep -vi '^Date' "$LOGS/head-get") <(grep -vi '^Date' "$LOGS/get-head") >/dev/null ||
        wrong "HEAD and GET have other heads"
}

curl_resume() {
    head -c 1234567 "$WANT" >"$LOGS/resumed"
    in_lan curl -sS --fail -C - -o "$LOGS/resumed" "$BASE/$FILE" || wrong "a download is not resumed"
    same "$WANT" "$LOGS/resumed" "resumed download"
    # Resuming a complete file: curl requests the range after the end and treats 416 as success.
    in_lan curl -sS -C - -o "$LOGS/resumed" "$BASE/$FILE" || wrong "resuming a whole file is an error"
    same "$WANT" "$LOGS/resumed" "resumed whole file"
}

curl_conditions() {
    local tag date
    answers 200 "GET" "$BASE/$FILE"
    tag=$(tr -d '\r' <"$LOGS/head" | sed -n 's/^ETag: //Ip')
    date=$(tr -d '\r' <"$LOGS/head" | sed -n 's/^Last-Modified: //Ip')
    [[ $tag == \"*\" ]] || wrong "the ETag is '$tag'"
    [[ -n $date ]] || wrong "there is no Last-Modified"
    answers 206 "If-Range with the tag" -r 0-9 -H "If-Range: $tag" "$BASE/$FILE"
    answers 200 "If-Range with another tag" -r 0-9 -H 'If-Range: "other"' "$BASE/$FILE"
    same "$WANT" "$LOGS/body" "If-Range with another tag"
    answers 200 "If-Range with a weak tag" -r 0-9 -H "If-Range: W/$tag" "$BASE/$FILE"
    answers 206 "If-Range with the date" -r 0-9 -H "If-Range: $date" "$BASE/$FILE"
    answers 200 "If-Range with another date" -r 0-9 -H 'If-Range: Tue, 15 Nov 1994 12:45:26 GMT' "$BASE/$FILE"
    answers 304 "If-None-Match" -H "If-None-Match: $tag" "$BASE/$FILE"
    answers 200 "If-None-Match with another tag" -H 'If-None-Match: "other"' "$BASE/$FILE"
    answers 304 "If-Modified-Since" -H "If-Modified-Since: $date" "$BASE/$FILE"
    answers 412 "If-Match with another tag" -H 'If-Match: "other"' "$BASE/$FILE"
    # curl's conditional request for newer files.
    [[ $(status -z "$WANT" "$BASE/$FILE") == 304 ]] || wrong "curl -z: the file unpacked now is not newer"
}

curl_answers() {
    answers 404 "a file that is not there" "$BASE/nothing/here"
    field Content-Length "$(stat -c %s "$LOGS/body")"
    answers 404 "HEAD of a file that is not there" -I "$BASE/nothing/here"
    answers 404 "another case" "$BASE/ARCH/boot/x86_64/vmlinuz-linux"
    answers 405 POST -d x=y "$BASE/$FILE"
    field Allow "GET, HEAD"
    answers 405 PUT -T "$WANT" "$BASE/upload"
    answers 405 DELETE -X DELETE "$BASE/$FILE"
    answers 200 "the menu for iPXE" "$BASE/boot.ipxe"
    head -n 1 "$LOGS/body" | grep -qx '#!ipxe' || wrong "boot.ipxe begins with '$(head -n 1 "$LOGS/body")'"
    answers 200 "HTTP/1.0" -0 "$BASE/$FILE"
    same "$WANT" "$LOGS/body" "HTTP/1.0"
    answers 200 "--compressed" --compressed "$BASE/$FILE"
    field Content-Encoding ''
    field Transfer-Encoding ''
    same "$WANT" "$LOGS/body" "--compressed"
    # Two files and a 404 between them over one connection.
    [[ $(in_lan curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' \
        "$BASE/$FILE" "$BASE/nothing" "$BASE/$FILE") == 100 ]] || wrong "a connection is not kept"
    [[ $(in_lan curl -sS -o /dev/null -o /dev/null -H 'Connection: close' -w '%{num_connects}' \
        "$BASE/$FILE" "$BASE/$FILE") == 11 ]] || wrong "Connection: close does not close"
    answers 200 "Expect: 100-continue" -H 'Expect: 100-continue' "$BASE/$FILE"
}

curl_paths() {
    local path
    for path in "//$FILE" "/./$FILE" "/iso/arch/$FILE" "/%61rch/boot/x86_64/vmlinuz-linux" "/$FILE?x=y" "/arch//boot/x86_64//vmlinuz-linux"; do
        answers 200 "$path" --path-as-is "$BASE$path"
        same "$WANT" "$LOGS/body" "$path"
    done
    for path in /../../../../etc/passwd /iso/arch/../../../../etc/passwd /%2e%2e/%2e%2e/etc/passwd /..%2f..%2fetc/passwd /iso/arch/%00 /etc/passwd /iso/ /iso/arch /iso/arch/arch; do
        case $(status --path-as-is "$BASE$path") in
        400 | 404) grep -q root: "$LOGS/body" && wrong "$path shows a password file" ;;
        *) wrong "$path: $(head -n 1 "$LOGS/head")" ;;
        esac
    done
    return 0
}

curl_many() {
    local number
    mkdir -p "$LOGS/many"
    for number in {1..64}; do
        printf 'url = "%s"\noutput = "%s"\n' "$BASE/$FILE" "$LOGS/many/$number"
    done >"$LOGS/many.cfg"
    in_lan "$WITHIN" 60 curl -sS --fail -Z --parallel-immediate --parallel-max 64 --config "$LOGS/many.cfg" 2>"$LOGS/many.err" ||
        wrong "64 downloads at once: $(head -n 1 "$LOGS/many.err")"
    for number in {1..64}; do
        same "$WANT" "$LOGS/many/$number" "download $number of 64"
    done
    rm -rf "$LOGS/many"
}
