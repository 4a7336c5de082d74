# shellcheck shell=bash
# case: endings  when a boot is complete: --once, --until-idle, log lines, and a second Ctrl-C
# case: last-ack  machines that leave without the last ACK, over HTTP
#
# Machines are simulated with udhcpc and curl: firmware requests an address, then kernel and
# initramfs are loaded, the initramfs requests an address, the root and its signature are fetched,
# and the system requests its own address with another client id. The order is archiso's.

case_endings() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base busybox=busybox-static nbdcopy=libnbd-bin
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX")
    SERVER_ARGS=(--dhcp server --range "$POOL_FIRST-$POOL_LAST")
    client_up 1
    client_up 2
    endings_once "${SERVER_ARGS[@]}"
    endings_nbd
    endings_two
    endings_idle
    endings_signals
    start_other
    endings_once --dhcp proxy
    endings_once --dhcp auto
}

# firmware NUMBER: a BIOS requests an address and gets one. udhcpc would accept a proxy's offer,
# which has none; beside one, a plain client takes the address after the firmware's request.
firmware() {
    if [[ -n ${OTHER_PID:-} ]]; then
        in_client "$1" "$CLIENTS/pxe" eth0 "$(client_mac "$1")" offers 0 >"$LOGS/firmware-$1"
        grep -q "from=$SERVER_ADDRESS:67 .* yiaddr=0.0.0.0 " "$LOGS/firmware-$1" || wrong "machine $1: no proxy offer"
        ask "$1"
        return
    fi
    udhcpc "$1" 'busybox udhcpc' -f -n -q -t 4 -T 1 -V PXEClient:Arch:00000:UNDI:002001 -x 0x5d:0000 -x 0x5e:010201 ||
        wrong "machine $1: no lease for its firmware"
}

# loads NUMBER PATH…: downloads files of the image; the server must be running for each.
loads() {
    local number=$1 path
    shift
    for path in "$@"; do
        alive
        in_client "$number" curl -sS --fail --max-time 30 -o /dev/null "http://$SERVER_ADDRESS/iso/arch/$path" ||
            wrong "machine $number: cannot load $path"
    done
}

KERNEL=(arch/boot/x86_64/vmlinuz-linux arch/boot/x86_64/initramfs-linux.img)
ROOT_FILE=arch/x86_64/airootfs.sfs

# system NUMBER: the running system requests its address by DUID, like systemd-networkd.
system() {
    ask "$1" -C -x "0x3d:ff0000000$1000200006ab1100112233445566"
    [[ -n $ADDRESS ]] || wrong "machine $1: its system got no address"
}

# ends WHAT SECONDS EVENT …: the server must exit with status 0, and log such an event.
ends() {
    local status=0
    ended "$SERVER_PID" "$2" || { wrong "$1: it does not end; last: $(last_events)"; stop_server; return; }
    wait "$SERVER_PID" || status=$?
    [[ $status == 0 ]] || wrong "$1: exit status $status"
    has_event "${@:3}" || wrong "$1: no event ${*:3} in the log: $(last_events 3)"
    step "$1: it ended by itself"
}

# stays SECONDS WHAT: the server must not exit within this time.
stays() { ! ended "$SERVER_PID" "$1" || fail "$2: it left; last: $(last_events 2)"; }

# A signed root: the signature is requested 3 s after the root, the address 2 s after that.
endings_once() {
    START_LOG="once-$2" start_ready "${HERE[@]}" --once "$@" "$(image arch)"
    # A client that does not boot does not end the server.
    get "http://$SERVER_ADDRESS/iso/arch/$ROOT_FILE" /dev/null
    ask 2
    firmware 1
    loads 1 "${KERNEL[@]}"
    # The initramfs: ip=dhcp.
    ask 1
    loads 1 "$ROOT_FILE"
    expect_event 3 boot state=awaits-file "mac=$(client_mac 1)" 'text~/airootfs\.sfs\.cms\.sig\b'
    stays 3 "--once $*, between root and signature"
    loads 1 "$ROOT_FILE.cms.sig"
    expect_event 3 boot state=awaits-address "mac=$(client_mac 1)"
    stays 2 "--once $*, before the system has its address"
    system 1
    ends "--once $*" 8 diagnostic code=stopping "text~$(client_mac 1) .*\(--once\)"
    has_event boot state=up "mac=$(client_mac 1)" || wrong "--once $*: that the machine is up is not in the log"
}

# A copy of the whole disk, then the disk is disconnected (copytoram=y).
endings_nbd() {
    START_LOG=once-nbd start_ready "${HERE[@]}" --once "${SERVER_ARGS[@]}" "$(image arch)"
    firmware 1
    loads 1 "${KERNEL[@]}"
    in_client 1 nbdcopy "nbd://$SERVER_ADDRESS/arch" null: 2>"$LOGS/nbdcopy.log" || wrong "nbdcopy: $(tail -n 1 "$LOGS/nbdcopy.log")"
    expect_event 3 boot state=awaits-address "mac=$(client_mac 1)"
    stays 2 "--once over NBD, before the system has its address"
    system 1
    ends "--once over NBD" 8 diagnostic code=stopping "text~$(client_mac 1) "
}

# Both must be up.
endings_two() {
    local number
    START_LOG=once-two start_ready "${HERE[@]}" --once "${SERVER_ARGS[@]}" "$(image arch)"
    for number in 1 2; do
        firmware "$number"
        loads "$number" "${KERNEL[@]}"
    done
    for number in 1 2; do
        loads "$number" "$ROOT_FILE" "$ROOT_FILE.cms.sig"
        stays 3 "--once with two machines, machine $number has its root"
        system "$number"
    done
    ends "--once with two machines" 8 diagnostic code=stopping 'text~ 2 .*\(--once\)'
}

