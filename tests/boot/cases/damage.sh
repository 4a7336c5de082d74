# shellcheck shell=bash
# Incomplete images beside complete ones.
#
# case: damage  a folder with a stalled download first and a complete image second: the complete one is the default

case_damage() {
    image arch
    mkdir "$LOGS/folder"
    # Kernel and initramfs are present; the root file after them is not.
    head -c $(($(stat -L -c %s "$IMAGE") - 2500000)) "$IMAGE" >"$LOGS/folder/a-stalled.iso"
    cp --reflink=auto "$IMAGE" "$LOGS/folder/b-whole.iso"
    start_server "$LOGS/folder" -- --loader ipxe --menu-timeout 1 --append "$QUIET"
    wait_event 5 diagnostic code=image_limited 'file~/a-stalled\.iso$' 'text~ of [0-9]+ bytes \(arch/x86_64/airootfs\.sfs\)' >/dev/null ||
        fail "the log does not say that the first image is incomplete: $(last_events 5)"
    boot_one 1
    expect image arch
    expect cms ok
    has_sent '^/?iso/b-whole/' || fail "the machine did not load from the whole image"
    ! has_event any 'path~iso/a-stalled/' || fail "the machine asked for files of the stalled image"
}
