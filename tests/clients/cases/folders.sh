# shellcheck shell=bash
# Folders and archives served like an image: every file over HTTP, TFTP and NFS; no disk of any kind; and
# files that change while machines read them.
#
# case: folders   an unpacked image and two archives of it by foreign clients; a file that is changed, cut, replaced
# images: folders arch

FOLDER_FILE=arch/large.bin

case_folders() {
    clients_up "$LOGS"
    need_tools nbdinfo=libnbd-bin nfs-cat=libnfs-utils nfs-ls=libnfs-utils nfs-cp=libnfs-utils xorriso=xorriso tar=tar
    unpack arch
    folders_make
    serve "$LOGS/media"
    local name
    for name in tree plain-netboot packed-netboot; do
        folders_http "$name"
        folders_tftp "$name"
        folders_nfs "$name"
        folders_no_disk "$name"
    done
    # Said once a second at most.
    expect_event 5 ignored protocol=NBD reason=no_disk "ip=$LAN_ADDRESS"
    folders_menu
    folders_change
    alive
    step "at last $(resident "$SERVER_PID") MiB resident, $(descriptors "$SERVER_PID") descriptors"
    stop_server
}

# The tree, with a link, an empty file and a large one, and two archives of it, where everybody may read.
folders_make() {
    local tree=$LOGS/media/tree
    mkdir "$LOGS/media"
    mv "$LOGS/tree-arch" "$tree"
    head -c 24M /dev/urandom >"$tree/$FOLDER_FILE"
    : >"$tree/arch/empty"
    ln -s large.bin "$tree/arch/link"
    chmod -R a+rX "$LOGS/media"
    tar -C "$tree" -cf "$LOGS/media/plain-netboot.tar" .
    gzip -1 <"$LOGS/media/plain-netboot.tar" >"$LOGS/media/packed-netboot.tar.gz"
}

folders_http() {
    local got=$LOGS/got-$1
    mkdir "$got"
    "$CLIENTS/trees" fetch "$LOGS/media/tree" "http://$SERVER_ADDRESS/iso/$1" "$got" >"$LOGS/curl-$1"
    in_lan "$WITHIN" 120 curl -sS --fail --parallel --config "$LOGS/curl-$1" 2>"$LOGS/curl.err" || wrong "$1 over HTTP: $(tail -n 1 "$LOGS/curl.err")"
    step "$1 over HTTP: $("$CLIENTS/trees" compare "$LOGS/media/tree" "$got" 2>&1)" || wrong "$1 over HTTP differs"
    rm -rf "$got"
}

folders_tftp() {
    local path
    for path in arch/boot/x86_64/vmlinuz-linux arch/link; do
        : >"$LOGS/got"
        in_lan "$WITHIN" 60 curl -sS --tftp-blksize 1428 -o "$LOGS/got" "tftp://$SERVER_ADDRESS/iso/$1/$path" 2>>"$LOGS/curl.log" ||
            wrong "$path of $1 is not served over TFTP"
        same "$LOGS/media/tree/$path" "$LOGS/got" "$path of $1 over TFTP"
    done
}

# Names, kinds, sizes and bytes.
folders_nfs() {
    local url=nfs://$SERVER_ADDRESS/iso/$1 path want got count=0
    in_lan nfs-ls -R "$url" >"$LOGS/ls" 2>&1 || wrong "nfs-ls of $1: $(tail -n 1 "$LOGS/ls")"
    awk '{kind = substr($1, 1, 1); size = kind == "d" ? "-" : $5; for (i = 0; i < 5; i++) sub(/^[^ ]+ +/, ""); print kind, size, $0}' "$LOGS/ls" |
        sort >"$LOGS/ls.got"
    find "$LOGS/media/tree" -mindepth 1 \( -type d -printf 'd - %P\n' -o -type l -printf 'l %s %P\n' -o -printf '- %s %P\n' \) | sort >"$LOGS/ls.want"
    diff "$LOGS/ls.want" "$LOGS/ls.got" >"$LOGS/ls.diff" || wrong "nfs-ls of $1: $(head -n 3 "$LOGS/ls.diff")"
    while IFS= read -r -d '' path; do
        want=$(sha256sum <"$LOGS/media/tree/$path")
        got=$(in_lan nfs-cat "$url/$path" 2>>"$LOGS/nfs-cat.err" | sha256sum)
        [[ $want == "$got" ]] || wrong "nfs-cat of $path in $1: other bytes"
        count=$((count + 1))
    done < <(find "$LOGS/media/tree" -type f -printf '%P\0')
    rm -f "$LOGS/got"
    in_lan nfs-cp "$url/$FOLDER_FILE" "$LOGS/got" >"$LOGS/nfs-cp" 2>&1 || wrong "nfs-cp of $1: $(tail -n 1 "$LOGS/nfs-cp")"
    same "$LOGS/media/tree/$FOLDER_FILE" "$LOGS/got" "nfs-cp of $1"
    rm -f "$LOGS/got"
    ! in_lan nfs-cp /etc/hostname "$url/new" >"$LOGS/refused" 2>&1 || wrong "a file was written to $1"
    ((count > 10)) || wrong "$1 has only $count files"
    step "$1 over NFS: nfs-ls -R, nfs-cat of $count files, nfs-cp"
}

