//! Menus as text, made from a catalog: for iPXE, for PXELINUX and for GRUB.
//!
//! Whatever comes from a file name, a medium or the network is reduced to printable ASCII on one
//! line before it gets here or by `line`; no text can begin a new menu or script line.

mod autoexec;
mod cpu_filter;
mod grub;
mod ipxe;
mod pxelinux;

pub use autoexec::autoexec;
pub(crate) use cpu_filter::{CpuFilter, where_it_starts};
pub(crate) use grub::LOCKED;
pub use grub::{Grub, grub_disk, grub_http};
pub(crate) use grub::{grub_starts, is_refused, refused};
pub use ipxe::ipxe;
pub(crate) use ipxe::load as load_by_ipxe;
pub use pxelinux::pxelinux;

use std::time::Duration;

use crate::catalog::{
    BootChoice, Catalog, Entry, Firmware, Image, Incomplete, Memory, MenuKind, Plan, Refusal,
    Server, Transport, Transports, plan,
};

/// What the operator decided about menus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// How long a machine waits for a key; zero starts at once without showing a menu, `None`
    /// waits for ever.
    pub timeout: Option<Duration>,
    /// What starts when nobody presses a key.
    pub boot: BootChoice,
    /// More kernel arguments, for every entry.
    pub append: String,
    /// How roots travel.
    pub transports: Transports,
    /// Whose menu: with the default image's own, its files go before those made here.
    pub kind: MenuKind,
}

impl Menu {
    /// How the root of `entry` will travel.
    pub(crate) fn plan(
        &self,
        image: &Image,
        entry: &Entry,
        server: &Server,
        memory: Memory,
    ) -> Plan {
        plan(image, entry, &self.transports, server, memory, &self.append)
    }

    /// Refuses the first entry that could not start the way it will travel, by its name.
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

    /// The transports by which the root of `entry` can travel, of those `server` offers.
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

    /// What is worth telling about the entry that a 64-bit machine with so much memory starts.
    pub(crate) fn warning(
        &self,
        catalog: &Catalog,
        server: &Server,
        memory: Memory,
    ) -> Option<String> {
        let (image, entry) = self.boot.entry(catalog, Firmware::Bios64)?;
        self.plan(image, entry, server, memory).warning()
    }
}

/// What a person reads in place of an entry that cannot start.
pub(crate) fn incomplete_title(entry: &Entry, why: &Incomplete) -> String {
    const MAX_TITLE: usize = 32;
    let title = line(&entry.title, MAX_TITLE);
    line(&format!("{title} - {}", why.damage), MAX_HELP)
}

/// What a person reads of a transport.
pub(crate) fn transport_label(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "copied into memory over HTTP",
        Transport::Nfs => "read over NFS, little memory",
        Transport::Nbd => "the image as a disk over NBD",
    }
}

/// What a menu says of images to which no root can travel: each entry with a sentence.
pub(crate) fn unreachable(catalog: &Catalog) -> impl Iterator<Item = (&Entry, String)> {
    let entries = catalog
        .images()
        .iter()
        .flat_map(|image| &image.found.unreachable);
    entries.filter_map(|entry| {
        let lack = entry.lacks.first()?;
        Some((entry, format!("{} is not offered: {lack}", entry.title)))
    })
}

/// `text` on one line: printable ASCII, at most `limit` bytes, and nothing iPXE would expand.
pub(crate) fn line(text: &str, limit: usize) -> String {
    crate::text::ascii(text, limit).replace("${", "$ {")
}

/// Where a machine finds a file of an image.
pub(crate) fn url(server: &Server, image: &Image, path: &str) -> String {
    format!(
        "{}/iso/{}/{}",
        server.http_origin(),
        image.name,
        url_path(path)
    )
}

/// A path of the site as part of a URL: every byte a URL or a menu could misread is `%`-encoded.
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

/// Longest line of help shown under a menu, in bytes: a text screen's width.
pub(crate) const MAX_HELP: usize = 78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        assert_eq!(
            line("a\nshell\r${net0/mac}\x1b", 99),
            "a?shell?$ {net0/mac}?"
        );
        assert_eq!(url_path("a b/${x}\n,%"), "a%20b/%24%7Bx%7D%0A%2C%25");
    }
}
