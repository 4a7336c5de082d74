# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# An image of a drive, as it is written to a USB stick, which GRUB starts from its MBR and from its EFI
# system partition.
#
# long: raw-disk           a BIOS and iPXE: as a hard disk over HTTP
# long: raw-disk-memdisk   a BIOS, lpxelinux.0 and this host's memdisk: as a hard disk in memory
# long: raw-disk-uefi      UEFI by PXE: as a disk of iPXE's
# long: raw-disk-ram-disk  UEFI HTTP Boot: as a disk of the firmware's

# raw_disk FLAGS…: GRUB starts and reads a file of the disk.
raw_disk() {
    local says=$1
    shift
    image raw-disk
    ln -f "$IMAGE" "$LOGS/raw-disk.img" 2>/dev/null || cp "$IMAGE" "$LOGS/raw-disk.img"
    start_server "$LOGS/raw-disk.img" -- --menu-timeout 0 "$@"
    reaches "lanboot-test: $says sees the medium"
    wait_until "$DEADLINE" serial_says 'this text is a file on it' || fail "a file on the disk cannot be read"
}

case_raw-disk() { raw_disk pc --loader ipxe; }

case_raw-disk-memdisk() {
    raw_disk pc --loader pxelinux
    loaded '/?loader/memdisk'
}

case_raw-disk-uefi() {
    GUEST_FIRMWARE=uefi
    raw_disk efi --loader ipxe
}

case_raw-disk-ram-disk() {
    GUEST_FIRMWARE=uefi GUEST_HTTP_BOOT=yes
    raw_disk efi
    loaded '/loader/ramdisk/raw-disk.img'
}
