//! File attributes (RFC 1813 §2.5), as recorded on the medium.

use super::export::Volume;
use super::wire::rpc::Who;
use super::wire::xdr::Writer;
use crate::vfs::{Kind, Node, NodeId};

/// Length of `fattr3`, in bytes.
pub(super) const ATTRIBUTES_BYTES: usize = 84;
/// Allocation unit, in bytes: the sectors of a medium.
pub(super) const BLOCK_BYTES: u64 = 2048;

/// Access rights (§3.3.4).
const READ: u32 = 0x01;
const LOOKUP: u32 = 0x02;
const EXECUTE: u32 = 0x20;

/// A file resolved from a handle.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub volume: Volume<'a>,
    pub id: NodeId,
    pub node: &'a Node,
}

impl<'a> File<'a> {
    pub(super) fn of(volume: Volume<'a>, id: NodeId) -> Option<Self> {
        let node = volume.tree.node(id)?;
        Some(Self { volume, id, node })
    }

    /// Writes `fattr3`.
    pub(super) fn attributes(&self, out: &mut Writer) {
        let meta = &self.node.meta;
        let (kind, size, used) = match &self.node.kind {
            Kind::File(content) => {
                let blocks = content.len().div_ceil(BLOCK_BYTES);
                (1, content.len(), blocks.saturating_mul(BLOCK_BYTES))
            }
            // The real size of a folder is of no use to clients.
            Kind::Directory(_) => (2, BLOCK_BYTES, BLOCK_BYTES),
            Kind::Symlink(text) => (5, text.len() as u64, 0),
        };
        out.u32(kind);
        out.u32(meta.mode & 0o7777);
        out.u32(meta.links.max(1));
        out.u32(meta.uid);
        out.u32(meta.gid);
        out.u64(size);
        out.u64(used);
        // rdev
        out.u64(0);
        out.u64(self.volume.fsid());
        out.u64(fileid(self.id));
        // atime, mtime, ctime; times before 1970 or after 2106 cannot be represented.
        let seconds = u32::try_from(meta.modified.clamp(0, u32::MAX.into())).unwrap_or(0);
        for _ in 0..3 {
            out.u32(seconds);
            out.u32(0);
        }
    }

    /// Writes `post_op_attr`.
    pub(super) fn post_op(&self, out: &mut Writer) {
        out.bool(true);
        self.attributes(out);
    }

    /// Returns the requested rights that `who` has by the permission bits; writing is never
    /// allowed.
    pub(super) fn access(&self, who: &Who, context: u32) -> u32 {
        let meta = &self.node.meta;
        let is_directory = matches!(self.node.kind, Kind::Directory(_));
        let bits = match who {
            Who::User { uid: 0, .. } | Who::Nobody => {
                // The superuser reads everything and executes what any user may execute.
                0o6 | u32::from(is_directory || meta.mode & 0o111 != 0)
            }
            Who::User { uid, .. } if *uid == meta.uid => meta.mode >> 6,
            Who::User { gid, groups, .. }
                if *gid == meta.gid || groups.ids().contains(&meta.gid) =>
            {
                meta.mode >> 3
            }
            Who::User { .. } => meta.mode,
        };
        let mut granted = 0;
        if bits & 0o4 != 0 {
            granted |= READ;
        }
        if bits & 0o1 != 0 {
            granted |= if is_directory { LOOKUP } else { EXECUTE };
        }
        granted & context
    }
}

impl Volume<'_> {
    /// Returns the file system id, stable over restarts.
    pub(super) fn fsid(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.identity.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the verifier for directory cookies, which never changes. Zero means no verifier.
    pub(super) fn cookie_verifier(&self) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, _] = self.identity.0;
        [a, b, c, d, e, f, g, 1]
    }
}

/// Returns the inode number; zero would be taken for a removed file.
pub(super) fn fileid(id: NodeId) -> u64 {
    u64::from(id.0) + 1
}
