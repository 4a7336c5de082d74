//! The files behind the paths a machine can ask for ([`Route`]), the same for every protocol. NBD
//! has names instead: see `nbd`.

mod loader;
mod menu_part;
mod nbd;
mod nfs;
mod ramdisk;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::catalog::{Catalog, Entry, Fetched, Image, Server, Transport};
use crate::diagnostic::DiagnosticCode;
use crate::images::{EntryKind, Linux, Multiboot};
use crate::initramfs::join;
use crate::loaders::{LoaderRoute, Loaders, PXELINUX_DEFAULT, PxelinuxFile};
use crate::menus::{self, Menu};
use crate::net::{self, Origin};
use crate::plan::{Memory, MenuKind, bare_grub_image, is_bare_grub};
use crate::route::{Derived, Expected, FilePath, FileUse, Role, Route};
use crate::vfs::{Content, File};

/// A file that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The path it was asked for by.
    pub route: Route,
    /// The file.
    pub file: File,
    /// Its use in a boot.
    pub file_use: FileUse,
}

/// Everything that can be asked for; immutable, replaced whole.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The images.
    pub catalog: Arc<Catalog>,
    /// The host's loaders.
    pub loaders: Arc<Loaders>,
    /// The operator's settings for menus.
    pub menu: Menu,
    /// Our addresses and the networks they are in, the first one for machines in none of them.
    pub addresses: Vec<IpNet>,
    /// Further networks served, behind relays.
    pub subnets: Vec<IpNet>,
    /// Port of the HTTP server.
    pub http_port: u16,
    /// True if NFS is served.
    pub nfs: bool,
    /// True if NBD is served.
    pub nbd: bool,
}

impl Routes {
    /// Returns whether `peer` is in one of the served networks. Services for file systems and disks
    /// answer nobody else.
    pub fn serves(&self, peer: IpAddr) -> bool {
        net::containing(self.addresses.iter().chain(&self.subnets), peer).is_some()
    }

    /// Opens the file at `path` (and `query`, without its `?`) as `peer` gets to see it.
    pub fn open(&self, path: &[u8], query: &[u8], peer: IpAddr) -> Option<Opened> {
        self.open_route(Route::parse(path)?, query, peer)
    }

    /// Opens the file of a route, as [`Routes::open`] that of a path.
    pub fn open_route(&self, route: Route, query: &[u8], peer: IpAddr) -> Option<Opened> {
        Some(Opened {
            file: self.file(&route, query, peer)?,
            file_use: self.use_of(&route),
            route,
        })
    }

    /// Returns the file at `path` that [`Routes::open`] opens.
    pub fn find(&self, path: &[u8], query: &[u8], peer: IpAddr) -> Option<File> {
        self.open(path, query, peer).map(|opened| opened.file)
    }

    fn file(&self, route: &Route, query: &[u8], peer: IpAddr) -> Option<File> {
        match route {
            Route::Index => Some(generated(self.index())),
            Route::IpxeMenu => {
                let (server, memory) = (self.server(peer)?, Memory::from_query(query));
                let text = menus::ipxe(&self.catalog, &self.menu, &server, memory);
                Some(File {
                    warning: self.menu.warning(&self.catalog, &server, memory),
                    ..generated(text)
                })
            }
            Route::Loader(file) => self.loader_file(file, peer),
            Route::MenuPart(part) => self.menu_part(part, query, peer),
            Route::Autoexec(_) => self.autoexec(peer),
            Route::RamDisk(image) | Route::RamDrive(image) => self.ram_disk(image),
            Route::WholeImage(image) => {
                // An image may be called like another one's file.
                let namesake = || self.catalog.image(format!("{image}.iso").as_bytes());
                match self.whole(image) {
                    None if namesake().is_none() => self.at_root(&self.as_path(route), peer),
                    whole => whole,
                }
            }
            Route::Image { image, path } => match self.catalog.image(image.as_bytes()) {
                Some(image) => {
                    let own = image.file(path.as_bytes());
                    own.or_else(|| self.autoexec(peer).filter(|_| path.is_autoexec()))
                }
                None => self.at_root(&self.as_path(route), peer),
            },
            Route::Overlay { image, entry } => match self.entry(image, entry) {
                Some((image, entry)) => initramfs(image, entry),
                None => self.at_root(&self.as_path(route), peer),
            },
            Route::Root(path) => self.at_root(path, peer),
        }
    }

