# shellcheck shell=bash
# What boots: a kernel, an initramfs and a small root file system, for one architecture.

# Modules the initramfs carries, with all that they need: network cards QEMU has, the file systems
# of every transport, and disks for a medium that is booted as one.
MODULES=(virtio_pci virtio_net virtio_blk e1000 e1000e squashfs loop overlay isofs ext4
    crc32c_generic nbd nfs nfsv3 sr_mod sd_mod ahci)

# What only PCs have, a RAM disk that the firmware made among it.
PC_MODULES=(8139cp ata_piix nfit nd_pmem)

PROGRAMS=(curl nbd-client openssl)

kernel_meta() {
    case $1 in
    amd64) echo linux-image-amd64:amd64 ;;
    i386) echo linux-image-686:i386 ;;
    arm64) echo linux-image-arm64:arm64 ;;
    esac
}

# system_packages ARCH: every package that goes into a system, with the libraries of its programs.
# The list is kept beside the package index it was read from.
system_packages() {
    local list=$CACHE/apt/system-$1.list
    if [[ ! -e $list || $HERE/lib/system.sh -nt $list ]]; then
        {
            kernel_package "$(kernel_meta "$1")"
            printf '%s\n' "busybox-static:$1" "klibc-utils:$1" "libklibc:$1"
            library_packages "$1" "${PROGRAMS[@]}"
        } >"$list.$BASHPID"
        mv "$list.$BASHPID" "$list"
    fi
    cat "$list"
}

