# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# A live Debian as live-build makes it: Debian's own kernel, and an initramfs with live-boot.
#
# long: live            the ROM's iPXE, its root fetched over HTTP into memory
# long: live-nfs        the same with the root read over NFS
# long: live-pxelinux   this host's lpxelinux.0, its root fetched over HTTP
# long: live-uefi       OVMF's own PXE, this host's snponly.efi, root over HTTP
# long: live-uefi-nfs   the same with the root read over NFS
# long: live-secure     Secure Boot on: Debian's signed shim, GRUB and kernel, root over HTTP
#
# The same with Debian 13's packages: live-boot 20250815, Linux 6.12, shim 16.1 and GRUB 2.12.
#
# long: live-13         the ROM's iPXE, root over HTTP
# long: live-13-nfs     the ROM's iPXE, root over NFS
# long: live-13-uefi    OVMF's own PXE, this host's snponly.efi, root over HTTP
# long: live-13-uefi-nfs the same with the root read over NFS
# long: live-13-secure  Secure Boot on: Debian 13's signed shim, GRUB and kernel, root over HTTP
# long: live-13-whole   OVMF's HTTP Boot takes the whole image as a RAM disk, in which live-boot finds its medium

# The image of these cases.
LIVE=live-12

# live TRANSPORT INTERFACES FLAGS…: INTERFACES is the method live-boot writes for the card.
live() {
    local transport=$1 interfaces=$2
    shift 2
    GUEST_MEMORY=1024
    image "$LIVE"
    start_server "$IMAGE" -- --menu-timeout 0 --transport "$transport" --append "$QUIET" "$@"
    boot_one 1 "$transport"
    expect image "$LIVE"
    # `ip=dhcp` would leave a card called `dhcp` there.
    expect interfaces "$interfaces"
    # Loaders put the kernel's name before it, or nothing.
    grep -q '[ "]boot=live components ' <<<"$GUEST_LINE" || fail "the medium's own arguments did not arrive: $GUEST_LINE"
}

case_live() {
    live http dhcp --loader ipxe
    has_sent_file "/iso/$LIVE/live/filesystem.squashfs"
}

case_live-nfs() {
    live nfs manual --loader ipxe
    ! has_sent "^/iso/$LIVE/live/filesystem.squashfs" || fail "the root was copied"
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
    live http dhcp --loaders "$(signed_loaders "${1:-bookworm}")"
    # GRUB requests it only with Secure Boot on.
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
    grep -aq 'Secure boot enabled' "$SERIAL" || fail "the kernel does not say that Secure Boot is on"
}

# of_13 CASE [ARGUMENT]: one of the cases above with Debian 13's packages.
of_13() {
    LIVE=live-13
    "case_$1" "${@:2}"
    grep -aq 'Linux version 6\.12\.' "$SERIAL" || fail "another kernel than Debian 13's runs"
}

case_live-13() { of_13 live; }
case_live-13-nfs() { of_13 live-nfs; }
case_live-13-uefi() { of_13 live-uefi; }
case_live-13-uefi-nfs() { of_13 live-uefi-nfs; }
case_live-13-secure() { of_13 live-secure trixie; }

# Firmware, GRUB of the medium and kernel, all out of memory. Nothing sets the console there.
case_live-13-whole() {
    GUEST_HTTP_BOOT=yes GUEST_FIRMWARE=uefi GUEST_MEMORY=2048
    image live-13
    start_server "$IMAGE" -- --loader iso
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" started protocol=HTTP path=/loader/ramdisk/live-13.iso >/dev/null ||
        fail "the image was not asked for; the server said last: $(last_events)"
    step "the firmware loads the whole image"
    press_until_up
    wait_up 1 $((DEADLINE * 3))
    expect image live-13
}

# The medium's menu waits for a key.
press_until_up() {
    local n
    for ((n = 0; n < DEADLINE / 5; n++)); do
        press ret
        ! wait_until 5 has_started || return 0
    done
}
has_started() { grep -aqE 'LANBOOT-GUEST|Linux version' "$SERIAL"; }