    /// Returns an entry of an image, by their names.
    fn entry(&self, image: &str, entry: &str) -> Option<(&Image, &Entry)> {
        let image = self.catalog.image(image.as_bytes())?;
        let mut entries = image.found.entries.iter();
        Some((image, entries.find(|other| other.id == entry)?))
    }

    /// Returns a route into an image that is not served as a path of the default image.
    fn as_path(&self, route: &Route) -> FilePath {
        FilePath::from(route.to_bytes())
    }

    /// Returns a file of the default image, or what a loader means by its path.
    fn at_root(&self, path: &FilePath, peer: IpAddr) -> Option<File> {
        let image_file = |path: &FilePath| self.root_image(path)?.file(path.as_bytes());
        let derived = path.derived();
        // The default image's own menu is left alone where it was asked for.
        if self.menu.kind == MenuKind::Stock {
            return image_file(path).or_else(|| match derived? {
                // Asked for first, one for this machine would hide it.
                Derived::GrubMenu { for_one: true }
                    if image_file(&path.menu_for_all()).is_some() =>
                {
                    None
                }
                derived => self.derived(derived, peer),
            });
        }
        match derived {
            Some(Derived::GrubModuleList) => None,
            Some(Derived::SecondStage(stage)) => {
                image_file(path).or_else(|| self.second_stage(stage))
            }
            Some(derived) => self.derived(derived, peer).or_else(|| image_file(path)),
            None => image_file(path),
        }
    }

    /// Returns the image that a path of the root is in: the default one, or the one whose GRUB looks
    /// there.
    fn root_image(&self, path: &FilePath) -> Option<&Image> {
        let of_grub = bare_grub_image(&self.catalog, path.as_bytes());
        of_grub.or_else(|| self.catalog.default_image().map(AsRef::as_ref))
    }

    /// Returns the use of the file of a route in a boot, and for a root file system what the boot
    /// fetches with it.
    fn use_of(&self, route: &Route) -> FileUse {
        if let Some(role) = route.role() {
            return FileUse {
                role,
                // Only firmware makes a RAM disk.
                begins_boot: role == Role::Loader
                    || matches!(route, Route::RamDisk(_) | Route::RamDrive(_)),
                shim: self.shim_authorities(route),
                ..FileUse::default()
            };
        }
        let (image, path) = match route {
            Route::Image { image, path } => {
                let image = self.catalog.image(image.as_bytes());
                (image.map(AsRef::as_ref), path)
            }
            Route::Root(path) => (self.root_image(path), path),
            Route::WholeImage(image) => {
                let image = self.catalog.image(image.as_bytes());
                return image.map_or_else(FileUse::default, |image| self.use_of_whole(image));
            }
            Route::Overlay { image, entry } => {
                let found = self.entry(image, entry);
                return found.map_or_else(FileUse::default, |(image, entry)| FileUse {
                    role: match entry.root {
                        // It is the whole system, and loaded last.
                        None => Role::Root,
                        Some(_) => Role::Initramfs,
                    },
                    name: format!("{}/{}.img", image.name, entry.id),
                    begins_boot: true,
                    ..FileUse::default()
                });
            }
            Route::Index
            | Route::IpxeMenu
            | Route::Loader(_)
            | Route::MenuPart(_)
            | Route::Autoexec(_)
            | Route::RamDisk(_)
            | Route::RamDrive(_) => return FileUse::default(),
        };
        match (image, path.as_str()) {
            (Some(image), Some(file)) => self.use_in(image, file),
            _ => FileUse::default(),
        }
    }

    /// Returns what a whole image means to a boot: for some initramfs it is the root.
    fn use_of_whole(&self, image: &Image) -> FileUse {
        if !image.found.entries.iter().any(Entry::needs_whole_image) {
            return FileUse::default();
        }
        let name = format!("{}.iso", image.name);
        FileUse {
            role: Role::Root,
            expected: vec![Expected {
                name: name.clone(),
                required: true,
            }],
            name,
            ..FileUse::default()
        }
    }

    /// Returns the operator's own arguments. What a medium's own menu says besides is not known.
    fn own_arguments(&self) -> &str {
        match self.menu.kind {
            MenuKind::Generated => &self.menu.append,
            MenuKind::Stock => "",
        }
    }

