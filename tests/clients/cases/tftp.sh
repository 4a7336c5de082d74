# shellcheck shell=bash
# Common TFTP clients.

case_tftp() {
    clients_up "$LOGS"
    need_tools tftp=tftp-hpa atftp=atftp busybox=busybox-static
    tftp -V 2>&1 | grep -q tftp-hpa || fail "tftp is not tftp-hpa: apt-get install -y tftp-hpa"
    serve "$(image arch)" "$(image arch-2013)"
    unpack arch
    TFTP_FILE=arch/boot/x86_64/vmlinuz-linux
    TFTP_WANT=$LOGS/tree-arch/$TFTP_FILE
    tftp_hpa
    step "tftp-hpa"
    tftp_atftp
    step "atftp"
    tftp_busybox
    step "busybox tftp"
    tftp_wraps
    step "block numbers that wrap"
    alive
    tftp_nat_up
    ! tftp_through_nat 4 || wrong "the translating router lets answers from other ports in: it proves nothing"
    stop_server
    serve --tftp-single-port "$(image arch)" "$(image arch-2013)"
    TFTP_WANT=$LOGS/tree-arch/$TFTP_FILE
    tftp_hpa
    tftp_atftp
    tftp_busybox
    tftp_wraps
    step "--tftp-single-port: tftp-hpa, atftp, busybox, block numbers that wrap"
    TFTP_WANT=$LOGS/tree-arch/$TFTP_FILE
    tftp_nat
    step "--tftp-single-port: through address translation, with losses, many at once"
    alive
}

# A NAT router, as at home, in client 1, and a machine behind it in client 2:
#   c2 in0 10.55.0.2 ── in0 10.55.0.1 c1 eth0 192.168.77.9 ── LAN
tftp_nat_up() {
    need_tools nft=nftables
    client_up 1
    client_up 2
    ip link add in0 netns "$LAB-c1" type veth peer name in0 netns "$LAB-c2"
    in_client 1 ip address add 192.168.77.9/24 dev eth0
    in_client 1 ip address add 10.55.0.1/24 dev in0
    in_client 1 ip link set in0 up
    in_client 1 sysctl -qw net.ipv4.ip_forward=1
    in_client 2 ip link set eth0 down
    in_client 2 ip address add 10.55.0.2/24 dev in0
    in_client 2 ip link set in0 up
    in_client 2 ip route add default via 10.55.0.1
    in_client 1 nft -f - <<'END' || fail "nftables cannot translate addresses here"
table ip home {
    chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
    chain way { type filter hook forward priority filter; }
}
END
}

# tftp_through_nat SECONDS: the machine behind the router downloads the kernel.
tftp_through_nat() {
    in_client 2 "$WITHIN" "$1" busybox tftp -g -b 1428 -r "$TFTP_FILE" -l "$LOGS/got" "$SERVER_ADDRESS" 2>>"$LOGS/tftp-nat.log"
}

tftp_nat() {
    local n pids=() small
    tftp_through_nat 60 || wrong "--tftp-single-port: nothing comes through address translation"
    fetched "busybox through address translation"
    in_client 2 "$WITHIN" 60 curl -sS -o "$LOGS/got" "tftp://$SERVER_ADDRESS/$TFTP_FILE" 2>>"$LOGS/tftp-nat.log" || wrong "curl failed through address translation"
    fetched "curl through address translation"
    # Many machines with one address, distinguished only by their ports.
    for n in {1..30}; do
        in_client 2 "$WITHIN" 100 curl -sS -o "$LOGS/got-$n" "tftp://$SERVER_ADDRESS/$TFTP_FILE" 2>>"$LOGS/tftp-nat.log" &
        pids+=("$!")
    done
    for n in {1..30}; do
        wait "${pids[n - 1]}" || wrong "curl $n of 30 at once failed through address translation"
        same "$TFTP_WANT" "$LOGS/got-$n" "curl $n of 30 at once through address translation"
        rm -f "$LOGS/got-$n"
    done
    # A small file, because every loss costs a wait.
    small=boot/syslinux/ldlinux.c32
    TFTP_WANT=$LOGS/tree-arch/$small
    in_client 1 nft add rule ip home way meta l4proto udp numgen random mod 100 \< 10 drop
    # Not atftp: it never repeats an ACK, and aborts at a second OACK. curl without options, because
    # with them it requests waits of 6 s.
    in_client 2 "$WITHIN" 100 busybox tftp -g -b 1428 -r "$small" -l "$LOGS/got" "$SERVER_ADDRESS" 2>>"$LOGS/tftp-nat.log" ||
        wrong "busybox failed where one of 10 datagrams is lost"
    fetched "busybox where one of 10 datagrams is lost"
    in_client 2 "$WITHIN" 200 curl -sS --tftp-no-options -o "$LOGS/got" "tftp://$SERVER_ADDRESS/$small" 2>>"$LOGS/tftp-nat.log" ||
        wrong "curl failed where one of 10 datagrams is lost"
    fetched "curl where one of 10 datagrams is lost"
    in_client 1 nft flush chain ip home way
}

