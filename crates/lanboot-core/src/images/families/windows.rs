//! Windows' installation media and Windows PE: `bootmgr` and `sources/boot.wim` (Microsoft, *WinPE: Create
//! bootable media*). Their programs look for the medium on a drive, and start neither from a kernel nor
//! with an initramfs, so there is nothing to offer.

use crate::images::detection::Detection;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::vfs::{NodeId, Tree};

pub(super) static FAMILY: Family = Family {
    name: "Windows",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Name of the family.
const NAME: &str = "Windows";
/// The warning for its media.
const NOT_BOOTED: &str = "Windows is recognised, and this version does not boot it: its files are served, and \
    starting them over the network needs wimboot, which is not supported";

fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let has_image = find(tree, &["sources", "boot.wim"]).is_some();
    let has_manager = ["bootmgr", "bootmgr.efi"]
        .iter()
        .any(|name| find(tree, &[name]).is_some());
    (has_image && has_manager).then(|| Detection {
        family: Some(NAME),
        evidence: vec![Evidence::Mark],
        warnings: vec![NOT_BOOTED.into()],
        ..Detection::default()
    })
}

/// Finds a file by names in any case, as Windows does.
fn find(tree: &Tree, names: &[&str]) -> Option<NodeId> {
    names.iter().try_fold(Tree::ROOT, |folder, name| {
        let mut entries = tree.entries(folder).iter();
        let found = entries.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(found.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{medium, tree};

    fn family(files: &[(&str, &str)]) -> Option<&'static str> {
        let tree = tree(files);
        detect(medium(&tree, "win", "CCCOMA_X64FRE_EN-US_DV9"))?.family
    }

    #[test]
    fn its_media_are_recognised_in_any_case_and_offer_nothing() {
        let files = [("bootmgr", ""), ("sources/boot.wim", "")];
        assert_eq!(family(&files), Some("Windows"));
        assert_eq!(
            family(&[("BOOTMGR.EFI", ""), ("SOURCES/BOOT.WIM", "")]),
            Some("Windows")
        );
        assert_eq!(family(&[("bootmgr", "")]), None);
        assert_eq!(family(&[("sources/boot.wim", "")]), None);
        let found = tree(&files);
        let found = detect(medium(&found, "win", "")).unwrap();
        assert!(found.entries.is_empty() && found.warnings.len() == 1);
    }
}
