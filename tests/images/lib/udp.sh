# shellcheck shell=bash
# Debian's kernel can speak NFS over UDP and is built not to. For the image that tests the kernel's
# own clients, its NFS modules are built again without that one switch, from Debian's own source
# of the same version.

# udp_packages KERNEL: what building modules for the kernel package KERNEL takes.
udp_packages() {
    local release=${1%%:*} version
    release=${release#linux-image-}
    version=$(sed -E 's/^([0-9]+\.[0-9]+)\..*/\1/' <<<"$release")
    printf '%s\n' "linux-headers-$release:amd64" "linux-headers-${release%-amd64}-common:all" \
        "linux-kbuild-$version:amd64" "linux-source-$version:all"
}

# udp_modules: prints the folder that holds nfs.ko and nfsv3.ko; builds them if needed.
udp_modules() {
    local kernel packages key dir build=$CACHE/udp.new
    kernel=$(kernel_package "$(kernel_meta amd64)")
    mapfile -t packages < <(udp_packages "$kernel")
    key=$({
        package_versions "${packages[@]}"
        cat "$HERE/lib/udp.sh"
    } | sha256sum | cut -c1-16)
    dir=$CACHE/nfs-udp-$key
    if [[ ! -e $dir ]]; then
        rm -rf "$CACHE"/nfs-udp-* "$build"
        fetch_packages "$build/debian" "${packages[@]}"
        say "building NFS modules that speak UDP"
        build_udp_modules "$build"
        mkdir "$build/modules"
        strip -g -o "$build/modules/nfs.ko" "$build/fs/nfs/nfs.ko"
        strip -g -o "$build/modules/nfsv3.ko" "$build/fs/nfs/nfsv3.ko"
        mv "$build/modules" "$dir"
        rm -rf "$build"
    fi
    echo "$dir"
}

build_udp_modules() {
    local build=$1 headers
    headers=$(find "$build/debian/usr/src" -maxdepth 1 -name 'linux-headers-*-amd64')
    # The headers' own Makefile names its other half by an absolute path.
    sed -i "s#/usr/src#$build/debian/usr/src#" "$headers/Makefile"
    tar -C "$build" -xJf "$build"/debian/usr/src/linux-source-*.tar.xz --strip-components=1 --wildcards \
        'linux-source-*/fs/nfs/*' 'linux-source-*/fs/nfs_common/*'
    sed -i 's/CONFIG_NFS_DISABLE_UDP_SUPPORT/CONFIG_NFS_NEVER_UDP/' "$build"/fs/nfs/*.[ch]
    make -s -C "$headers" M="$build/fs/nfs" CONFIG_NFS_V2= CONFIG_NFS_V4= CONFIG_PNFS_FILE_LAYOUT= \
        CONFIG_PNFS_BLOCK= CONFIG_PNFS_FLEXFILE_LAYOUT= -j2 modules >"$CACHE/udp.log" 2>&1 ||
        { tail -n 20 "$CACHE/udp.log" >&2; fail "the NFS modules could not be built"; }
}
