# shellcheck shell=bash
# Incomplete images, and images overwritten while they are served: an error in every protocol, at
# once and after every rescan, never data that looks complete.
#
# case: damage    images truncated, completed again, truncated and overwritten while served
# images: damage arch arch-2013

ROOT_FILE=arch/x86_64/airootfs.sfs
KERNEL_FILE=arch/boot/x86_64/vmlinuz-linux

case_damage() {
    clients_up "$LOGS"
    need_tools nbdinfo=libnbd-bin nbdcopy=libnbd-bin nfs-cat=libnfs-utils nfs-ls=libnfs-utils xorriso=xorriso
    /usr/bin/python3 -c 'import nbd' 2>/dev/null || fail "missing tools: apt-get install -y python3-libnbd"
    unpack arch
    damage_place
    mkdir "$LOGS/folder"
    head -c "$CUT" "$(image arch)" >"$LOGS/folder/a.iso"
    cp --reflink=auto "$(image arch)" "$LOGS/folder/b.iso"
    serve "$LOGS/folder"
    damage_said
    damage_is_an_error a "cut before the start"
    damage_rest_is_served a
    damage_disk
    damage_grows
    damage_cut_while_served
    alive
    stop_server
    damage_refused
    damage_pad
    damage_overwritten
}

# Offset of the root file in the image, and of a cut in its middle.
damage_place() {
    local lba size
    xorriso -indev "$(image arch)" -find "/$ROOT_FILE" -exec report_lba -- 2>"$LOGS/lba.err" >"$LOGS/lba"
    lba=$(awk -F, '/^File data lba/ {print $2 + 0}' "$LOGS/lba")
    size=$(stat -c %s "$LOGS/tree-arch/$ROOT_FILE")
    WHOLE=$(stat -c %s "$(image arch)")
    PRESENT=$((size / 2 + 5))
    CUT=$((lba * 2048 + PRESENT))
    FAULT="incomplete: $PRESENT of $size bytes"
    [[ $(head -c $((lba * 2048 + 4)) "$(image arch)" | tail -c 4) == hsqs ]] || fail "$ROOT_FILE does not start at sector $lba"
}

# Log, inspect and menus report it, and the next image is the default.
damage_said() {
    expect_event 2 diagnostic code=image_limited 'file~/a\.iso$' "text~$FAULT"
    "$LANBOOT" inspect "$LOGS/folder/a.iso" >"$LOGS/inspect" 2>&1 || wrong "inspect of a cut image fails"
    grep -q "fault .*$FAULT" "$LOGS/inspect" || wrong "inspect does not say '$FAULT'"
    "$LANBOOT" inspect --json "$LOGS/folder/a.iso" >"$LOGS/inspect.json"
    python3 -c 'import json, sys; e = json.load(open(sys.argv[1]))["entries"]; assert all(sys.argv[2] in x["incomplete"] for x in e), e' \
        "$LOGS/inspect.json" "$FAULT" || wrong "inspect --json does not say it"
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/menu" || wrong "no menu"
    grep -q "item --gap a.* - $FAULT" "$LOGS/menu" || wrong "the iPXE menu does not show the cut image with its reason"
    ! grep -q 'entry-a' "$LOGS/menu" || wrong "the iPXE menu starts the cut image"
    grep -q 'set start entry-b' "$LOGS/menu" || wrong "the whole image is not what starts by itself"
    get "http://$SERVER_ADDRESS/$KERNEL_FILE" "$LOGS/kernel" || wrong "the default image's files are not at the root"
    get "http://$SERVER_ADDRESS/$ROOT_FILE" "$LOGS/root" || wrong "the default image is the cut one"
    same "$LOGS/tree-arch/$ROOT_FILE" "$LOGS/root" "the root at the root"
    step "log, inspect and menu say '$FAULT'; the next image is the default"
}

http_status() { in_lan curl -sS -o "$LOGS/body" -w '%{http_code}' --max-time 20 "$@" 2>>"$LOGS/curl.log" || true; }

