# shellcheck shell=bash
# The boot lab: two network namespaces, a server in one, machines in the other.
#
#   lb-PID-srv   srv0, the server's card (192.168.77.1)
#        |       veth        [lb-PID-rly: a relay, and the LAN behind it]
#   lb-PID-lan   lan0, a bridge: the LAN; a tap for every machine, and the router advertiser
#
# Nothing leaves the namespaces. `lab_down` ends the processes in them, by process id, and removes
# them; callers set it as their exit trap. No step sleeps for a fixed time: each waits for a
# condition, mostly a line in a log, with a deadline (patience.sh).

BOOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=patience.sh
. "$BOOT/patience.sh"
# shellcheck source=events.sh
. "$BOOT/events.sh"
REPO=$(cd "$BOOT/../.." && pwd)
: "${LANBOOT:=$REPO/target/release/lanboot}"

# The user's settings must not affect programs here: neither the language, nor a proxy (which the
# lab's networks do not have), nor curl's configuration file.
export LC_ALL=C.UTF-8 no_proxy=127.0.0.0/8,10.0.0.0/8,192.168.0.0/16
export NO_PROXY=$no_proxy CURL_HOME=$REPO/target/curl
unset LANGUAGE
mkdir -p "$CURL_HOME"
: >"$CURL_HOME/.curlrc"

SERVER_ADDRESS=192.168.77.1
SERVER_PREFIX=24
# QEMU's own address, for its requests to the server.
QEMU_ADDRESS=192.168.77.200
POOL_FIRST=192.168.77.50
POOL_LAST=192.168.77.150
# Addresses of another DHCP server, a relay, and the network behind it.
OTHER_ADDRESS=192.168.77.2
RELAY_ADDRESS=192.168.77.3
FAR_NETWORK=192.168.88
LAB=lb-$$
# Processes outside the namespaces that end with the lab: a caller's log followers.
LAB_PIDS=()
# Machines are distinguished by the last byte of their hardware address.
MAC_PREFIX=52:54:00:4c:42

say() { echo "    $*" >&2; }
# fail WHY: ends the script, and the lab by its exit trap.
fail() {
    echo "    FAILED: $*" >&2
    [[ -z ${LOGS:-} ]] || echo "$*" >"$LOGS/failure"
    exit 1
}

# once_more REASON: ends the script as `fail` does, where a fault of another's program may have ended
# the case.
ONCE_MORE=75
once_more() {
    echo "    STOPPED: $*" >&2
    exit "$ONCE_MORE"
}

# lab_clock: prints the seconds since the lab was made, with one decimal.
lab_clock() { awk -v a="$LAB_START" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}'; }

step() { say "$(printf '%6ss  %s' "$(lab_clock)" "$*")"; }

# need_tools PROGRAM=PACKAGE…: fails with the command that installs missing tools.
need_tools() {
    local pair missing=()
    for pair in "$@"; do
        type -P "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]} == 0)) || fail "missing tools: apt-get install -y ${missing[*]}"
}

# --- namespaces --------------------------------------------------------------------------------

# lab_up LOGS: creates the namespaces; all files of this lab go into the folder LOGS. LAB_NO_RA
# leaves out the router advertiser; LAB_CAPTURE='udp or tcp port 80' captures packets.
lab_up() {
    LOGS=$1
    PATH=$PATH:/usr/sbin:/sbin
    measure_speed
    need_tools qemu-system-x86_64=qemu-system-x86 ip=iproute2 python3=python3
    [[ $(id -u) == 0 ]] || fail "namespaces and taps need root: run this with sudo"
    [[ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ]] || fail "missing tools: apt-get install -y ipxe-qemu"
    rm -rf "$LOGS"
    mkdir -p "$LOGS"
    LAB_START=$(date +%s.%N)
    ip netns add "$LAB-srv"
    ip netns add "$LAB-lan"
    # An address still in duplicate detection would not answer a machine in time.
    in_lan sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
    ip -n "$LAB-lan" link add lan0 type bridge mcast_snooping 0 forward_delay 0
    ip link add srv0 netns "$LAB-srv" type veth peer name port0 netns "$LAB-lan"
    ip -n "$LAB-lan" link set port0 master lan0
    ip -n "$LAB-lan" link set port0 up
    ip -n "$LAB-lan" link set lan0 up
    ip -n "$LAB-lan" link set lo up
    ip -n "$LAB-srv" link set lo up
    [[ -n ${LAB_NO_RA:-} ]] || start_advertiser
    [[ -z ${LAB_CAPTURE:-} ]] || start_capture
}

