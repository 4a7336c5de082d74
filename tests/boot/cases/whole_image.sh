# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Images that start as a whole: Debian's memtest86+ by request, a medium of no known family because it has
# nothing better.
#
# case: whole-image       --loader iso with this image only: HTTP Boot starts memtest86+
# long: whole-image-boot  beside another image and selected with --boot: HTTP Boot and a BIOS machine start it

memtest() {
    local dir=$REPO/target/boot/memtest
    "$REPO/tests/images/fetch" "$dir" bookworm memtest86+:amd64 || fail "memtest86+ cannot be fetched"
    MEMTEST=$dir/usr/lib/memtest86+/memtest86+x64.iso
    LAB_START=$(date +%s.%N)
}

# White on blue, with a grey title and a grey bar below; the firmware's screen is black.
screen_shows_memtest() {
    monitor "screendump $LOGS/screen.ppm" || return 1
    python3 - "$LOGS/screen.ppm" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
width, height = map(int, data.split(None, 3)[1:3])
pixels = data[-width * height * 3:]
triples = list(zip(pixels[::3], pixels[1::3], pixels[2::3]))
blue = sum(r < 64 and g < 64 and b > 128 for r, g, b in triples)
grey = sum(r > 150 and g > 150 and b > 150 for r, g, b in triples)
sys.exit(not (blue > len(triples) // 2 and grey > len(triples) // 50))
END
}

memtest_starts() {
    GUEST_HTTP_BOOT=yes GUEST_FIRMWARE=uefi GUEST_MEMORY=512
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" started protocol=HTTP path=/loader/ramdisk/memtest86-x64.iso >/dev/null ||
        fail "the image was not asked for; the server said last: $(last_events)"
    step "the firmware loads the whole image"
    wait_until "$DEADLINE" screen_shows_memtest || {
        screen "$LOGS/screen.png"
        fail "memtest86+ is not on the screen; see screen.png"
    }
    screen "$LOGS/memtest.png"
    step "memtest86+ runs: target/boot/${LOGS##*/}/memtest.png"
}

case_whole-image() {
    memtest
    start_server "$MEMTEST" -- --loader iso
    memtest_starts
}

case_whole-image-boot() {
    local arch
    image arch
    arch=$IMAGE
    image unknown
    start_server "$arch" "$IMAGE" -- --boot unknown --menu-timeout 0
    GUEST_HTTP_BOOT=yes GUEST_FIRMWARE=uefi GUEST_MEMORY=512
    reaches 'lanboot-test: efi sees the medium'
    loaded '/loader/ramdisk/unknown.iso'
    kill "$GUEST_PID"
    GUEST_HTTP_BOOT='' GUEST_FIRMWARE=bios
    reaches 'lanboot-test: pc sees the medium' 2
}
