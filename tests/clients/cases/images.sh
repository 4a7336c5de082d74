# shellcheck shell=bash
# Broken, replaced, truncated and missing images.

case_images() {
    clients_up "$LOGS"
    images_refused
    images_served
    images_together
    images_same_name
    images_change
}

# alone FILE SENTENCE: must be rejected at once, in one line that names the file and the fault.
alone() {
    local lines
    refuses 2 --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$1"
    says "$(basename "$1" | sed 's/\./\\./g').*($2)" "$1"
    lines=$(grep -cF "$(basename "$1")" <<<"$SAID" || true)
    ((lines == 1)) || wrong "$1: $lines lines name it: $SAID"
    (($(wc -l <<<"$SAID") <= 2)) || wrong "$1: more than one line and its heading: $SAID"
    step "$(tail -n 1 <<<"$SAID") ($TOOK s)"
}

images_refused() {
    mkdir -p "$LOGS/odd/folder.iso"
    mkfifo "$LOGS/odd/fifo.iso"
    ln -s nowhere "$LOGS/odd/dangling.iso"
    head -c 40000 "$(image arch)" >"$LOGS/odd/short.iso"
    head -c 20000 "$(image arch)" >"$LOGS/odd/shorter.iso"
    head -c 3000000 /dev/urandom >"$LOGS/odd/noise.iso"
    alone "$(image broken-empty)" 'empty|0 bytes|no ISO|not an ISO|ends|too short'
    alone "$(image broken-root)" 'root'
    alone "$(image broken-text)" 'no ISO|not an ISO|ISO 9660'
    alone "$LOGS/odd/short.iso" '.'
    alone "$LOGS/odd/shorter.iso" '.'
    alone "$LOGS/odd/noise.iso" '.'
    alone "$LOGS/odd/dangling.iso" 'is a symbolic link to nowhere, which does not exist'
    alone "$LOGS/odd/folder.iso" 'there is no image in it \(\*\.iso'
    alone "$LOGS/odd/missing.iso" 'cannot be opened|No such file'
    alone /dev/null '.'
    alone "$LOGS/odd/fifo.iso" '.'
}

# Present data is served; missing data is a warning.
images_served() {
    local name begun
    for name in broken-extents broken-loop broken-many; do
        begun=$(date +%s.%N)
        START_LOG=$name start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image "$name")"
        step "$name: ready after $(since "$begun") s, $(resident "$SERVER_PID") MiB resident"
        if [[ $name == broken-many ]]; then
            [[ $(get "http://$SERVER_ADDRESS/folder-123/file-450.txt" -) == "123 450" ]] || wrong "$name: a file has other bytes"
        else
            has_event diagnostic code=image_limited "file~/$name\.iso$" || wrong "$name: no warning that names it: $(head -n 3 "$SERVER_LOG")"
            step "$(event_values text diagnostic code=image_limited | sed "s|$IMAGES/||;q")"
            [[ $(get "http://$SERVER_ADDRESS/iso/$name/arch/boot/x86_64/vmlinuz-linux" - | wc -c) == 300000 ]] ||
                wrong "$name: a file that is whole is not served"
        fi
        (($(wc -l <"$SERVER_LOG") < 30)) || wrong "$name: $(wc -l <"$SERVER_LOG") lines"
        stop_server
        [[ $STOP_STATUS == 0 ]] || wrong "$name: exit status $STOP_STATUS"
    done
}

# Beside a valid image none of them prevents anything.
images_together() {
    local name all=()
    for name in empty root extents loop many text; do all+=("$(image "broken-$name")"); done
    START_LOG=together start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off \
        "${all[@]}" "$LOGS/odd/dangling.iso" "$LOGS/odd/noise.iso" "$LOGS/odd/folder.iso" "$(image arch)"
    get "http://$SERVER_ADDRESS/iso/arch/arch/boot/x86_64/vmlinuz-linux" "$LOGS/kernel" || wrong "arch is not served beside broken images"
    for name in broken-empty broken-root broken-text dangling noise folder; do
        [[ $(count_events diagnostic "file~/$name\.iso$") == 1 ]] || wrong "$name beside others: not one event: $(event_texts diagnostic "file~/$name\.iso$")"
    done
    stop_server
    step "all of them beside arch"
}

