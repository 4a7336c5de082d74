# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Unified kernel images with Secure Boot on: signed with a key of the machine's owner.
#
# long: uki-secure      Secure Boot on, the owner's key in the firmware: iPXE behind its shim, the signed program, its root
# long: uki-secure-grub the same by Debian's shim and GRUB, whose chainloader starts what the firmware trusts
# long: sd-boot-secure  Secure Boot on, UEFI HTTP Boot of a disk with Debian's shim and signed systemd-boot: the signed program, its root

# uki_signed: makes a copy of the image uki, IMAGE, whose program is signed and has arguments for this
# server: with Secure Boot on it takes none from a loader.
uki_signed() {
    local work=$LOGS/uki
    image uki
    own_keys
    mkdir -p "$work"
    xorriso -osirrox on -indev "$IMAGE" -extract /EFI/Linux/lanboot.efi "$work/plain.efi" 2>/dev/null ||
        fail "no program on $IMAGE"
    chmod u+w "$work/plain.efi"
    uki_arguments "$work/plain.efi" "rd.systemd.pull=raw,machine,verify=no,blockdev:rootdisk:http://$SERVER_ADDRESS/iso/uki/EFI/Linux/lanboot.raw root=gpt-auto $QUIET"
    signed firmware "$work/plain.efi" "$work/lanboot.efi"
    xorriso -indev "$IMAGE" -outdev "$work/uki.iso" -boot_image any keep \
        -update "$work/lanboot.efi" /EFI/Linux/lanboot.efi >"$work/xorriso.log" 2>&1 ||
        fail "the image cannot be made: $(tail -n 1 "$work/xorriso.log")"
    IMAGE=$work/uki.iso
}

# uki_arguments PROGRAM TEXT: replaces its section .cmdline, as far as it fits.
uki_arguments() {
    python3 - "$1" "$2" <<'END2' || fail "the program's arguments cannot be replaced"
import struct, sys
path, text = sys.argv[1], sys.argv[2].encode()
data = bytearray(open(path, "rb").read())
pe = struct.unpack_from("<I", data, 0x3C)[0]
count, size = struct.unpack_from("<H", data, pe + 6)[0], struct.unpack_from("<H", data, pe + 20)[0]
rows = [pe + 24 + size + 40 * n for n in range(count)]
row = next(row for row in rows if data[row:row + 8].rstrip(b"\0") == b".cmdline")
size, at = struct.unpack_from("<II", data, row + 16)
if len(text) > size:
    sys.exit(f"{len(text)} bytes do not fit into {size}")
data[at:at + size] = text.ljust(size, b"\0")
struct.pack_into("<I", data, row + 8, len(text))
open(path, "wb").write(data)
END2
}

# uki_secure LOADERS REGEX: REGEX is a file that only machines with Secure Boot on ask for, or the shim.
uki_secure() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1536 GUEST_CPUS=2 DEADLINE=$((DEADLINE * 3))
    uki_signed
    loader_set "$1"
    firmware_that_trusts own
    start_server "$IMAGE" -- --menu-timeout 0 --loaders "$LOGS/loaders"
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" started 'path~iso/uki/EFI/Linux/lanboot.efi' >/dev/null || {
        screen "$LOGS/screen.png"
        fail "the program was not asked for in $DEADLINE s; the server said last: $(last_events)"
    }
    step "the loader loads the program"
    wait_up 1 "$DEADLINE"
    has_sent_file "$2"
    has_sent_file '/iso/uki/EFI/Linux/lanboot.raw'
    grep -aqi 'secure boot enabled' "$SERIAL" || fail "the kernel does not say that Secure Boot is on"
    step "the kernel says that Secure Boot is on"
}

case_uki-secure() { uki_secure ipxe-shim '/?loader/(secure-ipxe/x86_64/)?snponly.*'; }
case_uki-secure-grub() { uki_secure grub-2.12 '/?loader/secure(-http)?/x86_64/locked.cfg'; }

# sd_boot_disk FILE: a disk as an installer of a system with systemd-boot makes it: shim, Debian's signed
# systemd-boot behind it, and the signed program.
sd_boot_disk() {
    local dir=$REPO/target/boot/sd-boot-signed shim=$REPO/target/boot/signed-trixie
    "$REPO/tests/images/fetch" "$dir" sid systemd-boot-efi-amd64-signed:amd64 || fail "systemd-boot cannot be fetched"
    signed_loaders trixie >/dev/null
    truncate -s 96M "$1"
    {
        mformat -i "$1" -F -v SDBOOT ::
        mmd -i "$1" ::/EFI ::/EFI/BOOT ::/EFI/Linux
        mcopy -i "$1" "$shim/usr/lib/shim/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
        mcopy -i "$1" "$dir/usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed" ::/EFI/BOOT/grubx64.efi
        mcopy -i "$1" "$LOGS/uki/lanboot.efi" ::/EFI/Linux/
    } >"$LOGS/mtools.log" 2>&1 || fail "the disk cannot be made: $(tail -n 1 "$LOGS/mtools.log")"
}

case_sd-boot-secure() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=2048 GUEST_CPUS=2 GUEST_HTTP_BOOT=yes DEADLINE=$((DEADLINE * 3))
    need_tools mformat=mtools
    uki_signed
    sd_boot_disk "$LOGS/sdboot.img"
    firmware_that_trusts own
    start_server "$LOGS/sdboot.img" "$IMAGE" -- --menu-timeout 0 --loader iso
    start_guest 1
    wait_up 1 "$DEADLINE"
    has_sent_file '/?loader/ramdisk/sdboot.img'
    has_sent_file '/iso/uki/EFI/Linux/lanboot.raw'
    grep -aqi 'secure boot enabled' "$SERIAL" || fail "the kernel does not say that Secure Boot is on"
    step "the kernel says that Secure Boot is on"
}
