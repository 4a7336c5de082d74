# shellcheck shell=bash
# Startup errors and their messages; shutdown.

case_start() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base setpriv=util-linux
    client_up 1
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX")
    start_words
    start_ports
    start_rights
    start_address
    start_again
    start_small
    start_limits
    start_figures
    start_says
    start_ends
    start_hangup
    start_once
}

start_words() {
    local image
    image=$(image arch)
    refuses_plain 1 "${HERE[@]}" --interface eth9 "$image"
    says 'there is no interface eth9; there are:' "an interface that is not there"
    says '^ *srv0' "an interface that is not there: the list"
    printf 'images = ["%s"]\nrange = "10.0.0.1-10.0.0.9"\nmenu-timout = 5\n' "$image" >"$LOGS/wrong.toml"
    refuses 1 --config "$LOGS/wrong.toml"
    says "wrong\.toml:3:1: .*'menu-timout'.*did you mean 'menu-timeout'" "a wrong key"
    printf 'images = ["%s"]\n\nonce = "yes"\n' "$image" >"$LOGS/wrong.toml"
    refuses 1 --config "$LOGS/wrong.toml"
    says 'wrong\.toml:3:8: once: ' "a wrong value"
    printf 'images = ["%s"]\nrange =\n' "$image" >"$LOGS/wrong.toml"
    refuses 1 --config "$LOGS/wrong.toml"
    says 'wrong\.toml:2:[0-9]+: ' "no TOML"
    refuses 1 --config "$LOGS/nowhere.toml"
    says 'nowhere\.toml' "no configuration file"
    refuses 1 "${HERE[@]}" --dhcp server --range 192.168.77.99-192.168.77.50 "$image"
    says 'range.*backwards' "a range backwards"
    refuses 1 "${HERE[@]}" --dhcp server --range 10.0.0.1-10.0.0.9 "$image"
    says '--range.*10\.0\.0\.1.*10\.0\.0\.9.*192\.168\.77' "a range of another network"
    refuses 1 "${HERE[@]}" --range some "$image"
    says "--range: 'some' is not a range like" "no range"
    refuses 1 "${HERE[@]}" --boot arhc "$image"
    says "--boot: .*arhc.*did you mean.*arch" "an entry that is not there"
    refuses 1 "${HERE[@]}" --transport http --append copytoram=n "$image"
    says 'copytoram=n' "copytoram=n over HTTP"
    says 'NFS|NBD' "copytoram=n over HTTP: what else"
    refuses 1 "${HERE[@]}" --dhcp off --no-nfs --no-nbd --append copytoram=n "$image"
    says 'copytoram=n' "copytoram=n with nothing that streams"
    refuses 1 "${HERE[@]}" --transport smb "$image"
    says "--transport: 'smb' is none of auto, http, nfs, nbd" "a transport that is not there"
    refuses 1 "${HERE[@]}" --transport arhc=nfs "$image"
    says "--transport: .*arhc.*did you mean.*arch" "a transport for an entry that is not there"
    refuses 1 "${HERE[@]}" --transport nbd --no-nbd "$image"
    says '--transport nbd and --no-nbd' "a transport that is asked for and forbidden"
    refuses 1 "${HERE[@]}" --dhcp sevrer "$image"
    says "--dhcp: .*did you mean 'server'" "a word mistyped"
    refuses 1 "${HERE[@]}" --dhcp proxy --range 192.168.77.50-192.168.77.99 "$image"
    says '--dhcp proxy hands out no addresses, and --range says which' "a proxy with a range"
    refuses 1 "${HERE[@]}" --only 00:11:22 "$image"
    says '--only' "no hardware address"
    refuses 1 "${HERE[@]}" --append $'a\nb' "$image"
    says '--append' "arguments of two lines"
    refuses 1 --address 192.168.77.1 "$image"
    says '--address' "an address without a prefix"
    refuses 1 "${HERE[@]}"
    says 'no image to serve' "no image"
    refuses 1 --dhcp off "$image"
    says 'srv0 has no IPv4 address' "an interface without an address"
    refuses 1 --address 169.254.7.1/16 "$image"
    says '169\.254\.7\.1/16 is a link-local network' "a link-local network"
    refuses 1 "${HERE[@]}" --dhcp server --router 192.168.78.1 "$image"
    says 'router 192\.168\.78\.1 is no machine of the network 192\.168\.77\.0/24' "a router elsewhere"
    step "wrong words are refused with the right ones"
}

