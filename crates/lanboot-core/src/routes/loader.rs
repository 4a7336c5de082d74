//! The folder `loader`, and the files that loaders look for by themselves wherever they came from.

use std::net::IpAddr;

use super::{Routes, generated, ramdisk};
use crate::loaders::{
    Authorities, Available, GeneratedMenu, LoaderRoute, SecureArch, Served, ShimGrub, secure_names,
};
use crate::menus::{self, Grub};
use crate::plan::{MenuKind, Programs};
use crate::route::{Derived, Route, SecondStage};
use crate::vfs::{Content, File, Source};

impl Routes {
    /// Returns a file of the folder `loader`.
    pub(super) fn loader_file(&self, route: &LoaderRoute, peer: IpAddr) -> Option<File> {
        match route.file().find(&self.programs())? {
            Served::Program(content) => Some(self.program(content)),
            Served::File(file) => Some(file),
            Served::Menu(menu) => self.generated_menu(&menu, peer),
        }
    }

    /// Returns a menu as the loader that asks reads it.
    fn generated_menu(&self, menu: &GeneratedMenu<'_>, peer: IpAddr) -> Option<File> {
        match *menu {
            GeneratedMenu::Pxelinux(modules) => {
                let server = self.server(peer)?;
                let text = menus::pxelinux(&self.catalog, &self.menu, &server, modules);
                Some(generated(text))
            }
            GeneratedMenu::Grub => self.derived(Derived::GrubMenu { for_one: false }, peer),
            GeneratedMenu::GrubLocked { arch, http, shim } => self.grub(peer, |grub| File {
                warning: Some(grub.locked_warning(arch.arch(), shim)),
                ..generated(menus::locked_grub(&grub, arch, http, shim))
            }),
            GeneratedMenu::GrubHttpTest => Some(generated(menus::grub_http(&self.server(peer)?))),
            GeneratedMenu::GrubDisk(pair) => self.boot_disk(pair, peer),
        }
    }

    /// Returns who signed the shim that a route leads to.
    pub(super) fn shim_authorities(&self, route: &Route) -> Option<Authorities> {
        match route {
            Route::Loader(file) => {
                let programs = self.programs();
                let shim = file.file().shim(&programs)?;
                Some(shim.authorities)
            }
            _ => None,
        }
    }

