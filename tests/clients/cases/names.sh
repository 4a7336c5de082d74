# shellcheck shell=bash
# Unusual names: all scripts, name conflicts, names that would affect a terminal, and files that are
# not regular files.
#
# case: names  images with the same name or in any script, hostile names, pipes and dead links beside images, HTTP/1.2
# images: names arch

case_names() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base dhcpd=isc-dhcp-server kea-dhcp4=kea-dhcp4-server \
        grub-script-check=grub-common setpriv=util-linux
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off)
    names_meet
    names_hostile
    names_exported
    names_no_files
    names_versions
}

# names_folder NAME FILE…: creates a folder in LOGS with the test image under these names.
names_folder() {
    local folder=$LOGS/$1 file
    for file in "${@:2}"; do
        mkdir -p "$(dirname "$folder/$file")"
        ln -f "$(image arch)" "$folder/$file" 2>/dev/null || cp --reflink=auto "$(image arch)" "$folder/$file"
    done
}

WORLD=(统信.iso 优麒麟.iso 'Debian (1).iso' 'Debian [1].iso' Arch.iso arch.iso arch-x86_64.iso)

names_meet() {
    local long name status
    long=$(printf 'x%.0s' {1..70})
    names_folder world "${WORLD[@]}" "${long}a.iso" "${long}b.iso"
    names_folder two mini.iso
    names_folder three mini.iso
    START_LOG=world start_ready "${HERE[@]}" --boot 优麒麟 --transport 统信.iso=nfs "$LOGS/world" "$LOGS/two" "$LOGS/three"
    for name in image image-2 Debian--1 Debian--1-2 Arch arch-2 arch-x86_64 mini mini-2 "${long:0:64}" "${long:0:62}-2"; do
        get "http://$SERVER_ADDRESS/iso/$name/arch/boot/x86_64/vmlinuz-linux" "$LOGS/kernel" ||
            wrong "no image is called $name"
    done
    # The log names the renamed one.
    expect_event 1 diagnostic code=image_renamed 'file~/优麒麟\.iso$' 'image~^image(-2)?$'
    expect_event 1 diagnostic code=image_renamed 'file~/统信\.iso$' 'image~^image(-2)?$'
    expect_event 1 diagnostic code=image_renamed 'file~/three/mini\.iso$' image=mini-2
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/boot.ipxe"
    ! LC_ALL=C grep -qP '[^\x00-\x7f]' "$LOGS/boot.ipxe" || wrong "iPXE's menu is not ASCII"
    name=$(event_values image diagnostic code=image_renamed 'file~/优麒麟\.iso$' | head -n 1)
    grep -qE "set start (entry-|boot/)$name " "$LOGS/boot.ipxe" || wrong "--boot 优麒麟 does not start $name"
    get "http://$SERVER_ADDRESS/grub/grub.cfg" "$LOGS/grub.cfg"
    grep -q "menuentry '优麒麟 \[$name\]" "$LOGS/grub.cfg" || wrong "GRUB's menu does not show the file's own name"
    grub-script-check "$LOGS/grub.cfg" || wrong "grub-script-check refuses the menu"
    # A later one renames no other.
    names_folder world 中标.iso
    expect_event 12 diagnostic code=image_renamed 'file~/中标\.iso$' image=image-3
    get "http://$SERVER_ADDRESS/iso/image-3.iso" /dev/null --head || wrong "the newcomer is not served"
    stop_server
    refuses 2 "${HERE[@]}" --boot mini.iso "$LOGS/two" "$LOGS/three"
    says "'mini.iso' is the name of several files; use one of: mini \(.*two/mini.iso\), mini-2 \(.*three/mini.iso\)" "a name of two files"
    refuses 2 "${HERE[@]}" --boot 优麒鳞 "$LOGS/world"
    says "did you mean '优麒麟'" "a name mistyped"
    step "names that meet are numbered, and found by the name on the file"
}

HOSTILE=$'late\e[2J\n00:00:00 forged line.iso'
names_hostile() {
    names_folder hostile "$HOSTILE" $'a\u202eosi.exe.iso' $'zero\u200bwidth.iso' $'caf\xe9.iso' \
        '${net0:mac} || reboot ;#%2f?.iso' $'c1\u009b2J.iso'
    printf 'no image' >"$LOGS/hostile/"$'bad\e[31m\nforged too.iso'
    LANBOOT_LOG=plain START_LOG=hostile start_ready "${HERE[@]}" "$LOGS/hostile"
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/hostile.ipxe"
    names_asked
    stop_server
    names_quiet "$SERVER_LOG" "the log"
    START_LOG=hostile-json start_ready "${HERE[@]}" "$LOGS/hostile"
    names_asked
    expect_event 2 not-found 'path=/\x1b[2J\nforged\u{202e}'
    expect_event 1 diagnostic code=serving 'text~late\\x1b\[2J\\n00:00:00 forged line\.iso'
    expect_event 1 diagnostic code=image_unusable 'text~bad\\x1b\[31m\\nforged too\.iso: '
    stop_server
    names_quiet "$SERVER_LOG" "the log in JSON"
    python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$SERVER_LOG" || wrong "the log in JSON cannot be read"
    for words in "inspect" "inspect --json" "doctor" "export dnsmasq --server 10.0.0.1" "export grub --server 10.0.0.1"; do
        # shellcheck disable=SC2086  # words
        "$LANBOOT" $words "$LOGS/hostile/$HOSTILE" >"$LOGS/said" 2>&1 || wrong "$words fails"
        names_quiet "$LOGS/said" "$words"
    done
    for words in inspect "serve --boot" "serve --config" serve; do
        # shellcheck disable=SC2086  # words
        ! "$LANBOOT" $words $'no\e[2J\nforged' >"$LOGS/said" 2>&1 || wrong "$words takes anything"
        names_quiet "$LOGS/said" "$words of a name that is not there"
    done
    step "no name acts on a terminal or begins a line"
}

