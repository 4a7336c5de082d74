# shellcheck shell=bash
# The NFS server with libnfs, showmount and rpcinfo, and beside services the host may run already.
# The Linux kernel's own client is tested in virtual machines.

case_nfs() {
    clients_up "$LOGS"
    need_tools nfs-ls=libnfs-utils nfs-cat=libnfs-utils nfs-cp=libnfs-utils showmount=nfs-common \
        rpcinfo=rpcbind rpcbind=rpcbind cc=gcc python3=python3
    nfs_program
    serve "$(image arch)" "$(image arch-2013)"
    nfs_lists
    nfs_ports
    unpack arch
    nfs_tree arch /iso/arch
    nfs_tree arch /run/archiso/bootmnt
    unpack arch-2013
    nfs_tree arch-2013 /iso/arch-2013
    nfs_folder
    nfs_refusals
    nfs_many
    alive
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    nfs_kept_key
    nfs_host_port_mapper
    nfs_port_mapper_refuses
    nfs_port_taken
}

# The load generator is also a client: it opens many mounts and compares bytes.
nfs_program() {
    NFS_LOAD=$LOGS/nfs-load
    cc -O2 -o "$NFS_LOAD" "$REPO/tests/bench/nfs-load.c" -lnfs || fail "nfs-load cannot be compiled; it needs libnfs-dev"
}

nfs_url() { echo "nfs://$SERVER_ADDRESS$1"; }

nfs_lists() {
    in_lan showmount -e "$SERVER_ADDRESS" >"$LOGS/exports" 2>&1 || wrong "showmount -e: $(tail -n 1 "$LOGS/exports")"
    cat >"$LOGS/exports.want" <<END
Export list for $SERVER_ADDRESS:
/run/archiso/bootmnt 192.168.77.0/$SERVER_PREFIX
/iso/arch            192.168.77.0/$SERVER_PREFIX
/iso/arch-2013       192.168.77.0/$SERVER_PREFIX
END
    diff "$LOGS/exports.want" "$LOGS/exports" >/dev/null || wrong "showmount -e says: $(tail -n +2 "$LOGS/exports")"
    step "showmount -e"
}

nfs_ports() {
    local program
    in_lan rpcinfo -p "$SERVER_ADDRESS" >"$LOGS/rpcinfo-2" 2>&1 || wrong "rpcinfo -p: $(tail -n 1 "$LOGS/rpcinfo-2")"
    in_lan rpcinfo "$SERVER_ADDRESS" >"$LOGS/rpcinfo-3" 2>&1 || wrong "rpcinfo: $(tail -n 1 "$LOGS/rpcinfo-3")"
    for program in '100000 2 tcp 111' '100000 4 udp 111' '100003 3 tcp 2049' '100003 3 udp 2049' '100005 1 tcp 2049' '100005 3 udp 2049'; do
        awk '{print $1, $2, $3, $4}' "$LOGS/rpcinfo-2" | grep -qx "$program" || wrong "rpcinfo -p does not say '$program'"
    done
    for program in "100000 4 tcp $SERVER_ADDRESS.0.111" "100003 3 udp $SERVER_ADDRESS.8.1" "100005 3 tcp $SERVER_ADDRESS.8.1"; do
        awk '{print $1, $2, $3, $4}' "$LOGS/rpcinfo-3" | grep -qx "$program" || wrong "rpcinfo does not say '$program'"
    done
    for program in 'nfs 3' 'mountd 1' 'mountd 3' 'nfs' 'mountd' 'portmapper 2' 'portmapper 4'; do
        for transport in udp tcp; do
            # shellcheck disable=SC2086  # program and version are two words
            in_lan "$WITHIN" 10 rpcinfo -T $transport "$SERVER_ADDRESS" $program >"$LOGS/rpcinfo-ping" 2>&1 || wrong "rpcinfo -T $transport $program: $(tail -n 1 "$LOGS/rpcinfo-ping")"
        done
    done
    for program in 'nfs 2' 'nfs 4' 'nlockmgr 4'; do
        # shellcheck disable=SC2086
        ! in_lan "$WITHIN" 10 rpcinfo -T tcp "$SERVER_ADDRESS" $program >/dev/null 2>&1 || wrong "rpcinfo: $program is said to be there"
    done
    # A broadcast gets no answer. rpcinfo listens until it is stopped.
    ! in_lan timeout 3 rpcinfo -b 100003 3 2>/dev/null | grep -q "$SERVER_ADDRESS" || wrong "a broadcast was answered"
    step "rpcinfo: versions 2 to 4, over UDP and TCP"
}

