# shellcheck shell=bash
# `lanboot get` from a local server with every fault, with keys and certificates of its own.

# case: get  images by name and address: signatures, checksums, mirrors, faults, kill -9 and resume, a full disk
# images: get arch

GET_PORT=8000
GET_TLS_PORT=8443

# get_cmd FLAGS…: runs the command in the server's namespace; SAID is what it printed, STATUS its exit code.
get_cmd() {
    STATUS=0
    SAID=$(in_srv env -u{http,https,all,no}_proxy -u{HTTPS,ALL,NO}_PROXY "${GET_ENV[@]}" "$WITHIN" 60 "$LANBOOT" get \
        --timeout 2 --to "$GET_TO" "$@" 2>&1) || STATUS=$?
    echo "get $*: $STATUS: $SAID" >>"$LOGS/get.log"
    ((STATUS != 124 && STATUS != 101)) || wrong "get $*: status $STATUS: $SAID"
}

# gets FILE FLAGS…: the command must end well, and leave this file and nothing of it besides.
gets() {
    local file=$1
    shift
    get_cmd "$@"
    ((STATUS == 0)) || wrong "get $* ended with status $STATUS: $SAID"
    same "$GET_TO/$file" "$GET_WEB/$file" "get $*"
    leaves_nothing "$*"
}

# leaves_nothing WHAT: no partial file is in the folder.
leaves_nothing() {
    local left
    left=$(find "$GET_TO" -name '*.part*')
    [[ -z $left ]] || wrong "get $1 left $left"
}

# get_fails STATUS REGEX FLAGS…: the command must end with this status and sentence, and no file with an image's name.
get_fails() {
    local status=$1 regex=$2
    shift 2
    get_cmd "$@"
    ((STATUS == status)) || wrong "get $*: status $STATUS, not $status: $SAID"
    says "$regex" "get $*"
    [[ -z $(find "$GET_TO" -name '*.iso') ]] || wrong "get $*: $(find "$GET_TO" -name '*.iso') is there"
}

