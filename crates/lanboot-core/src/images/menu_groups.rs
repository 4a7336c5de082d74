//! Entries of a medium's menus that start the same thing: a menu starts one kernel in many ways, and
//! a person who boots over the network wants one entry for each kernel.

use crate::boot_config::{MenuEntry, Program};
use crate::vfs::Tree;

/// Most initramfs files of one entry; with microcode there are three. Every menu names them all,
/// several times.
pub(super) const MAX_INITRD: usize = 16;
/// Most kernels, roots and modes of one medium: every one is an entry in every menu.
pub(super) const MAX_GROUPS: usize = 16;

/// Groups entries that start the same kernel with the same initramfs files and have the same key.
/// Returns the key and the entry with the least `rank` of each group, the medium's default first.
pub(super) fn plainest<'a, K: PartialEq, R: Ord>(
    entries: impl Iterator<Item = (K, &'a MenuEntry)>,
    rank: impl Fn(&MenuEntry) -> R,
) -> Vec<(K, &'a MenuEntry)> {
    let mut groups: Vec<Group<'_, K>> = Vec::new();
    for (key, entry) in entries {
        let is_default = entry.is_default && !entry.is_loopback();
        let same = |group: &&mut Group<'_, K>| {
            let of = group.plainest;
            of.kernel == entry.kernel && of.initrds == entry.initrds && group.key == key
        };
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.is_default |= is_default;
                if rank(entry) < rank(group.plainest) {
                    group.plainest = entry;
                }
            }
            None => groups.push(Group {
                key,
                plainest: entry,
                is_default,
            }),
        }
    }
    if let Some(at) = groups.iter().position(|group| group.is_default) {
        groups[..=at].rotate_right(1);
    }
    groups.truncate(MAX_GROUPS);
    let parts = groups.into_iter().map(|group| (group.key, group.plainest));
    parts.collect()
}

/// Entries of one key.
struct Group<'a, K> {
    key: K,
    plainest: &'a MenuEntry,
    is_default: bool,
}

/// Tests whether an entry starts a Linux kernel with initramfs files, and all of them exist.
pub(super) fn is_complete(tree: &Tree, entry: &MenuEntry) -> bool {
    entry.program == Program::Linux
        && (1..=MAX_INITRD).contains(&entry.initrds.len())
        && tree.file(&entry.kernel).is_some()
        && entry.initrds.iter().all(|path| tree.file(path).is_some())
}
