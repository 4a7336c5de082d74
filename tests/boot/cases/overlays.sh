# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Media whose initramfs gets its system from the loader, in one file that the server makes of both: a
# live Debian laid out as Tails, without a network driver in its initramfs.
#
# long: overlay            the ROM's iPXE, the image inside the initramfs
# long: overlay-pxelinux   the same by this host's lpxelinux.0
# long: overlay-uefi       the same by OVMF's own PXE and this host's snponly.efi
# long: overlay-secure     Secure Boot on: Debian's signed shim, GRUB and kernel

# overlay FLAGS…: boots the image, which nothing but its own initramfs can find.
overlay() {
    GUEST_MEMORY=1024
    image live-tails
    start_server "$IMAGE" -- --menu-timeout 0 --append "$QUIET" "$@"
    start_guest 1
    is_up_from_its_initramfs
    # The last window of a download that its machine boots from at once may stay unconfirmed; that all
    # of it was there, the machine has said.
    has_event started 'protocol~HTTP|TFTP' 'path~^/?overlay/live-tails/live-tails.img$' ||
        fail "the machine did not load its initramfs with the overlay from here"
}

is_up_from_its_initramfs() {
    local size
    size=$(stat -c %s "$IMAGE")
    # The medium's menu says `quiet`: the kernel says nothing before the system does.
    wait_up 1 $((DEADLINE * 4))
    expect image live-12
    expect transport none
    grep -aq "LANBOOT-FILE /medium.iso -rw-r--r-- 0:0 $size" "$SERIAL" ||
        fail "the image was not /medium.iso as it should be: $(grep -a LANBOOT-FILE "$SERIAL")"
    wait_off "$GUEST_PID" 20
}

case_overlay() { overlay --loader ipxe; }

case_overlay-pxelinux() { overlay --loader pxelinux; }

case_overlay-uefi() {
    GUEST_FIRMWARE=uefi
    overlay --loader ipxe
    has_sent_file '/?loader/snponly-x86_64.efi'
}

case_overlay-secure() {
    GUEST_FIRMWARE=secure
    overlay --loaders "$(signed_loaders)"
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
}