# nfs_tree NAME EXPORT: names, kinds, modes, sizes, links and bytes must match xorriso's.
nfs_tree() {
    local tree=$LOGS/tree-$1 path want got count=0
    in_lan nfs-ls -R "$(nfs_url "$2")" >"$LOGS/ls" 2>&1 || { wrong "nfs-ls $2: $(tail -n 1 "$LOGS/ls")"; return; }
    # Kind, owner, size, path; the size of a folder depends on the file system.
    awk '{kind = substr($1, 1, 1); size = kind == "d" ? "-" : $5; for (i = 0; i < 5; i++) sub(/^[^ ]+ +/, ""); print kind, size, $0}' "$LOGS/ls" |
        sort >"$LOGS/ls.got"
    find "$tree" -mindepth 1 \( -type d -printf 'd - %P\n' -o -type l -printf 'l %s %P\n' -o -printf '- %s %P\n' \) | sort >"$LOGS/ls.want"
    diff "$LOGS/ls.want" "$LOGS/ls.got" >"$LOGS/ls.diff" || wrong "nfs-ls $2: $(head -n 3 "$LOGS/ls.diff")"
    while IFS= read -r -d '' path; do
        want=$(sha256sum <"$tree/$path")
        got=$(in_lan nfs-cat "$(nfs_url "$2/$path")" 2>>"$LOGS/nfs-cat.err" | sha256sum)
        [[ $want == "$got" ]] || wrong "nfs-cat $2/$path: other bytes"
        count=$((count + 1))
    done < <(find "$tree" -type f -printf '%P\0')
    ((count > 10)) || wrong "$1 has only $count files"
    step "$2: nfs-ls -R and nfs-cat of $count files"
}

# A folder of an image can be mounted too, and mounts are logged.
nfs_folder() {
    local file=arch/boot/x86_64/vmlinuz-linux
    rm -f "$LOGS/copied"
    in_lan nfs-cp "$(nfs_url "/run/archiso/bootmnt/$file")" "$LOGS/copied" >"$LOGS/nfs-cp" 2>&1 || wrong "nfs-cp: $(tail -n 1 "$LOGS/nfs-cp")"
    same "$LOGS/tree-arch/$file" "$LOGS/copied" "nfs-cp"
    expect_event 2 started protocol=NFS path=/run/archiso/bootmnt/arch/boot/x86_64 "ip=$LAN_ADDRESS"
    in_lan showmount --no-headers -a "$SERVER_ADDRESS" >"$LOGS/mounts" 2>&1 || wrong "showmount -a: $(tail -n 1 "$LOGS/mounts")"
    grep -qx "$LAN_ADDRESS:/run/archiso/bootmnt/arch/boot/x86_64" "$LOGS/mounts" || wrong "showmount -a says: $(cat "$LOGS/mounts")"
    step "nfs-cp out of a folder, showmount -a"
}

nfs_refusals() {
    local path
    for path in / /iso /iso/none /iso/arch.iso /etc /iso/arch/../..; do
        ! in_lan nfs-ls "$(nfs_url "$path")" >"$LOGS/refused" 2>&1 || wrong "$path can be mounted"
    done
    expect_event 2 not-found protocol=NFS 'path~^/'
    ! in_lan nfs-cp /etc/hostname "$(nfs_url /iso/arch/new)" >"$LOGS/refused" 2>&1 || wrong "a file was written"
    grep -q 'ROFS' "$LOGS/refused" || wrong "writing is refused with: $(tail -n 1 "$LOGS/refused")"
    step "refused: other paths, writing"
}

nfs_many() {
    local file=arch/boot/x86_64/vmlinuz-linux want got
    want=$("$NFS_LOAD" hash "$LOGS/tree-arch/$file")
    got=$(in_lan "$WITHIN" 120 "$NFS_LOAD" "$SERVER_ADDRESS" /iso/arch "$file" verify 200 1 2>&1) || wrong "200 mounts at once: $got"
    [[ $got == *"$want" ]] || wrong "200 mounts at once: read $got, not $want"
    step "200 mounts at once: $got"
}

# The key of the handles remains after the exit, is readable only by its owner, and is reused.
nfs_kept_key() {
    local key=$LOGS/state/nfs-handle.key before
    [[ $(stat -c '%a %s' "$key") == '600 16' ]] || wrong "$key has mode and size $(stat -c '%a %s' "$key")"
    before=$(sha256sum "$key")
    start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    [[ $(sha256sum "$key") == "$before" ]] || wrong "a restart changed the key"
    stop_server
    echo short >"$key"
    start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    expect_event 2 diagnostic code=protocol_not_served 'text~^NFS .*/nfs-handle\.key '
    stop_server
    rm -f "$key"
    step "the key of the handles"
}