    /// Returns the programs there are.
    pub(super) fn programs(&self) -> Programs<'_> {
        Programs {
            catalog: &self.catalog,
            loaders: &self.loaders,
            boot: &self.menu.boot,
        }
    }

    /// Returns the file that a loader looks for where it thinks it is.
    pub(super) fn derived(&self, derived: Derived, peer: IpAddr) -> Option<File> {
        match derived {
            Derived::Autoexec => self.autoexec(peer),
            Derived::GrubMenu { .. } => self.grub(peer, |grub| generated(menus::first_grub(&grub))),
            Derived::GrubModuleList => None,
            Derived::SecondStage(stage) => self.second_stage(stage),
        }
    }

    /// Returns the program a shim at the root looks for: GRUB, or iPXE behind its own shim. Which
    /// machine asks is not known; names that are the same for all of them are x64's first.
    pub(super) fn second_stage(&self, stage: SecondStage) -> Option<File> {
        let archs = || SecureArch::ALL.into_iter().map(SecureArch::arch);
        let programs = self.programs();
        let content = match stage {
            SecondStage::Ipxe(of) => {
                let mut fit = archs().filter(|arch| of.is_none_or(|of| of == *arch));
                // Whatever its name says, shim could not make one: it is the build we offered.
                fit.find_map(|arch| Some(&self.loaders.signed_ipxe(arch)?.build.content))
            }
            SecondStage::Garbled => {
                let mut pairs = archs().filter_map(|arch| programs.shim_grub(arch, false));
                pairs.next().map(|pair| &pair.grub.content)
            }
            SecondStage::Grub(arch) => Some(&programs.shim_grub(arch.arch(), false)?.grub.content),
            SecondStage::MokManager(arch) => {
                programs.shim_grub(arch.arch(), false)?.mok_manager.as_ref()
            }
        };
        Some(self.program(content?))
    }

    /// Returns `autoexec.ipxe`, the same for whichever folder.
    pub(super) fn autoexec(&self, peer: IpAddr) -> Option<File> {
        let is_ours = self.menu.kind == MenuKind::Generated;
        let server = self.server(peer).filter(|_| is_ours)?;
        Some(generated(menus::autoexec(&server)))
    }

    /// Makes something of GRUB's menu for a machine.
    pub(super) fn grub<T>(&self, peer: IpAddr, make: impl FnOnce(Grub<'_>) -> T) -> Option<T> {
        let (server, near) = (self.server(peer)?, self.near(peer)?);
        Some(make(Grub {
            catalog: &self.catalog,
            loaders: &self.loaders,
            menu: &self.menu,
            server: &server,
            netmask: near.netmask(),
        }))
    }

    /// Makes a disk with shim and GRUB, for HTTP Boot with a GRUB that cannot read over HTTP:
    /// started from a disk it does DHCP by itself and goes on by TFTP.
    fn boot_disk(&self, pair: &ShimGrub, peer: IpAddr) -> Option<File> {
        let (_, suffix) = secure_names(pair.arch())?;
        let server = self.server(peer)?;
        let menu = Content::memory(menus::grub_disk(&server).into_bytes());
        let boot = |stem: &str| format!("EFI/BOOT/{stem}{suffix}.efi");
        let mut files = vec![
            (boot("BOOT").to_ascii_uppercase(), pair.shim.content.clone()),
            (boot("grub"), pair.grub.content.clone()),
            (format!("{}/grub.cfg", pair.grub.prefix), menu.clone()),
            ("EFI/BOOT/grub.cfg".into(), menu),
        ];
        files.extend(
            pair.mok_manager
                .clone()
                .map(|content| (boot("mm"), content)),
        );
        let disk = File::in_memory(ramdisk::fat(files)?);
        Some(File {
            version: self.program(&pair.grub.content).version ^ disk.version,
            ..disk
        })
    }

    /// Returns a program of the host, or one that is taken out of an image.
    fn program(&self, content: &Content) -> File {
        let images = self.catalog.images().iter();
        let on_disk = content
            .pieces()
            .iter()
            .find_map(|piece| match piece.source {
                Source::Image { image, offset } => Some((image, offset)),
                Source::Memory { .. } | Source::Zero | Source::Missing(_) => None,
            });
        let Some((id, offset)) = on_disk else {
            return File::in_memory(content.clone());
        };
        let image = images.into_iter().find(|image| image.id == id);
        let version = image.map_or(id.0, |image| image.version);
        File {
            content: content.clone(),
            modified: None,
            version: version.rotate_left(20) ^ offset,
            warning: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PEER, routes, text};
    use super::*;
    use crate::catalog::{Catalog, Cpu};
    use crate::loaders::{Loaders, Shim};
    use crate::machine::Arch;
    use crate::testing::{image, shim_grub, signed_ipxe};
    use crate::vfs::{Kind, Meta, Tree, TreeBuilder};
    use std::sync::Arc;

    /// Returns routes with both shim + GRUB pairs of the host, whose default image has these files.
    fn with_files(files: &[&str]) -> Routes {
        let mut tree = TreeBuilder::new(Meta::default());
        for path in files {
            let mut at = Tree::ROOT;
            let names: Vec<&str> = path.split('/').collect();
            let (file, folders) = names.split_last().unwrap();
            for folder in folders {
                let kind = Kind::Directory(Vec::new());
                at = tree
                    .add(at, folder.as_bytes(), kind, Meta::default())
                    .unwrap();
            }
            let kind = Kind::File(Content::memory(*b"of the image"));
            tree.add(at, file.as_bytes(), kind, Meta::default())
                .unwrap();
        }
        let mut image = image("live", &[Cpu::X86_64]);
        image.tree = Arc::new(tree.build());
        let mut routes = routes(Catalog::new(vec![Arc::new(image)]));
        routes.loaders = Arc::new(Loaders {
            shim_grubs: vec![
                shim_grub(Arch::X64Uefi, "Debian", false),
                shim_grub(Arch::Arm64Uefi, "Debian", false),
            ],
            signed_ipxe: vec![signed_ipxe(Arch::X64Uefi)],
            ..Loaders::clone(&routes.loaders)
        });
        routes
    }

    fn len(routes: &Routes, path: &str) -> Option<u64> {
        Some(routes.find(path.as_bytes(), b"", PEER)?.content.len())
    }

    #[test]
    fn shim_finds_grub_beside_itself_and_at_the_root() {
        let routes = with_files(&[]);
        for (arch, folder, suffix) in [
            (Arch::X64Uefi, "x86_64", "x64"),
            (Arch::Arm64Uefi, "arm64", "aa64"),
        ] {
            let pair = shim_grub(arch, "Debian", false);
            let (shim, grub) = (pair.shim.content.len(), pair.grub.content.len());
            let at = |path: String| len(&routes, &path);
            assert_eq!(
                at(format!("loader/secure/{folder}/shim{suffix}.efi")),
                Some(shim)
            );
            assert_eq!(
                at(format!("loader/secure/{folder}//grub{suffix}.efi")),
                Some(grub)
            );
            assert_eq!(at(format!("/grub{suffix}.efi")), Some(grub));
            for name in [
                "revocations_sku.efi",
                "revocations_sbat.efi",
                "shim_certificate_0.efi",
            ] {
                assert_eq!(at(format!("loader/secure/{folder}/{name}")), None);
                assert_eq!(at(name.to_owned()), None);
            }
        }
        assert_eq!(len(&routes, "loader/secure/riscv64/shimriscv64.efi"), None);
        // shim 15.8 on some Dells asks for the title of a boot entry.
        let grub = shim_grub(Arch::X64Uefi, "Debian", false).grub.content.len();
        for path in [&b"loader/secure/x86_64/\xeaonboard"[..], b"/\xeaonboard"] {
            let found = routes.find(path, b"", PEER).unwrap();
            assert_eq!(found.content.len(), grub);
        }
        assert_eq!(
            len(&routes, "onboard"),
            None,
            "at the root it may be anything"
        );
        let own = with_files(&["grubx64.efi"]);
        assert_eq!(text(&own, "grubx64.efi").as_deref(), Some("of the image"));
    }

    #[test]
    fn a_shim_is_known_by_its_path() {
        let routes = with_files(&[]);
        for (path, vendor) in [
            ("loader/secure/x86_64/shimx64.efi", Some("Debian")),
            ("/loader/secure-http/arm64/shimaa64.efi", Some("Debian")),
            (
                "loader/secure-ipxe/x86_64/snponly-shimx64.efi",
                Some("iPXE"),
            ),
            ("loader/secure/x86_64/grubx64.efi", None),
            ("loader/secure/riscv64/shimriscv64.efi", None),
            ("loader/secure/shimx64.efi", None),
            ("iso/live/EFI/BOOT/BOOTX64.EFI", None),
        ] {
            let route = Route::parse(path.as_bytes());
            let programs = routes.programs();
            let shim = match &route {
                Some(Route::Loader(file)) => file.file().shim(&programs),
                _ => None,
            };
            let vendor_of = |shim: &Shim| shim.vendor.concat();
            assert_eq!(shim.map(vendor_of).as_deref(), vendor, "{path}");
        }
    }

    #[test]
    fn ipxe_is_beside_its_shim() {
        let routes = with_files(&[]);
        let at = |name: &str| text(&routes, &format!("loader/secure-ipxe/x86_64/{name}"));
        let shim = signed_ipxe(Arch::X64Uefi).shim.content.len();
        for name in [
            "snponly-shimx64.efi",
            "snponly-shim.efi",
            "ipxe-shim.efi",
            "shimx64.efi",
        ] {
            let path = format!("loader/secure-ipxe/x86_64/{name}");
            assert_eq!(len(&routes, &path), Some(shim), "{name}");
        }
        for name in [
            "snponly.efi",
            "snponlyx64.efi",
            "SNPONLY.EFI",
            "grubx64.efi",
            "x.efi",
        ] {
            assert_eq!(at(name).as_deref(), Some("signed snponly"), "{name}");
        }
        for name in ["ipxe.efi", "ipxex64.efi", "ipxe-x86_64.efi"] {
            assert_eq!(at(name).as_deref(), Some("signed ipxe"), "{name}");
        }
        // Where the shim has no folder it asks for what it was built with.
        for name in ["/ipxe.efi", "snponly.efi", "ipxex64.efi"] {
            assert_eq!(
                text(&routes, name).as_deref(),
                Some("signed snponly"),
                "{name}"
            );
        }
        assert_eq!(len(&routes, "ipxeaa64.efi"), None, "there is none for ARM");
        assert!(
            at("autoexec.ipxe")
                .unwrap()
                .contains("http://10.0.0.1/boot.ipxe")
        );
        for name in [
            "revocations_sku.efi",
            "shim_certificate_0.efi",
            "mmx64.efi",
            "ipxeaa64.efi",
        ] {
            assert_eq!(at(name), None, "{name}");
        }
        let own = with_files(&["ipxe.efi"]);
        assert_eq!(text(&own, "ipxe.efi").as_deref(), Some("of the image"));
    }

    #[test]
    fn grub_finds_its_menu_wherever_it_was_built_to_look() {
        let files = [
            "boot/grub/grub.cfg",
            "debian-installer/amd64/grub/x86_64-efi/command.lst",
        ];
        let routes = with_files(&files);
        for path in [
            "/grub/grub.cfg",
            "/grub.cfg",
            "/boot/grub/grub.cfg",
            "/boot/grub2/grub.cfg",
            "/debian-installer/amd64/grub/grub.cfg",
            "/debian-installer/arm64/grub/grub.cfg",
            "/EFI/fedora/grub.cfg",
            "/EFI/BOOT/grub.cfg-01-52-54-00-12-34-56",
            "/grub/grub.cfg-0A000109",
            "loader/secure/x86_64/grub.cfg",
            "loader/secure/arm64/grub.cfg-01-52-54-00-12-34-56",
        ] {
            let menu = text(&routes, path).unwrap_or_else(|| panic!("{path}"));
            assert!(
                menu.contains("set lanboot=tftp,10.0.0.1\n"),
                "{path}: {menu}"
            );
        }
        for path in [
            "/grub/x86_64-efi/command.lst",
            "/grub/x86_64-efi/grub.cfg",
            "/debian-installer/amd64/grub/x86_64-efi/command.lst",
            "/grub/grub.cfgx",
            "/else/grub.cfg",
            "loader/secure/x86_64/fs.lst",
            "loader/secure/else/grub.cfg",
        ] {
            assert_eq!(text(&routes, path), None, "{path}");
        }
        let of_image = text(&routes, "/iso/live/boot/grub/grub.cfg");
        assert_eq!(of_image.as_deref(), Some("of the image"));
    }

    #[test]
    fn the_images_own_menu_is_left_alone_where_it_was_asked_for() {
        let list = "debian-installer/amd64/grub/x86_64-efi/command.lst";
        let mut routes = with_files(&["boot/grub/grub.cfg", list]);
        routes.menu.kind = MenuKind::Stock;
        for path in ["/boot/grub/grub.cfg", list] {
            assert_eq!(
                text(&routes, path).as_deref(),
                Some("of the image"),
                "{path}"
            );
        }
        // GRUB asks for these before it asks for `grub.cfg`.
        for path in [
            "/boot/grub/grub.cfg-01-52-54-00-12-34-56",
            "/boot/grub/grub.cfg-0A000109",
            "/boot/grub/grub.cfg-0",
        ] {
            assert_eq!(
                text(&routes, path),
                None,
                "{path} would hide the image's own"
            );
        }
        assert!(
            text(&routes, "/grub/grub.cfg")
                .unwrap()
                .contains("menuentry")
        );
        assert_eq!(
            text(&routes, "/loader/autoexec.ipxe"),
            None,
            "it would start our menu"
        );
    }

    #[test]
    fn requesting_the_locked_menu_warns_that_secure_boot_is_on() {
        let routes = with_files(&[]);
        let file = routes
            .find(b"loader/secure/x86_64/locked.cfg", b"", PEER)
            .unwrap();
        let warning = file.warning.unwrap().text;
        assert!(warning.starts_with("Secure Boot is on and rejects the kernel of live-x86_64"));
        assert!(
            text(&routes, "loader/secure/x86_64/locked.cfg")
                .unwrap()
                .contains("fwsetup")
        );
        let first = routes.find(b"grub/grub.cfg", b"", PEER).unwrap();
        assert_eq!(first.warning, None);
        assert_eq!(
            routes.find(b"loader/secure/else/locked.cfg", b"", PEER),
            None
        );
    }

    #[test]
    fn autoexec_is_in_every_folder() {
        let routes = with_files(&[]);
        for path in [
            "autoexec.ipxe",
            "/loader/autoexec.ipxe",
            "loader/secure/x86_64/autoexec.ipxe",
            "loader/a/b/c/autoexec.ipxe",
            "/iso/live/autoexec.ipxe",
            "/EFI/BOOT/autoexec.ipxe",
        ] {
            assert!(
                text(&routes, path).is_some_and(|t| t.starts_with("#!ipxe\n")),
                "{path}"
            );
        }
        assert_eq!(text(&routes, "/loader/autoexec.ipxe/x"), None);
        let own = with_files(&["autoexec.ipxe"]);
        assert_eq!(
            text(&own, "/iso/live/autoexec.ipxe").as_deref(),
            Some("of the image")
        );
    }

    #[test]
    fn http_boot_gets_shim_and_grub_on_a_disk() {
        let routes = with_files(&[]);
        for path in [
            "loader/secure-http/x86_64/boot.img",
            "loader/secure-http/arm64/boot.img",
        ] {
            let file = routes.find(path.as_bytes(), b"", PEER).unwrap();
            let bytes: Vec<u8> = file
                .content
                .pieces()
                .iter()
                .filter_map(|p| p.memory())
                .flatten()
                .copied()
                .collect();
            let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(has("source (tftp,10.0.0.1)/grub/grub.cfg\n"), "{path}");
            assert!(has("FAT16   ") && has("GRUB    CFG"), "{path}");
        }
        assert_eq!(len(&routes, "loader/secure-http/riscv64/boot.img"), None);
        let shim = len(&routes, "loader/secure-http/x86_64/shimx64.efi");
        assert_eq!(shim, len(&routes, "loader/secure/x86_64/shimx64.efi"));
    }

    #[test]
    fn a_ram_disk_says_how_much_memory_it_takes() {
        let routes = with_files(&[]);
        let file = routes.find(b"loader/ramdisk/live.iso", b"", PEER).unwrap();
        assert_eq!(file.content.len(), 4096);
        assert!(
            file.warning
                .unwrap()
                .text
                .contains(" takes 1 MiB of memory ")
        );
        assert_eq!(
            routes.find(b"iso/live.iso", b"", PEER).unwrap().warning,
            None
        );
        assert_eq!(routes.find(b"loader/ramdisk/else.iso", b"", PEER), None);
    }
}