in_srv() { ip netns exec "$LAB-srv" "$@"; }
in_lan() { ip netns exec "$LAB-lan" "$@"; }

# iPXE of 2019 solicits a router six times, 16 s in total, before it loads anything over IPv4.
start_advertiser() {
    ip netns exec "$LAB-lan" python3 "$BOOT/advertise" lan0 >"$LOGS/advertise.log" 2>&1 &
}

# Ends the processes in this lab's namespaces and those in LAB_PIDS, no others; then removes the
# namespaces.
lab_down() {
    local signal pids
    for signal in TERM KILL; do
        pids="${LAB_PIDS[*]} $(lab_pids)"
        # shellcheck disable=SC2086  # one word per process
        kill "-$signal" $pids 2>/dev/null || true
        wait_until 3 lab_is_empty || true
    done
    ip netns del "$LAB-srv" 2>/dev/null || true
    ip netns del "$LAB-lan" 2>/dev/null || true
    ip netns del "$LAB-oth" 2>/dev/null || true
    ip netns del "$LAB-rly" 2>/dev/null || true
    rm -rf "${LOGS:?}/tree"
}

lab_pids() {
    ip netns pids "$LAB-srv" 2>/dev/null || true
    ip netns pids "$LAB-lan" 2>/dev/null || true
    ip netns pids "$LAB-oth" 2>/dev/null || true
    ip netns pids "$LAB-rly" 2>/dev/null || true
}

lab_is_empty() { [[ -z $(lab_pids) ]]; }

# Captures the packets on the LAN into lan.pcap, if LAB_CAPTURE is set; LAB_CAPTURE is the filter.
start_capture() {
    need_tools tcpdump=tcpdump
    ip netns exec "$LAB-lan" tcpdump -q -U -s 0 -i lan0 -w "$LOGS/lan.pcap" "$LAB_CAPTURE" 2>/dev/null &
}

# --- cases ---------------------------------------------------------------------------------------

# A case is a process, since `set -e` has no effect inside an `if`, and a process group, so that a
# signal reaches all of it and its exit trap still removes the namespaces.
in_own_group() {
    local child
    setsid "$@" &
    child=$!
    # shellcheck disable=SC2064  # this child
    trap "kill -TERM -- -$child 2>/dev/null; wait $child; exit 143" INT TERM
    wait "$child"
}

# --- servers -----------------------------------------------------------------------------------

# start_server IMAGE… -- FLAGS…: serves the images; SERVER is `lanboot` or `classic`. SERVER_LOG is
# its log and SERVER_PID its process; returns when it is ready.
start_server() {
    local images=()
    while (($#)) && [[ $1 != -- ]]; do
        images+=("$(realpath "$1")")
        shift
    done
    shift || true
    SERVER_LOG=$LOGS/server.log
    case ${SERVER:-lanboot} in
    lanboot) start_lanboot "$@" "${images[@]}" ;;
    classic) start_classic "${images[0]}" "$@" ;;
    esac
    step "server ready"
}

# DHCP flags of lanboot.
LANBOOT_DHCP=(--dhcp server --range "$POOL_FIRST-$POOL_LAST")
# How it logs: events, which cases look at. People read `plain`.
LANBOOT_LOG=json

start_lanboot() {
    [[ -x $LANBOOT ]] || fail "$LANBOOT is not built: cargo build --release"
    READY=$LOGS/ready
    rm -f "$READY"
    mkdir -p "$LOGS/state"
    ip netns exec "$LAB-srv" "$LANBOOT" serve --interface srv0 \
        --address "$SERVER_ADDRESS/$SERVER_PREFIX" "${LANBOOT_DHCP[@]}" --log "$LANBOOT_LOG" \
        --ready-file "$READY" --state "$LOGS/state" "$@" >>"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    wait_until 20 server_answers || true
    [[ -e $READY ]] || fail "the server was not ready in time: $(last_events 3)"
}

