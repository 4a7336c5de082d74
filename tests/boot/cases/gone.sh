# shellcheck shell=bash disable=SC2034,SC2153  # what lib.sh reads and sets
# Images that are removed, replaced and cut while a machine reads its root from them.
#
# long: removed-nfs   a live Debian's image is removed: the machine goes on, and the next menu lacks it
# long: replaced-nbd  the image behind a network disk is replaced: the machine keeps the old one
# long: cut-nfs       the live Debian's image is cut in place: the machine gets I/O errors, and no zeros
# long: cut-nbd       the same with a network disk

# in_folder IMAGE TRANSPORT: serves a folder with this image as root.iso and another one beside it, and
# switches a machine on that starts the first, slowly. FOLDER is the folder.
in_folder() {
    FOLDER=$LOGS/images
    mkdir -p "$FOLDER"
    image arch
    cp --sparse=always "$IMAGE" "$FOLDER/other.iso"
    image "$1"
    cp --sparse=always "$IMAGE" "$FOLDER/root.iso"
    start_server "$FOLDER" -- --loader ipxe --menu-timeout 0 --boot root --transport "$2" --append "$QUIET"
    slow_down 4000
    start_guest 1
}

# reads_over_nfs BYTES: waits until the live system has its medium mounted and read this much.
reads_over_nfs() {
    wait_event "$DEADLINE" --pid "$GUEST_PID" started protocol=NFS 'path~^/iso/root' >/dev/null ||
        fail "the machine did not mount its medium; the server said last: $(last_events)"
    SENT=$(($(bytes_sent) + $1))
    wait_until "$DEADLINE" has_sent_bytes || fail "the machine does not read its medium"
    step "the machine reads its medium over NFS"
}

# goes_on IMAGE BYTES: the machine comes up with all files of its image, most of which it reads now.
goes_on() {
    SENT=$(bytes_sent)
    in_srv nft delete table inet slow
    wait_up 1 $((DEADLINE * 3))
    expect image "$1"
    (($(bytes_sent) > SENT + $2)) || fail "the machine had read its root before: $(($(bytes_sent) - SENT)) bytes after it"
    step "it read $((($(bytes_sent) - SENT) / 1000000)) MB after that"
    wait_off "$GUEST_PID" 20
}

menu_of_ipxe() { in_lan curl -sS --max-time 20 --interface lan0 "http://$SERVER_ADDRESS/boot.ipxe"; }

case_removed-nfs() {
    GUEST_MEMORY=1024
    ip -n "$LAB-lan" address add "$QEMU_ADDRESS/$SERVER_PREFIX" dev lan0
    in_folder live-12 nfs
    reads_over_nfs 4000000
    menu_of_ipxe | grep -q 'item entry-root ' || fail "the menu has no root.iso before"
    slow_down 200
    rm "$FOLDER/root.iso"
    wait_event 30 diagnostic code=images_changed >/dev/null || fail "the server did not see that the image is gone"
    menu_of_ipxe >"$LOGS/menu"
    ! grep -q 'entry-root' "$LOGS/menu" || fail "the next menu still has the image"
    grep -q 'item entry-other ' "$LOGS/menu" || fail "the next menu has not the other image"
    step "image removed; the next menu has the other one only"
    goes_on live-12 4000000
    rm -rf "$FOLDER"
}

case_replaced-nbd() {
    in_folder arch-big-root nbd
    reading 1 "$GUEST_PID" 20000000
    slow_down 200
    image arch
    cp "$IMAGE" "$FOLDER/new"
    mv "$FOLDER/new" "$FOLDER/root.iso"
    wait_event 30 diagnostic code=images_changed >/dev/null || fail "the server did not see the new image"
    step "image replaced"
    goes_on arch-big-root 20000000
    rm -rf "$FOLDER"
}

# is_cut: cuts the image to its half; the machine must see I/O errors and not come up.
is_cut() {
    truncate -s $(($(stat -c %s "$FOLDER/root.iso") / 2)) "$FOLDER/root.iso"
    step "image cut"
    in_srv nft delete table inet slow
    wait_text "$SERIAL" 'SQUASHFS error|I/O error' "$DEADLINE" "$GUEST_PID" ||
        fail "the machine saw no error; its last line: $(tail -n 1 "$SERIAL" | tr -d '\r' | cut -c1-120)"
    step "the machine says: $(grep -aoE '(SQUASHFS error|[^ ]* ?I/O error)[^[:cntrl:]]*' "$SERIAL" | head -n 1 | cut -c1-100)"
    ! grep -aq 'LANBOOT-GUEST-UP' "$SERIAL" || fail "the machine came up"
    wait_event 30 diagnostic code=images_changed >/dev/null || fail "the server did not see that the image was cut"
    rm -rf "$FOLDER"
}

case_cut-nfs() {
    GUEST_MEMORY=1024
    in_folder live-12 nfs
    reads_over_nfs 4000000
    is_cut
}

case_cut-nbd() {
    in_folder arch-big-root nbd
    reading 1 "$GUEST_PID" 20000000
    is_cut
}
