# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Entries that are no Linux kernel with an initramfs: programs, multiboot kernels, whole disks.
#
# case: memtest          Debian's memtest86+ CD, a BIOS and this host's iPXE: its program without the CD
# case: unknown-disk     a medium of no known family, a BIOS and iPXE: as a disk
# long: memtest-uefi     the memtest86+ CD, OVMF's own PXE and iPXE: its EFI program
# long: memtest-pxelinux the same CD by lpxelinux.0
# long: memtest-8        the memtest86+ CD of Debian sid, whose programs are for BIOS and UEFI both
# long: memtest-8-uefi   the same with UEFI
# long: unknown-memdisk  the unknown medium by lpxelinux.0 and this host's memdisk
# long: unknown-sanboot  the unknown medium with UEFI by PXE: as a disk of iPXE's
# long: unknown-ram-disk the unknown medium with UEFI HTTP Boot: as a disk of the firmware's
# long: unknown-chain    its EFI program alone, by iPXE
# long: xen              Xen with a BIOS, by lpxelinux.0 and mboot.c32
# long: ipxe-iso         Debian's ipxe.iso with a BIOS: iPXE from it asks for a menu again

# serial_says PATTERN: the machine's serial line.
serial_says() { grep -aqE "$1" "$SERIAL"; }

# reaches PATTERN [NUMBER]: starts a machine and waits for a line of the system's own.
reaches() {
    start_guest "${2:-1}"
    wait_until "$DEADLINE" serial_says "$1" || {
        screen "$LOGS/screen.png"
        fail "no line like '$1' on the serial line; see screen.png; the server said last: $(last_events)"
    }
    step "the machine says: $(grep -aoE "$1" "$SERIAL" | head -n 1)"
}

# loaded REGEX: the machine loaded such a file from here; the end of its transfer may follow the line.
loaded() { wait_sent "$DEADLINE" "^$1" || fail "the machine did not load $1 from here"; }

# memtest_cd SUITE
memtest_cd() {
    local dir=$REPO/target/boot/memtest-$1
    "$REPO/tests/images/fetch" "$dir" "$1" memtest86+:amd64 || fail "memtest86+ cannot be fetched"
    MEMTEST=$dir/usr/lib/memtest86+/memtest86+x64.iso
    LAB_START=$(date +%s.%N)
}

# memtest_runs SUITE VERSION FLAGS…
memtest_runs() {
    memtest_cd "$1"
    local version=$2
    shift 2
    start_server "$MEMTEST" -- --menu-timeout 0 --append "console=ttyS0,115200" "$@"
    reaches "Memtest86\+ v$version"
}

case_memtest() {
    memtest_runs bookworm 6.10 --loader ipxe
    loaded '/iso/memtest86-x64/boot/floppy.img'
}
case_memtest-uefi() {
    GUEST_FIRMWARE=uefi
    memtest_runs bookworm 6.10 --loader ipxe
    loaded '/iso/memtest86-x64/EFI/BOOT/bootx64.efi'
}
case_memtest-pxelinux() { memtest_runs bookworm 6.10 --loader pxelinux; }
case_memtest-8() { memtest_runs sid 8.10 --loader ipxe; }
case_memtest-8-uefi() {
    GUEST_FIRMWARE=uefi
    memtest_runs sid 8.10 --loader ipxe
}

# unknown MEDIUM FLAGS…: MEDIUM is what GRUB on the unknown medium says of it.
unknown() {
    local says=$1
    shift
    image unknown
    start_server "$IMAGE" -- --menu-timeout 0 "$@"
    reaches "lanboot-test: $says the medium"
}

case_unknown-disk() {
    unknown 'pc sees' --loader ipxe
    wait_until "$DEADLINE" serial_says 'this text is a file on it' || fail "a file on the medium cannot be read"
}
case_unknown-memdisk() {
    unknown 'pc sees' --loader pxelinux
    loaded '/?loader/memdisk'
}
case_unknown-sanboot() {
    GUEST_FIRMWARE=uefi
    unknown 'efi sees' --loader ipxe
}
case_unknown-ram-disk() {
    GUEST_FIRMWARE=uefi GUEST_HTTP_BOOT=yes
    unknown 'efi sees'
    loaded '/loader/ramdisk/unknown.iso'
}
case_unknown-chain() {
    GUEST_FIRMWARE=uefi
    unknown 'efi does not see' --loader ipxe --boot unknown-efi
    loaded '/iso/unknown/EFI/BOOT/BOOTX64.EFI'
}

case_xen() {
    GUEST_MEMORY=1024
    image xen
    start_server "$IMAGE" -- --menu-timeout 0
    reaches 'Xen version 4\.[0-9]+'
    loaded '/?loader/pxelinux/mboot.c32'
}

case_ipxe-iso() {
    local dir=$REPO/target/boot/ipxe-medium
    "$REPO/tests/images/fetch" "$dir" bookworm ipxe:all || fail "ipxe cannot be fetched"
    LAB_START=$(date +%s.%N)
    start_server "$dir/usr/lib/ipxe/ipxe.iso" -- --menu-timeout 0 --loader ipxe
    start_guest 1
    wait_until "$DEADLINE" asked_twice || fail "iPXE on the image did not ask for the menu; the server said last: $(last_events)"
    step "iPXE on the image asks for the menu again"
}

# The script asks for itself once more, with the memory the machine has.
asked_twice() { (($(event_values path finished protocol=HTTP path=/boot.ipxe | wc -l) > 2)); }