# join_lan NAME ADDRESS: adds a host to the LAN, in a namespace of its own.
join_lan() {
    ip netns add "$LAB-$1"
    ip link add "$1"0 netns "$LAB-$1" type veth peer name "port-$1" netns "$LAB-lan"
    ip -n "$LAB-lan" link set "port-$1" master lan0
    ip -n "$LAB-lan" link set "port-$1" up
    ip -n "$LAB-$1" link set lo up
    ip -n "$LAB-$1" address add "$2/$SERVER_PREFIX" dev "$1"0
    ip -n "$LAB-$1" link set "$1"0 up
}

# start_other [DNSMASQ FLAGS…]: starts another DHCP server, which names itself as the server of the
# files, like home routers.
start_other() {
    need_tools dnsmasq=dnsmasq-base
    ip netns pids "$LAB-oth" >/dev/null 2>&1 || join_lan oth "$OTHER_ADDRESS"
    ip netns exec "$LAB-oth" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --port=0 \
        --interface=oth0 --bind-interfaces --user=root --no-ping --log-dhcp --log-facility=- \
        --dhcp-range="$POOL_FIRST,$POOL_LAST,1h" --dhcp-leasefile="$LOGS/other.leases" \
        --dhcp-option=3 --dhcp-option=6 "$@" >>"$LOGS/other.log" 2>&1 &
    OTHER_PID=$!
    wait_line "$LOGS/other.log" 'DHCP, IP range|DHCP, sockets bound' 10 "$OTHER_PID" >/dev/null ||
        fail "dnsmasq did not start: $(tail -n 1 "$LOGS/other.log")"
    step "another DHCP server runs at $OTHER_ADDRESS"
}

# start_relay: starts a router with a second LAN behind it, and a DHCP relay on it. Machines with
# GUEST_LAN=rly are on that LAN.
start_relay() {
    need_tools dhcrelay=isc-dhcp-relay
    join_lan rly "$RELAY_ADDRESS"
    ip -n "$LAB-rly" link add lan0 type bridge mcast_snooping 0 forward_delay 0
    ip -n "$LAB-rly" address add "$FAR_NETWORK.1/24" dev lan0
    ip -n "$LAB-rly" link set lan0 up
    ip netns exec "$LAB-rly" sysctl -qw net.ipv4.ip_forward=1
    in_srv ip route add "$FAR_NETWORK.0/24" via "$RELAY_ADDRESS"
    ip netns exec "$LAB-rly" dhcrelay -4 -d -a -pf "$LOGS/dhcrelay.pid" -i lan0 -i rly0 "$SERVER_ADDRESS" \
        >"$LOGS/relay.log" 2>&1 &
    wait_line "$LOGS/relay.log" 'Sending on +Socket' 10 $! >/dev/null || fail "dhcrelay did not start: $(tail -n 1 "$LOGS/relay.log")"
    ip netns exec "$LAB-rly" python3 "$BOOT/advertise" lan0 >"$LOGS/advertise-far.log" 2>&1 &
    step "a relay runs at $RELAY_ADDRESS"
}

server_answers() { [[ -e $READY ]] || ! is_running "$SERVER_PID"; }

# Kills the server like a power failure; the same start_server restarts it with the same state.
kill_server() {
    kill -9 "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null || true
}

# shellcheck source=classic.sh
. "$BOOT/classic.sh"

# --- machines ----------------------------------------------------------------------------------

