# shellcheck shell=bash
# Every file of an image, over HTTP and TFTP, matches xorriso's copy.

case_bytes() {
    clients_up "$LOGS"
    need_tools nfs-cat=libnfs-utils qemu-img=qemu-utils
    serve "$(image arch)" "$(image arch-2013)" "$(image arch-huge-file)"
    unpack arch
    step "arch unpacked by xorriso"
    whole_tree arch "http://$SERVER_ADDRESS/iso/arch"
    whole_tree arch "http://$SERVER_ADDRESS"
    whole_tree arch "tftp://$SERVER_ADDRESS/iso/arch"
    whole_tree arch "tftp://$SERVER_ADDRESS"
    unpack arch-2013
    step "arch-2013 unpacked by xorriso"
    whole_tree arch-2013 "http://$SERVER_ADDRESS/iso/arch-2013"
    whole_tree arch-2013 "tftp://$SERVER_ADDRESS/iso/arch-2013"
    huge_file
    whole_image
    alive
}

# whole_tree NAME BASE: every file under BASE matches the unpacked one.
whole_tree() {
    local got=$LOGS/got count
    rm -rf "$got"
    python3 "$CLIENTS/trees" fetch "$LOGS/tree-$1" "$2" "$got" >"$LOGS/curl.cfg"
    in_lan "$WITHIN" 60 curl -sS --fail --path-as-is --tftp-blksize 1468 --config "$LOGS/curl.cfg" \
        2>"$LOGS/curl.err" || wrong "$2: curl: $(sort -u "$LOGS/curl.err" | head -n 2)"
    count=$(python3 "$CLIENTS/trees" compare "$LOGS/tree-$1" "$got" 2>"$LOGS/compare") ||
        wrong "$2: $(head -n 3 "$LOGS/compare")"
    step "$2: $count"
}

# The file over 4 GiB: its ends, the boundaries of its extents and the 32-bit limit, compared with
# the locations reported by xorriso; and its length.
huge_file() {
    local url path=/arch/huge.bin size first last
    url=http://$SERVER_ADDRESS/iso/arch-huge-file$path
    xorriso -indev "$(image arch-huge-file)" -find "$path" -exec report_lba 2>/dev/null >"$LOGS/extents"
    size=$(python3 "$CLIENTS/trees" size "$LOGS/extents")
    ((size > 4294967296)) || fail "the huge file is only $size bytes: $(cat "$LOGS/extents")"
    [[ $(get "$url" /dev/null -I -w '%header{content-length}') == "$size" ]] || wrong "$url: HEAD gives another length than $size"
    while read -r first last; do
        get "$url" "$LOGS/part" -r "$first-$last" || wrong "$url: no bytes $first-$last"
        python3 "$CLIENTS/trees" part "$(image arch-huge-file)" "$LOGS/extents" "$first" "$last" >"$LOGS/part.want"
        same "$LOGS/part.want" "$LOGS/part" "$url bytes $first-$last"
    done < <(python3 "$CLIENTS/trees" seams "$LOGS/extents")
    [[ $(get "$url" /dev/null -w '%{size_download}') == "$size" ]] || wrong "$url: a whole download is not $size bytes"
    [[ $(in_lan nfs-cat "nfs://$SERVER_ADDRESS/iso/arch-huge-file$path" | wc -c) == "$size" ]] || wrong "nfs-cat of $path is not $size bytes"
    in_lan qemu-img compare -q -f raw -F raw "nbd://$SERVER_ADDRESS/arch-huge-file" "$(image arch-huge-file)" >"$LOGS/compared" 2>&1 ||
        wrong "the disk over 4 GiB is not the image: $(tail -n 1 "$LOGS/compared")"
    step "the file of $size bytes: ends, seams and border are right, and its length; the same over NFS and NBD"
}

whole_image() {
    get "http://$SERVER_ADDRESS/iso/arch.iso" "$LOGS/whole.iso" || wrong "arch.iso is not served"
    same "$(image arch)" "$LOGS/whole.iso" "/iso/arch.iso"
    rm -f "$LOGS/whole.iso"
}
