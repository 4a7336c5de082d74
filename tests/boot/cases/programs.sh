# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Programs that are started as they are, without a medium: memtest86+, iPXE and a kernel as plain files,
# and what is inside a boot image only.
#
# long: memtest-files          a folder with memtest86+ 6.10 as plain files, a BIOS and iPXE: memtest86+x64.bin
# long: memtest-files-efi      memtest86+x64.efi of version 6 with a BIOS: it is a program for both
# long: memtest-files-uefi     the same file with UEFI and iPXE
# long: memtest-files-grub     the same file with UEFI and GRUB's chainloader
# long: memtest-files-8        mt86+x64 of version 8 with a BIOS and lpxelinux.0
# long: memtest-ia32-bios      the 32-bit CD on a processor without 64 bits, by iPXE
# long: memtest-ia32-file      memtest86+ia32.bin there, by lpxelinux.0
# long: memtest-ia32-uefi      the 32-bit CD on a machine with ia32 UEFI, by GRUB
# long: memtest-ia32-efi       memtest86+ia32.efi there
# long: ipxe-lkrn              ipxe.lkrn with a BIOS and lpxelinux.0: it asks for a loader
# long: rescue-grub            a medium as grub-mkrescue makes it, a BIOS and iPXE: as a disk, its menu
# long: rescue-grub-memdisk    the same by lpxelinux.0 and memdisk
# long: rescue-grub-uefi       the same with UEFI and iPXE
# long: rescue-grub-ram-disk   the same by UEFI HTTP Boot
# long: rescue-debian          Debian's grub-rescue-cdrom.iso with a BIOS and iPXE: its menu on the screen
# long: inside-boot-image      the EFI program that is only in its boot image, by iPXE
# long: inside-boot-image-ia32 the same on ia32 UEFI, by GRUB's chainloader
# long: ipxe-iso-uefi          Debian sid's ipxe.iso with UEFI, as a disk: iPXE from it asks for a menu again
# long: ipxe-iso-inside        its EFI program alone, out of its boot image
# long: kernel-alone           a kernel without an initramfs, a BIOS and iPXE: it looks for its root

# memtest_files SUITE NAME…: puts these files of Debian's package into a folder, PROGRAMS.
memtest_files() {
    local dir=$REPO/target/boot/memtest-$1 name
    "$REPO/tests/images/fetch" "$dir" "$1" memtest86+:amd64 || fail "memtest86+ cannot be fetched"
    PROGRAMS=$LOGS/programs
    mkdir -p "$PROGRAMS"
    shift
    for name in "$@"; do cp "$dir/boot/$name" "$PROGRAMS/"; done
    LAB_START=$(date +%s.%N)
}

# file_runs VERSION NAME FLAGS…: the machine starts the file NAME of the folder.
file_runs() {
    local version=$1 name=$2
    shift 2
    start_server "$PROGRAMS" -- --menu-timeout 0 --append "console=ttyS0,115200" --boot "$name" "$@"
    reaches "Memtest86\+ v$version"
}

MEMTEST_6=(memtest86+x64.bin memtest86+x64.efi memtest86+ia32.bin memtest86+ia32.efi)

case_memtest-files() {
    memtest_files bookworm "${MEMTEST_6[@]}"
    file_runs 6.10 memtest86-x64.bin --loader ipxe
    loaded '/iso/memtest86-x64.bin/program.bin'
}
case_memtest-files-efi() {
    memtest_files bookworm "${MEMTEST_6[@]}"
    file_runs 6.10 memtest86-x64.efi --loader ipxe
    loaded '/iso/memtest86-x64.efi/program.efi'
}
case_memtest-files-uefi() {
    GUEST_FIRMWARE=uefi
    case_memtest-files-efi
}
case_memtest-files-grub() {
    GUEST_FIRMWARE=uefi
    memtest_files bookworm "${MEMTEST_6[@]}"
    file_runs 6.10 memtest86-x64.efi --loader grub --loaders "$(signed_loaders)"
}
case_memtest-files-8() {
    memtest_files sid mt86+x64 mt86+ia32
    file_runs 8.10 mt86-x64 --loader pxelinux
}

# on_ia32 FIRMWARE: the next machine has a processor without long mode.
on_ia32() {
    case $1 in
    bios) GUEST_FLAGS='-cpu coreduo' ;;
    uefi)
        local dir=$REPO/target/boot/signed-ia32
        GUEST_FIRMWARE=ia32
        "$REPO/tests/images/fetch" "$dir" bookworm shim-signed:i386 grub-efi-ia32-signed:i386 ||
            fail "Debian's signed loaders cannot be fetched"
        LOADERS=$LOGS/loaders
        mkdir -p "$LOADERS"
        cp "$dir/usr/lib/shim/shimia32.efi.signed" "$LOADERS/shimia32.efi"
        cp "$dir/usr/lib/grub/i386-efi-signed/grubnetia32.efi.signed" "$LOADERS/grubia32.efi"
        ;;
    esac
}