# There is no disk: neither NBD, nor the image as one file, nor a RAM disk.
folders_no_disk() {
    local status path
    ! in_lan nbdinfo "nbd://$SERVER_ADDRESS/$1" >"$LOGS/nbd" 2>&1 || wrong "NBD has a disk $1"
    ! in_lan nbdinfo --list "nbd://$SERVER_ADDRESS" 2>/dev/null | grep -q "export=\"$1\"" || wrong "NBD lists $1"
    for path in "iso/$1.iso" "loader/ramdisk/$1.iso"; do
        status=$(in_lan curl -sS -o "$LOGS/body" -w '%{http_code}' --max-time 20 "http://$SERVER_ADDRESS/$path" 2>>"$LOGS/curl.log" || true)
        [[ $status == [45]?? ]] || wrong "HTTP says $status for $path"
        ! in_lan curl -sS --max-time 20 -o "$LOGS/body" "tftp://$SERVER_ADDRESS/$path" 2>>"$LOGS/curl.log" || wrong "TFTP has $path"
    done
    "$LANBOOT" inspect "$(echo "$LOGS/media/$1"*)" >"$LOGS/inspect" 2>&1 || wrong "inspect of $1: $(tail -n 1 "$LOGS/inspect")"
    grep -q '^    nbd .*files: a folder or an archive' "$LOGS/inspect" || wrong "inspect of $1 does not say why there is no NBD: $(grep '^    nbd' "$LOGS/inspect")"
    step "$1 is no disk: NBD says '$(grep -m 1 opt_go "$LOGS/nbd")'"
}

# Menus offer each of them over HTTP and NFS.
folders_menu() {
    local name
    get "http://$SERVER_ADDRESS/boot.ipxe" "$LOGS/menu" || wrong "no menu"
    for name in tree plain-netboot packed-netboot; do
        grep -q "item entry-$name " "$LOGS/menu" || wrong "the menu has no $name"
        grep -q "archiso_http_srv=http://$SERVER_ADDRESS/iso/$name/" "$LOGS/menu" || wrong "the menu does not start $name over HTTP"
    done
    ! grep -q 'sanboot.*/iso/' "$LOGS/menu" || wrong "the menu has a folder as a disk"
}

# A file that machines read is changed in every way; then it is as before, and the folder read again.
folders_change() {
    local change file=$LOGS/media/tree/$FOLDER_FILE seen
    cp -p "$file" "$LOGS/kept"
    for change in overwritten cut symlink fifo replaced removed; do
        seen=$(count_events diagnostic code=images_changed) || true
        in_lan "$WITHIN" 60 "$CLIENTS/changing-file" "$SERVER_ADDRESS" tree "$FOLDER_FILE" "$file" "$change" >"$LOGS/change" 2>&1 ||
            wrong "$change while it is read: $(tail -n 1 "$LOGS/change")"
        step "$change: $(tail -n 1 "$LOGS/change")"
        rm -f "$file"
        cp -p "$LOGS/kept" "$file"
        wait_events $((seen + 1)) 20 diagnostic code=images_changed || wrong "that the folder has changed is not noticed ($change)"
        wait_until 20 folders_is_back || wrong "the file is not served again after it was $change"
    done
    expect_event 1 failed protocol=HTTP "path~$FOLDER_FILE" reason=image_overwritten
    expect_event 1 failed protocol=TFTP "path~$FOLDER_FILE" reason=image_overwritten
}
folders_is_back() { get "http://$SERVER_ADDRESS/iso/tree/$FOLDER_FILE" "$LOGS/got" && cmp -s "$LOGS/kept" "$LOGS/got"; }
