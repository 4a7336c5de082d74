# shellcheck shell=bash
# Images a server must refuse with one clear line, or index without falling over. Those with a
# wrong structure start as a sound image; broken.py finds the place by reading the image itself.
#
# image: broken-empty        no bytes at all
# image: broken-root         cut off inside the root directory
# image: broken-extents      cut off inside the file data
# image: broken-loop         a directory whose child is its own ancestor
# image: broken-many         200,000 files
# image: broken-text         a text file named .iso

# shellcheck disable=SC2034  # read by build
broken_SOURCES=(lib/system.sh lib/broken.py syslinux)

broken_packages() {
    case $1 in
    broken-many | broken-text | broken-empty) ;;
    *) arch_packages ;;
    esac
}

broken_build() {
    local sound=$WORK/sound.iso
    case $1 in
    broken-empty) : >"$2" ;;
    broken-text) text_image "$2" ;;
    broken-many) many_image "$2" ;;
    *)
        small_image "$sound"
        python3 "$HERE/lib/broken.py" "${1#broken-}" "$sound" "$2"
        ;;
    esac
}

text_image() {
    local line
    for ((line = 0; line < 4000; line++)); do
        echo "This is a text file; someone named it .iso."
    done >"$1"
}

# A few folders in the layout of Arch, and no kernel: nothing here gets as far as booting.
small_image() {
    local tree=$WORK/small
    mkdir -p "$tree"/arch/boot/{x86_64,syslinux} "$tree/arch/x86_64" "$tree/one/two/three"
    python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(300000))' \
        >"$tree/arch/x86_64/airootfs.sfs"
    cp "$tree/arch/x86_64/airootfs.sfs" "$tree/arch/boot/x86_64/vmlinuz-linux"
    cp "$tree/arch/x86_64/airootfs.sfs" "$tree/arch/boot/x86_64/initramfs-linux.img"
    echo deep >"$tree/one/two/three/file.txt"
    # A root directory of more than one sector, so that it can be cut in its middle.
    local number
    for ((number = 0; number < 40; number++)); do
        echo "$number" >"$tree/a file of the root directory, number $number.txt"
    done
    plain_iso "$tree" "$1"
}

many_image() {
    local tree=$WORK/many
    mkdir -p "$tree"
    # 200 folders of 1,000 files: a server that reads them all at start must do so quickly.
    python3 - "$tree" <<'END'
import os, sys
for folder in range(200):
    path = f"{sys.argv[1]}/folder-{folder:03}"
    os.mkdir(path)
    for number in range(1000):
        with open(f"{path}/file-{number:03}.txt", "w") as file:
            if number % 10 == 0:
                file.write(f"{folder} {number}\n")
END
    plain_iso "$tree" "$1"
}

plain_iso() {
    one_date "$1"
    write_iso "$2" -volid BROKEN -joliet off -map "$1" /
}