images_same_name() {
    mkdir -p "$LOGS"/same_name/{one,two}
    ln "$(image arch)" "$LOGS/same_name/one/arch.iso"
    ln "$(image arch)" "$LOGS/same_name/two/arch.iso"
    START_LOG=same_name start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$LOGS/same_name/one" "$LOGS/same_name/two/arch.iso"
    get "http://$SERVER_ADDRESS/iso/arch-2.iso" /dev/null --head || wrong "the second of two images of one name is not served"
    expect_event 1 diagnostic code=image_renamed 'file~/two/arch\.iso$' image=arch-2
    stop_server
    # The same file twice is not a conflict.
    START_LOG=twice start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$(image arch)" "$(image arch)"
    stop_server
}

# A folder that changes while it is served; it is checked every 5 s.
images_change() {
    local folder=$LOGS/folder slow cut pid_slow pid_cut status open
    mkdir "$folder"
    cp --reflink=auto "$(image arch)" "$folder/swap.iso"
    cp --reflink=auto "$(image arch-2013)" "$folder/cut.iso"
    serve "$folder"
    slow=http://$SERVER_ADDRESS/iso/swap.iso cut=http://$SERVER_ADDRESS/iso/cut.iso
    ip netns exec "$LAB-lan" curl -sS --fail --limit-rate 6M -o "$LOGS/slow" "$slow" 2>"$LOGS/slow.err" &
    pid_slow=$!
    ip netns exec "$LAB-lan" curl -sS --fail --limit-rate 6M -o "$LOGS/cut" "$cut" 2>"$LOGS/cut.err" &
    pid_cut=$!
    wait_size "$LOGS/slow" 1000000
    wait_size "$LOGS/cut" 1000000
    cp --reflink=auto "$(image arch-2013)" "$folder/.new"
    mv "$folder/.new" "$folder/swap.iso"
    truncate -s 20M "$folder/cut.iso"
    step "one image replaced and one cut while they go out"
    status=0
    wait "$pid_cut" || status=$?
    ((status != 0)) || wrong "an image cut short while it went out looked whole to curl"
    step "the cut one: curl says $status, $(cat "$LOGS/cut.err")"
    wait "$pid_slow" || wrong "the replaced image's download failed: $(cat "$LOGS/slow.err")"
    same "$(image arch)" "$LOGS/slow" "the download that began before the image was replaced"
    expect_event 10 diagnostic code=images_changed
    expect_event 2 failed protocol=HTTP 'path~/cut\.iso$' ip=192.168.77.2 reason=image_truncated
    # Faults of an image are reported whenever it is read, not only at startup.
    expect_event 15 diagnostic code=image_limited 'file~/cut\.iso$' 'text~\bincomplete\b'
    get "$slow" "$LOGS/new" || wrong "the new image is not served"
    same "$(image arch-2013)" "$LOGS/new" "the image that took its place"
    alive
    step "the replaced one: old bytes to whom they were promised, new ones since"
    # An image with a conflicting name appears: it gets another, and the first keeps its own.
    open=$(descriptors "$SERVER_PID")
    cp --reflink=auto "$(image arch)" "$folder/swap.ISO"
    expect_event 10 diagnostic code=image_renamed 'file~/swap\.ISO$' image=swap-2
    (($(descriptors "$SERVER_PID") <= open + 3)) || wrong "a look leaves files open: $open at first, then $(descriptors "$SERVER_PID")"
    get "$slow" "$LOGS/new" || wrong "the other images are not served any more"
    same "$(image arch-2013)" "$LOGS/new" "an image that is served, after a newcomer of the same name"
    rm -f "$folder/swap.ISO"
    cp --reflink=auto "$(image arch)" "$folder/late.iso"
    expect_event 11 diagnostic code=images_changed 'text~\blate\b'
    get "http://$SERVER_ADDRESS/iso/late.iso" "$LOGS/new" || wrong "an image that was added is not served"
    # The images are deleted.
    rm -f "$folder"/*.iso
    expect_event 11 diagnostic code=no_image_left
    alive
    [[ $(in_lan curl -sS -o /dev/null -w '%{http_code}' "$slow") == 404 ]] || wrong "an image that was removed is not a 404"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "exit status $STOP_STATUS"
    rm -rf "$folder" "$LOGS"/{slow,cut,new}
}

# wait_size FILE BYTES
wait_size() {
    wait_until 10 has_size "$@" || fail "$1 has not $2 bytes after 10 s"
}
has_size() { (($(stat -c %s "$1" 2>/dev/null || echo 0) >= $2)); }
