# shellcheck shell=bash
# Requests of shim and GRUB, and GRUB's own checks of the menus.

case_grub() {
    local wait
    clients_up "$LOGS"
    need_tools grub-script-check=grub-common xorriso=xorriso tftp=tftp-hpa mcopy=mtools fsck.fat=dosfstools
    # Unpacked, not installed: every other test would find loaders on this host.
    INSTALLER=$REPO/target/clients/installer
    "$REPO/tests/images/fetch" "$INSTALLER" bookworm debian-installer-12-netboot-{amd64,arm64}:all ||
        fail "Debian's installers cannot be fetched"
    INSTALLER+=/usr/lib/debian-installer/images/12
    mkdir "$LOGS/none"
    grub_media
    grub_doctor
    for wait in 0 7 never; do
        # All characters special to GRUB.
        START_LOG=wait-$wait serve --loaders "$LOGS/none" --menu-timeout "$wait" --append "a=\"b c\" d='e f' \$root \${x} ;reboot { } # \\ \\\" \`x\`" \
            "$LOGS/unsigned.iso" "$LOGS/deb.iso"
        grub_menus
        step "menus that wait $wait"
        if [[ $wait == 7 ]]; then
            grub_loaders
            grub_refusal
        fi
        stop_server
        [[ $STOP_STATUS == 0 ]] || wrong "exit status $STOP_STATUS"
    done
}

# An image with an unsigned kernel, and Debian's installer for both processors.
grub_media() {
    local tree=$LOGS/tree arch
    mkdir -p "$tree/arch/boot/x86_64" "$tree/arch/x86_64"
    for file in boot/x86_64/vmlinuz-linux boot/x86_64/initramfs-linux.img x86_64/airootfs.sfs; do
        echo "$file" >"$tree/arch/$file"
    done
    xorriso -as mkisofs -quiet -V UNSIGNED -R -J -o "$LOGS/unsigned.iso" "$tree" 2>>"$LOGS/xorriso.log" || fail "xorriso failed"
    rm -rf "$tree"
    for arch in amd64 arm64; do
        mkdir -p "$tree/debian-installer/$arch/grub"
        cp "$INSTALLER/$arch/text/debian-installer/$arch"/{linux,*.efi} "$tree/debian-installer/$arch/"
        cp "$INSTALLER/$arch/text/debian-installer/$arch/grub/grub.cfg" "$tree/debian-installer/$arch/grub/"
        echo initrd >"$tree/debian-installer/$arch/initrd.gz"
    done
    xorriso -as mkisofs -quiet -V DEBNET -R -J -o "$LOGS/deb.iso" "$tree" 2>>"$LOGS/xorriso.log" || fail "xorriso failed"
    rm -rf "$tree"
}

# fetch PATH: downloads by HTTP and by TFTP, which must match, as LOGS/fetched.
fetch() {
    get "http://$SERVER_ADDRESS/$1" "$LOGS/fetched" || { wrong "$1 is not served over HTTP"; return; }
    in_lan "$WITHIN" 30 tftp -m binary "$SERVER_ADDRESS" -c get "$1" "$LOGS/by-tftp" >>"$LOGS/tftp.log" 2>&1 || wrong "$1 is not served over TFTP"
    same "$LOGS/fetched" "$LOGS/by-tftp" "$1 by HTTP and TFTP"
}

# is_not PATH: neither server has it.
is_not() { ! get "http://$SERVER_ADDRESS/$1" "$LOGS/fetched" 2>/dev/null || wrong "there is a $1"; }

grub_menus() {
    local path
    for path in grub/grub.cfg boot/grub/grub.cfg EFI/fedora/grub.cfg debian-installer/{amd64,arm64}/grub/grub.cfg \
        grub/grub.cfg-01-52-54-00-4c-42-01 grub/grub.cfg-C0A84D02 loader/secure/{x86_64,arm64}/{grub,locked}.cfg; do
        fetch "$path"
        grub-script-check "$LOGS/fetched" >"$LOGS/check" 2>&1 || wrong "GRUB does not understand $path: $(head -n 1 "$LOGS/check")"
        # The operator's arguments, as GRUB would pass them to the kernel, on every command line.
        grep -q '^if linux ' "$LOGS/fetched" || wrong "$path starts nothing"
        # shellcheck disable=SC2016  # GRUB expands nothing of it
        ! grep '^if linux ' "$LOGS/fetched" | grep -vF ' "a=b c" "d='\''e" "f'\''" "\$root" "\${x}" ";reboot" "{" "}" "#" ' ||
            wrong "$path: arguments that are not quoted"
    done
    for path in grub/x86_64-efi/{command,fs,crypto,terminal}.lst debian-installer/amd64/grub/x86_64-efi/command.lst; do
        is_not "$path"
    done
    fetch any/where/autoexec.ipxe
    grep -qx "chain .* http://$SERVER_ADDRESS/boot.ipxe || autoboot" "$LOGS/fetched" || wrong "autoexec.ipxe: $(cat "$LOGS/fetched")"
}

