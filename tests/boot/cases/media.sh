# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Media as built by distributions.
#
# case: uefi-only       an image with systemd-boot's menus only and two kernels: its default pair

# The default of the medium's own menu starts: kernel, microcode, initramfs and arguments of one entry.
case_uefi-only() {
    image arch-uefi-only
    start_server "$IMAGE" -- --loader ipxe --menu-timeout 0 --append "$QUIET"
    boot_one 1
    expect image arch-uefi-only
    expect initramfs linux-lts
    has_sent_file '/iso/arch-uefi-only/arch/boot/x86_64/vmlinuz-linux-lts'
    has_sent_file '/iso/arch-uefi-only/arch/boot/intel-ucode.img'
    has_sent_file '/iso/arch-uefi-only/arch/boot/x86_64/initramfs-linux-lts.img'
    [[ $GUEST_LINE == *" cow_spacesize=200M "* ]] || fail "the medium's own arguments did not arrive: $GUEST_LINE"
    [[ $GUEST_LINE != *accessibility* ]] || fail "arguments of another entry arrived: $GUEST_LINE"
}