# fetched WHAT: LOGS/got must match the file, and is removed.
fetched() {
    same "$TFTP_WANT" "$LOGS/got" "$1"
    rm -f "$LOGS/got"
}

tftp_hpa() {
    local text=$LOGS/tree-arch/boot/syslinux/archiso_tail.cfg said
    in_lan "$WITHIN" 60 tftp -m binary "$SERVER_ADDRESS" -c get "$TFTP_FILE" "$LOGS/got" >>"$LOGS/tftp.log" 2>&1 || wrong "tftp-hpa failed"
    fetched "tftp-hpa"
    in_lan "$WITHIN" 60 tftp -m binary "$SERVER_ADDRESS" -c get "//arch\\boot//x86_64/vmlinuz-linux" "$LOGS/got" >>"$LOGS/tftp.log" 2>&1 || wrong "tftp-hpa failed with a backslash"
    fetched "tftp-hpa with backslashes and doubled slashes"
    # Its default mode is netascii. Line ends must round-trip.
    if [[ -e $text ]]; then
        in_lan "$WITHIN" 20 tftp -m ascii "$SERVER_ADDRESS" -c get boot/syslinux/archiso_tail.cfg "$LOGS/got" >>"$LOGS/tftp.log" 2>&1
        same "$text" "$LOGS/got" "tftp-hpa in netascii"
    else
        wrong "the image has no boot/syslinux/archiso_tail.cfg"
    fi
    said=$(in_lan "$WITHIN" 20 tftp -m binary "$SERVER_ADDRESS" -c get nothing "$LOGS/got" 2>&1 || true)
    grep -qi 'file not found' <<<"$said" || wrong "tftp-hpa, a file that is not there: $said"
    expect_event 5 not-found protocol=TFTP path=nothing ip=192.168.77.2
    said=$(in_lan "$WITHIN" 20 tftp -m binary "$SERVER_ADDRESS" -c put "$TFTP_WANT" upload 2>&1 || true)
    grep -qi 'error' <<<"$said" || wrong "tftp-hpa may write: $said"
}

tftp_atftp() {
    local said
    said=$(in_lan "$WITHIN" 60 atftp --trace --option "windowsize 16" --option "blksize 1468" -g -r "$TFTP_FILE" -l "$LOGS/got" "$SERVER_ADDRESS" 2>&1) ||
        wrong "atftp failed: $(tail -n 1 <<<"$said")"
    echo "$said" >"$LOGS/atftp.log"
    fetched "atftp with windows of 16"
    grep -E 'received OACK' "$LOGS/atftp.log" | grep -q 'windowsize: 16' && grep -qE 'received OACK.*blksize: 1468' "$LOGS/atftp.log" ||
        wrong "atftp was granted: $(grep OACK "$LOGS/atftp.log" | head -n 1)"
    in_lan "$WITHIN" 60 atftp -g -r "$TFTP_FILE" -l "$LOGS/got" "$SERVER_ADDRESS" >>"$LOGS/atftp.log" 2>&1 || wrong "atftp without options failed"
    fetched "atftp without options"
    ! in_lan "$WITHIN" 20 atftp -g -r nothing -l "$LOGS/got" "$SERVER_ADDRESS" >>"$LOGS/atftp.log" 2>&1 || wrong "atftp has a file that is not there"
    rm -f "$LOGS/got"
}

tftp_busybox() {
    local size
    for size in 512 1024 1428 1468; do
        in_lan "$WITHIN" 60 busybox tftp -g -b "$size" -r "$TFTP_FILE" -l "$LOGS/got" "$SERVER_ADDRESS" 2>>"$LOGS/tftp.log" || wrong "busybox tftp -b $size failed"
        fetched "busybox tftp -b $size"
    done
    ! in_lan "$WITHIN" 20 busybox tftp -g -r nothing -l "$LOGS/got" "$SERVER_ADDRESS" 2>>"$LOGS/tftp.log" || wrong "busybox tftp has a file that is not there"
    ! in_lan "$WITHIN" 20 busybox tftp -p -l "$TFTP_WANT" -r upload "$SERVER_ADDRESS" 2>>"$LOGS/tftp.log" || wrong "busybox tftp may write"
    rm -f "$LOGS/got"
}

# More than 65,535 blocks of 512: the block number wraps to 0.
tftp_wraps() {
    TFTP_WANT=$(image arch-2013)
    (($(stat -c %s "$TFTP_WANT") > 65536 * 512)) || fail "arch-2013 is too small to wrap"
    in_lan "$WITHIN" 100 atftp --option "windowsize 16" --option "blksize 512" -g -r iso/arch-2013.iso -l "$LOGS/got" "$SERVER_ADDRESS" >>"$LOGS/atftp.log" 2>&1 || wrong "atftp failed behind block 65535"
    fetched "atftp behind block 65535"
    in_lan "$WITHIN" 100 curl -sS --tftp-blksize 512 -o "$LOGS/got" "tftp://$SERVER_ADDRESS/iso/arch-2013.iso" 2>>"$LOGS/tftp.log" || wrong "curl failed behind block 65535"
    fetched "curl behind block 65535"
}