# damage_is_an_error IMAGE WHEN: its root file, whole or in part, over every protocol.
damage_is_an_error() {
    local name=$1 when=$2 url status
    url=http://$SERVER_ADDRESS/iso/$name/$ROOT_FILE
    for flags in '' '--head' '--range 0-99' "--range $((PRESENT + 10))-$((PRESENT + 20))" '--range -5'; do
        # shellcheck disable=SC2086  # words
        status=$(http_status $flags "$url")
        [[ $status == 500 ]] || wrong "$when: HTTP ${flags:-GET} says $status"
        ! grep -q hsqs "$LOGS/body" || wrong "$when: HTTP ${flags:-GET} sends some of it"
    done
    [[ $(http_status --head "http://$SERVER_ADDRESS/iso/$name.iso") == 500 ]] || wrong "$when: the whole image is handed out over HTTP"
    ! in_lan curl -sS --max-time 20 -o "$LOGS/tftp" "tftp://$SERVER_ADDRESS/iso/$name/$ROOT_FILE" 2>"$LOGS/tftp.err" ||
        wrong "$when: TFTP hands it out"
    [[ ! -s $LOGS/tftp ]] || wrong "$when: TFTP sends $(stat -c %s "$LOGS/tftp") bytes of it"
    in_lan /usr/bin/python3 - "$SERVER_ADDRESS" "iso/$name/$ROOT_FILE" >"$LOGS/tftp.err" 2>&1 <<'END' || wrong "$when: TFTP: $(tail -n 1 "$LOGS/tftp.err")"
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.sendto(b"\0\1" + sys.argv[2].encode() + b"\0octet\0", (sys.argv[1], 69))
answer = client.recv(2048)
assert answer[:2] == b"\0\5", f"no ERROR but {answer[:40]!r}"
END
    ! in_lan timeout 20 nfs-cat "nfs://$SERVER_ADDRESS/iso/$name/$ROOT_FILE" >"$LOGS/nfs" 2>"$LOGS/nfs.err" || wrong "$when: NFS hands it out"
    [[ ! -s $LOGS/nfs ]] || wrong "$when: NFS sends $(stat -c %s "$LOGS/nfs") bytes of it"
    step "$when: HTTP, TFTP and NFS refuse it, whole and in part"
}

# Its size is the recorded one, and intact files are served.
damage_rest_is_served() {
    local size
    size=$(in_lan nfs-ls "nfs://$SERVER_ADDRESS/iso/$1/${ROOT_FILE%/*}" 2>/dev/null | awk '/airootfs.sfs$/ {print $5}')
    [[ $size == $(stat -c %s "$LOGS/tree-arch/$ROOT_FILE") ]] || wrong "NFS says its size is $size"
    get "http://$SERVER_ADDRESS/iso/$1/$KERNEL_FILE" "$LOGS/kernel" || wrong "a whole file of the cut image is not served over HTTP"
    same "$LOGS/tree-arch/$KERNEL_FILE" "$LOGS/kernel" "a whole file of the cut image, HTTP"
    in_lan nfs-cat "nfs://$SERVER_ADDRESS/iso/$1/$KERNEL_FILE" >"$LOGS/kernel" 2>/dev/null || wrong "a whole file of the cut image is not served over NFS"
    same "$LOGS/tree-arch/$KERNEL_FILE" "$LOGS/kernel" "a whole file of the cut image, NFS"
    in_lan curl -sS --max-time 60 -o "$LOGS/kernel" "tftp://$SERVER_ADDRESS/iso/$1/$KERNEL_FILE" || wrong "a whole file of the cut image is not served over TFTP"
    same "$LOGS/tree-arch/$KERNEL_FILE" "$LOGS/kernel" "a whole file of the cut image, TFTP"
    step "its whole files are served"
}

# The disk has its full size; present data can be read, the rest is EIO.
damage_disk() {
    [[ $(in_lan nbdinfo --size "nbd://$SERVER_ADDRESS/a") == "$WHOLE" ]] || wrong "the NBD disk has not the size that is recorded: $(in_lan nbdinfo --size "nbd://$SERVER_ADDRESS/a")"
    ! in_lan nbdcopy "nbd://$SERVER_ADDRESS/a" "$LOGS/disk" 2>"$LOGS/nbdcopy.err" || wrong "nbdcopy copies a cut image"
    grep -qi 'input/output error' "$LOGS/nbdcopy.err" || wrong "nbdcopy says: $(tail -n 1 "$LOGS/nbdcopy.err")"
    in_lan /usr/bin/python3 - "nbd://$SERVER_ADDRESS/a" "$CUT" "$WHOLE" "$(image arch)" >"$LOGS/disk.err" 2>&1 <<'END' || wrong "the NBD disk: $(tail -n 1 "$LOGS/disk.err")"
import errno, nbd, sys
url, cut, whole, image = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), open(sys.argv[4], "rb").read()
handle = nbd.NBD()
handle.connect_uri(url)
for at, size in [(0, 512), (32768, 2048), (cut - 4096, 4096)]:
    assert handle.pread(size, at) == image[at:at + size], f"other bytes at {at}"