    /// Returns the use of a file of an image in a boot.
    fn use_in(&self, image: &Image, file: &str) -> FileUse {
        let name = |file: &str| format!("{}/{file}", image.name);
        let in_loader_folder = || {
            let folder = image.found.pxelinux.as_ref();
            folder.is_some_and(|folder| file.starts_with(folder.as_str()))
        };
        let mut entries = image.found.entries.iter();
        let found = entries.find_map(|entry| Some((role_in(entry, file)?, entry)));
        let role = match found {
            Some((role, _)) => role,
            None if file.ends_with(".cfg") => Role::Menu,
            None if in_loader_folder() || is_bare_grub(file) => Role::Loader,
            None => Role::Other,
        };
        let fetched = found
            .filter(|_| role == Role::Root)
            .map(|(_, entry)| entry.fetches(Transport::Http, self.own_arguments()));
        let expected = fetched
            .unwrap_or_default()
            .into_iter()
            .map(|fetch| Expected {
                name: match &fetch.file {
                    Fetched::File(path) => name(path),
                    Fetched::WholeImage => format!("{}.iso", image.name),
                },
                required: fetch.required,
            });
        FileUse {
            role,
            name: name(file),
            begins_boot: matches!(role, Role::Loader | Role::Kernel | Role::Initramfs)
                || found.is_some_and(|(_, entry)| matches!(entry.kind, EntryKind::Program(_))),
            expected: expected.collect(),
            shim: None,
        }
    }

    /// Returns our address that `peer` reaches best.
    fn near(&self, peer: IpAddr) -> Option<&IpNet> {
        net::nearest(&self.addresses, peer)
    }

    /// Returns our services as `peer` reaches them.
    pub fn server(&self, peer: IpAddr) -> Option<Server> {
        let address = self.near(peer)?.addr();
        Some(Server {
            http: Origin::http(address, self.http_port),
            nfs: self.nfs,
            nbd: self.nbd,
        })
    }

    /// Returns the image as it is.
    fn whole(&self, name: &str) -> Option<File> {
        let image = self.catalog.image(name.as_bytes())?;
        Some(File {
            content: image.whole(),
            modified: None,
            version: image.version,
            warning: None,
        })
    }

    /// Returns the image as firmware makes a disk of it in memory.
    fn ram_disk(&self, name: &str) -> Option<File> {
        let file = self.whole(name)?;
        let mib = file.content.len().div_ceil(1 << 20);
        let warning = format!(
            "the firmware loads the whole image as a RAM disk, which takes {mib} MiB of \
             memory besides what the system needs"
        );
        Some(File {
            warning: Some(DiagnosticCode::RamDiskMemory.with(warning).of_image(name)),
            ..file
        })
    }

    /// Writes the list of images, for a browser.
    fn index(&self) -> String {
        let mut out =
            String::from("lanboot serves these images to machines that boot from the network:\n\n");
        for image in self.catalog.images() {
            let (name, family) = (&image.name, image.found.family_name());
            let whole = Route::WholeImage(name.clone());
            let files = Route::Image {
                image: name.clone(),
                path: FilePath::default(),
            };
            out.push_str(&format!(
                "/{whole}  ({family}; its files are below /{files})\n"
            ));
        }
        let pxelinux = PxelinuxFile::Config(PXELINUX_DEFAULT.into());
        let pxelinux = Route::Loader(LoaderRoute::Pxelinux(pxelinux));
        out.push_str(&format!("\nMenus: /{} and /{pxelinux}\n", Route::IpxeMenu));
        out
    }
}

/// Returns the role of a file of its medium in the boot of an entry.
fn role_in(entry: &Entry, file: &str) -> Option<Role> {
    // What is loaded last is the whole system, where it fetches nothing more.
    match &entry.kind {
        EntryKind::Linux(Linux { kernel, initrd }) => {
            let is_last = initrd.last().is_some_and(|last| last == file);
            let is_whole = is_last && entry.root.is_none() && entry.overlay().is_none();
            if kernel == file {
                Some(Role::Kernel)
            } else if is_whole {
                Some(Role::Root)
            } else if initrd.iter().any(|path| path == file) {
                Some(Role::Initramfs)
            } else {
                let is_root = entry.root.as_deref() == Some(file);
                is_root.then_some(Role::Root)
            }
        }
        EntryKind::Program(program) => {
            let mut files = program.files.iter();
            let found = files.any(|of| of.path == file);
            found.then_some(Role::Root)
        }
        EntryKind::Multiboot(Multiboot {
            kernel, modules, ..
        }) => {
            let is_module = modules.iter().any(|module| module.path == file);
            let last = modules.last().map_or(kernel, |module| &module.path);
            if last == file {
                Some(Role::Root)
            } else if kernel == file {
                Some(Role::Kernel)
            } else {
                is_module.then_some(Role::Initramfs)
            }
        }
        EntryKind::Disk(_) => None,
    }
}

