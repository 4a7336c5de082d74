//! Renders menus from a catalog: for iPXE, PXELINUX and GRUB.
//!
//! Text from a file name, a medium or the network is reduced to printable ASCII on one line, by
//! `line` or before it gets here; no text can begin a new menu or script line.

mod autoexec;
mod cpu_filter;
mod grub;
mod grub_pages;
mod ipxe;
mod ipxe_pages;
mod outline;
mod planned;
mod pxelinux;
mod pxelinux_pages;

pub use autoexec::autoexec;
pub(crate) use cpu_filter::{CpuFilter, where_it_starts};
pub use grub::{Grub, grub_disk, grub_http};
pub(crate) use grub::{grub_starts, is_refused, refused};
pub use grub_pages::{first_grub, grub_part, locked_grub};
pub(crate) use ipxe::load as load_by_ipxe;
pub use ipxe_pages::{IpxePages, ipxe};
pub(crate) use pxelinux::{is_for_bios, multiboot_parts};
pub use pxelinux_pages::{PxelinuxPages, pxelinux};

use std::time::Duration;

use crate::catalog::{Catalog, Entry, Firmware, Image, Incomplete, Refusal, Server, Transport};
use crate::diagnostic::Diagnostic;
use crate::plan::{BootChoice, Memory, MenuKind, RootTransport, Transports, root_transport};
use crate::route::Route;

/// Operator settings for menus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Time a machine waits for a key; zero starts at once without showing a menu, `None` waits
    /// indefinitely.
    pub timeout: Option<Duration>,
    /// Entry to start when the timeout expires.
    pub boot: BootChoice,
    /// Additional kernel arguments for every entry.
    pub append: String,
    /// Root transports.
    pub transports: Transports,
    /// Source of the menu; with the default image's own, its files take precedence over generated
    /// ones.
    pub kind: MenuKind,
}

impl Menu {
    /// Plans the root transport of `entry`.
    pub(crate) fn plan(
        &self,
        image: &Image,
        entry: &Entry,
        server: &Server,
        memory: Memory,
    ) -> RootTransport {
        root_transport(image, entry, &self.transports, server, memory, &self.append)
    }

    /// Checks that every entry can start with its root transport.
    ///
    /// # Errors
    /// Returns the id of the first entry that cannot, and the reason.
    pub fn check<'a>(
        &self,
        catalog: &'a Catalog,
        server: &Server,
    ) -> Result<(), (&'a str, Refusal)> {
        let asked = |image: &Image| {
            let mut of = self.transports.of.iter();
            let streams = |transport| matches!(transport, Some(Transport::Nfs | Transport::Nbd));
            of.any(|(name, transport)| *name == image.name && streams(*transport))
        };
        if let Some(image) = catalog.whole_images().find(|image| asked(image)) {
            return Err((&image.name, Refusal::WholeImage));
        }
        catalog.entries().try_for_each(|(image, entry)| {
            let plan = self.plan(image, entry, server, Memory::Unknown);
            let checked = entry.check(plan.transport, &self.append);
            checked.map_err(|refusal| (entry.id.as_str(), refusal))
        })
    }

    /// Returns the transports available to the root of `entry`, of those `server` offers.
    pub(crate) fn transports<'a>(
        &'a self,
        entry: &'a Entry,
        server: &'a Server,
    ) -> impl Iterator<Item = Transport> + use<'a> {
        let works = |transport: &Transport| entry.check(*transport, &self.append).is_ok();
        server
            .transports()
            .filter(move |transport| entry.root.is_some() && works(transport))
    }

    /// Returns the warning about the entry that a 64-bit machine with this memory starts, if any.
    pub(crate) fn warning(
        &self,
        catalog: &Catalog,
        server: &Server,
        memory: Memory,
    ) -> Option<Diagnostic> {
        let (image, entry) = self.boot.entry(catalog, Firmware::Bios64)?;
        self.plan(image, entry, server, memory).warning()
    }
}

/// Returns the title of an entry that cannot start.
pub(crate) fn incomplete_title(entry: &Entry, why: &Incomplete) -> String {
    const MAX_TITLE: usize = 32;
    let title = line(&entry.title, MAX_TITLE);
    line(&format!("{title} - {}", why.damage), MAX_HELP)
}

/// Returns the description of a transport.
pub(crate) fn transport_label(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "copied into memory over HTTP",
        Transport::Nfs => "read over NFS, little memory",
        Transport::Nbd => "the image as a disk over NBD",
    }
}

/// Lists the entries of images without a usable root transport, each with an explanation.
pub(crate) fn unreachable(catalog: &Catalog) -> impl Iterator<Item = (&Entry, String)> {
    let images = catalog.images().iter();
    images.flat_map(|image| not_offered(image))
}