# start_guest NUMBER [QEMU FLAGS…]: switches a machine on. GUEST_MEMORY is its memory in MiB and
# GUEST_NIC its card (virtio-net-pci, e1000); both have iPXE of 2019 as their ROM. With
# GUEST_FIRMWARE=uefi it has OVMF, and its card no ROM: the firmware's own PXE; with `secure` it has
# Microsoft's keys (or those in GUEST_VARS) and Secure Boot on; with `arm64` it is an ARM machine, with
# `ia32` a PC with a 32-bit processor and UEFI, whose Secure Boot is on if GUEST_VARS has keys, with
# `riscv64` a RISC-V machine with U-Boot, as boards have it.
# GUEST_HTTP_BOOT=yes leaves only UEFI HTTP Boot. GUEST_LAN=rly puts it behind the relay. Sets
# GUEST_PID; SERIAL and MONITOR are its console's file and its monitor's socket.
start_guest() {
    local number=$1 mac
    shift
    mac=$(guest_mac "$number")
    SERIAL=$LOGS/serial-$number.log
    MONITOR=$LOGS/monitor-$number
    make_tap "$number"
    : >"$SERIAL"
    firmware_variables "$LOGS/vars-$number.fd"
    # shellcheck disable=SC2046  # one word per flag
    ip netns exec "$LAB-${GUEST_LAN:-lan}" $(guest_command "$number" "$mac") -display none \
        -serial "file:$SERIAL" -monitor "unix:$MONITOR,server,nowait" "$@" \
        >"$LOGS/qemu-$number.log" 2>&1 &
    GUEST_PID=$!
    step "machine $number on ($mac)"
}

guest_mac() { printf '%s:%02x\n' "$MAC_PREFIX" "$1"; }

guest_command() {
    local program=qemu-system-x86_64 machine=${GUEST_MACHINE:-q35} screen='-vga std' cpu=
    case ${GUEST_FIRMWARE:-bios} in
    secure) machine+=,smm=on ;;
    # Its firmware is built for processors without long mode (OVMF's README).
    ia32) program=qemu-system-i386 machine+=,smm=on cpu='-cpu coreduo,-nx' ;;
    arm64) program=qemu-system-aarch64 machine=virt screen= cpu='-cpu cortex-a57' ;;
    riscv64) program=$RISCV/usr/bin/qemu-system-riscv64 machine=virt screen= ;;
    esac
    echo "$program -nodefaults -no-user-config -no-reboot -machine $machine $cpu -accel tcg,thread=multi" \
        "-smp ${GUEST_CPUS:-1} -m ${GUEST_MEMORY:-512} $screen" \
        "-netdev tap,id=n0,ifname=tap$1,script=no,downscript=no" \
        "-device ${GUEST_NIC:-virtio-net-pci},netdev=n0,mac=$2,bootindex=1$(firmware_flags "$1") ${GUEST_FLAGS:-}"
}

OVMF=/usr/share/OVMF
AAVMF=/usr/share/AAVMF
# Debian's package for it is fetched, not installed.
OVMF32=$REPO/target/boot/ovmf-ia32/usr/share/OVMF
# So are QEMU and U-Boot for RISC-V.
RISCV=$REPO/target/boot/riscv64

# Without a ROM the card is driven by the firmware.
firmware_flags() {
    local code
    case ${GUEST_FIRMWARE:-bios} in
    bios) return ;;
    uefi) code=$OVMF/OVMF_CODE_4M.fd ;;
    secure) code=$OVMF/OVMF_CODE_4M.secboot.fd ;;
    ia32) code=$OVMF32/OVMF32_CODE_4M.secboot.fd ;;
    arm64) code=$AAVMF/AAVMF_CODE.fd ;;
    riscv64)
        echo ",romfile= -L $RISCV/usr/share/qemu -bios $RISCV/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin" \
            "-kernel $RISCV-u-boot/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf"
        return
        ;;
    esac
    echo ",romfile= -drive if=pflash,format=raw,unit=0,readonly=on,file=$code" \
        "-drive if=pflash,format=raw,unit=1,file=$LOGS/vars-$1.fd"
    [[ ! $GUEST_FIRMWARE =~ ^(secure|ia32)$ ]] || echo "-global driver=cfi.pflash01,property=secure,value=on"
    [[ -z ${GUEST_HTTP_BOOT:-} ]] || echo "-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n" \
        "-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n"
}