# get_clean: empties the folder and the log of requests.
get_clean() {
    rm -rf "${GET_TO:?}"/* "$LOGS/requests"
    : >"$LOGS/requests"
}

# get_source NAME FAULT [LINE…]: adds a source of a-VERSION.iso behind a fault, with further lines.
get_source() {
    printf '[[image]]\nname = "%s"\ntitle = "Test"\nfolder = "%s/%s/"\nfile = "a-{version}.iso"\n' "$1" "$GET_URL" "$2"
    printf '%s\n' "${@:3}" ''
}

# get_files: makes the images, their checksum lists, and signatures by the test's own keys.
get_files() {
    local home=$LOGS/gnupg name
    mkdir -p "$GET_WEB" "$home" "$GET_TO"
    chmod 700 "$home"
    head -c 6000000 /dev/urandom >"$GET_WEB/a-1.9.iso"
    head -c 6000000 /dev/urandom >"$GET_WEB/a-1.10.iso"
    head -c 100 /dev/urandom >"$GET_WEB/a-1.11-beta.iso"
    (cd "$GET_WEB" && sha256sum a-*.iso >SHA256SUMS && sha512sum --tag a-*.iso >SHA512SUMS &&
        sha256sum a-1.10.iso >a-1.10.iso.sha256 && md5sum a-1.10.iso >a-1.10.iso.md5)
    for name in project stranger; do
        GNUPGHOME=$home gpg --batch --quiet --passphrase '' --quick-gen-key "$name@example.org" ed25519 sign never
        GNUPGHOME=$home gpg --batch --quiet --armor --export "$name@example.org" >"$GET_WEB/$name.asc"
        GNUPGHOME=$home gpg --batch --quiet --export "$name@example.org" >"$LOGS/$name.gpg"
    done
    get_sign() { GNUPGHOME=$home gpg --batch --quiet --yes --local-user "$1@example.org" --output "$3" "${@:4}" "$2"; }
    cd "$GET_WEB" || fail "no folder $GET_WEB"
    get_sign project SHA256SUMS SHA256SUMS.sign --detach-sign
    get_sign stranger SHA256SUMS SHA256SUMS.strange --detach-sign --armor
    get_sign project SHA512SUMS SHA512SUMS.asc --clear-sign
    get_sign project a-1.10.iso a-1.10.iso.sig --detach-sign
    get_sign stranger a-1.10.iso a-1.10.iso.strange --detach-sign
    sed 's/^-----BEGIN PGP SIGNED/0000  a-9.iso\n&/' SHA512SUMS.asc >SHA512SUMS.surrounded
    cd "$OLDPWD" || fail "no folder $OLDPWD"
    GET_KEY=$(GNUPGHOME=$home gpg --batch --with-colons --list-keys project@example.org | awk -F: '/^fpr/ {print $10; exit}')
    GNUPGHOME=$home gpgconf --kill all
}

# get_certificate: makes an authority and a certificate for 127.0.0.1.
get_certificate() {
    local to=$LOGS/tls
    mkdir -p "$to"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Test authority' \
        -addext basicConstraints=critical,CA:TRUE -keyout "$to/ca.key" -out "$to/ca.pem" 2>>"$LOGS/openssl.log"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=127.0.0.1' \
        -keyout "$to/key.pem" -out "$to/request.pem" 2>>"$LOGS/openssl.log"
    openssl x509 -req -in "$to/request.pem" -CA "$to/ca.pem" -CAkey "$to/ca.key" -CAcreateserial -days 30 \
        -extfile <(echo 'subjectAltName=IP:127.0.0.1') -out "$to/cert.pem" 2>>"$LOGS/openssl.log"
    cat "$to/cert.pem" "$to/key.pem" >"$to/server.pem"
}

case_get() {
    clients_up "$LOGS"
    need_tools gpg=gnupg gpgv=gpgv sqv=sqv openssl=openssl
    GET_WEB=$LOGS/web GET_TO=$LOGS/images GET_URL=https://127.0.0.1:$GET_TLS_PORT
    GET_ENV=(SSL_CERT_FILE="$LOGS/tls/ca.pem")
    get_files
    get_certificate
    ip netns exec "$LAB-srv" python3 "$CLIENTS/get-server" "$GET_WEB" "$LOGS/requests" "$GET_PORT" "$GET_TLS_PORT" \
        "$LOGS/tls/server.pem" >"$LOGS/get-server.log" 2>&1 &
    LAB_PIDS+=("$!")
    wait_line "$LOGS/get-server.log" ready 20 "$!" >/dev/null || fail "the server did not start: $(tail -n 2 "$LOGS/get-server.log")"
    get_signed
    get_by_address
    get_broken
    get_killed
    get_updates
    get_full
    get_served
}

# Sources with good, wrong, foreign and missing signatures.
get_signed() {
    local keys="keys = [\"$GET_KEY\"]" name url
    url="key-urls = [\"$GET_URL/good/project.asc\"]"
    local list='checksums = "SHA256SUMS"' sign='signature = "SHA256SUMS.sign"'
    {
        get_source signed good "$list" "$sign" "$keys" "$url"
        get_source pinned-here good "$list" "$sign" "$keys" "keyrings = [\"$LOGS/project.gpg\"]"
        get_source strange good "$list" 'signature = "SHA256SUMS.strange"' "$keys" "$url"
        get_source foreign good "$list" 'signature = "SHA256SUMS.strange"' "$keys" "key-urls = [\"$GET_URL/good/stranger.asc\"]"
        get_source keyless good "$list" "$sign" "$keys" "key-urls = [\"$GET_URL/good/no.asc\"]"
        get_source signless good "$list" 'signature = "SHA256SUMS.none"' "$keys" "$url"
        get_source inline good 'checksums = "SHA512SUMS.asc"' 'signature = "inline"' "$keys" "$url"
        get_source surrounded good 'checksums = "SHA512SUMS.surrounded"' 'signature = "inline"' "$keys" "$url"
        get_source image good 'image-signature = "{file}.sig"' "$keys" "$url"
        get_source image-strange good 'image-signature = "{file}.strange"' "$keys" "$url"
        get_source image-both good 'checksums = "{file}.sha256"' 'image-signature = "{file}.strange"' "$keys" "$url"
        get_source unsigned good "$list"
        get_source bad bad "$list"
        get_source bad-mirror bad "$list" "mirrors = [\"$GET_URL/good/\"]"
        get_source moved moved "$list"
        get_source mirror missing "$list" "$sign" "$keys" "$url" "mirrors = [\"$GET_URL/down/\", \"$GET_URL/good/\"]"
        get_source unlisted good 'checksums = "{file}.md5"'
        get_source piece piece "$list"
        get_source slow slow "$list"
        get_source stall stall "$list" "mirrors = [\"$GET_URL/good/\"]"
    } >"$LOGS/sources.toml"
    local with=(--sources "$LOGS/sources.toml")
    get_cmd "${with[@]}" --list
    [[ $(grep -c 'OpenPGP signature' <<<"$SAID") == 12 && $SAID == *'checksum over TLS only'* ]] || wrong "--list: $SAID"
    for name in signed pinned-here inline surrounded; do
        get_clean
        gets a-1.10.iso "${with[@]}" "$name"
        says "checksum signed by $GET_KEY" "get $name"
    done
    gets a-1.10.iso "${with[@]}" signed
    says 'here already' 'the same once more'
    get_clean
    gets a-1.10.iso "${with[@]}" image
    says "signed by $GET_KEY" 'a signed image'
    get_clean
    gets a-1.10.iso "${with[@]}" --keyring "$LOGS/stranger.gpg" strange
    step "good signatures: of lists, in lists and of images"
    get_clean
    get_fails 3 'signature of .*SHA256SUMS is not good' "${with[@]}" strange
    get_fails 3 'is no key of this project' "${with[@]}" foreign
    get_fails 3 'because no key was found' "${with[@]}" keyless
    get_fails 1 'SHA256SUMS.none: the server answers with status 404' "${with[@]}" signless
    get_fails 3 'is not good' "${with[@]}" image-strange
    leaves_nothing image-strange
    get_fails 3 'is not good' "${with[@]}" image-both
    # One program beside the other, and none.
    mkdir -p "$LOGS/bin"
    ln -sf "$(type -P gpgv)" "$LOGS/bin/gpgv"
    for name in signed image strange; do
        STATUS=0
        SAID=$(in_srv env PATH="$LOGS/bin" "${GET_ENV[@]}" "$LANBOOT" get --to "$GET_TO" "${with[@]}" "$name" 2>&1) || STATUS=$?
        case $name:$STATUS in
        strange:3) says 'gpgv: ' 'a strange signature, by gpgv' ;;
        signed:0 | image:0) says "signed by $GET_KEY" "$name, by gpgv" ;;
        *) wrong "$name with gpgv alone: status $STATUS: $SAID" ;;
        esac
        rm -f "$GET_TO"/*
    done
    STATUS=0
    SAID=$(in_srv env PATH=/nowhere "${GET_ENV[@]}" "$LANBOOT" get --to "$GET_TO" "${with[@]}" signed 2>&1) || STATUS=$?
    ((STATUS == 3)) || wrong "without gpgv: status $STATUS"
    says 'no program to verify its OpenPGP signature: install sqv or gpgv' 'without gpgv'
    gets a-1.10.iso "${with[@]}" --no-signature strange
    step "wrong, foreign and missing signatures"
}

# Addresses: checksums given and found, without any, redirects, proxies, certificates.
get_by_address() {
    local sum image=$GET_URL/good/a-1.10.iso
    sum=$(sha256sum <"$GET_WEB/a-1.10.iso" | cut -d ' ' -f 1)
    get_clean
    gets a-1.10.iso "$image" --sha256 "$sum"
    says 'SHA256 as given' 'an address with a checksum'
    get_clean
    gets a-1.10.iso "$image"
    says 'checksum over TLS only, from .*a-1.10.iso.sha256' 'an address with a checksum beside it'
    get_clean
    gets a-1.9.iso "http://127.0.0.1:$GET_PORT/good/a-1.9.iso"
    says 'checksum over HTTP: damage only, from .*SHA256SUMS' 'an address without TLS'
    get_clean
    get_fails 3 'wrong SHA256: it is [0-9a-f]{64}, and has to be 0{64}' "$image" --sha256 "$(printf '0%.0s' {1..64})"
    cp "$GET_WEB/a-1.9.iso" "$GET_WEB/lonely.iso"
    get_fails 3 'nothing says what lonely.iso must be.*--unverified' "$GET_URL/good/lonely.iso"
    gets lonely.iso "$GET_URL/good/lonely.iso" --unverified
    says 'not verified; its SHA-256 is' 'an address without a checksum'
    get_cmd "$GET_URL/good/lonely.iso" --unverified
    ((STATUS == 1)) || wrong "another file is replaced without --replace: $SAID"
    gets lonely.iso "$GET_URL/good/lonely.iso" --unverified --replace
    get_clean
    get_fails 1 'redirects more than 8 times' "$GET_URL/loop/a-1.10.iso" --sha256 "$sum"
    get_fails 1 'redirects from HTTPS to http://127.0.0.1' "$GET_URL/to-http/a-1.10.iso" --sha256 "$sum"
    gets a-1.10.iso "$GET_URL/moved/a-1.10.iso" --sha256 "$sum"
    get_clean
    GET_ENV=(SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
    get_fails 1 'no trusted connection: .*(UnknownIssuer|certificate)' "$image" --sha256 "$sum"
    GET_ENV=(SSL_CERT_FILE="$LOGS/tls/ca.pem" https_proxy="http://127.0.0.1:$GET_PORT")
    gets a-1.10.iso "$image" --sha256 "$sum"
    grep -q ^CONNECT "$LOGS/requests" || wrong "https_proxy is not used"
    get_clean
    GET_ENV=(SSL_CERT_FILE="$LOGS/tls/ca.pem" https_proxy=127.0.0.1:9 no_proxy='localhost,127.0.0.0/8')
    gets a-1.10.iso "$image" --sha256 "$sum"
    get_clean
    GET_ENV=(SSL_CERT_FILE="$LOGS/tls/ca.pem" https_proxy=127.0.0.1:9)
    get_fails 1 'refused|proxy' "$image" --sha256 "$sum"
    GET_ENV=(SSL_CERT_FILE="$LOGS/tls/ca.pem")
    get_fails 1 "did you mean 'debian-netinst'" debian-netins
    step "addresses, redirects, proxies, certificates"
}

# Servers that send something else, break off or stall.
get_broken() {
    local with=(--sources "$LOGS/sources.toml") sum lines
    sum=$(sha256sum <"$GET_WEB/a-1.10.iso" | cut -d ' ' -f 1)
    get_clean
    get_fails 3 'wrong SHA256' "${with[@]}" bad
    get_fails 3 'no SHA-256 or SHA-512' "${with[@]}" unlisted
    gets a-1.10.iso "${with[@]}" bad-mirror
    says 'trying the next address' 'a mirror after wrong bytes'
    get_clean
    gets a-1.10.iso "${with[@]}" mirror
    get_clean
    gets a-1.10.iso "${with[@]}" moved
    get_clean
    gets a-1.10.iso "${with[@]}" piece
    lines=$(grep -c $'a-1.10.iso\tbytes=.*"6000000-0"\t206' "$LOGS/requests")
    ((lines == 5)) || wrong "6 MB in pieces of 1 MiB took $lines ranges with If-Range"
    says 'going on at 1.0 MiB' 'a broken connection'
    get_clean
    gets a-1.10.iso "${with[@]}" slow
    get_clean
    gets a-1.10.iso "${with[@]}" stall
    says 'nothing arrived for 2 s' 'a server that stalls'
    get_clean
    get_fails 1 'cut/a-1.10.iso: the connection ended early' "$GET_URL/cut/a-1.10.iso" --sha256 "$sum"
    gets a-1.10.iso "$GET_URL/good/a-1.10.iso" --sha256 "$sum"
    get_clean
    gets a-1.10.iso "$GET_URL/weak/a-1.10.iso" --sha256 "$sum"
    get_clean
    get_fails 1 'the connection ended early' "$GET_URL/norange-cut/a-1.10.iso" --sha256 "$sum"
    get_clean
    get_fails 3 'wrong SHA256' "$GET_URL/size/a-1.10.iso" --sha256 "$(printf '0%.0s' {1..64})"
    gets a-1.10.iso "$GET_URL/size/a-1.10.iso" --sha256 "$sum"
    get_clean
    get_fails 1 'status 503' "$GET_URL/down/a-1.10.iso" --sha256 "$sum"
    get_fails 1 'refused' "https://127.0.0.1:9/a-1.10.iso" --sha256 "$sum"
    step "bad, cut, slow, stalled, wrong in size, missing, and mirrors"
}

# get_part_has BYTES: the partial file has so many.
get_part_has() { [[ $(stat -c %s "$GET_TO/a-1.10.iso.part" 2>/dev/null || echo 0) -ge $1 ]]; }

# get_and_kill ADDRESS FLAGS…: kills a download with -9 when 1 MB is there.
get_and_kill() {
    local pid
    ip netns exec "$LAB-srv" env "${GET_ENV[@]}" "$LANBOOT" get --to "$GET_TO" "$@" >>"$LOGS/killed.log" 2>&1 &
    pid=$!
    LAB_PIDS+=("$pid")
    wait_until 20 get_part_has 1000000 || wrong "no partial file of 1 MB: $(tail -n 1 "$LOGS/killed.log")"
    # While it runs, a second call ends.
    get_cmd "$@"
    ((STATUS == 4)) || wrong "a second call beside the first: status $STATUS: $SAID"
    says "another 'lanboot get' is downloading" 'a second call'
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    [[ ! -e $GET_TO/a-1.10.iso ]] || wrong "after kill -9 the image has its name"
}

get_killed() {
    local sum slow=$GET_URL/slow/a-1.10.iso good=$GET_URL/good/a-1.10.iso held
    sum=$(sha256sum <"$GET_WEB/a-1.10.iso" | cut -d ' ' -f 1)
    get_clean
    get_and_kill "$slow" --sha256 "$sum"
    held=$(stat -c %s "$GET_TO/a-1.10.iso.part")
    : >"$LOGS/requests"
    gets a-1.10.iso "$slow" --sha256 "$sum"
    grep -q $'\tbytes='"$held"$'-\t"6000000-0"\t206' "$LOGS/requests" || wrong "not resumed at $held: $(cat "$LOGS/requests")"
    get_clean
    get_and_kill "$slow" --sha256 "$sum"
    : >"$LOGS/requests"
    gets a-1.10.iso "$good" --sha256 "$sum"
    grep -q $'\tbytes=[0-9]*-\t-\t206' "$LOGS/requests" || wrong "another address does not go on: $(cat "$LOGS/requests")"
    # What is at hand is damaged, or of another file, or of nothing known.
    get_clean
    get_and_kill "$slow" --sha256 "$sum"
    printf x | dd of="$GET_TO/a-1.10.iso.part" bs=1 seek=5000 conv=notrunc status=none
    get_fails 3 'wrong SHA256' "$good" --sha256 "$sum"
    gets a-1.10.iso "$good" --sha256 "$sum"
    get_clean
    get_and_kill "$slow" --sha256 "$(sha256sum <"$GET_WEB/a-1.9.iso" | cut -d ' ' -f 1)"
    gets a-1.10.iso "$good" --sha256 "$sum"
    says 'are discarded: it is part of another version' 'a part of another version'
    get_clean
    get_and_kill "$slow" --sha256 "$sum"
    rm "$GET_TO/a-1.10.iso.part.json"
    gets a-1.10.iso "$good" --sha256 "$sum"
    says 'are discarded: nothing beside it says' 'a part of nothing known'
    get_clean
    get_and_kill "$slow" --sha256 "$sum"
    gets a-1.10.iso "$GET_URL/noranges/a-1.10.iso" --sha256 "$sum"
    says 'are discarded: the server has another file now' 'a server without ranges'
    get_clean
    get_and_kill "$slow" --unverified
    gets a-1.10.iso "$slow" --unverified
    says 'are discarded: nothing can confirm' 'a part without a checksum'
    step "kill -9, and every way on"
}

get_updates() {
    local with=(--sources "$LOGS/sources.toml")
    get_clean
    get_cmd "${with[@]}" --update
    says 'No image in .* has a name' 'an update of nothing'
    cp "$GET_WEB/a-1.9.iso" "$GET_TO/"
    get_cmd "${with[@]}" --update strange
    ((STATUS == 3)) || wrong "an update with a wrong signature: status $STATUS"
    [[ -e $GET_TO/a-1.9.iso && ! -e $GET_TO/a-1.10.iso ]] || wrong "an update that failed changed the folder"
    gets a-1.10.iso "${with[@]}" --update signed
    [[ -e $GET_TO/a-1.9.iso ]] || wrong "the old image is gone without --remove-old"
    get_cmd "${with[@]}" --update signed
    says 'signed: a-1.10.iso is the newest' 'a second update'
    rm "$GET_TO/a-1.10.iso"
    gets a-1.10.iso "${with[@]}" --update --remove-old signed
    [[ ! -e $GET_TO/a-1.9.iso ]] || wrong "--remove-old leaves the old image"
    step "updates, with and without the old one"
}

# A disk of 4 MiB: too small when asked, and full in the middle, where the length is not known before.
get_full() {
    local sum before=$GET_TO
    sum=$(sha256sum <"$GET_WEB/a-1.10.iso" | cut -d ' ' -f 1)
    GET_TO=$LOGS/full
    mkdir -p "$GET_TO"
    mount -t tmpfs -o size=4m tmpfs "$GET_TO"
    get_fails 5 'disk of .*/full is too full: it needs 5.7 MiB more, and [34]\.[0-9] MiB are free' "$GET_URL/good/a-1.10.iso" --sha256 "$sum"
    get_fails 5 'it took no more bytes' "$GET_URL/unknown/a-1.10.iso" --sha256 "$sum"
    mount -o remount,size=16m "$GET_TO"
    gets a-1.10.iso "$GET_URL/good/a-1.10.iso" --sha256 "$sum"
    umount "$GET_TO"
    GET_TO=$before
    step "a full disk"
}

# A running server sees an image when it is whole, and never before.
get_served() {
    local image=$GET_WEB/archlinux-2026.11.01-x86_64.iso
    get_clean
    cp "$(image arch)" "$image"
    cp "$GET_WEB/a-1.9.iso" "$GET_TO/memtest86+x64.bin.part"
    cp "$(image arch)" "$GET_TO/first.iso"
    serve "$GET_TO"
    get_cmd "$GET_URL/slow/${image##*/}" --sha256 "$(sha256sum <"$image" | cut -d ' ' -f 1)"
    ((STATUS == 0)) || wrong "the image for the running server: $SAID"
    expect_event 20 diagnostic code=images_changed
    ! grep -q '\.part' "$SERVER_LOG" || wrong "the server speaks of a partial file: $(grep -m 1 '\.part' "$SERVER_LOG")"
    stop_server
    step "a running server offers it when it is whole"
}
