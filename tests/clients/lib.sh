# shellcheck shell=bash
# Shared functions of the client cases: the boot lab, with a LAN address for downloads and a
# namespace for every DHCP client, so that none answers ARP for another.
#
#   lb-PID-srv  srv0 192.168.77.1 ── lan0 192.168.77.2 (curl, TFTP, perfdhcp, raw packets)  lb-PID-lan
#                                     └── eth0 of lb-PID-c1, lb-PID-c2 … (udhcpc, dhclient, dnsmasq)
#
# A case continues after a wrong answer: `wrong` records it, and the case fails in the end.

CLIENTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../boot/lib.sh
. "$CLIENTS/../boot/lib.sh"
# within SECONDS COMMAND…, as a program: for commands run by other programs.
WITHIN=$BOOT/within
# Keeps compiled files out of the source tree.
export PYTHONDONTWRITEBYTECODE=1

LAN_ADDRESS=192.168.77.2
CLIENT_NAMESPACES=()

# wrong WHY: marks the case as failed; it continues, to find further errors.
wrong() {
    echo "    WRONG: $*" >&2
    echo "$*" >>"$LOGS/wrong"
}

# clients_up LOGS: starts the lab and gives the LAN an address in the server's network.
clients_up() {
    LAB_NO_RA=1 lab_up "$1"
    need_tools curl=curl python3=python3 ip=iproute2
    ip -n "$LAB-lan" address add "$LAN_ADDRESS/$SERVER_PREFIX" dev lan0
}

clients_down() {
    local namespace
    for namespace in "${CLIENT_NAMESPACES[@]}"; do
        # shellcheck disable=SC2046  # one word per process
        kill $(ip netns pids "$namespace" 2>/dev/null) 2>/dev/null || true
    done
    lab_down
    for namespace in "${CLIENT_NAMESPACES[@]}"; do
        ip netns del "$namespace" 2>/dev/null || true
    done
}

# client_up NUMBER: creates a namespace with a card eth0 on the LAN; its hardware address is
# client_mac's.
client_up() {
    local namespace=$LAB-c$1
    ip netns add "$namespace"
    CLIENT_NAMESPACES+=("$namespace")
    ip link add eth0 netns "$namespace" address "$(client_mac "$1")" type veth peer name "c$1" netns "$LAB-lan"
    ip -n "$LAB-lan" link set "c$1" master lan0 up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" link set eth0 up
}

client_mac() { printf '52:54:00:4c:43:%02x\n' "$1"; }
in_client() { # NUMBER COMMAND…
    local namespace=$LAB-c$1
    shift
    ip netns exec "$namespace" "$@"
}

# image NAME: prints the path of a test image, built by `run` before the case began.
image() { echo "$IMAGES/$1.iso"; }

# start FLAGS… IMAGE…: runs lanboot with exactly these flags on srv0; its log is SERVER_LOG, in JSON
# or LANBOOT_LOG, and its process SERVER_PID. Does not wait until it is ready.
start() {
    [[ -x $LANBOOT ]] || fail "$LANBOOT is not built: cargo build --release"
    SERVER_LOG=$LOGS/${START_LOG:-server}.log
    READY=$LOGS/${START_LOG:-server}.ready
    rm -f "$READY"
    # Not a function: $! would be a waiting shell rather than lanboot. A caller under nohup ignores
    # SIGHUP, and so would lanboot.
    env --default-signal=HUP ip netns exec "$LAB-srv" "$LANBOOT" serve --interface srv0 --state "$LOGS/${START_LOG:-}state" \
        --log "$LANBOOT_LOG" --ready-file "$READY" "$@" >>"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    LAB_PIDS+=("$SERVER_PID")
}

# start_ready FLAGS…: like start, and waits until it is ready.
start_ready() {
    start "$@"
    wait_until 20 server_answers || true
    [[ -e $READY ]] || fail "the server did not get ready: $(last_events 3)"
}

# serve FLAGS… IMAGE…: runs a DHCP server with the usual address and pool.
serve() {
    start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$@"
    step "server ready"
}

# stop_server: sends SIGTERM and sets STOP_STATUS. It waits longer than lanboot does for transfers
# (30 s).
stop_server() {
    STOP_STATUS=0
    kill "$SERVER_PID" 2>/dev/null || true
    ended "$SERVER_PID" 40 || kill -9 "$SERVER_PID"
    wait "$SERVER_PID" || STOP_STATUS=$?
}