# refuses_plain: like refuses, for flags that conflict with --interface srv0.
refuses_plain() {
    local limit=$1 status=0
    shift
    SAID=$(in_srv "$WITHIN" 10 "$LANBOOT" serve --state "$LOGS/refused-state" "$@" 2>&1) || status=$?
    ((status != 0 && status != 124)) || wrong "lanboot serve $*: exit status $status: $SAID"
}

# Ports in use: the program and its process are named, and nothing is left behind.
start_ports() {
    local holder pid
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add 192.168.77.1/24 dev srv0
    for holder in "UDP 67" "UDP 69" "TCP 80"; do
        : >"$LOGS/holder"
        ip netns exec "$LAB-srv" python3 -c '
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "UDP" else socket.SOCK_STREAM
held = socket.socket(socket.AF_INET, kind)
held.bind(("", int(sys.argv[2])))
kind == socket.SOCK_STREAM and held.listen()
print("held", flush=True)
sys.stdin.read()' ${holder% *} ${holder#* } <> <(:) >"$LOGS/holder" &
        pid=$!
        wait_line "$LOGS/holder" held 5 >/dev/null || fail "port $holder is not held"
        refuses 2 --dhcp server "$(image arch)"
        says "${holder% *} port ${holder#* } is taken by python3 \(process $pid\)" "$holder taken"
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        : >"$LOGS/holder"
    done
    start_optional_ports
    ip netns exec "$LAB-srv" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port=0 --interface=srv0 \
        --dhcp-range=192.168.77.200,192.168.77.210 --leasefile-ro --pid-file= --log-facility=- >"$LOGS/dnsmasq-port" 2>&1 &
    pid=$!
    wait_line "$LOGS/dnsmasq-port" 'DHCP, IP range' 5 "$pid" >/dev/null || fail "dnsmasq does not run"
    refuses 2 --dhcp server "$(image arch)"
    says "UDP port 67 is taken by dnsmasq \(process $pid\)" "dnsmasq has port 67"
    kill "$pid"
    wait "$pid" || true
    [[ $(ip -n "$LAB-srv" address show srv0) == *192.168.77.1/24* ]] || wrong "a failed start took away an address that was there"
    ip -n "$LAB-srv" address flush dev srv0 scope global
    step "taken ports are refused with the holder's name"
}

# A host that is an NFS or NBD server already stays one, unless the flag names lanboot.
start_optional_ports() {
    local transport port pid name
    for transport in nfs nbd; do
        port=$([[ $transport == nfs ]] && echo 2049 || echo 10809)
        name=${transport^^}
        : >"$LOGS/holder"
        ip netns exec "$LAB-srv" python3 -c '
import socket, sys
held = socket.create_server(("", int(sys.argv[1])))
print("held", flush=True)
sys.stdin.read()' "$port" <> <(:) >"$LOGS/holder" &
        pid=$!
        wait_line "$LOGS/holder" held 5 >/dev/null || fail "port $port is not held"
        refuses 2 --dhcp off --transport "$transport" "$(image arch)"
        says "--transport $transport: .*TCP port $port is taken by python3 \(process $pid\)" "$name port taken, $transport asked for"
        START_LOG=optional start_ready --dhcp off "$(image arch)"
        has_event diagnostic code=protocol_not_served "text~^$name .*TCP port $port .* python3 \(process $pid\)" ||
            wrong "$name port taken: the log does not say who has it"
        stop_server
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        : >"$LOGS/holder"
    done
    step "a host with an NFS or NBD server of its own keeps it"
}

