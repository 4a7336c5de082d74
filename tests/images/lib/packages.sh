# shellcheck shell=bash
# Debian packages, fetched into the cache and unpacked there: what goes into a test image never
# comes from the host, so the images are the same wherever they are built.
#
# apt gets a state of its own under target/: the host's lists, sources and foreign architectures
# stay untouched, and foreign packages need no `dpkg --add-architecture`.

: "${DEBIAN_SUITE:=bookworm}"
# The mirror this host uses for that suite, unless another one is named.
: "${DEBIAN_MIRROR:=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    "Codename: $DEBIAN_SUITE" 2>/dev/null | head -n 1)}"
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The caches are named because container images switch them off, and each call costs 2 s without.
# private_apt TOOL ARGS…: apt-get or apt-cache on the private state.
private_apt() {
    local tool=$1 state=$CACHE/apt
    shift
    "$tool" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::trustedparts=/dev/null \
        -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Architectures::=i386 \
        -o APT::Architectures::=arm64 \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Languages=none -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}

# Makes the private state and reads the package index, once.
prepare_packages() {
    local state=$CACHE/apt
    [[ -e $state/ready-arm64 ]] && return
    [[ $DEBIAN_MIRROR ]] || fail "no mirror of Debian $DEBIAN_SUITE is known here: run apt-get update, or name one in DEBIAN_MIRROR"
    say "reading the package index of $DEBIAN_SUITE from $DEBIAN_MIRROR"
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$CACHE/debs"
    : >"$state/status"
    echo "deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR $DEBIAN_SUITE main" >"$state/sources.list"
    private_apt apt-get -qq update || fail "cannot read the package index from $DEBIAN_MIRROR (set DEBIAN_MIRROR to another one)"
    touch "$state/ready-arm64"
}

# package_versions PACKAGE:ARCH…: one line each, name and version; part of the cache key.
package_versions() {
    private_apt apt-cache show --no-all-versions "$@" |
        awk '/^Package:/ {p = $2} /^Version:/ {v = $2} /^Architecture:/ {a = $2} /^$/ {print p ":" a, v} END {print p ":" a, v}' |
        LC_ALL=C sort -u
}

# kernel_package META:ARCH: the package a kernel meta package stands for.
kernel_package() {
    local real
    real=$(private_apt apt-cache depends --important "$1" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}')
    [[ -n $real ]] || fail "$1 depends on no kernel in $DEBIAN_SUITE"
    echo "${real%%:*}:${1##*:}"
}

# library_packages ARCH PACKAGE…: the libraries these packages need, themselves included.
library_packages() {
    local arch=$1 package
    shift
    {
        printf '%s\n' "$@"
        private_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
            --no-breaks --no-replaces --no-enhances "${@/%/:$arch}" | grep -oE '^(lib|zlib)[^ :<>]+'
    } | LC_ALL=C sort -u | while read -r package; do echo "$package:$arch"; done
}

# fetch_packages ROOT PACKAGE:ARCH…: downloads what the cache has not and unpacks all into ROOT.
fetch_packages() {
    local root=$1 debs=$CACHE/debs name version file missing=()
    shift
    while read -r name version; do
        [[ -e $debs/${name/:/_}_${version//:/%3a}.deb ]] || missing+=("$name")
    done < <(package_versions "$@")
    ((${#missing[@]} == 0)) || download_packages "${missing[@]}"
    mkdir -p "$root"
    while read -r name version; do
        file=$debs/${name/:/_}_${version//:/%3a}.deb
        [[ -e $file ]] || fail "$name $version was not downloaded"
        dpkg-deb -x "$file" "$root"
    done < <(package_versions "$@")
}

# Downloads into a folder of its own first, so that a broken download never looks like a package.
download_packages() {
    local dir name file
    say "fetching ${#} Debian packages"
    dir=$(mktemp -d "$CACHE/debs/download.XXXXXX")
    # apt cannot be told `package:all`.
    (cd "$dir" && private_apt apt-get -qq download "${@/%:all/}") ||
        fail "cannot fetch $* from $DEBIAN_MIRROR (remove $CACHE/apt to read a newer index)"
    for file in "$dir"/*.deb; do
        name=$(dpkg-deb -f "$file" Package):$(dpkg-deb -f "$file" Architecture)
        mv "$file" "$CACHE/debs/${name/:/_}_$(dpkg-deb -f "$file" Version | sed 's/:/%3a/g').deb"
    done
    rmdir "$dir"
}
