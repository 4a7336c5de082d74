//! The families of media that are recognised: one module and one row of [`FAMILIES`] each.

mod agama;
mod alpine;
mod anaconda;
mod archiso;
mod casper;
mod coreos;
mod debian_cd;
mod debian_installer;
mod dracut_live;
mod dracut_medium;
mod esxi;
mod freebsd;
mod gentoo;
mod initramfs_system;
mod ipfire;
mod linuxrc;
mod live_boot;
mod mageia;
mod memtest;
mod miso;
mod multiboot;
mod nixos;
mod proxmox;
mod uki;
mod windows;

#[cfg(test)]
pub(crate) use archiso::{Archiso, NbdRoot};
#[cfg(test)]
pub(crate) use casper::Casper;
#[cfg(test)]
pub(crate) use debian_installer::DebianInstaller;

use super::detection::Detection;
use super::evidence::Evidence;
use super::family::Family;
use super::medium::{Medium, Whole};
use super::note::Note;

/// Every family; a medium belongs to the first that recognises it.
const FAMILIES: &[&Family] = &[
    &archiso::FAMILY,
    &debian_installer::FAMILY,
    &casper::FAMILY,
    &live_boot::FAMILY,
    // Live media have an installer besides.
    &debian_cd::FAMILY,
    &miso::FAMILY,
    &linuxrc::FAMILY,
    // Before dracut's, which takes any live system in `LiveOS`.
    &agama::FAMILY,
    &memtest::FAMILY,
    // Before it, too: installers have their system in `LiveOS` up to RHEL 7.
    &anaconda::FAMILY,
    &dracut_live::FAMILY,
    &dracut_medium::FAMILY,
    &coreos::FAMILY,
    &ipfire::FAMILY,
    &windows::FAMILY,
    &esxi::FAMILY,
    &freebsd::FAMILY,
    &mageia::FAMILY,
    &proxmox::FAMILY,
    &alpine::FAMILY,
    &nixos::FAMILY,
    &gentoo::FAMILY,
    // A menu's entry is enough for it: it comes after those that look for a root.
    &initramfs_system::FAMILY,
    // Other media have such programs besides.
    &uki::FAMILY,
    &multiboot::FAMILY,
];

/// Recognises a medium; `None` when it is of no known family.
pub(super) fn detect(medium: Medium<'_>) -> Option<Detection> {
    let mut families = FAMILIES.iter();
    let detected = |family: &&'static Family| Some(((family.detect)(medium)?, *family));
    let (mut found, family) = families.find_map(detected)?;
    found.family.get_or_insert(family.name);
    found.boots = family.boots;
    if found.evidence.is_empty() {
        found.evidence.push(Evidence::Names);
    }
    found.evidence.sort();
    if medium.whole == Whole::Files {
        for entry in &mut found.entries {
            entry.notes.push(Note::WithoutDisk);
        }
    }
    found.withdraw();
    Some(found)
}

/// Lists the paths at which NFS exports the default image, besides `/iso/NAME`.
pub(crate) fn mount_paths() -> impl Iterator<Item = &'static str> {
    FAMILIES
        .iter()
        .flat_map(|family| family.mount_paths)
        .copied()
}

/// Lists the names by which NBD exports the default image, besides its own.
pub(crate) fn disk_names() -> impl Iterator<Item = &'static str> {
    FAMILIES
        .iter()
        .flat_map(|family| family.disk_names)
        .copied()
}

#[cfg(test)]
mod tests;
