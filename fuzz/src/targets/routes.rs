//! Every path that a machine can ask for, and the names it can mount or enter.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use lanboot_core::routes::Routes;
use lanboot_core::vfs::Identity;
use lanboot_core::{nbd, nfs};

use super::input::tree;
use super::medium::{archiso, routes};

static ROUTES: LazyLock<Routes> = LazyLock::new(|| routes(tree(archiso(b"x"))));

/// Asks for the path in front of the first zero byte, with what follows as the query.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (path, query) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    for peer in [
        IpAddr::V4(Ipv4Addr::new(192, 168, 77, 9)),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
    ] {
        let _ = ROUTES.open(path, query, peer);
    }
    let _ = nbd::Exports::find(&*ROUTES, path);
    let _ = nfs::Exports::folder(&*ROUTES, path);
    if let Ok(identity) = <[u8; 16]>::try_from(path) {
        let _ = nfs::Exports::volume(&*ROUTES, Identity(identity));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let paths: [&[u8]; 15] = [
        b"/boot.ipxe\0memory=4096",
        b"\\loader\\snponly-x86_64.efi",
        b"loader/secure/x86_64/shimx64.efi",
        b"loader/secure-http/x86_64/boot.img",
        b"loader/secure-ipxe/x86_64/ipxe.efi",
        b"loader/ramdisk/fuzz.iso",
        b"loader/pxelinux/pxelinux.cfg/01-02-00-00-00-00-01",
        b"loader/pxelinux/pxelinux.cfg/C0A84D0A",
        b"grub/x86_64-efi/command.lst",
        b"iso/fuzz.iso",
        b"iso/fuzz/autoexec.ipxe",
        b"/iso/fuzz/arch/x86_64/airootfs.sfs",
        b"arch/../arch/boot/x86_64/vmlinuz-linux",
        b"fuzz@696d616765206f662066757a7a696e67",
        b"image of fuzzing",
    ];
    paths.map(<[u8]>::to_vec).into()
}
