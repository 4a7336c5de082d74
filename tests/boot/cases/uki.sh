# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# A unified kernel image whose initramfs downloads its root: ukify, dracut with systemd-import and
# systemd of Debian sid.
#
# long: uki             OVMF's own PXE, iPXE, the program with this server's arguments, root by rd.systemd.pull
# long: uki-http        OVMF's HTTP Boot, iPXE, the same

# uki: its initramfs takes its time on an emulated processor.
uki() {
    GUEST_FIRMWARE=uefi GUEST_MEMORY=1536 GUEST_CPUS=2 DEADLINE=$((DEADLINE * 3))
    image uki
    start_server "$IMAGE" -- --loader ipxe --menu-timeout 0 --append "$QUIET"
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" started protocol=HTTP 'path~/iso/uki/EFI/Linux/lanboot.efi' >/dev/null ||
        fail "the program was not asked for in $DEADLINE s; the server said last: $(last_events)"
    step "the loader loads the program"
    wait_up 1 "$DEADLINE"
    expect transport http
    expect image uki
    wait_off "$GUEST_PID" 20
    has_sent_file '/iso/uki/EFI/Linux/lanboot.raw'
    grep -q '[ "]rd.systemd.pull=raw,machine,verify=no,blockdev:rootdisk:http://' <<<"$GUEST_LINE" ||
        fail "the arguments did not arrive: $GUEST_LINE"
}

case_uki() { uki; }

case_uki-http() {
    GUEST_HTTP_BOOT=yes
    uki
}
