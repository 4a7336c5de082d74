# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Debian's netboot installers, as Debian's packages have them, up to the installer's first question.
#
# long: installer-12       Debian 12 on a BIOS machine, by the ROM's iPXE
# long: installer-12-i386  Debian 12 for 32-bit PCs, on a BIOS machine with such a processor
# long: installer-12-pc    Debian 12 for both kinds of PC: the processor decides which one starts
# long: installer-12-ia32  Debian 12 for 32-bit PCs, on one with UEFI: its own bootnetia32.efi and grubia32.efi
# long: installer-12-ia32-secure  the same with Secure Boot on
# long: installer-13       Debian 13 on a BIOS machine, by the ROM's iPXE
# long: installer-13-pxelinux  the same by PXELINUX
# long: installer-13-uefi  Debian 13 on an x64 machine with UEFI, by iPXE
# long: installer-13-grub  the same by its own shim and GRUB
# long: installer-13-secure-2011  the same with Secure Boot on and Microsoft's keys of 2011 only
# long: installer-13-secure-2023  the same with those of 2023 only
# long: installer-13-secure-both  the same with both
# long: installer-13-arm64  Debian 13 on an ARM machine, by its own shim and GRUB
# long: installer-13-riscv64  Debian 13 on a RISC-V machine whose firmware is U-Boot, by the image's own GRUB
# long: installer-12-and-13  both in one folder: the one that --boot names starts

# asks NAME: waits until the installer of this image asks its first question.
asks() {
    wait_sent "$DEADLINE" "^/?iso/$1/.*/initrd.gz" ||
        fail "the initramfs of $1 was not loaded in $DEADLINE s; the server said last: $(last_events)"
    step "kernel and initramfs of $1 are loaded"
    wait_text "$SERIAL" 'Choose the language|Select a language' $((DEADLINE * 3)) "$GUEST_PID" ||
        fail "the installer did not ask for a language; its last line: $(tail -n 1 "$SERIAL" | tr -d '\r' | cut -c1-120)"
    step "the installer asks for a language"
}

# start_installer NAME FLAGS…: serves this image, switches a machine on and waits for the question.
start_installer() {
    local name=$1
    shift
    GUEST_MEMORY=${GUEST_MEMORY:-1024}
    image "$name"
    start_server "$IMAGE" -- --menu-timeout 0 --append "${CONSOLE:-console=ttyS0}" "$@"
    start_guest 1
    asks "$name"
}

# without_loaders: prints an empty folder, so that loaders come from the image.
without_loaders() {
    mkdir -p "$LOGS/empty"
    echo "$LOGS/empty"
}

case_installer-12() { start_installer debian --loader ipxe; }

# Debian 12 still supports processors without long mode, from the Pentium Pro on.
case_installer-12-i386() {
    GUEST_FLAGS='-cpu pentium3'
    start_installer debian-i386 --loader ipxe
}

case_installer-12-pc() {
    start_installer debian-pc --loader ipxe
    has_sent_file '/iso/debian-pc/debian-installer/amd64/initrd.gz'
    kill "$GUEST_PID"
    GUEST_FLAGS='-cpu pentium3'
    start_guest 2
    wait_sent "$DEADLINE" '^/?iso/debian-pc/debian-installer/i386/initrd.gz' || fail "a 32-bit processor did not get the kernel for it"
    asks debian-pc
}

case_installer-12-ia32() {
    GUEST_FIRMWARE=ia32
    start_installer debian-i386 --loaders "$(without_loaders)"
    has_event dhcp 'arch~x86 UEFI' || fail "the machine is not a 32-bit UEFI one"
    has_sent_file '/?loader/secure/i386/grubia32.efi'
}

case_installer-12-ia32-secure() {
    "$REPO/tests/images/fetch" "${OVMF32%/usr/*}" bookworm ovmf-ia32:all || fail "OVMF for 32-bit processors cannot be fetched"
    GUEST_VARS=$LOGS/trusts.fd
    virt_fw_vars -i "$OVMF32/OVMF32_VARS_4M.fd" --enroll-generate "lanboot tests" --microsoft-db all --sb -o "$GUEST_VARS"
    case_installer-12-ia32
    has_sent_file '/?loader/secure/i386/locked.cfg'
}

case_installer-13() { start_installer debian-13 --loader ipxe; }

case_installer-13-pxelinux() {
    start_installer debian-13 --loader pxelinux
    has_sent_file '/?loader/pxelinux/pxelinux.cfg/default'
}

case_installer-13-uefi() {
    GUEST_FIRMWARE=uefi
    start_installer debian-13 --loader ipxe
    has_sent_file '/?loader/snponly-x86_64.efi'
}

case_installer-13-grub() {
    GUEST_FIRMWARE=uefi
    start_installer debian-13 --loaders "$(without_loaders)"
    has_sent_file '/?loader/secure/x86_64/grubx64.efi'
}

# installer_13_secure WHAT: the tree's own shim has both of Microsoft's signatures.
installer_13_secure() {
    GUEST_FIRMWARE=secure
    firmware_that_trusts "$1"
    start_installer debian-13 --loaders "$(without_loaders)"
    # GRUB requests it only with Secure Boot on.
    has_sent_file '/?loader/secure/x86_64/locked.cfg'
}

case_installer-13-secure-2011() { installer_13_secure 2011; }
case_installer-13-secure-2023() { installer_13_secure 2023; }
case_installer-13-secure-both() { installer_13_secure both; }

case_installer-13-arm64() {
    GUEST_FIRMWARE=arm64 CONSOLE=console=ttyAMA0
    start_installer debian-13-arm64 --loaders "$(without_loaders)"
    has_sent_file '/?loader/secure/arm64/grubaa64.efi'
}

# One thread emulates the processor, so nothing is fast.
case_installer-13-riscv64() {
    GUEST_FIRMWARE=riscv64 GUEST_MEMORY=2048 DEADLINE=$((DEADLINE * 2))
    start_installer debian-13-riscv64 --loaders "$(without_loaders)"
    has_event dhcp 'arch~riscv64 UEFI' || fail "the machine does not say that it is a RISC-V one"
    has_sent_file '/?debian-installer/riscv64/bootnetriscv64.efi'
}

case_installer-12-and-13() {
    local folder=$LOGS/images name
    GUEST_MEMORY=1024
    mkdir -p "$folder"
    for name in debian debian-13; do
        image "$name"
        ln -f "$IMAGE" "$folder/" 2>/dev/null || cp --sparse=always "$IMAGE" "$folder/"
    done
    start_server "$folder" -- --menu-timeout 0 --loader ipxe --append console=ttyS0 --boot debian-13
    start_guest 1
    asks debian-13
    ! has_sent '^/?iso/debian/' || fail "files of Debian 12 were loaded"
    rm -rf "$folder"
}
