# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Debian's installation CD: the image in its initramfs, mounted where the installer looks for it. The test's
# initramfs has no `cdrom-detect` (tests/images/lib/debian_cd.sh), so what is seen is the mounted CD.
#
# long: installer-cd       a BIOS machine, by the ROM's iPXE
# long: installer-cd-uefi  an x64 machine with UEFI, by its own PXE and this host's snponly.efi

installer_cd() {
    local line
    GUEST_MEMORY=1024
    image debian-cd
    start_server "$IMAGE" -- --menu-timeout 0 --loader ipxe --append console=ttyS0
    start_guest 1
    wait_text "$SERIAL" 'LANBOOT-CDROM ' $((DEADLINE * 3)) "$GUEST_PID" ||
        fail "the initramfs did not run its scripts; its last line: $(tail -n 1 "$SERIAL" | tr -d '\r' | cut -c1-120)"
    line=$(grep -ao 'LANBOOT-CDROM .*' "$SERIAL" | head -n 1)
    step "$line"
    [[ $line == *'/dev/loop0 /cdrom iso9660 ro,'*'test of lanboot'*'queue=apt-cdrom-setup'* ]] || fail "the CD is not mounted: $line"
    wait_text "$SERIAL" 'Choose the language|Select a language' $((DEADLINE * 3)) "$GUEST_PID" ||
        fail "the installer did not ask for a language"
    step "the installer asks for a language"
}

case_installer-cd() { installer_cd; }

case_installer-cd-uefi() {
    GUEST_FIRMWARE=uefi
    installer_cd
}