# Without privileges: the missing capabilities are named.
start_rights() {
    local state=$LOGS/nobody said status=0
    mkdir -p "$state"
    chown 65534 "$state"
    said=$(in_srv setpriv --reuid 65534 --regid 65534 --clear-groups "$WITHIN" 10 "$LANBOOT" serve --interface srv0 --state "$state" \
        "${HERE[@]}" --dhcp server "$(image arch)" 2>&1) || status=$?
    ((status != 0 && status != 124)) || wrong "nobody may serve: $said"
    grep -q CAP_NET_ADMIN <<<"$said" || wrong "no rights for --address: CAP_NET_ADMIN is not named: $said"
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add 192.168.77.1/24 dev srv0
    status=0
    said=$(in_srv setpriv --reuid 65534 --regid 65534 --clear-groups "$WITHIN" 10 "$LANBOOT" serve --interface srv0 --state "$state" \
        --dhcp server "$(image arch)" 2>&1) || status=$?
    ((status != 0 && status != 124)) || wrong "nobody may serve: $said"
    grep -q 'grant CAP_NET_BIND_SERVICE and CAP_NET_RAW (setcap' <<<"$said" || wrong "no rights: the capabilities are not named: $said"
    # Without DHCP one is enough.
    said=$(in_srv setpriv --reuid 65534 --regid 65534 --clear-groups "$WITHIN" 10 "$LANBOOT" serve --interface srv0 --state "$state" \
        --dhcp off "$(image arch)" 2>&1) || status=$?
    grep -q 'grant CAP_NET_BIND_SERVICE (setcap' <<<"$said" || wrong "no rights, no DHCP: $said"
    rm -f "$state/ready"
    SERVER_LOG=$LOGS/nobody-files.log
    ip netns exec "$LAB-srv" setpriv --reuid 65534 --regid 65534 --clear-groups \
        --inh-caps +net_bind_service --ambient-caps +net_bind_service \
        "$LANBOOT" serve --log json --interface srv0 --state "$state" --dhcp off --ready-file "$state/ready" "$(image arch)" >"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    LAB_PIDS+=("$SERVER_PID")
    wait_event 5 diagnostic code=serving >/dev/null || wrong "without DHCP, one capability: $(last_events)"
    stop_server
    # With DHCP, those it names.
    rm -f "$LOGS/nobody/ready"
    SERVER_LOG=$LOGS/nobody.log
    ip netns exec "$LAB-srv" setpriv --reuid 65534 --regid 65534 --clear-groups \
        --inh-caps +net_bind_service,+net_raw --ambient-caps +net_bind_service,+net_raw \
        "$LANBOOT" serve --log json --interface srv0 --state "$state" --dhcp server --ready-file "$state/ready" "$(image arch)" >"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    LAB_PIDS+=("$SERVER_PID")
    wait_event 5 diagnostic code=serving >/dev/null || wrong "with the two capabilities it does not serve: $(last_events)"
    ask 1
    [[ -n $ADDRESS ]] || wrong "with the two capabilities there is no lease: $(last_events)"
    stop_server
    ip -n "$LAB-srv" address flush dev srv0 scope global
    step "no rights: the capabilities are named, and are enough"
}

srv0() { ip -n "$LAB-srv" -o address show dev srv0 scope global | awk '{print $4}' | paste -s; }
srv0_is_up() { ip -n "$LAB-srv" -o link show srv0 | grep -q '[<,]UP[,>]'; }

start_address() {
    ip -n "$LAB-srv" link set srv0 down
    start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    [[ $(srv0) == 192.168.77.1/24 ]] || wrong "--address: srv0 has '$(srv0)'"
    srv0_is_up || wrong "--address: srv0 is down"
    get "http://$SERVER_ADDRESS/" /dev/null || wrong "--address: nothing answers there"
    [[ -e $READY ]] || wrong "--ready-file: it is not there"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    [[ -z $(srv0) ]] || wrong "--address: afterwards srv0 has '$(srv0)'"
    ! srv0_is_up || wrong "--address: afterwards srv0 is still up"
    [[ ! -e $READY ]] || wrong "--ready-file: it is still there at the end"
    # A failed start cleans up as well.
    refuses 1 "${HERE[@]}" --dhcp server --range 10.0.0.1-10.0.0.9 "$(image arch)"
    [[ -z $(srv0) ]] || wrong "--address: after a failed start srv0 has '$(srv0)'"
    ! srv0_is_up || wrong "--address: after a failed start srv0 is up"
    # Existing configuration stays.
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add 192.168.77.1/24 dev srv0
    start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    stop_server
    [[ $(srv0) == 192.168.77.1/24 ]] || wrong "--address: an address that was there before is gone"
    srv0_is_up || wrong "--address: a link that was up before is down"
    ip -n "$LAB-srv" address flush dev srv0 scope global
    step "--address lends an address and takes it back"
}