# firmware_variables FILE: creates a new copy for one machine.
firmware_variables() {
    case ${GUEST_FIRMWARE:-bios} in
    bios) ;;
    uefi) cp "$OVMF/OVMF_VARS_4M.fd" "$1" || fail "missing tools: apt-get install -y ovmf" ;;
    secure) cp "${GUEST_VARS:-$OVMF/OVMF_VARS_4M.ms.fd}" "$1" || fail "missing tools: apt-get install -y ovmf" ;;
    ia32)
        "$REPO/tests/images/fetch" "${OVMF32%/usr/*}" bookworm ovmf-ia32:all || fail "OVMF for 32-bit processors cannot be fetched"
        cp "${GUEST_VARS:-$OVMF32/OVMF32_VARS_4M.fd}" "$1"
        ;;
    arm64)
        need_tools qemu-system-aarch64=qemu-system-arm
        cp --sparse=always "$AAVMF/AAVMF_VARS.fd" "$1" || fail "missing tools: apt-get install -y qemu-efi-aarch64"
        ;;
    riscv64)
        { "$REPO/tests/images/fetch" "$RISCV" bookworm qemu-system-misc:amd64 qemu-system-data:all opensbi:all &&
            "$REPO/tests/images/fetch" "$RISCV-u-boot" sid u-boot-qemu:all; } ||
            fail "QEMU and U-Boot for RISC-V cannot be fetched"
        ;;
    esac
}

make_tap() {
    local lan=$LAB-${GUEST_LAN:-lan}
    ip -n "$lan" link show "tap$1" >/dev/null 2>&1 && return
    ip -n "$lan" tuntap add "tap$1" mode tap
    ip -n "$lan" link set "tap$1" master lan0
    ip -n "$lan" link set "tap$1" up
}

# monitor COMMAND…: sends commands to the last machine's monitor.
monitor() { python3 "$BOOT/monitor" "$MONITOR" "$@"; }

# press KEY…: sends keys (QEMU's names: ret, down, a) one after another.
press() {
    local key
    for key in "$@"; do monitor "sendkey $key 40"; done
}

# screen FILE.png: saves the machine's screen.
screen() {
    monitor "screendump $LOGS/screen.ppm"
    python3 "$BOOT/ppm2png" "$LOGS/screen.ppm" "$1"
    rm -f "$LOGS/screen.ppm"
}

# wait_up NUMBER SECONDS [PID]: waits until the machine's system reports that it is up with an
# intact root. GUEST_LINE is its report.
wait_up() {
    local pid=${3:-$GUEST_PID}
    GUEST_LINE=$(wait_line "$LOGS/serial-$1.log" '(^|[^-A-Z])LANBOOT-GUEST-(UP|BAD|STOPPED) |Kernel panic' "$2" "$pid") ||
        fail "machine $1 said nothing in $2 s; its last line: $(tail -n 1 "$LOGS/serial-$1.log" | tr -d '\r' | cut -c1-120)"
    GUEST_LINE=${GUEST_LINE%$'\r'}
    step "machine $1: ${GUEST_LINE%% cmdline=*}"
    [[ $GUEST_LINE == *"LANBOOT-GUEST-UP "*" sum=ok "* ]] || fail "machine $1: $GUEST_LINE"
}

# installer_asks: waits until the installer, started by GRUB, asks its first question.
installer_asks() {
    wait_sent "$DEADLINE" '^/?iso/debian(-arm64)?/.*/initrd.gz' ||
        fail "GRUB did not load the installer in $DEADLINE s; the server said last: $(last_events)"
    step "GRUB has loaded kernel and initramfs"
    wait_text "$SERIAL" 'Choose the language|Select a language' $((DEADLINE * 3)) "$GUEST_PID" ||
        fail "the installer did not ask for a language"
    step "the installer asks for a language"
}

# wait_off PID SECONDS: waits until the machine has switched itself off.
wait_off() {
    wait_until "$2" is_off "$1" || fail "the machine did not switch itself off in $2 s"
}

# guest_says KEY: prints one value of GUEST_LINE.
guest_says() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" <<<"$GUEST_LINE"; }

# expect KEY VALUE: fails unless GUEST_LINE has this value.
expect() { [[ $(guest_says "$1") == "$2" ]] || fail "the machine said $1=$(guest_says "$1"), not $1=$2"; }
