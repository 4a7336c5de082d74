# The stages around the transports: command line, modules, messages, the last step.

ROOT=/new_root

mount_kernel_filesystems() {
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev 2>/dev/null
    mount -t tmpfs -o mode=0755,size=75% run /run
    mkdir -p /run/archiso "$ROOT"
}

# ERA is `2013` or `modern`: which generation of archiso the image imitates.
read_settings() { . /etc/archiso-era; }

# `key=value` becomes a shell variable, `key` alone becomes `y`; quotes are honoured, nothing is
# expanded, and the last of several wins.
read_command_line() {
    local word key value
    xargs printf '%s\n' </proc/cmdline >/tmp/cmdline
    while IFS= read -r word; do
        case $word in
        *=*) key=${word%%=*} value=${word#*=} ;;
        *) key=$word value=y ;;
        esac
        case $key in
        '' | [0-9]* | *[!A-Za-z0-9_]* | PATH | IFS | ROOT | ERA) continue ;;
        esac
        eval "$key=\$value"
    done </tmp/cmdline
    : "${archisobasedir:=arch}" "${arch:=$(uname -m)}" "${copytoram:=auto}"
}

# Loads what the bus shows, twice: the virtio bus appears only after virtio_pci is loaded.
load_modules() {
    local round
    for round in 1 2; do
        cat /sys/bus/pci/devices/*/modalias /sys/bus/virtio/devices/*/modalias 2>/dev/null |
            sort -u | xargs -r modprobe -a -q 2>/dev/null
    done
    modprobe -a -q loop squashfs overlay 2>/dev/null
    # The RAM disk into which UEFI HTTP Boot loads an image.
    [ ! -e /sys/firmware/acpi/tables/NFIT ] || modprobe -a -q nfit nd_pmem 2>/dev/null
}

say() { echo ":: $*"; }

# Not archiso's doing: `lanboot_pause=SECONDS` stands for the time a slow machine takes to write and to
# verify a large root, between that and its next request.
pause_as_slow_machines_do() { [ -z "$lanboot_pause" ] || sleep "$lanboot_pause"; }

# stop WHY: the end of this boot. It is also said on the first serial port, whatever the console.
stop() {
    echo "LANBOOT-GUEST-STOPPED $*"
    grep -q 'console=ttyS0' /proc/cmdline || echo "LANBOOT-GUEST-STOPPED $*" 2>/dev/null >/dev/ttyS0
    [ "$lanboot_test" = poweroff ] && poweroff -f
    exec setsid cttyhack sh
}

# What the booted system prints of its own boot.
prepare_boot_report() {
    {
        echo "transport=$transport"
        echo "boot_ip=${IPV4ADDR:-none}"
        echo "boot_mac=${bootif_mac:-none}"
        echo "copytoram=$copytoram"
        echo "cms=${cms_state:-unasked}"
        echo "checksum=${checksum_state:-unasked}"
        echo "initramfs=$(cat /etc/lanboot-initramfs 2>/dev/null || echo only)"
    } >/run/lanboot-guest
}

enter_the_system() {
    local place
    for place in proc sys dev run; do
        mount -o move "/$place" "$ROOT/$place" || stop "cannot move /$place"
    done
    say "entering the root file system"
    exec switch_root "$ROOT" /sbin/init
}

# Debian's busybox has no mountpoint(1).
mounted() { grep -q " $1 " /proc/mounts; }
