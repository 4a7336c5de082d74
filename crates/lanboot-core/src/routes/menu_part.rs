//! The parts of a menu that are files of their own.

use std::net::IpAddr;

use super::{Routes, generated};
use crate::loaders::{Available as _, pxelinux_modules};
use crate::menus;
use crate::plan::Memory;
use crate::route::{MenuPart, MenuReader};
use crate::vfs::File;

impl Routes {
    /// Returns a part of a menu as its loader reads it; `None` when there is no page or entry of
    /// its name any more.
    pub(super) fn menu_part(&self, part: &MenuPart, query: &[u8], peer: IpAddr) -> Option<File> {
        let server = self.server(peer)?;
        let (kind, name) = (part.kind, part.name.as_str());
        match part.reader {
            MenuReader::Ipxe => {
                let memory = Memory::from_query(query);
                let script = menus::IpxePages {
                    catalog: &self.catalog,
                    menu: &self.menu,
                    server: &server,
                    memory,
                };
                Some(generated(script.part(kind, name)?))
            }
            MenuReader::Pxelinux => {
                let config = menus::PxelinuxPages {
                    catalog: &self.catalog,
                    menu: &self.menu,
                    server: &server,
                    modules: pxelinux_modules(&self.programs()),
                };
                Some(generated(config.part(kind, name)?))
            }
            MenuReader::Grub | MenuReader::LockedGrub { .. } => {
                let programs = self.programs();
                let pair = match part.reader {
                    MenuReader::LockedGrub { arch, http } => programs.shim_grub(arch.arch(), http),
                    _ => None,
                };
                let shim = pair.map(|pair| &pair.shim);
                let text = self.grub(peer, |grub| menus::grub_part(&grub, part, shim))??;
                Some(generated(text))
            }
        }
    }
}
