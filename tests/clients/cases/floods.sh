# shellcheck shell=bash
# An attacker on the LAN who takes every place there is, beside honest machines.
#
# case: floods    TFTP requests from addresses that never answer; honest downloads meanwhile
# images: floods arch

FLOODS_FILE=arch/boot/x86_64/vmlinuz-linux

case_floods() {
    local last address
    clients_up "$LOGS"
    unpack arch
    serve "$(image arch)"
    # Addresses nobody answers at: a machine is behind each, as far as the server can tell.
    for last in 3 4 5 6 7 8; do
        address=${LAN_ADDRESS%.*}.$last
        ip -n "$LAB-lan" address add "$address/$SERVER_PREFIX" dev lan0
    done
    in_lan python3 - "$SERVER_ADDRESS" "${LAN_ADDRESS%.*}" "iso/arch/$FLOODS_FILE" "$LOGS/flood.ready" >"$LOGS/flood.out" 2>&1 <<'END' &
import socket, sys, time
server, network, path, ready = sys.argv[1:]
request = b"\0\1" + path.encode() + b"\0octet\0tsize\x000\0blksize\x001468\0"
sockets = []
def ask(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((f"{network}.{3 + n % 6}", 0))
    s.sendto(request, (server, 69))
    sockets.append(s)  # open: nothing says that nobody is there
    if len(sockets) > 2000:
        sockets.pop(0).close()
for n in range(1100):
    ask(n)
    time.sleep(0.001)
open(ready, "w").close()
while True:
    ask(len(sockets))
    time.sleep(1 / 60)
END
    FLOOD_PID=$!
    LAB_PIDS+=("$FLOOD_PID")
    wait_until 20 test -e "$LOGS/flood.ready" || fail "the flood did not begin: $(cat "$LOGS/flood.out")"
    for last in 1 2 3 4 5; do
        # A loss costs a second; a place that is not to be had costs all of them.
        in_lan curl -sS --interface "$LAN_ADDRESS" --max-time 5 -o "$LOGS/kernel" "tftp://$SERVER_ADDRESS/iso/arch/$FLOODS_FILE" 2>>"$LOGS/curl.log" ||
            wrong "download $last under the flood: $(tail -n 1 "$LOGS/curl.log")"
        same "$LOGS/tree-arch/$FLOODS_FILE" "$LOGS/kernel" "a download under the flood"
    done
    kill -0 "$FLOOD_PID" 2>/dev/null || wrong "the flood ended: $(tail -n 1 "$LOGS/flood.out")"
    step "five downloads over TFTP during the flood; $(descriptors "$SERVER_PID") descriptors, $(resident "$SERVER_PID") MiB"
    # Told in part and then counted: 32 of each address.
    (($(grep -c 'another machine got its place' "$SERVER_LOG") <= 6 * 32)) || wrong "the flood fills the log: $(wc -l <"$SERVER_LOG") lines"
    grep -q 'another machine got its place' "$SERVER_LOG" || wrong "nothing is said of the flood"
    kill "$FLOOD_PID" 2>/dev/null || true
    alive
    stop_server
}
