# shellcheck shell=bash
# Debian packages, fetched into the cache and unpacked there: what goes into a test image never
# comes from the host, so the images are the same wherever they are built.
#
# apt gets a configuration and a state of its own under target/: nothing of the host's is read but
# the name of its mirror and its proxy (mirror.sh); the host's lists, sources and foreign
# architectures stay untouched, and foreign packages need no `dpkg --add-architecture`.

# shellcheck source=mirror.sh
. "${BASH_SOURCE[0]%/*}/mirror.sh"

: "${DEBIAN_SUITE:=bookworm}"
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# private_apt TOOL ARGS…: apt-get or apt-cache on the private state. apt reads the file in
# APT_CONFIG before all others, and this one moves the folders of the others.
private_apt() { LC_ALL=C APT_CONFIG=$CACHE/apt/apt.conf "$@"; }

# apt_configuration: prints the private configuration. The mirror may be a frozen one: what counts
# is the signature, not its date. The caches are named because apt without them takes 2 s a call.
apt_configuration() {
    local state=$CACHE/apt
    cat <<END
Dir::Etc "$state/etc/";
Dir::Etc::sourcelist "$state/sources.list";
Dir::State "$state/state/";
Dir::State::lists "$state/lists/";
Dir::State::status "$state/status";
Dir::Cache "$state/cache/";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "$state/log/";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "i386"; "arm64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
END
}

# Makes the private state and reads the package index, once.
prepare_packages() (
    state=$CACHE/apt
    mkdir -p "$CACHE"
    exec 8>"$CACHE/apt.lock"
    flock 8
    [[ ! -e $state/ready-own ]] || return 0
    rm -rf "$state"
    mkdir -p "$state"/etc/{apt.conf,preferences,sources.list,trusted.gpg,auth.conf}.d "$state"/{state,log,lists/partial,cache/archives/partial} "$CACHE/debs"
    : >"$state/status"
    read_index
    touch "$state/ready-own"
)

# read_index: from the mirror in DEBIAN_MIRROR, else from the first one this host names that holds
# the suite, signed by Debian; through the host's proxy, else without one.
read_index() {
    local state=$CACHE/apt mirror proxy mirrors=() proxies=()
    if [[ ${DEBIAN_MIRROR:-} ]]; then
        mirrors=("${DEBIAN_MIRROR%/}")
    else
        mapfile -t mirrors < <(host_mirrors "$DEBIAN_SUITE")
    fi
    ((${#mirrors[@]})) || fail "/etc/apt names no mirror of Debian: name one in DEBIAN_MIRROR"
    proxies=("$(host_proxies)")
    [[ -z ${proxies[0]} ]] || proxies+=('')
    for mirror in "${mirrors[@]}"; do
        for proxy in "${proxies[@]}"; do
            say "reading the package index of $DEBIAN_SUITE from $mirror"
            { apt_configuration && echo "$proxy"; } >"$state/apt.conf"
            echo "deb [signed-by=$DEBIAN_KEYRING] $mirror $DEBIAN_SUITE ${DEBIAN_COMPONENT:-main}" >"$state/sources.list"
            if private_apt apt-get -qq -o APT::Update::Error-Mode=any update >"$state/update.log" 2>&1; then
                return
            fi
            tail -n 2 "$state/update.log" >&2
        done
    done
    fail "the package index of $DEBIAN_SUITE cannot be read from ${mirrors[*]}: name another mirror in DEBIAN_MIRROR"
}

# package_versions PACKAGE:ARCH…: one line each, name and version; part of the cache key. Those of
# another suite, which `in_suite` has prepared, are all SUITE/PACKAGE:ARCH.
package_versions() {
    if [[ $1 == */* ]]; then
        CACHE=$CACHE/${1%%/*} package_versions "${@#*/}"
        return
    fi
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
    local root=$1 file
    shift
    need_packages "$@"
    mkdir -p "$root"
    while read -r file; do
        dpkg-deb -x "$file" "$root"
    done < <(package_files "$@")
}

# need_packages PACKAGE:ARCH…: downloads what the cache has not; one at a time.
need_packages() (
    exec 8>"$CACHE/debs/lock"
    flock 8
    download_packages "$@" || {
        # The mirror has newer packages than the index that was read here some time ago.
        say "reading the package index anew"
        read_index
        download_packages "$@" || fail "cannot fetch $* from $(cut -d ' ' -f 3 "$CACHE/apt/sources.list")"
    }
)

# in_suite SUITE COMMAND…: runs COMMAND with the packages of another suite of Debian.
in_suite() (
    DEBIAN_SUITE=$1
    [[ $1 == bookworm ]] || CACHE=$CACHE/$1
    shift
    prepare_packages
    "$@"
)

# package_files PACKAGE:ARCH…: where the cache keeps them.
package_files() {
    local name version
    while read -r name version; do
        echo "$CACHE/debs/${name/:/_}_${version//:/%3a}.deb"
    done < <(package_versions "$@")
}

# download_packages PACKAGE:ARCH…: those the cache has not; 1 when one is missing afterwards. They
# come into a folder of their own first, so that a broken download never looks like a package.
download_packages() {
    local dir file name version missing=()
    while read -r name version; do
        [[ -e $CACHE/debs/${name/:/_}_${version//:/%3a}.deb ]] || missing+=("$name")
    done < <(package_versions "$@")
    ((${#missing[@]})) || return 0
    say "fetching ${#missing[@]} Debian packages"
    dir=$(mktemp -d "$CACHE/debs/download.XXXXXX")
    # apt does not accept `package:all`.
    (cd "$dir" && private_apt apt-get -qq download "${missing[@]%:all}") || {
        rm -rf "$dir"
        return 1
    }
    for file in "$dir"/*.deb; do
        name=$(dpkg-deb -f "$file" Package):$(dpkg-deb -f "$file" Architecture)
        mv "$file" "$CACHE/debs/${name/:/_}_$(dpkg-deb -f "$file" Version | sed 's/:/%3a/g').deb"
    done
    rmdir "$dir"
    while read -r file; do
        [[ -e $file ]] || return 1
    done < <(package_files "$@")
}