# A second server with the same state is refused at once, whatever reading its images would take.
start_again() {
    local status=0
    ip -n "$LAB-srv" link set srv0 up
    start_ready "${HERE[@]}" --dhcp server "$(image arch)"
    # The lock comes first: that this image does not exist is not found out.
    SAID=$(in_srv "$WITHIN" 20 "$LANBOOT" serve --interface srv0 --state "$LOGS/state" "${HERE[@]}" \
        --dhcp server "$LOGS/no-such.iso" 2>&1) || status=$?
    [[ $status == 1 ]] || wrong "a second lanboot with the same state ends with $status: $SAID"
    says "another lanboot \(process $SERVER_PID\) is using the state folder .*/state" "a second lanboot with the same state"
    ! grep -q no-such <<<"$SAID" || wrong "a second lanboot reads images before it is refused: $SAID"
    stop_server
    step "a second server with the same state is refused before it reads images"
}

# A server needs a usable pool, a proxy one other address, files alone none.
start_small() {
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add 192.168.77.2/31 dev srv0
    refuses 1 "$(image arch)"
    says '/31 has no room for machines.*--dhcp proxy' "a network of two"
    START_LOG=pair start_ready --dhcp proxy "$(image arch)"
    stop_server
    ip -n "$LAB-srv" address flush dev srv0 scope global
    ip -n "$LAB-srv" address add 192.168.77.2/32 dev srv0
    refuses 1 --dhcp proxy "$(image arch)"
    says '/32 names no network' "a proxy without a network"
    START_LOG=alone start_ready --dhcp off "$(image arch)"
    stop_server
    ip -n "$LAB-srv" address flush dev srv0 scope global
    step "a proxy serves in a network of two"
}

# Where threads cannot start, one sentence and an exit code: no panic, and no process that hangs.
# Each limit of the address space, in MB, stops another thread.
start_limits() {
    local size status refused=0
    for size in 20 28 34 {35..80..3} 300; do
        status=0
        SAID=$(in_srv "$WITHIN" 10 prlimit --as="${size}000000" -- "$LANBOOT" serve --interface srv0 --state "$LOGS/limited-state" \
            "${HERE[@]}" --dhcp off --until-idle 1s "$(image arch)" 2>&1) || status=$?
        ((status)) || continue
        ((refused += 1))
        [[ $status == 1 && $(grep -c '^lanboot: ' <<<"$SAID") == 1 && $SAID == *thread* && $SAID != *panicked* ]] ||
            wrong "$size MB of memory: status $status: $SAID"
    done
    ((refused)) || wrong "20 MB of memory are enough"
    step "too little memory for a thread is one sentence"
}

# Ready in under 0.3 s, under 30 MiB resident, with one image. The median of five.
start_figures() {
    local seconds memory
    read -r seconds memory < <(in_srv python3 "$CLIENTS/figures" "$LOGS/figures" "$LANBOOT" "${HERE[@]}" \
        --interface srv0 --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)")
    step "ready after $seconds s, $memory MiB resident (medians of five)"
    awk -v s="$seconds" -v l="$(scaled 300)" 'BEGIN {exit !(s > 0 && s < l / 2000)}' || wrong "ready after $seconds s, not under 0.3"
    awk -v m="$memory" 'BEGIN {exit !(m > 0 && m < 30)}' || wrong "$memory MiB resident, not under 30"
}