# names_asked: requests a file whose name has control characters.
names_asked() {
    in_lan curl -sS -o /dev/null --path-as-is "http://$SERVER_ADDRESS/%1b%5b2J%0aforged%e2%80%ae" || true
}

# names_quiet FILE WHAT: it contains only text: no control characters, no direction marks, no
# invalid UTF-8, and no line begun by a name.
names_quiet() {
    python3 - "$1" <<'END' || wrong "$2 holds what a name brought: see $1"
import sys, unicodedata
text = open(sys.argv[1], "rb").read().decode("utf-8")
bad = [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")]
assert not bad, bad
assert not [l for l in text.split("\n") if l.startswith(("00:00:00", "forged"))]
END
}

# Exports of them are accepted by their target programs.
names_exported() {
    local format
    for format in pxelinux grub ipxe dnsmasq isc-dhcp kea mikrotik windows-dhcp; do
        setpriv --reuid=65534 --regid=65534 --clear-groups "$LANBOOT" export "$format" --server "$SERVER_ADDRESS" \
            --boot 优麒麟 "$LOGS/world" "$LOGS/hostile" >"$LOGS/export-$format" 2>"$LOGS/export.err" ||
            wrong "export $format fails: $(tail -n 1 "$LOGS/export.err")"
        names_quiet "$LOGS/export-$format" "export $format"
        names_quiet "$LOGS/export.err" "what export $format says besides"
    done
    dnsmasq --test --conf-file="$LOGS/export-dnsmasq" 2>>"$LOGS/dnsmasq.log" || wrong "dnsmasq refuses the fragment"
    grub-script-check "$LOGS/export-grub" || wrong "grub-script-check refuses the menu"
    { echo 'subnet 192.168.77.0 netmask 255.255.255.0 {}'; cat "$LOGS/export-isc-dhcp"; } >"$LOGS/dhcpd.conf"
    dhcpd -t -cf "$LOGS/dhcpd.conf" >"$LOGS/dhcpd.log" 2>&1 || wrong "dhcpd refuses the fragment: $(tail -n 3 "$LOGS/dhcpd.log")"
    LC_ALL=C grep -qP '[^\x00-\x7f]' "$LOGS/export-pxelinux" && wrong "the menu for PXELINUX is not ASCII"
    [[ $(grep -c '^LABEL ' "$LOGS/export-pxelinux") == $(grep '^LABEL ' "$LOGS/export-pxelinux" | sort -fu | wc -l) ]] ||
        wrong "two labels of PXELINUX are the same"
    step "dnsmasq, dhcpd and GRUB read what is exported"
}

# Each is reported in one line, at startup and when it appears, and nothing blocks.
names_no_files() {
    local folder=$LOGS/nofiles name
    names_folder nofiles good.iso
    ln -s /nowhere/at.all "$folder/dangling.iso"
    ln -s loop.iso "$folder/loop.iso"
    mkfifo "$folder/pipe.iso"
    mkdir "$folder/folder.iso"
    ln -s /dev/null "$folder/device.iso"
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$folder/socket.iso"
    START_LOG=nofiles start_ready "${HERE[@]}" "$folder"
    for name in dangling loop pipe folder device socket; do
        expect_event 1 diagnostic code=image_unusable "file~/$name\.iso$"
    done
    get "http://$SERVER_ADDRESS/iso/good.iso" /dev/null --head || wrong "good.iso is not served beside them"
    # A new one is reported once, and the old ones not again.
    ln -s /nowhere/either "$folder/later.iso"
    expect_event 12 diagnostic code=image_unusable 'file~/later\.iso$'
    cp --reflink=auto "$(image arch)" "$folder/.new" && touch -d '1 hour ago' "$folder/.new" && mv "$folder/.new" "$folder/more.iso"
    expect_event 12 diagnostic code=images_changed 'text~\bmore\b'
    for name in dangling loop pipe folder device socket later; do
        [[ $(count_events diagnostic code=image_unusable "file~/$name\.iso$") == 1 ]] ||
            wrong "$name.iso: not one event: $(event_texts diagnostic "file~/$name\.iso$")"
    done
    stop_server
    for name in dangling loop pipe folder device socket; do
        ! timeout 5 "$LANBOOT" inspect "$folder/$name.iso" >"$LOGS/said" 2>&1 || wrong "inspect takes $name.iso"
        [[ $(wc -l <"$LOGS/said") == 1 && $(cat "$LOGS/said") == "lanboot: $folder/$name.iso: is a "* ]] ||
            wrong "inspect of $name.iso: $(cat "$LOGS/said")"
    done
    step "what is no file is said in one line, once"
}

# names_http VERSION EXPECTED: checks the status of a request with that version.
names_http() {
    local status
    status=$(printf 'GET /boot.ipxe %s\r\nHost: a\r\nConnection: close\r\n\r\n' "$1" |
        in_lan timeout 5 python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 5); s.sendall(sys.stdin.buffer.read())
print(s.makefile("rb").readline().split()[1].decode())' "$SERVER_ADDRESS")
    [[ $status == "$2" ]] || wrong "$1: $status, expected $2"
}

names_versions() {
    START_LOG=versions start_ready "${HERE[@]}" "$(image arch)"
    names_http HTTP/1.0 200
    names_http HTTP/1.1 200
    names_http HTTP/1.2 200
    names_http HTTP/1.9 200
    names_http HTTP/2.0 505
    names_http HTTP/0.9 505
    names_http HTTP/1.10 400
    names_http http/1.1 400
    stop_server
    step "HTTP/1.2 is answered as HTTP/1.1"
}