# memtest_cd_ia32 FLAGS…: the 32-bit CD.
memtest_cd_ia32() {
    local cd
    memtest_cd bookworm
    # shellcheck disable=SC2153  # set by memtest_cd
    cd=${MEMTEST/x64/ia32}
    start_server "$cd" -- --menu-timeout 0 --append "console=ttyS0,115200" "$@"
    reaches 'Memtest86\+ v6.10'
}
case_memtest-ia32-bios() {
    on_ia32 bios
    memtest_cd_ia32 --loader ipxe
    loaded '/iso/memtest86-ia32/boot/floppy.img'
}
case_memtest-ia32-file() {
    on_ia32 bios
    memtest_files bookworm "${MEMTEST_6[@]}"
    file_runs 6.10 memtest86-ia32.bin --loader pxelinux
}
case_memtest-ia32-uefi() {
    on_ia32 uefi
    memtest_cd_ia32 --loaders "$LOADERS"
    loaded '/?iso/memtest86-ia32/EFI/BOOT/bootia32.efi'
}
case_memtest-ia32-efi() {
    on_ia32 uefi
    memtest_files bookworm "${MEMTEST_6[@]}"
    file_runs 6.10 memtest86-ia32.efi --loaders "$LOADERS"
}

case_ipxe-lkrn() {
    local dir=$REPO/target/boot/ipxe-medium
    "$REPO/tests/images/fetch" "$dir" bookworm ipxe:all || fail "ipxe cannot be fetched"
    LAB_START=$(date +%s.%N)
    start_server "$dir/boot/ipxe.lkrn" -- --menu-timeout 0 --loader pxelinux
    start_guest 1
    wait_sent "$DEADLINE" '^/?iso/ipxe.lkrn/program.bin' || fail "ipxe.lkrn was not loaded"
    # iPXE from the file boots as the machine did: by the loader that the server gives out.
    wait_until "$DEADLINE" loader_asked_twice || fail "iPXE did not ask for a loader; the server said last: $(last_events)"
    step "iPXE from the file asks for the loader again"
}

loader_asked_twice() { (($(event_values path finished protocol=TFTP path=loader/pxelinux/lpxelinux.0 | wc -l) > 1)); }

case_kernel-alone() {
    image xen
    mkdir -p "$LOGS/kernel"
    xorriso -osirrox on -indev "$IMAGE" -extract /boot/vmlinuz "$LOGS/kernel/vmlinuz" 2>/dev/null ||
        fail "no kernel on $IMAGE"
    start_server "$LOGS/kernel" -- --menu-timeout 0 --loader ipxe --append "console=ttyS0 panic=-1"
    reaches 'Unable to mount root fs on'
}

# rescue SAYS FLAGS…: GRUB says on the serial line what it found.
rescue() {
    local says=$1
    shift
    image rescue
    start_server "$IMAGE" -- --menu-timeout 0 "$@"
    reaches "lanboot-test: $says"
}

case_rescue-grub() { rescue 'the menu of the rescue medium' --loader ipxe; }
case_rescue-grub-uefi() {
    GUEST_FIRMWARE=uefi
    rescue 'the menu of the rescue medium' --loader ipxe
}
case_rescue-grub-memdisk() { rescue 'the menu of the rescue medium' --loader pxelinux; }
case_rescue-grub-ram-disk() {
    GUEST_FIRMWARE=uefi GUEST_HTTP_BOOT=yes
    rescue 'the menu of the rescue medium'
}
case_inside-boot-image() {
    GUEST_FIRMWARE=uefi
    rescue 'without its menu' --loader ipxe --boot rescue-efi
    loaded '/iso/rescue/efi-boot-image/EFI/BOOT/BOOTX64.EFI'
}
case_inside-boot-image-ia32() {
    on_ia32 uefi
    rescue 'GRUB for i386-efi' --loaders "$LOADERS" --boot rescue-efi
    loaded '/?iso/rescue/efi-boot-image/EFI/BOOT/BOOTIA32.EFI'
}

# Its GRUB writes to the screen of a PC, in text mode.
case_rescue-debian() {
    local dir=$REPO/target/boot/grub-rescue
    "$REPO/tests/images/fetch" "$dir" bookworm grub-rescue-pc:amd64 || fail "grub-rescue-pc cannot be fetched"
    LAB_START=$(date +%s.%N)
    start_server "$dir/usr/lib/grub-rescue/grub-rescue-cdrom.iso" -- --menu-timeout 0 --loader ipxe
    start_guest 1
    wait_until "$DEADLINE" text_screen_says 'GNU \(aka GNU/Hurd\)' || {
        screen "$LOGS/screen.png"
        fail "its menu is not on the screen; see screen.png"
    }
    step "the screen says: GNU (aka GNU/Hurd)"
}

# text_screen_says PATTERN: the machine's screen in text mode, of 80 columns.
text_screen_says() {
    monitor 'xp /4000bx 0xb8000' | python3 -c '
import re, sys
cells = bytes(int(b, 16) for line in sys.stdin for b in line.split(":")[1].split())[::2]
sys.exit(not re.search(sys.argv[1].encode(), cells))' "$1"
}

case_ipxe-iso-uefi() {
    local dir=$REPO/target/boot/ipxe-2.0
    GUEST_FIRMWARE=uefi
    "$REPO/tests/images/fetch" "$dir" sid ipxe:all || fail "iPXE 2.0 cannot be fetched"
    LAB_START=$(date +%s.%N)
    start_server "$dir/usr/lib/ipxe/ipxe.iso" -- --menu-timeout 0 --loader ipxe "$@"
    start_guest 1
    wait_until "$DEADLINE" menu_asked_twice || fail "iPXE on the image did not ask for the menu; the server said last: $(last_events)"
    step "iPXE on the image asks for the menu again"
}
# With UEFI the script does not ask for itself.
menu_asked_twice() { (($(event_values path finished protocol=HTTP path=/boot.ipxe | wc -l) > 1)); }
case_ipxe-iso-inside() {
    case_ipxe-iso-uefi --boot ipxe-efi
    has_sent_file '/iso/ipxe/efi-boot-image/efi/boot/bootx64.efi'
}