# slow_download RATE: starts a slow download; SLOW_PID is its process.
slow_download() {
    rm -f "$LOGS/slow"
    ip netns exec "$LAB-lan" "$WITHIN" 15 curl -sS --fail --limit-rate "$1" -o "$LOGS/slow" "http://$SERVER_ADDRESS/iso/arch.iso" 2>"$LOGS/slow.err" &
    SLOW_PID=$!
    wait_size "$LOGS/slow" 100000
}

# Features that cannot work are reported at once, and the rest is served.
start_says() {
    START_LOG=iso start_ready "${HERE[@]}" --dhcp server --loader iso "$(image arch-2013)"
    expect_event 2 diagnostic code=loader_choice_unusable 'text~/arch-2013\.iso\b'
    stop_server
    step "--loader iso with an image that no firmware can start is reported at startup"
}

start_ends() {
    local signal begun status sent
    for signal in TERM INT; do
        START_LOG=$signal start_ready "${HERE[@]}" --dhcp server "$(image arch)"
        slow_download 10M
        begun=$(date +%s.%N)
        kill "-$signal" "$SERVER_PID"
        # No new connections are accepted.
        expect_event 2 diagnostic code=stopping
        ! in_lan curl -sS -m 2 -o /dev/null "http://$SERVER_ADDRESS/" 2>/dev/null || wrong "SIG$signal: a new request is still answered"
        wait "$SLOW_PID" || wrong "SIG$signal: the download that ran was cut: $(cat "$LOGS/slow.err")"
        same "$(image arch)" "$LOGS/slow" "the download that ran during SIG$signal"
        status=0
        ended "$SERVER_PID" 3 || wrong "SIG$signal: it does not end after its last download"
        wait "$SERVER_PID" || status=$?
        [[ $status == 0 ]] || wrong "SIG$signal: exit status $status"
        step "SIG$signal: the download ended after $(since "$begun") s, then the program, status $status"
    done
    # A second signal exits at once. An interrupted transfer is reset: lpxelinux takes a plain close
    # for the end of the file.
    START_LOG=second start_ready "${HERE[@]}" --dhcp server "$(image arch)"
    slow_download 3M
    kill "$SERVER_PID"
    expect_event 2 diagnostic code=stopping
    begun=$(date +%s.%N)
    kill "$SERVER_PID"
    status=0
    ended "$SERVER_PID" 3 || wrong "a second SIGTERM does not end it"
    wait "$SERVER_PID" || status=$?
    [[ $status == 0 ]] || wrong "a second SIGTERM: exit status $status"
    status=0
    wait "$SLOW_PID" || status=$?
    [[ $status == 56 ]] || wrong "a download cut by a second SIGTERM is not reset: curl says $status, $(cat "$LOGS/slow.err")"
    step "a second SIGTERM: over after $(since "$begun") s"
    START_LOG=idle start_ready "${HERE[@]}" --dhcp server --until-idle 2s "$(image arch)"
    begun=$(date +%s.%N)
    get "http://$SERVER_ADDRESS/iso/arch.iso" /dev/null --limit-rate 8M || wrong "--until-idle: a download was cut"
    status=0
    ended "$SERVER_PID" 5 || wrong "--until-idle 2s: it does not end"
    wait "$SERVER_PID" || status=$?
    [[ $status == 0 ]] || wrong "--until-idle: exit status $status"
    has_event diagnostic code=stopping 'text~--until-idle' || wrong "--until-idle: it does not say why it stops"
    # Idle time is counted from the end of the transfer, not from its beginning.
    sent=$(time_of finished path=/iso/arch.iso)
    [[ -n $sent && $sent < $(time_of diagnostic code=stopping) ]] || wrong "--until-idle 2s: it stops while a download of 3.5 s runs"
    step "--until-idle 2s: over $(since "$begun") s after a download of 3.5 s began"
    # JSON lines are valid JSON.
    START_LOG=json start_ready "${HERE[@]}" --dhcp server "$(image arch)"
    get "http://$SERVER_ADDRESS/boot.ipxe" /dev/null
    ! get "http://$SERVER_ADDRESS/no\"thing" /dev/null || true
    stop_server
    python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$SERVER_LOG" 2>/dev/null || wrong "--log json: a line is no JSON: $(head -n 1 "$SERVER_LOG")"
}