# A machine in the middle of a boot is not idle.
endings_idle() {
    START_LOG=idle start_ready "${HERE[@]}" --until-idle 2s "${SERVER_ARGS[@]}" "$(image arch)"
    firmware 1
    stays 4 "--until-idle 2s, firmware has its address"
    loads 1 "${KERNEL[@]}"
    stays 5 "--until-idle 2s, between initramfs and root"
    loads 1 "$ROOT_FILE"
    stays 4 "--until-idle 2s, between root and signature"
    loads 1 "$ROOT_FILE.cms.sig"
    stays 4 "--until-idle 2s, before the system has its address"
    system 1
    ends "--until-idle 2s" 8 diagnostic code=stopping 'text~--until-idle'
}

# hangs NUMBER: starts a stalled download; HANGING is its process.
hangs() {
    # What an earlier one said must not count.
    rm -f "$LOGS/hangs-$1"
    ip netns exec "$LAB-c$1" python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 80))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.sendall(b"GET /iso/arch.iso HTTP/1.1\r\nHost: x\r\n\r\n")
s.recv(4096)
print("hangs", flush=True)
sys.stdin.read()' "$SERVER_ADDRESS" < <(sleep 60) >"$LOGS/hangs-$1" 2>&1 &
    HANGING=$!
    LAB_PIDS+=("$HANGING")
    wait_line "$LOGS/hangs-$1" hangs 5 >/dev/null || wrong "the download that hangs did not begin"
}

# Ctrl-C during stalled transfers: the log names what is awaited, and a second one exits at once.
endings_signals() {
    local signal words begun
    for signal in INT TERM; do
        START_LOG=signal-$signal start_ready "${HERE[@]}" "${SERVER_ARGS[@]}" "$(image arch)"
        ask 1
        hangs 1
        # A shell ignores SIGINT for background commands, but lanboot installs its own handler.
        kill "-$signal" "$SERVER_PID"
        words=Ctrl-C
        [[ $signal == INT ]] || words=SIGTERM
        expect_event 3 diagnostic code=draining "text~/iso/arch\.iso .*$words"
        stays 1 "SIG$signal with a transfer that hangs"
        begun=$(date +%s.%N)
        kill "-$signal" "$SERVER_PID"
        ends "a second SIG$signal" 3 diagnostic code=transfers_interrupted 'text~ 1 '
        step "a second SIG$signal: over after $(since "$begun") s"
        kill "$HANGING" 2>/dev/null || true
    done
    START_LOG=signal-two start_ready "${HERE[@]}" "${SERVER_ARGS[@]}" "$(image arch)"
    ask 1
    ask 2
    hangs 1
    hangs 2
    kill "$SERVER_PID"
    expect_event 3 diagnostic code=draining 'text~ 2 '
    kill "$SERVER_PID"
    ends "a second SIGTERM with two transfers" 3 diagnostic code=transfers_interrupted 'text~ 2 '
}

# leaves MISSING END: a machine with simple TCP downloads the initramfs and leaves.
leaves() {
    FIFO=$LOGS/fifo
    rm -f "$FIFO"
    mkfifo "$FIFO"
    : >"$LOGS/leaves"
    ip netns exec "$LAB-c1" "$CLIENTS/last-ack" eth0 "$POOL_LAST" "$SERVER_ADDRESS" "/iso/arch/$INITRAMFS" "$1" "$2" \
        <"$FIFO" >"$LOGS/leaves" 2>&1 &
    LEAVES_PID=$!
    LAB_PIDS+=("$LEAVES_PID")
    exec {LEAVES_IN}>"$FIFO"
    wait_line "$LOGS/leaves" '^whole ' 30 "$LEAVES_PID" >/dev/null || wrong "missing $1, $2: $(tail -n 1 "$LOGS/leaves")"
}

left() {
    exec {LEAVES_IN}>&-
    kill "$LEAVES_PID" 2>/dev/null || true
}

case_last-ack() {
    local missing end
    clients_up "$LOGS"
    client_up 1
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX")
    INITRAMFS=${KERNEL[1]}
    for missing in 0 1460 20000; do
        for end in silent reset; do
            START_LOG=$missing-$end start_ready "${HERE[@]}" --dhcp off "$(image arch)"
            leaves "$missing" "$end"
            expect_event 5 finished "path=/iso/arch/$INITRAMFS" "ip=$POOL_LAST"
            ! has_event failed || wrong "missing $missing, $end: $(event_texts failed)"
            kill "$SERVER_PID"
            ends "SIGTERM after $missing bytes without ACK, $end" 3 diagnostic code=stopped
            left
        done
    done
    # A machine that leaves with most of it unacknowledged counts as failed.
    START_LOG=most start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    INITRAMFS=boot/syslinux/menu.c32
    leaves 14000 reset
    expect_event 5 failed "path=/iso/arch/$INITRAMFS" "ip=$POOL_LAST" reason=client_hung_up 'sent~^1[0-9]{3,4}$'
    left
    stop_server
    # It left before SIGTERM, which does not wait for it.
    START_LOG=term start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    INITRAMFS=${KERNEL[1]}
    leaves 1460 silent
    kill "$SERVER_PID"
    ends "SIGTERM right after the last byte" 4 diagnostic code=stopped
    left
}