/// Makes the initramfs of an entry with its overlay, as one file: the kernel's EFI stub joins several
/// with nothing between them. `None` where it has no overlay.
fn initramfs(image: &Image, entry: &Entry) -> Option<File> {
    let overlay = entry.overlay()?;
    let EntryKind::Linux(Linux { initrd, .. }) = &entry.kind else {
        return None;
    };
    let added = overlay.archive(&image.tree, &image.whole()).ok()?;
    let own = initrd.iter().map(|path| image.tree.file(path).cloned());
    let own: Vec<Content> = own.collect::<Option<_>>()?;
    let file = File::in_memory(join(own.iter().chain([&added])));
    Some(File {
        // What is in memory is the same for images of other bytes.
        version: image.version.rotate_left(20) ^ file.version,
        ..file
    })
}

fn generated(text: String) -> File {
    File::in_memory(Content::memory(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    mod emitted;
    mod pages;

    use super::*;
    use crate::plan::{BootChoice, Transports};
    use crate::testing::{catalog, overlaid};
    use crate::vfs::{ImageId, Source};
    use std::collections::BTreeMap;

    pub(super) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 9));

    fn network(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    pub(super) fn routes(catalog: Catalog) -> Routes {
        let menu = Menu {
            timeout: None,
            boot: BootChoice::resolve(&catalog, None).unwrap(),
            append: String::new(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        let host = [("lpxelinux.0", "host loader"), ("menu.c32", "host menu")];
        let loaders = Loaders {
            programs: BTreeMap::from([
                ("undionly.kpxe", Content::memory(*b"undionly")),
                ("snponly-x86_64.efi", Content::memory(*b"snponly")),
            ]),
            pxelinux: host
                .iter()
                .map(|(n, t)| ((*n).to_owned(), Content::memory(t.as_bytes())))
                .collect::<BTreeMap<_, _>>(),
            ..Loaders::default()
        };
        Routes {
            catalog: Arc::new(catalog),
            loaders: Arc::new(loaders),
            menu,
            addresses: ["192.168.0.1/24", "10.0.0.1/16"].map(network).to_vec(),
            subnets: vec![network("172.20.0.0/16")],
            http_port: 80,
            nfs: true,
            nbd: true,
        }
    }

    pub(super) fn text(routes: &Routes, path: &str) -> Option<String> {
        let content = routes.find(path.as_bytes(), b"", PEER)?.content;
        let bytes = content
            .pieces()
            .iter()
            .flat_map(|p| p.memory().unwrap().to_vec())
            .collect();
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn menus_name_the_address_the_machine_can_reach() {
        let routes = routes(catalog());
        assert!(
            text(&routes, "/boot.ipxe")
                .unwrap()
                .contains("http://10.0.0.1/iso/dual/")
        );
        let far = IpAddr::from([172, 16, 0, 1]);
        assert_eq!(
            routes.server(far).unwrap().http.host,
            IpAddr::from([192, 168, 0, 1])
        );
        let pxelinux = text(&routes, "loader/pxelinux//pxelinux.cfg/default").unwrap();
        assert!(pxelinux.contains("ifcpu64.c32"), "{pxelinux}");
    }

    #[test]
    fn every_path_the_index_begins_a_line_with_can_be_opened() {
        let routes = routes(catalog());
        let index = text(&routes, "/").unwrap();
        let paths = index.lines().filter(|line| line.starts_with('/'));
        let paths: Vec<&str> = paths.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(paths, ["/iso/dual.iso"]);
        let menus = index.lines().last().unwrap().split(' ');
        let menus = menus.filter(|word| word.starts_with('/'));
        for path in paths.into_iter().chain(menus) {
            assert!(routes.find(path.as_bytes(), b"", PEER).is_some(), "{path}");
        }
    }

    #[test]
    fn an_overlay_is_made_of_the_image_when_it_is_asked_for() {
        let image = overlaid("tails");
        let bytes = image.found.entries[0].overlay().unwrap().bytes();
        let routes = routes(Catalog::new(vec![Arc::new(image)]));
        let path = b"/overlay/tails/tails-x86_64.img";
        let opened = routes.open(path, b"", PEER).unwrap();
        let content = &opened.file.content;
        let own = "initramfs.img".len() as u64;
        assert_eq!(content.len(), own + 7 + bytes, "with zeros after 13 bytes");
        assert!(content.len() <= routes.catalog.images()[0].found.entries[0].initramfs_bytes());
        assert_eq!(opened.file_use.role, Role::Root);
        let first = content.pieces()[0].memory();
        assert_eq!(first, Some(&b"initramfs.img"[..]), "its own comes first");
        let of_image = content.pieces().iter().filter(|piece| {
            let image = ImageId(7);
            piece.source == Source::Image { image, offset: 0 }
        });
        assert_eq!(of_image.map(|piece| piece.len).sum::<u64>(), 4096);
        let initrd = routes.use_in(&routes.catalog.images()[0], "arch/initramfs.img");
        assert_eq!(initrd.role, Role::Initramfs, "the overlay is the system");
        for wrong in ["overlay/tails/dual.img", "overlay/dual/tails-x86_64.img"] {
            assert!(
                routes.find(wrong.as_bytes(), b"", PEER).is_none(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn another_image_of_the_same_length_makes_another_version_of_the_overlay() {
        let version = |image_version| {
            let mut image = overlaid("tails");
            image.version = image_version;
            let routes = routes(Catalog::new(vec![Arc::new(image)]));
            let path = b"/overlay/tails/tails-x86_64.img";
            routes.find(path, b"", PEER).unwrap().version
        };
        assert_ne!(version(1), version(2));
        assert_eq!(version(1), version(1));
    }

    #[test]
    fn machines_of_all_networks_are_served_and_strangers_are_not() {
        let routes = routes(catalog());
        for (peer, expected) in [
            ([10, 0, 9, 9], true),
            ([192, 168, 0, 9], true),
            ([172, 20, 255, 9], true),
            ([172, 21, 0, 9], false),
            ([192, 168, 1, 9], false),
        ] {
            assert_eq!(routes.serves(IpAddr::V4(peer.into())), expected, "{peer:?}");
        }
    }

    #[test]
    fn files_are_found_under_their_image_and_at_the_root() {
        let routes = routes(catalog());
        for path in ["iso/dual/arch/vmlinuz", "/arch/vmlinuz", "//arch//vmlinuz"] {
            assert_eq!(text(&routes, path).as_deref(), Some("vmlinuz"), "{path}");
        }
        for path in [
            "iso/other/arch/vmlinuz",
            "arch",
            "iso/dual",
            "../arch/vmlinuz",
            "nothing",
        ] {
            assert_eq!(routes.find(path.as_bytes(), b"", PEER), None, "{path}");
        }
        assert_eq!(
            routes
                .find(b"iso/dual.iso", b"", PEER)
                .unwrap()
                .content
                .len(),
            4096
        );
    }

    fn use_at(routes: &Routes, path: &str) -> FileUse {
        routes.use_of(&Route::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn a_path_shows_which_stage_of_a_boot_it_belongs_to() {
        let routes = routes(catalog());
        for (path, role) in [
            ("boot.ipxe", Role::Menu),
            ("loader/autoexec.ipxe", Role::Menu),
            ("/grub/grub.cfg", Role::Menu),
            ("loader/secure/x86_64/locked.cfg", Role::Menu),
            ("loader/secure/x86_64/grubx64.efi", Role::Loader),
            ("loader/ramdisk/dual.iso", Role::Root),
            ("/loader/pxelinux/pxelinux.cfg/01-00-11", Role::Menu),
            ("/loader/undionly.kpxe", Role::Loader),
            ("syslinux/lpxelinux.0", Role::Loader),
            ("syslinux/archiso_head.cfg", Role::Menu),
            ("/arch/vmlinuz", Role::Kernel),
            ("iso/dual/arch/initramfs.img", Role::Initramfs),
            ("iso/dual/arch/x86_64/airootfs.sfs", Role::Root),
            ("iso/other/arch/x86_64/airootfs.sfs", Role::Other),
            ("", Role::Other),
        ] {
            assert_eq!(use_at(&routes, path).role, role, "{path}");
        }
    }

    #[test]
    fn a_root_says_what_is_fetched_with_it_by_whatever_path_it_is_asked_for() {
        let routes = routes(catalog());
        let root = "dual/arch/x86_64/airootfs.sfs";
        for path in [
            "/iso/dual//arch/x86_64/airootfs.sfs",
            "arch/x86_64/airootfs.sfs",
        ] {
            let used = use_at(&routes, path);
            assert_eq!(
                (used.role, used.name.as_str()),
                (Role::Root, root),
                "{path}"
            );
            let [expected] = &used.expected[..] else {
                panic!("{used:?}")
            };
            assert!(expected.required && expected.name == root);
            assert!(!used.begins_boot, "anybody may download it");
        }
        let kernel = use_at(&routes, "iso/dual/arch/vmlinuz");
        assert!(kernel.begins_boot && kernel.expected.is_empty());
        let ramdisk = use_at(&routes, "loader/ramdisk/dual.iso");
        assert!(ramdisk.begins_boot && ramdisk.expected.is_empty());
        assert!(!use_at(&routes, "boot.ipxe").begins_boot);
    }

    #[test]
    fn an_image_that_an_initramfs_downloads_is_its_root() {
        let image = crate::testing::downloaded("ubuntu");
        let routes = routes(Catalog::new(vec![Arc::new(image)]));
        let used = use_at(&routes, "iso/ubuntu.iso");
        assert_eq!((used.role, used.name.as_str()), (Role::Root, "ubuntu.iso"));
        let [expected] = &used.expected[..] else {
            panic!("{used:?}")
        };
        assert!(expected.required && expected.name == "ubuntu.iso");
        assert!(!used.begins_boot, "anybody may download it");
    }

    #[test]
    fn an_initramfs_that_is_the_whole_system_is_the_root() {
        use crate::catalog::Cpu;
        use crate::pe::Signed;
        use crate::testing::installer;
        let deb = installer("deb", Cpu::X86_64, Signed::No);
        let routes = routes(Catalog::new(vec![Arc::new(deb)]));
        assert_eq!(
            use_at(&routes, "iso/deb/arch/early img").role,
            Role::Initramfs
        );
        assert_eq!(
            use_at(&routes, "iso/deb/arch/initramfs.img").role,
            Role::Root
        );
    }

    #[test]
    fn loader_and_modules_come_from_one_place() {
        let on_medium = routes(catalog());
        assert_eq!(
            text(&on_medium, "loader/pxelinux/lpxelinux.0").as_deref(),
            Some("lpxelinux.0")
        );
        assert_eq!(
            text(&on_medium, "loader/pxelinux/menu.c32"),
            None,
            "the host's does not fit"
        );
        let on_host = routes(Catalog::default());
        assert_eq!(
            text(&on_host, "loader/pxelinux/menu.c32").as_deref(),
            Some("host menu")
        );
        assert_eq!(
            text(&on_host, "loader/undionly.kpxe").as_deref(),
            Some("undionly")
        );
        let efi = |arch: &str| text(&on_host, &format!("loader/snponly-{arch}.efi"));
        assert_eq!(efi("x86_64").as_deref(), Some("snponly"));
        // EDK2 doubles slashes, and a redirect would be an error to it.
        let doubled = text(&on_host, "//loader//snponly-x86_64.efi");
        assert_eq!(doubled.as_deref(), Some("snponly"));
        assert_eq!(efi("arm64"), None);
    }

    #[test]
    fn a_machine_with_an_ipv6_address_gets_urls_with_one() {
        let mut routes = routes(catalog());
        let peer = "2001:db8::9".parse().unwrap();
        assert!(!routes.serves(peer));
        routes.addresses.push(network("2001:db8::1/64"));
        assert!(routes.serves(peer) && routes.serves(PEER));
        let menu = routes.find(b"/boot.ipxe", b"", peer).unwrap();
        let menu = menu.content.pieces()[0].memory().unwrap().to_vec();
        let menu = String::from_utf8(menu).unwrap();
        assert!(menu.contains("http://[2001:db8::1]/iso/dual/"), "{menu}");
    }
}