for at, size in [(cut - 1, 2), (cut, 1), (cut // 512 * 512, 1024), (whole - 512, 512), (0, cut + 1)]:
    try:
        handle.pread(size, at)
    except nbd.Error as error:
        assert error.errnum == errno.EIO, error
    else:
        raise SystemExit(f"{size} bytes at {at} can be read")
END
    step "as a disk it has its full size, and EIO where it is missing"
}

# A copy that continues becomes complete, and the default again.
damage_grows() {
    tail -c +$((CUT + 1)) "$(image arch)" >>"$LOGS/folder/a.iso"
    expect_event 15 diagnostic code=images_changed
    get "http://$SERVER_ADDRESS/iso/a/$ROOT_FILE" "$LOGS/root" || wrong "an image that grew whole is not served"
    same "$LOGS/tree-arch/$ROOT_FILE" "$LOGS/root" "the root of an image that grew whole"
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/menu"
    grep -q 'set start entry-a' "$LOGS/menu" || wrong "an image that grew whole is not the default"
    in_lan nbdcopy "nbd://$SERVER_ADDRESS/a" "$LOGS/disk" 2>"$LOGS/nbdcopy.err" || wrong "nbdcopy of an image that grew whole: $(cat "$LOGS/nbdcopy.err")"
    same "$(image arch)" "$LOGS/disk" "the disk of an image that grew whole"
    step "grown to its length it is whole and the default"
}

damage_cut_while_served() {
    truncate -s "$CUT" "$LOGS/folder/a.iso"
    damage_is_an_error a "cut while served"
    wait_events 2 15 diagnostic code=images_changed || wrong "that an image was cut is not noticed"
    damage_is_an_error a "after the rescan"
    expect_event 2 diagnostic code=image_limited 'file~/a\.iso$' "text~$FAULT"
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/menu"
    grep -q 'set start entry-b' "$LOGS/menu" || wrong "an image cut while served stays the default"
}

damage_refused() {
    refuses 2 --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off --boot a "$LOGS/folder"
    says "$FAULT" "--boot of a cut image"
}

# xorriso's pad of 150 sectors is empty.
damage_pad() {
    local url=http://$SERVER_ADDRESS/iso/pad.iso
    head -c $((WHOLE - 120 * 2048)) "$(image arch)" >"$LOGS/pad.iso"
    "$LANBOOT" inspect "$LOGS/pad.iso" >"$LOGS/inspect" 2>&1
    ! grep -qi 'incomplete\|cut short' "$LOGS/inspect" || wrong "a missing pad is called damage: $(grep -i incomplete "$LOGS/inspect")"
    START_LOG=pad start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$LOGS/pad.iso"
    get "$url" "$LOGS/pad.got" || wrong "an image without its pad is not served"
    same "$LOGS/pad.iso" "$LOGS/pad.got" "an image without its pad"
    stop_server
    step "a missing pad is no damage"
}

# Another image is written over the file while machines load from it.
damage_overwritten() {
    local protocol
    cp --reflink=auto "$(image arch)" "$LOGS/over.iso"
    START_LOG=over start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$LOGS/over.iso"
    in_lan /usr/bin/python3 - "$SERVER_ADDRESS" "iso/over/$ROOT_FILE" "$LOGS/tree-arch/$ROOT_FILE" "$LOGS/over.iso" "$(image arch-2013)" \
        >"$LOGS/over.out" 2>&1 <<'END' || wrong "overwritten in the middle of TFTP: $(tail -n 1 "$LOGS/over.out")"
import socket, struct, sys
server, path, root, image, other = sys.argv[1:]
root, other = open(root, "rb").read(), open(other, "rb").read()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b"\0\1" + path.encode() + b"\0octet\0", (server, 69))
got, after = b"", None
while True:
    packet, peer = s.recvfrom(2048)
    kind, block = struct.unpack(">HH", packet[:4])
    if kind == 5:
        break
    assert kind == 3, packet
    got += packet[4:]
    assert packet[4:] == root[(block - 1) * 512:][:512], f"block {block} has other bytes"
    assert len(packet) == 516, "it ended as if it were whole"
    if block == 20:
        # In place, the same file.
        with open(image, "r+b") as file:
            file.write(other)
            file.truncate(len(other))
        after = len(got)
    s.sendto(struct.pack(">HH", 4, block), peer)
late = len(got) - after
assert late <= 65536, f"{late} bytes came after it was overwritten"
print(f"{late} bytes that were read before came after it, then: {packet[4:-1].decode()}")
END
    step "overwritten in the middle of TFTP: $(tail -n 1 "$LOGS/over.out")"
    expect_event 2 failed protocol=TFTP reason=image_overwritten
    # Requests before the rescan get none of the new bytes under the old names.
    for protocol in "http://$SERVER_ADDRESS" "tftp://$SERVER_ADDRESS"; do
        ! in_lan curl -sS --fail --max-time 20 -o "$LOGS/new" "$protocol/iso/over/$KERNEL_FILE" 2>/dev/null ||
            same "$LOGS/tree-arch/$KERNEL_FILE" "$LOGS/new" "an overwritten image, $protocol"
    done
    alive
    stop_server
}