/// Lists the entries of an image without a usable root transport, each with an explanation.
fn not_offered(image: &Image) -> impl Iterator<Item = (&Entry, String)> {
    let entries = image.found.unreachable.iter();
    entries.filter_map(|entry| {
        let why = entry.why_unreachable()?;
        Some((entry, format!("{} is not offered: {why}", entry.title)))
    })
}

/// Reduces `text` to one line: printable ASCII, at most `limit` bytes, and nothing iPXE would
/// expand.
pub(crate) fn line(text: &str, limit: usize) -> String {
    crate::text::ascii(text, limit).replace("${", "$ {")
}

/// Returns the URL of a file in an image.
pub(crate) fn url(server: &Server, image: &Image, path: &str) -> String {
    Route::of_image(&image.name, &url_path(path)).url(&server.http)
}

/// Returns the route of an entry's initramfs with its overlay, which is loaded instead of the files of
/// its image; `None` where it has no overlay.
pub(crate) fn overlay(image: &Image, entry: &Entry) -> Option<Route> {
    entry.overlay().map(|_| Route::Overlay {
        image: image.name.clone(),
        entry: entry.id.clone(),
    })
}

/// Returns the URLs of everything that is loaded as the initramfs of an entry, in order: the files
/// `initrd` of its image, or the one file that they are with its overlay.
pub(crate) fn initramfs_urls(
    server: &Server,
    image: &Image,
    entry: &Entry,
    initrd: &[String],
) -> Vec<String> {
    match overlay(image, entry) {
        Some(route) => vec![route.url(&server.http)],
        None => initrd.iter().map(|path| url(server, image, path)).collect(),
    }
}

/// Returns a path as part of a URL, with every byte `%`-encoded that a URL or a menu could
/// misinterpret.
pub(crate) fn url_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~+@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Size a file of a menu has at most, in bytes. A menu that would be larger is divided into pages,
/// and the commands of each entry are a file of their own.
pub(crate) const MAX_PAGE: usize = 16 * 1024;
/// Longest line of help under a menu, in bytes: the width of a text screen.
pub(crate) const MAX_HELP: usize = 78;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Cpu, Lack, Part, ShownBy};
    use crate::loaders::{Loaders, PxelinuxModules};
    use crate::testing::{image, overlaid, server};
    use std::sync::Arc;

    #[test]
    fn hostile_text_stays_on_its_line() {
        assert_eq!(
            line("a\nshell\r${net0/mac}\x1b", 99),
            "a?shell?$ {net0/mac}?"
        );
        assert_eq!(url_path("a b/${x}\n,%"), "a%20b/%24%7Bx%7D%0A%2C%25");
    }

    #[test]
    fn every_menu_loads_the_initramfs_with_its_overlay_as_one_file() {
        let catalog = Catalog::new(vec![Arc::new(overlaid("tails"))]);
        let menu = Menu {
            timeout: None,
            boot: BootChoice::first(&catalog),
            append: String::new(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        let grub = Grub {
            catalog: &catalog,
            loaders: &Loaders::default(),
            menu: &menu,
            server: &server(),
            netmask: [255, 255, 255, 0].into(),
        };
        let text = ipxe(&catalog, &menu, &server(), Memory::Unknown);
        let lines = "initrd=tails-x86_64.img || goto failed\n\
            initrd http://10.0.0.1/overlay/tails/tails-x86_64.img || goto failed\n\
            boot";
        assert!(text.contains(lines), "{text}");
        let text = pxelinux(&catalog, &menu, &server(), PxelinuxModules::default());
        let line = "\nINITRD http://10.0.0.1/overlay/tails/tails-x86_64.img\n";
        assert!(text.contains(line), "{text}");
        let line = "; then initrd ($lanboot)/overlay/tails/tails-x86_64.img; fi";
        assert!(grub.first().contains(line), "{}", grub.first());
    }

    #[test]
    fn every_menu_says_why_an_entry_is_not_offered() {
        let mut image = image("live", &[Cpu::X86_64]);
        image.found.unreachable.append(&mut image.found.entries);
        image.found.unreachable[0].lacks = vec![Lack {
            part: Part::Ipconfig,
            missing: "mkinitcpio-nfs-utils".into(),
            shown_by: ShownBy::PackageList("arch/pkglist.x86_64.txt".into()),
        }];
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let menu = Menu {
            timeout: None,
            boot: BootChoice::first(&catalog),
            append: String::new(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        let grub = Grub {
            catalog: &catalog,
            loaders: &Loaders::default(),
            menu: &menu,
            server: &server(),
            netmask: [255, 255, 255, 0].into(),
        };
        for text in [
            ipxe(&catalog, &menu, &server(), Memory::Unknown),
            pxelinux(&catalog, &menu, &server(), PxelinuxModules::default()),
            grub.first(),
        ] {
            let sentence = "live (x86_64) is not offered: its initramfs cannot use the network";
            assert!(text.contains(sentence), "{text}");
            assert!(!text.contains("arch/vmlinuz"), "{text}");
        }
    }
}
