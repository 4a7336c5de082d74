# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Machines with plans: the disk with a system in it unless one boot was asked for, by each loader.
#
# case: plan-disk            a BIOS and iPXE: the disk, one boot of an image with its argument, the disk again
# long: plan-disk-pxelinux   a BIOS and PXELINUX: the same
# long: plan-disk-uefi       UEFI and iPXE: the same

# plan_machine WORD…: runs `lanboot machine` against the running server.
plan_machine() { "$LANBOOT" machine --state "$LOGS/state" "$@"; }

# boots_from_disk PLATFORM: a machine with a disk is switched on, and GRUB on its disk starts.
boots_from_disk() {
    start_guest 1 -drive "if=none,id=d0,format=raw,file=$LOGS/disk.img" \
        -device virtio-blk-pci,drive=d0,bootindex=2
    wait_text "$SERIAL" "lanboot-test: $1 sees the medium" "$DEADLINE" "$GUEST_PID" ||
        fail "the machine did not start from its disk"
    step "the machine has started from its disk"
    monitor quit
    wait_off "$GUEST_PID" 20
}

# plan_disk PLATFORM FLAGS…: the policy is the disk; what is asked for next starts once.
plan_disk() {
    local platform=$1 mac
    shift
    image raw-disk
    cp --sparse=always "$IMAGE" "$LOGS/disk.img"
    image arch
    start_server "$IMAGE" -- --boot-policy disk --menu-timeout 1 --append "$QUIET" "$@"
    mac=$(guest_mac 1)
    boots_from_disk "$platform"
    plan_machine set "$mac" append=lanboot_planned=yes >/dev/null
    plan_machine next "$mac" arch
    start_guest 1
    wait_up 1 "$DEADLINE"
    [[ $GUEST_LINE == *lanboot_planned=yes* ]] || fail "the plan's argument is missing: $GUEST_LINE"
    has_event planned code=plan_changed || fail "that the one boot is over is not in the log"
    wait_off "$GUEST_PID" 20
    boots_from_disk "$platform"
    plan_machine show --why "$mac" | grep -F 'boot = disk: for every machine without a plan' >/dev/null ||
        fail "machine show --why: $(plan_machine show --why "$mac")"
}

case_plan-disk() { plan_disk pc; }
case_plan-disk-pxelinux() { plan_disk pc --loader pxelinux; }
case_plan-disk-uefi() {
    GUEST_FIRMWARE=uefi GUEST_MEMORY=1024
    plan_disk efi --loader ipxe
}
