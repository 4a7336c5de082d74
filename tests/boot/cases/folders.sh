# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Folders and archives served like an image: Debian's tree to boot from the network, unpacked and as
# netboot.tar.gz, up to the installer's first question.
#
# long: folder   the tree as a folder: on a BIOS machine by iPXE, then with UEFI
# long: tarball  the tree as netboot.tar.gz: on a BIOS machine by iPXE, then with UEFI

# unpacked_tree: unpacks Debian's tree into LOGS/netboot.
unpacked_tree() {
    need_tools xorriso=xorriso tar=tar
    image debian
    xorriso -osirrox on -indev "$IMAGE" -extract / "$LOGS/netboot" >"$LOGS/xorriso.log" 2>&1 ||
        fail "the image cannot be unpacked: $(tail -n 1 "$LOGS/xorriso.log")"
    chmod -R u+w "$LOGS/netboot"
}

# installs_on FIRMWARE NUMBER: switches machine NUMBER on and waits for the installer's question.
installs_on() {
    GUEST_FIRMWARE=$1 GUEST_MEMORY=1024
    start_guest "$2"
    wait_sent "$DEADLINE" '^/?iso/netboot/.*/initrd.gz' ||
        fail "$1: the initramfs was not loaded in $DEADLINE s; the server said last: $(last_events)"
    step "$1: kernel and initramfs are loaded"
    wait_text "$SERIAL" 'Choose the language|Select a language' $((DEADLINE * 3)) "$GUEST_PID" ||
        fail "$1: the installer did not ask for a language; its last line: $(tail -n 1 "$SERIAL" | tr -d '\r' | cut -c1-120)"
    step "$1: the installer asks for a language"
    kill "$GUEST_PID"
}

case_folder() {
    unpacked_tree
    start_server "$LOGS/netboot" -- --loader ipxe --menu-timeout 0 --append console=ttyS0
    installs_on bios 1
    installs_on uefi 2
}

case_tarball() {
    unpacked_tree
    tar -C "$LOGS/netboot" -czf "$LOGS/netboot.tar.gz" .
    rm -r "$LOGS/netboot"
    start_server "$LOGS/netboot.tar.gz" -- --loader ipxe --menu-timeout 0 --append console=ttyS0
    installs_on bios 1
    installs_on uefi 2
}