# system ARCH: prints the folder that holds vmlinuz, initramfs/ and rootfs/; builds it if needed.
system() (
    arch=$1
    exec 8>"$CACHE/system.lock"
    flock 8
    mapfile -t packages < <(system_packages "$arch")
    key=$({
        package_versions "${packages[@]}"
        cat "$HERE"/lib/{system,packages}.sh "$HERE"/{initramfs,rootfs}/*
    } | sha256sum | cut -c1-16)
    dir=$CACHE/system-$arch-$key
    if [[ ! -e $dir ]]; then
        rm -rf "$CACHE/system-$arch"-* "$CACHE/system.new"
        fetch_packages "$CACHE/system.new/debian" "${packages[@]}"
        say "building kernel, initramfs and root file system for $arch"
        make_kernel "$CACHE/system.new"
        make_initramfs_tree "$CACHE/system.new" "$arch"
        make_rootfs_tree "$CACHE/system.new" "$arch"
        rm -rf "$CACHE/system.new/debian"
        mv "$CACHE/system.new" "$dir"
    fi
    echo "$dir"
)

# Arch signs no kernel, so Debian's signature is cut off: the certificate table is the end of the
# file, and the fifth data directory of the PE header names it.
make_kernel() {
    cp "$1"/debian/boot/vmlinuz-* "$1/vmlinuz"
    python3 - "$1/vmlinuz" <<'END'
import struct, sys
with open(sys.argv[1], "r+b") as file:
    data = file.read()
    header = struct.unpack_from("<I", data, 60)[0]
    if data[header:header + 4] == b"PE\0\0":
        wide = struct.unpack_from("<H", data, header + 24)[0] == 0x20b
        entry = header + 24 + (112 if wide else 96) + 4 * 8
        table, size = struct.unpack_from("<II", data, entry)
        if size:
            assert table + size == len(data), "something follows the certificates"
            file.seek(entry)
            file.write(bytes(8))
            file.truncate(table)
END
}

make_initramfs_tree() {
    local dir=$1 arch=$2 tree=$1/initramfs debian=$1/debian program
    mkdir -p "$tree"/{usr/bin,usr/sbin,usr/lib,dev,proc,sys,run,tmp,etc,new_root}
    ln -s usr/bin "$tree/bin"
    ln -s usr/sbin "$tree/sbin"
    ln -s usr/lib "$tree/lib"
    install_busybox "$debian" "$tree"
    # udev calls it; the kernel's module loader calls /sbin/modprobe.
    ln -s ../bin/modprobe "$tree/usr/sbin/modprobe"
    for program in ipconfig nfsmount; do
        cp "$debian/usr/lib/klibc/bin/$program" "$tree/usr/bin/"
    done
    cp "$debian"/lib/klibc-*.so "$tree/usr/lib/"
    for program in "${PROGRAMS[@]}"; do
        install_program "$debian" "$tree" "$program"
    done
    install_modules "$debian" "$tree" "$arch"
    install -D -m 755 "$HERE/initramfs/init" "$tree/init"
    mkdir "$tree/usr/lib/archiso"
    cp "$HERE"/initramfs/*.sh "$tree/usr/lib/archiso/"
    # openssl looks for it and complains when it is absent.
    mkdir -p "$tree/usr/lib/ssl" && : >"$tree/usr/lib/ssl/openssl.cnf"
}

# The names of busybox's programs are those of the host's architecture: same version, same list.
install_busybox() {
    local name
    cp "$1/bin/busybox" "$2/bin/busybox"
    while read -r name; do
        [[ -e $2/bin/$name ]] || ln -s busybox "$2/bin/$name"
    done <"$HERE/busybox-programs"
}

# install_program DEBIAN TREE NAME: a program, its loader and its libraries, found by what the
# ELF files say (so that i386 needs no i386 machine).
install_program() {
    local debian=$1 tree=$2 file queue=() library found interpreter
    file=$(find "$debian" -path "*bin/$3" -print -quit)
    cp "$file" "$tree/usr/bin/"
    interpreter=$(readelf -l "$file" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
    # Debian's loader is a link into the library folder on amd64, a file on i386.
    install -D -m 755 "$(find "$debian" -name "${interpreter##*/}" -print -quit | xargs -r realpath -m)" "$tree$interpreter" 2>/dev/null ||
        install -D -m 755 "$(find "$debian" -name 'ld-linux*.so.[12]' -type f -print -quit)" "$tree$interpreter"
    queue=("$file")
    while ((${#queue[@]})); do
        file=${queue[0]}
        queue=("${queue[@]:1}")
        while read -r library; do
            found=$(find "$debian" -name "$library" -print -quit)
            [[ -n $found ]] || fail "$library, needed by $file, is in no fetched package"
            found=$(library_file "$debian" "$found")
            [[ -e $tree/usr/lib/$library ]] && continue
            install -m 755 "$found" "$tree/usr/lib/$library"
            queue+=("$found")
        done < <(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    done
}

# A link in a package may be absolute: it is meant inside the unpacked tree.
library_file() {
    local target
    if [[ -L $2 ]]; then
        target=$(readlink "$2")
        case $target in
        /*) library_file "$1" "$1$target" ;;
        *) library_file "$1" "$(dirname "$2")/$target" ;;
        esac
    else
        echo "$2"
    fi
}

install_modules() {
    local debian=$1 tree=$2 version module path modules=("${MODULES[@]}")
    [[ $3 == arm64 ]] || modules+=("${PC_MODULES[@]}")
    version=$(basename "$debian"/lib/modules/*)
    depmod -b "$debian" "$version"
    for module in "${modules[@]}"; do
        modprobe -d "$debian" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
    done | LC_ALL=C sort -u | while read -r path; do
        install -D -m 644 "$path" "$tree/usr/${path#"$debian"/}"
    done
    cp "$debian/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/usr/lib/modules/$version/"
    depmod -b "$tree" "$version"
}

make_rootfs_tree() {
    local tree=$1/rootfs
    mkdir -p "$tree"/{bin,dev,proc,sys,run,tmp,root,etc,usr/share/lanboot}
    ln -s bin "$tree/sbin"
    install_busybox "$1/debian" "$tree"
    install -m 755 "$HERE/rootfs/rc" "$HERE/rootfs/udhcpc.script" "$tree/etc/"
    install -m 644 "$HERE/rootfs/inittab" "$tree/etc/"
    [[ $2 != arm64 ]] || sed -i 's/^ttyS0/ttyAMA0/' "$tree/etc/inittab"
    make_payload "$tree/usr/share/lanboot"
}

# Files no compression shortens and no two of which are alike, of sizes that end inside a block.
make_payload() {
    python3 - "$1" <<'END'
import random, sys
for number, size in enumerate([1, 4095, 131073, 1500001, 6291456]):
    with open(f"{sys.argv[1]}/payload-{number}", "wb") as file:
        file.write(random.Random(number).randbytes(size))
END
}

# noise MEGABYTES: bytes no compression shortens, always the same.
noise() {
    python3 -c '
import random, sys
noise = random.Random(88)
for _ in range(int(sys.argv[1])):
    sys.stdout.buffer.write(noise.randbytes(1 << 20))' "$1"
}

# --- images of trees ---------------------------------------------------------------------------

# one_date TREE: every date in a tree, so that the same tree gives the same bytes.
one_date() { find "$1" -print0 | xargs -0 touch -h -d "@$SOURCE_DATE_EPOCH"; }

# pack_cpio TREE: an uncompressed cpio on the standard output.
pack_cpio() {
    one_date "$1"
    (cd "$1" && find . -print0 | LC_ALL=C sort -z |
        cpio --null --quiet -o -H newc --reproducible --owner=0:0)
}

# make_initramfs SYSTEM ERA COMPRESS…: the initramfs of a system on the standard output.
make_initramfs() {
    local tree=$WORK/initramfs system=$1 era=$2
    shift 2
    rm -rf "$tree"
    cp -a "$system/initramfs" "$tree"
    echo "ERA=$era" >"$tree/etc/archiso-era"
    [[ -z ${INITRAMFS_MARK:-} ]] || echo "$INITRAMFS_MARK" >"$tree/etc/lanboot-initramfs"
    [[ $era == 2013 ]] || cp "$CACHE/codesign/codesign.crt" "$tree/codesign.crt"
    pack_cpio "$tree" | "$@"
}

# make_root SYSTEM NAME: the root file system's tree for one image; prints the folder.
make_root() {
    local tree=$WORK/root
    rm -rf "$tree"
    cp -a "$1/rootfs" "$tree"
    [[ $2 != arch-big-root ]] || noise 100 >"$tree/usr/share/lanboot/payload-big"
    echo "$2" >"$tree/etc/lanboot-image"
    (cd "$tree" && find . -type f ! -name manifest -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$WORK/manifest"
    mv "$WORK/manifest" "$tree/usr/share/lanboot/manifest"
    one_date "$tree"
    echo "$tree"
}

squash() { # TREE FILE OPTIONS…
    local tree=$1 file=$2
    shift 2
    mksquashfs "$tree" "$file" -noappend -quiet -no-progress -all-root "$@" >/dev/null
}