# The files loaded by firmware and shim match the packages.
grub_loaders() {
    local row folder suffix arch name
    for row in x86_64:x64:amd64 arm64:aa64:arm64; do
        IFS=: read -r folder suffix arch <<<"$row"
        fetch "loader/secure/$folder/grub$suffix.efi"
        grep -q 'Debian Secure Boot CA' "$LOGS/fetched" || wrong "grub$suffix.efi is not signed by Debian"
        fetch "grub$suffix.efi"
        fetch "loader/secure/$folder/shim$suffix.efi"
        same "$INSTALLER/$arch/text/debian-installer/$arch/bootnet$suffix.efi" "$LOGS/fetched" "shim for $folder"
        for name in revocations_sku revocations_sbat shim_certificate_0; do
            is_not "loader/secure/$folder/$name.efi"
        done
        grub_disk "$folder" "$suffix" "$INSTALLER/$arch/text/debian-installer/$arch/bootnet$suffix.efi"
    done
    step "shim and GRUB for both processors, and on a disk"
}

# grub_disk FOLDER SUFFIX SHIM: checks the disk for HTTP Boot with mtools and fsck.fat.
grub_disk() {
    local disk=$LOGS/disk.img path
    get "http://$SERVER_ADDRESS/loader/secure-http/$1/boot.img" "$disk" || { wrong "no disk for $1"; return; }
    in_lan curl -sSI "http://$SERVER_ADDRESS/loader/secure-http/$1/boot.img" | grep -i '^content-type: application/vnd.efi-img' >/dev/null || wrong "the disk for $1 has another type"
    fsck.fat -n "$disk" >"$LOGS/fsck" 2>&1 || wrong "fsck.fat finds fault with the disk for $1: $(tail -n 3 "$LOGS/fsck")"
    mcopy -n -o -i "$disk" "::EFI/BOOT/BOOT${2^^}.EFI" "$LOGS/copy" && same "$3" "$LOGS/copy" "shim on the disk for $1"
    get "http://$SERVER_ADDRESS/loader/secure/$1/grub$2.efi" "$LOGS/fetched"
    mcopy -n -o -i "$disk" "::EFI/BOOT/grub$2.efi" "$LOGS/copy" && same "$LOGS/fetched" "$LOGS/copy" "GRUB on the disk for $1"
    mdir -/ -b -i "$disk" >"$LOGS/mdir" 2>&1 || wrong "mdir cannot read the disk for $1"
    while read -r path; do
        mcopy -n -o -i "$disk" "$path" "$LOGS/copy"
        grub-script-check "$LOGS/copy" || wrong "GRUB does not understand $path on the disk for $1"
    done < <(grep -i 'grub.cfg$' "$LOGS/mdir")
    grep -qi 'grub.cfg$' "$LOGS/mdir" || wrong "no grub.cfg on the disk for $1: $(<"$LOGS/mdir")"
}

# A machine that requests the second menu has Secure Boot on; the log describes the consequences.
grub_refusal() {
    fetch loader/secure/x86_64/locked.cfg
    grep -qF "menuentry 'unsigned - needs Secure Boot off'" "$LOGS/fetched" || wrong "the locked menu does not mark the unsigned image"
    ! grep -q '/iso/unsigned/' "$LOGS/fetched" || wrong "the locked menu tries the unsigned kernel"
    grep -q '^if linux .*/iso/deb/debian-installer/amd64/linux' "$LOGS/fetched" || wrong "the locked menu does not start Debian's kernel"
    expect_event 5 planned code=secure_boot_rejects_kernel "ip=$LAN_ADDRESS" 'text~\bunsigned\b'
    fetch loader/secure/arm64/locked.cfg
    expect_event 5 planned code=secure_boot_on "ip=$LAN_ADDRESS"
    step "what Secure Boot refuses"
}

grub_doctor() {
    local said status=0
    said=$("$LANBOOT" doctor --json "$LOGS/deb.iso")
    python3 -m json.tool <<<"$said" >/dev/null || wrong "doctor --json is no JSON: $said"
    said=$("$LANBOOT" doctor "$LOGS/deb.iso") || status=$?
    [[ $status == 0 ]] || wrong "doctor: exit status $status: $said"
    grep -qE '^arm64 UEFI, Secure Boot on +yes +shim and GRUB' <<<"$said" || wrong "doctor does not know the arm64 loader: $said"
    status=0
    said=$("$LANBOOT" doctor --loaders) || status=$?
    [[ $status == 0 ]] || wrong "doctor --loaders: exit status $status: $said"
    grep -qE '^BIOS +yes +iPXE: /' <<<"$said" || wrong "doctor --loaders does not look at this host: $said"
    said=$("$LANBOOT" doctor --loaders "$LOGS/none") || status=$?
    [[ $status == 1 ]] || wrong "doctor without any loader: exit status $status"
    ! grep -q ' yes ' <<<"$said" || wrong "doctor finds loaders in an empty folder: $said"
    step "doctor"
}
