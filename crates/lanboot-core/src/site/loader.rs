//! The folder `loader`, and the files that loaders look for by themselves wherever they came from.

use std::net::IpAddr;

use super::{Site, file_of, generated, plain};
use crate::catalog::{chain, pxelinux_image, secure_arch, secure_names};
use crate::script::{self, Grub, LOCKED};
use crate::vfs::{Content, File, Source};

impl Site {
    /// A file of the folder `loader`.
    pub(super) fn loader_file(&self, inside: &[&[u8]], peer: IpAddr) -> Option<File> {
        match inside {
            [b"pxelinux", b"pxelinux.cfg", b"default"] => {
                let can_tell_cpu = self.pxelinux_file("ifcpu64.c32").is_some();
                let server = self.server(peer)?;
                let text = script::pxelinux(&self.catalog, &self.menu, &server, can_tell_cpu);
                Some(generated(text))
            }
            [b"pxelinux", name] => self.pxelinux_file(std::str::from_utf8(name).ok()?),
            [b"ramdisk", name] => {
                let file = self.whole(name)?;
                let mib = file.content.len().div_ceil(1 << 20);
                let remark = format!(
                    "the firmware loads the whole image as a RAM disk, which takes {mib} MiB of \
                     memory besides what the system needs"
                );
                Some(File {
                    remark: Some(remark),
                    ..file
                })
            }
            [b"secure", b"http.cfg"] => Some(generated(script::grub_http(&self.server(peer)?))),
            [b"secure", folder, file] if *file == LOCKED.as_bytes() => {
                let arch = secure_arch(folder)?;
                self.grub(peer, |grub| File {
                    remark: Some(grub.locked_remark(arch)),
                    ..generated(grub.locked(arch))
                })
            }
            [b"secure", folder, file] => {
                let arch = secure_arch(folder)?;
                let chain = chain(&self.catalog, &self.loaders, arch);
                match chain.and_then(|chain| chain.file(file)) {
                    Some(content) => Some(self.program(content)),
                    None => self.looked_for(&[b"loader", b"secure", folder, file], peer),
                }
            }
            [b"secure-ipxe", folder, file] => {
                let signed = self.loaders.signed_ipxe(secure_arch(folder)?);
                match signed.and_then(|signed| signed.file(file)) {
                    Some(content) => Some(self.program(content)),
                    None => self.autoexec(&[file], peer),
                }
            }
            [name] => {
                let known = std::str::from_utf8(name).ok();
                let content = known.and_then(|name| self.loaders.ipxe.get(name));
                match content {
                    Some(content) => Some(plain(content.clone())),
                    None => self.autoexec(&[name], peer),
                }
            }
            names => self.autoexec(names, peer),
        }
    }

    /// What GRUB, shim and iPXE look for where they think they are: menus, and the next program at
    /// the root, where shim looks when its DHCP answer had no file name in the header.
    pub(super) fn looked_for(&self, names: &[&[u8]], peer: IpAddr) -> Option<File> {
        match names {
            [.., file] if is_autoexec(file) => self.autoexec(names, peer),
            [folder @ .., file] if is_grub_cfg(file) && is_grub_folder(folder) => {
                self.grub(peer, |grub| generated(grub.first()))
            }
            [file] => {
                let catalog = &self.catalog;
                let on_image = catalog.default_image().and_then(|i| file_of(i, names));
                if on_image.is_some() {
                    return None;
                }
                let archs = [b"x86_64".as_slice(), b"arm64"]
                    .into_iter()
                    .filter_map(secure_arch);
                archs
                    .filter_map(|arch| chain(catalog, &self.loaders, arch))
                    .find_map(|chain| {
                        let (_, suffix) = secure_names(chain.arch())?;
                        let is_shim = *file == format!("shim{suffix}.efi").as_bytes();
                        chain.file(file).filter(|_| !is_shim)
                    })
                    .map(|content| self.program(content))
            }
            _ => None,
        }
    }

    /// `autoexec.ipxe` in whichever folder.
    pub(super) fn autoexec(&self, names: &[&[u8]], peer: IpAddr) -> Option<File> {
        let is_asked = names.last().is_some_and(|name| is_autoexec(name));
        let server = self.server(peer).filter(|_| is_asked)?;
        Some(generated(script::autoexec(&server)))
    }

    fn grub(&self, peer: IpAddr, make: impl FnOnce(Grub<'_>) -> File) -> Option<File> {
        let (server, near) = (self.server(peer)?, self.near(peer)?);
        Some(make(Grub {
            catalog: &self.catalog,
            loaders: &self.loaders,
            menu: &self.menu,
            server: &server,
            netmask: near.mask(),
        }))
    }

    /// A program of the host, or one that is taken out of an image.
    fn program(&self, content: &Content) -> File {
        let images = self.catalog.images().iter();
        let on_disk = content
            .pieces()
            .iter()
            .find_map(|piece| match piece.source {
                Source::Disk { image, offset } => Some((image, offset)),
                Source::Memory { .. } | Source::Zero => None,
            });
        let Some((id, offset)) = on_disk else {
            return plain(content.clone());
        };
        let image = images.into_iter().find(|image| image.id == id);
        let version = image.map_or(id.0, |image| image.version);
        File {
            content: content.clone(),
            modified: None,
            version: version.rotate_left(20) ^ offset,
            remark: None,
        }
    }

    /// A file of PXELINUX: from a medium, else from the host. Never mixed, because loader and
    /// modules must be of one version.
    fn pxelinux_file(&self, name: &str) -> Option<File> {
        match pxelinux_image(&self.catalog) {
            Some(image) => {
                let folder = image.pxelinux.as_deref()?.as_bytes();
                let mut names: Vec<&[u8]> = folder.split(|&b| b == b'/').collect();
                names.push(name.as_bytes());
                file_of(image, &names)
            }
            None => self.loaders.pxelinux.get(name).cloned().map(plain),
        }
    }
}

/// Whether a menu is made here for this path.
pub(super) fn is_menu(names: &[&[u8]]) -> bool {
    match names {
        [b"loader", b"secure", .., file] if file.ends_with(b".cfg") => true,
        [.., file] if is_autoexec(file) => true,
        [folder @ .., file] => is_grub_cfg(file) && is_grub_folder(folder),
        [] => false,
    }
}

/// GRUB's lists of modules. An image has those of its own GRUB, which need not be the one that
/// asks; without them it uses what it has built in, and that is enough.
pub(super) fn is_module_list(names: &[&[u8]]) -> bool {
    match names {
        [folder @ .., build, file] => {
            is_grub_folder(folder) && build.ends_with(b"-efi") && file.ends_with(b".lst")
        }
        _ => false,
    }
}

fn is_autoexec(name: &[u8]) -> bool {
    name == b"autoexec.ipxe"
}

/// `grub.cfg`, or one for a machine: `grub.cfg-01-52-54-…`, `grub.cfg-0A000001`.
fn is_grub_cfg(name: &[u8]) -> bool {
    matches!(name.strip_prefix(b"grub.cfg"), Some([] | [b'-', ..]))
}

/// The folders GRUBs are built to look in, and those they are served from.
fn is_grub_folder(folder: &[&[u8]]) -> bool {
    match folder {
        [] | [b"grub" | b"grub2"] | [b"boot", b"grub" | b"grub2"] => true,
        [b"debian-installer", _, b"grub"] => true,
        [efi, _] if efi.eq_ignore_ascii_case(b"efi") => true,
        [b"loader", b"secure", _] => true,
        _ => false,
    }
}
