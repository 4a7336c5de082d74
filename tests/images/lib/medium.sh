# shellcheck shell=bash
# The media: what lies on an Arch image today and what lay on one in 2013, and the ISO around it.

LOADER_PACKAGES=(syslinux-common:all pxelinux:all isolinux:all)
# The volume's modification date is the UUID by which the initramfs finds the medium.
VOLUME_DATE=2026110112000000
VOLUME_UUID=2026-11-01-12-00-00-00

arch_packages() {
    printf '%s\n' "${LOADER_PACKAGES[@]}"
    system_packages amd64
}

clients_packages() {
    arch_packages
    udp_packages "$(kernel_package "$(kernel_meta amd64)")"
}

dual_packages() {
    arch_packages
    system_packages i386
}

# build_arch NAME FILE: today's layout, and its variants.
build_arch() {
    local name=$1 system tree=$WORK/medium boot root
    system=$(system amd64)
    make_signing_key
    mkdir -p "$tree"/{arch/x86_64,arch/boot/x86_64,boot/syslinux}
    boot=$tree/arch/boot/x86_64
    cp "$system/vmlinuz" "$boot/vmlinuz-linux"
    [[ $name != arch-clients ]] || system=$(system_with_udp "$system")
    make_initramfs "$system" modern zstd -12 -q -c >"$boot/initramfs-linux.img"
    [[ $name != arch-big-initramfs ]] || enlarge_initramfs "$boot/initramfs-linux.img"
    root=$(make_root "$system" "$name")
    squash "$root" "$tree/arch/x86_64/airootfs.sfs" -comp zstd -b 256K
    (cd "$tree/arch/x86_64" && sha512sum airootfs.sfs >airootfs.sha512)
    # Derivative media keep `cms_verify=y` in their menu and sign nothing; two of these are such.
    [[ $name == arch-huge-file || $name == arch-big-root ]] || sign "$tree/arch/x86_64/airootfs.sfs"
    [[ $name != arch-huge-file ]] || truncate -s 4617089843 "$tree/arch/huge.bin"
    echo 2026.11.01 >"$tree/arch/version"
    package_list amd64 >"$tree/arch/pkglist.x86_64.txt"
    printf '# GRUB Environment Block\nNAME=Arch Linux\nVERSION=2026.11.01\nARCHISO_LABEL=ARCH_202611\nINSTALL_DIR=arch\nARCH=x86_64\n' >"$tree/arch/grubenv"
    [[ $name != arch-clients ]] || odd_files "$tree/arch"
    : >"$tree/boot/$VOLUME_UUID.uuid"
    install_loaders "$tree/boot/syslinux" "$HERE/syslinux"
    if [[ $name == arch-efi ]]; then
        add_efi_image "$tree"
    fi
    make_iso "$tree" "$2" boot/syslinux -joliet on -compliance joliet_long_names
}

# build_dual FILE: the layout of archlinux-2013.11.01-dual.iso.
build_dual() {
    local system tree=$WORK/medium arch debian root
    mkdir -p "$tree/arch/boot/syslinux" "$tree/isolinux"
    printf '# img\tmnt\tarch\tsfs_comp\tfs_type\tfs_size\n' >"$tree/arch/aitab"
    for arch in i686 x86_64; do
        debian=$([[ $arch == i686 ]] && echo i386 || echo amd64)
        system=$(system "$debian")
        mkdir -p "$tree/arch/$arch" "$tree/arch/boot/$arch"
        cp "$system/vmlinuz" "$tree/arch/boot/$arch/vmlinuz"
        make_initramfs "$system" 2013 gzip -9 -n >"$tree/arch/boot/$arch/archiso.img"
        root=$(make_root "$system" arch-2013)
        make_root_image "$root" "$tree/arch/$arch/root-image.fs.sfs"
        package_list "$debian" | sed 's# #-#; s#^#core/#' >"$tree/arch/pkglist.$arch.txt"
        printf 'root-image\t/\t%s\txz\text4\t50%%\n' "$arch" >>"$tree/arch/aitab"
    done
    for arch in i686 x86_64; do
        (cd "$tree/arch" && md5sum aitab "$arch/root-image.fs.sfs" >"checksum.$arch.md5")
    done
    install_loaders "$tree/arch/boot/syslinux" "$HERE/syslinux-2013"
    mv "$tree/arch/boot/syslinux/isolinux.bin" "$tree/arch/boot/syslinux/isohdpfx.bin" "$tree/isolinux/"
    cp "$tree/arch/boot/syslinux/ldlinux.c32" "$tree/isolinux/"
    mv "$tree/arch/boot/syslinux/isolinux.cfg" "$tree/isolinux/"
    # Rock Ridge is on by default, Joliet is not, as in 2013.
    make_iso "$tree" "$1" isolinux -joliet off
}

# odd_files DIR: names, links and modes that a file system must hand on as they are.
odd_files() {
    mkdir -p "$1/odd/deep"
    echo "only root" >"$1/odd/secret"
    chmod 600 "$1/odd/secret"
    echo "runs" >"$1/odd/run me"
    chmod 755 "$1/odd/run me"
    : >"$1/odd/empty"
    printf 'not a multiple of four' >"$1/odd/ünïcode"
    ln -s ../../boot/x86_64/vmlinuz-linux "$1/odd/deep/kernel"
    ln -s /nowhere "$1/odd/dangling"
}

