# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# A live Debian as live-build makes it: Debian's own kernel, and an initramfs with live-boot.
#
# long: live            the ROM's iPXE, its root fetched over HTTP into memory
# long: live-nfs        the same with the root read over NFS
# long: live-pxelinux   this host's lpxelinux.0, its root fetched over HTTP
# long: live-uefi       OVMF's own PXE, this host's snponly.efi, root over HTTP
# long: live-uefi-nfs   the same with the root read over NFS
# long: live-secure     Secure Boot on: Debian's signed shim, GRUB and kernel, root over HTTP

# live TRANSPORT INTERFACES FLAGS…: INTERFACES is the method live-boot writes for the card.
live() {
    local transport=$1 interfaces=$2
    shift 2
    GUEST_MEMORY=1024
    image live-12
    start_server "$IMAGE" -- --menu-timeout 0 --transport "$transport" --append "$QUIET" "$@"
    boot_one 1 "$transport"
    expect image live-12
    # `ip=dhcp` would leave a card called `dhcp` there.
    expect interfaces "$interfaces"
    # Loaders put the kernel's name before it, or nothing.
    grep -q '[ "]boot=live components ' <<<"$GUEST_LINE" || fail "the medium's own arguments did not arrive: $GUEST_LINE"
}

case_live() {
    live http dhcp --loader ipxe
    has_sent_file '/iso/live-12/live/filesystem.squashfs'
}

case_live-nfs() {
    live nfs manual --loader ipxe
    ! has_sent '^/iso/live-12/live/filesystem.squashfs' || fail "the root was copied"
}

case_live-pxelinux() { live http dhcp --loader pxelinux; }

case_live-uefi() {
    GUEST_FIRMWARE=uefi
    live http dhcp --loader ipxe
    has_sent_file '/?loader/snponly-x86_64.efi'
}

case_live-uefi-nfs() {
    GUEST_FIRMWARE=uefi
    live nfs manual --loader ipxe
}

case_live-secure() {
    GUEST_FIRMWARE=secure
    live http dhcp --loaders "$(signed_loaders)"
    # GRUB requests it only with Secure Boot on.
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
    grep -aq 'Secure boot enabled' "$SERIAL" || fail "the kernel does not say that Secure Boot is on"
}
