//! lanboot's offers as configuration for servers that people run already: DHCP servers that name
//! its boot files, and boot menus that list its images.
//!
//! Every fragment is commented, says where it goes, and can be read by the program it is for as it
//! stands. DHCP fragments come from [`plan::offer`](crate::plan::offer), so they answer as
//! lanboot's own DHCP does. Whatever comes from a file name, a medium or an operator is quoted the
//! way each format quotes; what a format cannot quote is left out, with a warning.
//!
//! Tested with the real programs: dnsmasq, ISC dhcpd, Kea, GRUB and PXELINUX. RouterOS and
//! PowerShell cannot be installed beside the tests; those two are only checked for their form.

mod dnsmasq;
mod format;
mod grub;
mod ipxe;
mod isc_dhcp;
mod kea;
mod menu_entries;
mod mikrotik;
mod pxelinux;
mod rules;
mod run;
mod windows_dhcp;

#[cfg(test)]
mod tests;

pub use format::export;

use std::fmt;
use std::net::IpAddr;

use crate::catalog::{Catalog, Server};
use crate::loaders::Loaders;
use crate::menus::Menu;
use crate::plan::LoaderChoice;
use crate::text::ascii;

/// The format of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A menu of PXELINUX (SYSLINUX 4 and later).
    Pxelinux,
    /// A menu of GRUB 2.
    Grub,
    /// A menu of iPXE.
    Ipxe,
    /// dnsmasq, as DHCP server or as proxy.
    Dnsmasq,
    /// ISC dhcpd 4.
    IscDhcp,
    /// Kea's DHCPv4 server, 2.2 and later.
    Kea,
    /// RouterOS 7.
    Mikrotik,
    /// The DHCP service of Windows Server, as PowerShell.
    WindowsDhcp,
}

impl Format {
    /// Every format there is.
    pub const ALL: [Self; 8] = [
        Self::Pxelinux,
        Self::Grub,
        Self::Ipxe,
        Self::Dnsmasq,
        Self::IscDhcp,
        Self::Kea,
        Self::Mikrotik,
        Self::WindowsDhcp,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pxelinux => "pxelinux",
            Self::Grub => "grub",
            Self::Ipxe => "ipxe",
            Self::Dnsmasq => "dnsmasq",
            Self::IscDhcp => "isc-dhcp",
            Self::Kea => "kea",
            Self::Mikrotik => "mikrotik",
            Self::WindowsDhcp => "windows-dhcp",
        }
    }

    /// Returns whether it answers DHCP; the others are menus.
    pub fn is_dhcp(self) -> bool {
        match self {
            Self::Pxelinux | Self::Grub | Self::Ipxe => false,
            Self::Dnsmasq | Self::IscDhcp | Self::Kea | Self::Mikrotik | Self::WindowsDhcp => true,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The input of an export.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The loaders at hand.
    pub loaders: &'a Loaders,
    /// The settings of menus.
    pub menu: &'a Menu,
    /// The preferred loader.
    pub loader: &'a LoaderChoice,
    /// This server's services, as machines reach them.
    pub server: &'a Server,
    /// The mask of the network they are in.
    pub netmask: IpAddr,
    /// The flags it was made with that `lanboot serve` needs too, one word each.
    pub flags: &'a [String],
}

impl Export<'_> {
    fn address(&self) -> IpAddr {
        self.server.http.host
    }

    /// Returns where to run what.
    fn run(&self) -> String {
        format!("Run on {}: {}", self.address(), run::command(self.flags))
    }

    /// The images' names, on one line that ends with a whole one.
    fn names(&self) -> String {
        let mut out = String::new();
        let images = self.catalog.images();
        for (before, image) in images.iter().enumerate() {
            let name = text(&image.name, MAX_COMMENT);
            if before > 0 && out.len() + name.len() > MAX_COMMENT {
                out.push_str(&format!(" and {} more", images.len() - before));
                break;
            }
            if before > 0 {
                out.push_str(", ");
            }
            out.push_str(&name);
        }
        out
    }
}

/// A piece of configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// The configuration, comments included; ends with a line end.
    pub text: String,
    /// Warnings for the operator, one sentence each.
    pub warnings: Vec<String>,
}

/// Longest piece of somebody else's text in a comment, in bytes: a comment is for reading.
const MAX_COMMENT: usize = 160;
/// Longest title in a menu, in bytes: a text screen's width.
const MAX_TITLE: usize = 78;

/// `text` as printable ASCII on one line, and nothing a script language reads at the end of a line
/// (`\` joins the next one to it).
fn text(text: &str, limit: usize) -> String {
    ascii(text, limit).replace('\\', "/")
}

/// Comment lines, each after `mark`.
fn comment(out: &mut String, mark: &str, lines: &[&str]) {
    for line in lines {
        out.push_str(mark);
        out.push(' ');
        out.push_str(line);
        out.push('\n');
    }
}