# refuses SECONDS FLAGS…: lanboot with these flags must exit with an error within SECONDS. Its
# output is in SAID, the time in TOOK.
refuses() {
    local limit=$1 status=0 begun
    shift
    begun=$(date +%s.%N)
    SAID=$(in_srv "$WITHIN" "$limit" "$LANBOOT" serve --interface srv0 --state "$LOGS/refused-state" "$@" 2>&1) || status=$?
    TOOK=$(since "$begun")
    case $status in
    0) wrong "lanboot serve $* ended well, it should refuse; it said: $SAID" ;;
    124 | 137) wrong "lanboot serve $* did not refuse in $limit s; it said: $SAID" ;;
    101) wrong "lanboot serve $* panicked: $SAID" ;;
    esac
}

# says REGEX WHAT: SAID, set by `refuses`, must match.
says() { grep -qE -- "$1" <<<"$SAID" || wrong "$2: expected /$1/ in: $SAID"; }

# expect_event SECONDS EVENT [KEY=VALUE | KEY~REGEX]…: the server must soon log such an event.
expect_event() { wait_event "$@" >/dev/null || wrong "no event in $1 s: ${*:2}"; }

# count_events EVENT …: prints how many such events there are.
count_events() { event_values event "$@" | wc -l; }

# wait_events COUNT SECONDS EVENT …: returns 1 if there are fewer by then.
wait_events() { wait_event "$2" --count "$1" "${@:3}" >/dev/null; }

# event_texts EVENT …: prints what such events say, for a message.
event_texts() { event_values text,why "$@" | paste -s -d ';'; }

# Codes of the diagnostics that say of another DHCP server.
SEES_ANOTHER='^(other_server|stepped_down|another_server|conflicting_server)$'

since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", b - a}'; }
alive() { kill -0 "$SERVER_PID" 2>/dev/null || fail "the server is gone: $(last_events 3)"; }
resident() { awk '/^VmRSS:/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; }
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }

# get URL FILE [CURL FLAGS…]: downloads from the LAN.
get() { in_lan "$WITHIN" 60 curl -sS --fail "${@:3}" -o "$2" "$1" 2>>"$LOGS/curl.log"; }

# same FILE FILE WHAT
same() { cmp -s "$1" "$2" || wrong "$3: the bytes differ ($(cmp "$1" "$2" 2>&1 | head -n 1))"; }

# unpack NAME: extracts a test image with xorriso into LOGS/tree-NAME.
unpack() {
    need_tools xorriso=xorriso
    xorriso -osirrox on -indev "$(image "$1")" -extract / "$LOGS/tree-$1" >"$LOGS/extract-$1.log" 2>&1 ||
        fail "xorriso cannot unpack $1"
    chmod -R u+w "$LOGS/tree-$1"
}

# --- DHCP clients ------------------------------------------------------------------------------

# udhcpc NUMBER PROGRAM FLAGS…: runs a client to its end (determined by flags); its lease is in
# LOGS/lease-NUMBER. Its script configures the address.
udhcpc() {
    udhcpc_start "$@"
    wait "$UDHCPC_PID"
}

# udhcpc_start NUMBER PROGRAM FLAGS…: the same, but leaves it running as UDHCPC_PID.
udhcpc_start() {
    local number=$1 program=$2
    shift 2
    : >"$LOGS/lease-$number"
    # shellcheck disable=SC2086  # `busybox udhcpc` is two words
    LEASE_FILE=$LOGS/lease-$number ip netns exec "$LAB-c$number" $program -i eth0 -s "$CLIENTS/lease-script" "$@" \
        >>"$LOGS/udhcpc-$number.log" 2>&1 &
    UDHCPC_PID=$!
    LAB_PIDS+=("$UDHCPC_PID")
}

# ask NUMBER [FLAGS…]: gets one quick lease with busybox; ADDRESS is the address or empty.
ask() {
    udhcpc "$1" 'busybox udhcpc' -f -n -q -t 10 -T 1 "${@:2}" || true
    ADDRESS=$(leased "$1" ip)
}

# leased NUMBER KEY: prints a value of the client's last lease.
leased() { sed -n "s/^$2=//p" "$LOGS/lease-$1" 2>/dev/null | tail -n 1; }