# time_of EVENT …: prints when the first such event was, in a form that sorts by time.
time_of() { event_values time "$@" | head -n 1 || true; }

# A closed terminal ends it; nohup and a service's SIGHUP do not.
start_hangup() {
    local status=0 kind
    for kind in plain nohup; do
        rm -f "$LOGS/pty-ready"
        # shellcheck disable=SC2046  # no word when plain
        END=$(scaled 10) in_srv env --default-signal=HUP python3 -c '
import os, pty, sys, time
ready, command = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    # The folder for the output file of nohup.
    os.chdir(os.path.dirname(ready))
    os.execvp(command[0], command)
end = time.monotonic() + int(os.environ["END"])
while not os.path.exists(ready) and time.monotonic() < end:
    time.sleep(0.02)
print(pid, flush=True)
os.close(terminal)
# Observed for 3 s to keep running.
end = time.monotonic() + (3 if command[0] == "nohup" else int(os.environ["END"]))
while time.monotonic() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print("ended", os.waitstatus_to_exitcode(status))
        sys.exit()
    time.sleep(0.02)
print("runs")
os.kill(pid, 15)
os.waitpid(pid, 0)' "$LOGS/pty-ready" $([[ $kind == plain ]] || echo nohup) "$LANBOOT" serve --interface srv0 \
            --state "$LOGS/pty-state" "${HERE[@]}" --dhcp server --ready-file "$LOGS/pty-ready" "$(image arch)" >"$LOGS/pty-$kind" 2>&1
        case $kind in
        plain) [[ $(tail -n 1 "$LOGS/pty-plain") == "ended 0" ]] || wrong "its terminal is closed, and it: $(tail -n 1 "$LOGS/pty-plain")" ;;
        nohup) [[ $(tail -n 1 "$LOGS/pty-nohup") == runs ]] || wrong "with nohup, its terminal is closed, and it: $(tail -n 1 "$LOGS/pty-nohup")" ;;
        esac
    done
    [[ -z $(srv0) ]] || wrong "its terminal was closed, and srv0 has '$(srv0)'"
    START_LOG=hangup start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    kill -HUP "$SERVER_PID"
    ! ended "$SERVER_PID" 1 || wrong "SIGHUP ends a service"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "after SIGHUP: exit status $STOP_STATUS"
    step "a closed terminal ends it, SIGHUP to a service does not"
}

# --once: a machine boots, from the server's point of view, and the server exits.
start_once() {
    local status=0 path
    START_LOG=once start_ready "${HERE[@]}" --dhcp server --once "$(image arch)"
    # A client that does not boot does not end it.
    get "http://$SERVER_ADDRESS/arch/x86_64/airootfs.sfs" /dev/null
    udhcpc 1 'busybox udhcpc' -f -n -q -t 4 -T 1 -V PXEClient:Arch:00000:UNDI:002001 -x 0x5d:0000 -x 0x5e:010201 || wrong "--once: no lease"
    [[ -n $(leased 1 boot_file) ]] || wrong "--once: a machine that boots is given no file"
    expect_event 2 dhcp message=DHCPACK interface=srv0 "mac=$(client_mac 1)" 'arch=x86 BIOS' detail~.
    for path in arch/boot/x86_64/vmlinuz-linux arch/boot/x86_64/initramfs-linux.img arch/x86_64/airootfs.sfs{,.cms.sig}; do
        kill -0 "$SERVER_PID" 2>/dev/null || { wrong "--once: it ended before $path"; return; }
        in_client 1 curl -sS --fail -o /dev/null "http://$SERVER_ADDRESS/iso/arch/$path" || wrong "--once: $path"
    done
    # Its system.
    ask 1
    ended "$SERVER_PID" 8 || { wrong "--once: it does not end"; return; }
    wait "$SERVER_PID" || status=$?
    [[ $status == 0 ]] || wrong "--once: exit status $status"
    step "--once: over when the machine's system had its address"
}
