# shellcheck shell=bash
# Debian packages for the tests can be fetched with any apt configuration of this host.
#
# case: host-apt    packages for images and tools, beside apt-file and a broken configuration
# images: host-apt -

# A copy of this host: its root file system below an overlay in memory, in a mount namespace;
# changes and installations are discarded. COPY is the script run inside.
case_host-apt() {
    mkdir -p "$LOGS"
    need_tools unshare=util-linux chroot=coreutils
    LAB_START=$(date +%s.%N)
    in_copy install_beside_apt_file || fail "tools are not installed beside apt-file: $(tail -n 2 "$LOGS/install_beside_apt_file.log")"
    step "a tool is installed beside apt-file, an index that is nowhere and a hook that fails"
    in_copy fetch_in_ruins || fail "packages are not fetched: $(tail -n 2 "$LOGS/fetch_in_ruins.log")"
    step "packages are fetched, although apt itself cannot read this host's configuration"
}

# in_copy FUNCTION: runs it in a copy of this host.
in_copy() {
    unshare --mount "$BASH" -euo pipefail -c '
        copy=$1/copy
        mkdir -p "$copy"
        mount -t tmpfs tmpfs "$copy"
        mkdir "$copy"/{upper,work,root}
        mount -t overlay overlay -o "lowerdir=/,upperdir=$copy/upper,workdir=$copy/work" "$copy/root"
        for folder in proc dev sys run tmp; do mount --rbind "/$folder" "$copy/root/$folder"; done
        mkdir -p "$copy/root$2"
        mount --bind "$2" "$copy/root$2"
        exec chroot "$copy/root" "$BASH" -euo pipefail -c "$3" _ "$2"
    ' _ "$LOGS" "$REPO" "$(declare -f "$1"); $1 \"\$1\"" >"$LOGS/$1.log" 2>&1
}

# A tool that is certainly missing in this copy of the host.
install_beside_apt_file() {
    . "$1/tests/tools.sh"
    install_packages apt-file
    [[ -e /etc/apt/apt.conf.d/50apt-file.conf ]]
    cat >/etc/apt/apt.conf.d/60failing <<'END'
Acquire::IndexTargets::deb::Nowhere {
    MetaKey "$(COMPONENT)/nowhere-$(ARCHITECTURE)"; ShortDescription "Nowhere"; Description "Nowhere";
    Optional "false";
};
APT::Update::Post-Invoke { "echo this hook fails; false"; };
END
    dpkg --purge --force-all atftp >/dev/null 2>&1 || true
    ! type -P atftp >/dev/null
    # This index is unreadable, and the package is found all the same.
    install_packages atftp
    type -P atftp
}

fetch_in_ruins() {
    local apt=/etc/apt
    mkdir -p $apt/{apt.conf,preferences,sources.list,trusted.gpg,auth.conf}.d
    echo 'Acquire::http::Proxy "http://127.0.0.1:9";' >$apt/apt.conf.d/10proxy
    echo 'APT::Default-Release "nowhere"; APT::Update::Pre-Invoke { "false"; }; APT::Update::Post-Invoke { "false"; };' >$apt/apt.conf.d/20odd
    echo 'Acquire::IndexTargets::deb::Contents { MetaKey "nowhere"; Optional "false"; }; Dir::State::lists "/dev/null";' >$apt/apt.conf.d/30odd
    echo 'Acquire::Languages { "de"; "xx"; }; APT::Architecture "s390x";' >>$apt/apt.conf.d/30odd
    echo 'this is { no configuration' >$apt/apt.conf.d/40broken
    printf 'Package: *\nPin: release *\nPin-Priority: -1\n\nPackage:\nPin: what\n' >$apt/preferences.d/broken
    printf 'deb\nnonsense\ndeb [ http://\n' >$apt/sources.list.d/broken.list
    printf 'Types: deb\nURIs\n' >$apt/sources.list.d/broken.sources
    echo 'no key' >$apt/trusted.gpg.d/broken.asc
    echo 'machine example.org login' >$apt/auth.conf
    ! apt-get update || { echo "apt is not hindered: this shows nothing"; exit 1; }
    rm -rf /srv/cache /srv/got
    APT_CONFIG=$apt/apt.conf.d/40broken LANGUAGE=de LANBOOT_IMAGE_CACHE=/srv/cache \
        "$1/tests/images/fetch" /srv/got bookworm apt-file:all
    [[ -e /srv/got/usr/bin/apt-file ]]
}