# port_mapper: starts the host's own, as MAPPER.
port_mapper() {
    # With its own /run. Not a function: its process would be a waiting shell.
    # shellcheck disable=SC2016  # for the shell inside
    ip netns exec "$LAB-srv" unshare -m "$BASH" -c 'mount --make-rprivate / && mount -t tmpfs run /run && exec rpcbind -f' \
        >"$LOGS/rpcbind.log" 2>&1 &
    MAPPER=$!
    LAB_PIDS+=("$MAPPER")
    wait_port_mapper
}

# The host has its own port mapper: lanboot registers there, and unregisters in the end.
nfs_host_port_mapper() {
    local program
    port_mapper
    START_LOG=mapped start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    expect_event 2 diagnostic code=nfs_registered
    in_lan rpcinfo -p "$SERVER_ADDRESS" | awk '{print $1, $2, $3, $4}' >"$LOGS/mapped"
    for program in '100003 3 tcp 2049' '100003 3 udp 2049' '100005 3 tcp 2049' '100005 1 udp 2049'; do
        grep -qx "$program" "$LOGS/mapped" || wrong "the host's port mapper does not say '$program'"
    done
    in_lan nfs-cat "$(nfs_url /iso/arch/arch/boot/x86_64/vmlinuz-linux)" >"$LOGS/copied" 2>&1 || wrong "no NFS by the host's port mapper"
    same "$LOGS/tree-arch/arch/boot/x86_64/vmlinuz-linux" "$LOGS/copied" "by the host's port mapper"
    # Killed, it leaves its registration; the next instance takes it over.
    kill -9 "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null || true
    START_LOG=mapped2 start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    expect_event 2 diagnostic code=nfs_registered
    # A restarted port mapper has no registrations.
    kill "$MAPPER"
    wait "$MAPPER" 2>/dev/null || true
    port_mapper
    wait_until 15 port_mapper_knows || wrong "registration with a restarted port mapper is missing"
    stop_server
    ! in_lan rpcinfo -p "$SERVER_ADDRESS" | grep -q 100003 || wrong "the registration outlives lanboot"
    kill "$MAPPER"
    wait "$MAPPER" 2>/dev/null || true
    step "beside the host's own port mapper"
}

wait_port_mapper() {
    wait_until 5 port_mapper_runs || fail "rpcbind does not run: $(tail -n 1 "$LOGS/rpcbind.log")"
}
port_mapper_runs() { in_srv rpcinfo -p 127.0.0.1 >/dev/null 2>&1; }
port_mapper_knows() { in_lan rpcinfo -p "$SERVER_ADDRESS" | grep '100005 .*3 .*udp .*2049' >/dev/null; }

# hold PORT: runs a program that uses a port, over both protocols, and sends nothing; HOLDER is its
# process.
hold() {
    # Emptied here: in the background that would come after the wait for a line.
    : >"$LOGS/holder"
    ip netns exec "$LAB-srv" python3 -c '
import signal, socket, sys
port = int(sys.argv[1])
tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("0.0.0.0", port)); udp.bind(("0.0.0.0", port)); tcp.listen()
print("held", flush=True)
signal.pause()' "$1" >"$LOGS/holder" 2>&1 &
    HOLDER=$!
    LAB_PIDS+=("$HOLDER")
    wait_line "$LOGS/holder" held 5 "$HOLDER" >/dev/null || fail "port $1 cannot be held: $(cat "$LOGS/holder")"
}

let_go() {
    kill "$HOLDER"
    wait "$HOLDER" 2>/dev/null || true
}

# Port 111 is used by another program: NFS is served, and the log says how to mount it.
nfs_port_mapper_refuses() {
    hold 111
    START_LOG=unmapped start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    expect_event 2 diagnostic code=nfs_not_registered 'text~TCP port 111 .* python3 .*mountport=2049'
    in_lan nfs-ls "$(nfs_url "/iso/arch?nfsport=2049&mountport=2049")" >"$LOGS/unmapped" 2>&1 || wrong "with ports given: $(tail -n 1 "$LOGS/unmapped")"
    stop_server
    let_go
    step "port 111 taken by something else"
}

# Another NFS server: everything else is served; NFS clients are rejected.
nfs_port_taken() {
    hold 2049
    START_LOG=taken start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)"
    expect_event 2 diagnostic code=protocol_not_served 'text~^NFS .*TCP port 2049 .* python3 '
    ! has_event diagnostic code=serving 'text~\bNFS\b' || wrong "NFS is said to be served"
    get "http://$SERVER_ADDRESS/iso/arch/arch/boot/x86_64/vmlinuz-linux" "$LOGS/got" || wrong "no HTTP beside another NFS server"
    stop_server
    refuses 3 --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off --transport nfs "$(image arch)"
    says 'TCP port 2049 is taken by python3' "--transport nfs"
    let_go
    step "port 2049 taken by another server"
}