# package_list ARCH: the programs of the system with their versions, by the names they have on Arch's
# medium. klibc is mkinitcpio-nfs-utils there: it brings ipconfig and nfsmount.
package_list() {
    local package
    for package in busybox-static klibc-utils nbd-client "$(kernel_package "$(kernel_meta "$1")")"; do
        package_versions "${package%:*}:$1"
    done | sed -E 's/:[^ ]+ (1:)?/ /; s/^busybox-static/busybox/; s/^nbd-client/nbd/
        s/^klibc-utils/mkinitcpio-nfs-utils/; s/^linux-image-[^ ]*/linux/'
}

# system_with_udp SYSTEM: prints a copy of it whose NFS client also speaks UDP.
system_with_udp() {
    local copy=$WORK/system module modules
    modules=$(udp_modules)
    cp -a "$1" "$copy"
    for module in nfs nfsv3; do
        cp "$modules/$module.ko" "$(find "$copy/initramfs/usr/lib/modules" -name "$module.ko")"
    done
    echo "$copy"
}

# A squashfs that holds one ext4 file system, which holds the root.
make_root_image() {
    local dir=$WORK/root-image
    rm -rf "$dir" && mkdir "$dir"
    local -x E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
    mke2fs -q -t ext4 -O ^has_journal -L root-image \
        -U 6c616e62-6f6f-7400-8000-000000002013 -E hash_seed=6c616e62-6f6f-7400-8000-000000002013,root_owner=0:0 \
        -m 0 -d "$1" "$dir/root-image.fs" 32M >/dev/null
    # mke2fs copies every file's time of change, which no touch(1) can set.
    (cd "$1" && find . -printf "set_inode_field \"%P\" ctime @$SOURCE_DATE_EPOCH\n") |
        sed 's/ "" / "\/" /' | debugfs -w -f - "$dir/root-image.fs" >"$WORK/debugfs.log" 2>&1
    one_date "$dir"
    squash "$dir" "$2" -comp xz
}

# An uncompressed archive of noise before the real one, as the microcode is on the real medium.
enlarge_initramfs() {
    local tree=$WORK/noise
    mkdir -p "$tree/usr/lib/firmware"
    noise 88 >"$tree/usr/lib/firmware/noise.bin"
    pack_cpio "$tree" >"$1.new"
    # The kernel wants the next archive on a multiple of four bytes; cpio pads to 512.
    cat "$1" >>"$1.new"
    mv "$1.new" "$1"
}

# One key pair per cache signs every image in it; the initramfs carries the certificate.
make_signing_key() (
    dir=$CACHE/codesign
    exec 8>"$CACHE/codesign.lock"
    flock 8
    [[ ! -e $dir/codesign.crt ]] || return 0
    mkdir -p "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/codesign.key" -out "$dir/codesign.crt.new" \
        -days 36500 -subj "/CN=lanboot test images" -addext extendedKeyUsage=codeSigning 2>/dev/null
    mv "$dir/codesign.crt.new" "$dir/codesign.crt"
)

sign() {
    openssl cms -sign -binary -noattr -in "$1" -signer "$CACHE/codesign/codesign.crt" \
        -inkey "$CACHE/codesign/codesign.key" -outform DER -out "$1.cms.sig"
}

# install_loaders DIR CONFIGS: PXELINUX, ISOLINUX, their modules, the menus and their picture.
install_loaders() {
    local debian=$WORK/loaders config
    [[ -e $debian ]] || fetch_packages "$debian" "${LOADER_PACKAGES[@]}"
    cp "$debian"/usr/lib/syslinux/modules/bios/*.c32 "$debian/usr/lib/PXELINUX/lpxelinux.0" \
        "$debian"/usr/lib/ISOLINUX/{isolinux.bin,isohdpfx.bin} "$debian/usr/lib/syslinux/memdisk" "$1/"
    for config in "$2"/*.cfg; do
        sed "s/%UUID%/$VOLUME_UUID/g" "$config" >"$1/${config##*/}"
    done
    splash >"$1/splash.png"
}

# A plain 640x480 picture, dark blue to black.
splash() {
    python3 -c '
import struct, sys, zlib
rows = b"".join(b"\0" + bytes((0, 20, 80 - y // 8)) * 640 for y in range(480))
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
sys.stdout.buffer.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))'
}

# make_iso TREE FILE LOADERS OPTIONS…: Rock Ridge, level 3, bootable by BIOS from CD and from disk,
# and by UEFI where the tree has an efiboot.img.
make_iso() {
    local tree=$1 file=$2 loaders=$3 efi=()
    shift 3
    [[ ! -e $tree/efiboot.img ]] || efi=(-boot_image any next -boot_image any efi_path=/efiboot.img)
    one_date "$tree"
    write_iso "$file" -volid ARCH_202611 "$@" -map "$tree" / \
        -boot_image isolinux bin_path="/$loaders/isolinux.bin" \
        -boot_image isolinux cat_path="/$loaders/boot.cat" \
        -boot_image isolinux system_area="$tree/$loaders/isohdpfx.bin" \
        "${efi[@]}" -boot_image any partition_offset=16
}

# write_iso FILE OPTIONS…: what every image of ours has in common. It goes through a pipe, because
# xorriso writes every zero of a sparse file and cp leaves them out again.
write_iso() {
    local file=$1
    shift
    xorriso -abort_on FAILURE -report_about WARNING -outdev - -padding 0 -uid 0 -gid 0 \
        -application_id "lanboot test image" -publisher "lanboot" -preparer_id "tests/images/build" \
        -compliance iso_9660_level=3 -volume_date uuid "$VOLUME_DATE" \
        -volume_date all_file_dates "=$SOURCE_DATE_EPOCH" "$@" -commit 2>"$WORK/xorriso.log" |
        cp --sparse=always /dev/stdin "$file" || { cat "$WORK/xorriso.log" >&2; fail "xorriso failed"; }
    chmod 644 "$file"
}
