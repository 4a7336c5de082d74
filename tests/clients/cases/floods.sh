# shellcheck shell=bash
# An attacker on the LAN who uses up every limit, beside honest machines.
#
# case: floods    TFTP requests from addresses that never answer; honest downloads meanwhile
# case: readers   5,000 HTTP connections that never read, NBD ones that never ask; honest downloads meanwhile
# images: floods arch
# images: readers arch

FLOODS_FILE=arch/boot/x86_64/vmlinuz-linux

case_floods() {
    local last address
    clients_up "$LOGS"
    unpack arch
    serve "$(image arch)"
    # Addresses that never answer: to the server, each is a machine.
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
        # A loss costs a second; a refused transfer would use up all of them.
        in_lan curl -sS --interface "$LAN_ADDRESS" --max-time 5 -o "$LOGS/kernel" "tftp://$SERVER_ADDRESS/iso/arch/$FLOODS_FILE" 2>>"$LOGS/curl.log" ||
            wrong "download $last under the flood: $(tail -n 1 "$LOGS/curl.log")"
        same "$LOGS/tree-arch/$FLOODS_FILE" "$LOGS/kernel" "a download under the flood"
    done
    kill -0 "$FLOOD_PID" 2>/dev/null || wrong "the flood ended: $(tail -n 1 "$LOGS/flood.out")"
    step "five downloads over TFTP during the flood; $(descriptors "$SERVER_PID") descriptors, $(resident "$SERVER_PID") MiB"
    # Logged in part and then counted: 32 lines per address.
    (($(count_events ignored reason=transfer_taken) <= 6 * 32)) || wrong "the flood fills the log: $(wc -l <"$SERVER_LOG") lines"
    has_event ignored reason=transfer_taken || wrong "nothing is said of the flood"
    kill "$FLOOD_PID" 2>/dev/null || true
    alive
    stop_server
}

case_readers() {
    local n begun disk
    clients_up "$LOGS"
    need_tools nbdinfo=libnbd-bin
    unpack arch
    serve "$(image arch)"
    for ((n = 100; n < 150; n++)); do
        ip -n "$LAB-lan" address add "${LAN_ADDRESS%.*}.$n/$SERVER_PREFIX" dev lan0
    done
    # A machine's disk: never disconnected for others.
    in_lan /usr/bin/python3 - "nbd://$SERVER_ADDRESS/arch" "$LOGS/disk.ready" "$LOGS/disk.go" >"$LOGS/disk.out" 2>&1 <<'END' &
import nbd, os, sys, time
url, ready, go = sys.argv[1:]
handle = nbd.NBD()
handle.connect_uri(url)
before = handle.pread(4096, 32768)
open(ready, "w").close()
while not os.path.exists(go):
    time.sleep(0.05)
assert handle.pread(4096, 32768) == before
END
    disk=$!
    wait_until 10 test -e "$LOGS/disk.ready" || fail "the NBD disk cannot be read: $(cat "$LOGS/disk.out")"
    in_lan bash -c 'ulimit -n 20000 && exec "$@"' _ python3 - "$SERVER_ADDRESS" "${LAN_ADDRESS%.*}" "/iso/arch.iso" "$LOGS/readers.ready" >"$LOGS/readers.out" 2>&1 <<'END' &
import errno, select, socket, sys, time
server, network, path, ready = sys.argv[1:]
request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
def connect(n, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind((f"{network}.{100 + n % 50}", 0))
    s.connect((server, port))
    return s
held = []
for n in range(5000):
    s = connect(n, 80)
    try:
        s.sendall(request)
    except OSError:
        pass
    held.append(s)
for n in range(5000):
    s = connect(n, 10809)
    held.append(s)
    # Negotiation is complete, and nothing is requested.
    try:
        s.recv(18)
        s.sendall(b"\0\0\0\3" + b"IHAVEOPT" + b"\0\0\0\1" + b"\0\0\0\4arch")
    except OSError:
        pass
open(ready, "w").close()
time.sleep(600)
END
    LAB_PIDS+=($!)
    wait_until 60 test -e "$LOGS/readers.ready" || fail "the readers did not come: $(tail -n 2 "$LOGS/readers.out")"
    step "10,000 connections; $(descriptors "$SERVER_PID") descriptors, $(resident "$SERVER_PID") MiB"
    begun=$(date +%s.%N)
    for n in 1 2 3; do
        # A refused loader retries, as instructed.
        in_lan curl -sS --fail --interface "$LAN_ADDRESS" --retry 4 --max-time 60 -o "$LOGS/kernel" "http://$SERVER_ADDRESS/iso/arch/$FLOODS_FILE" 2>>"$LOGS/curl.log" ||
            wrong "download $n beside readers that never read: $(tail -n 1 "$LOGS/curl.log")"
        same "$LOGS/tree-arch/$FLOODS_FILE" "$LOGS/kernel" "a download beside readers that never read"
    done
    step "three downloads over HTTP meanwhile, $(since "$begun") s"
    begun=$(date +%s.%N)
    [[ $(in_lan nbdinfo --size "nbd://$SERVER_ADDRESS/arch") == $(stat -c %s "$(image arch)") ]] || wrong "no NBD connection is to be had"
    touch "$LOGS/disk.go"
    wait "$disk" || wrong "a disk in use was closed to make room: $(tail -n 1 "$LOGS/disk.out")"
    step "NBD meanwhile, $(since "$begun") s, and a disk in use stays"
    alive
    stop_server
}
