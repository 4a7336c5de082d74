//! Handles, attributes, reads, and rejected writes.

use nfs3_types::nfs3::{
    self, ACCESS3args, ACCESS3res, COMMIT3args, COMMIT3res, CREATE3args, CREATE3res, FSINFO3args,
    FSINFO3res, FSSTAT3args, FSSTAT3res, GETATTR3args, GETATTR3res, LINK3args, LINK3res,
    LOOKUP3args, LOOKUP3res, MKDIR3args, MKDIR3res, MKNOD3args, MKNOD3res, PATHCONF3args,
    PATHCONF3res, READ3args, READ3res, READLINK3args, READLINK3res, REMOVE3args, REMOVE3res,
    RENAME3args, RENAME3res, RMDIR3args, RMDIR3res, SETATTR3args, SETATTR3res, SYMLINK3args,
    SYMLINK3res, WRITE3args, WRITE3res, ftype3,
};

use super::*;
use crate::nfs::{HANDLE_BYTES, MAX_READ_BYTES, MAX_READ_BYTES_UDP};

impl World {
    fn attributes(&self, handle: nfs_fh3) -> GETATTR3res {
        self.nfs(
            NFS_PROGRAM::NFSPROC3_GETATTR,
            &GETATTR3args { object: handle },
        )
    }

    fn look_up(&self, folder: &str, name: &[u8]) -> LOOKUP3res {
        let what = named(self.handle(folder), name);
        self.nfs(NFS_PROGRAM::NFSPROC3_LOOKUP, &LOOKUP3args { what })
    }

    fn read(&self, path: &str, offset: u64, count: u32) -> READ3res<'static> {
        let file = self.handle(path);
        let args = READ3args {
            file,
            offset,
            count,
        };
        self.nfs(NFS_PROGRAM::NFSPROC3_READ, &args)
    }

    fn access(&self, path: &str, access: u32) -> u32 {
        let object = self.handle(path);
        let args = ACCESS3args { object, access };
        let res: ACCESS3res = self.nfs(NFS_PROGRAM::NFSPROC3_ACCESS, &args);
        res.unwrap().access
    }
}

#[test]
fn attributes_are_those_of_the_medium() {
    let world = world();
    let of = |path| world.attributes(world.handle(path)).unwrap().obj_attributes;
    let root = of("");
    assert_eq!(root.type_, ftype3::NF3DIR);
    assert_eq!((root.mode, root.nlink, root.fileid), (0o755, 4, 1));
    let kernel = of("arch/vmlinuz");
    assert_eq!(kernel.type_, ftype3::NF3REG);
    assert_eq!((kernel.mode, kernel.nlink, kernel.uid), (0o644, 2, 0));
    assert_eq!((kernel.size, kernel.used), (10, 2048));
    assert_eq!(kernel.mtime.seconds, 1_700_000_000);
    assert_eq!(kernel.fsid, root.fsid);
    let secret = of("arch/secret");
    assert_eq!((secret.mode, secret.uid, secret.gid), (0o750, 1000, 100));
    let link = of("link");
    assert_eq!((link.type_, link.size), (ftype3::NF3LNK, 12));
    let old = of("arch/old");
    assert_eq!((old.mode, old.nlink, old.mtime.seconds), (0o4755, 1, 0));
}

#[test]
fn inode_numbers_are_unique() {
    let world = world();
    let ids = (0..world.tree.len()).map(|n| NodeId(u32::try_from(n).unwrap()));
    let numbers = ids.map(|id| {
        let attributes = world.attributes(world.handle_of(id)).unwrap();
        attributes.obj_attributes.fileid
    });
    let numbers: std::collections::BTreeSet<u64> = numbers.collect();
    assert_eq!(numbers.len(), world.tree.len());
    assert!(!numbers.contains(&0));
}

#[test]
fn foreign_handles_are_stale_or_bad() {
    let world = world();
    let status_of = |bytes: &[u8]| status(world.attributes(as_handle(bytes)));
    let good = world.handle("arch/vmlinuz").data.to_vec();
    assert_eq!(status_of(&good), nfsstat3::NFS3_OK);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 {
            nfsstat3::NFS3ERR_BADHANDLE
        } else {
            nfsstat3::NFS3ERR_STALE
        };
        assert_eq!(status_of(&bytes), expected, "bit {bit}");
    }
    for bytes in [&b""[..], b"\x01", &[0; 64], &good[..HANDLE_BYTES - 1]] {
        assert_eq!(status_of(bytes), nfsstat3::NFS3ERR_BADHANDLE);
    }
    // Made with another key, of an unknown image, of a missing file.
    let node = Tree::ROOT;
    let image = IDENTITY;
    let other = Handles::new([8; 16]).write(Handle { image, node });
    assert_eq!(status_of(&other), nfsstat3::NFS3ERR_STALE);
    let image = Identity([1; 16]);
    let unknown = world.handles.write(Handle { image, node });
    assert_eq!(status_of(&unknown), nfsstat3::NFS3ERR_STALE);
    let outside = world.handle_of(NodeId(9999));
    assert_eq!(status(world.attributes(outside)), nfsstat3::NFS3ERR_STALE);
}

#[test]
fn names_are_looked_up_and_links_are_not_followed() {
    let world = world();
    let found = |folder, name| world.look_up(folder, name).unwrap();
    let kernel = found("arch", b"vmlinuz");
    assert_eq!(kernel.object, world.handle("arch/vmlinuz"));
    assert_eq!(kernel.obj_attributes.unwrap().size, 10);
    assert_eq!(kernel.dir_attributes.unwrap().type_, ftype3::NF3DIR);
    assert_eq!(found("arch", b".").object, world.handle("arch"));
    assert_eq!(found("arch", b"..").object, world.handle(""));
    assert_eq!(
        found("", b"..").object,
        world.handle(""),
        "nothing leads out"
    );
    assert_eq!(found("", b"link").object, world.handle("link"));
    for (folder, name, expected) in [
        ("arch", &b"nothing"[..], nfsstat3::NFS3ERR_NOENT),
        ("arch", b"", nfsstat3::NFS3ERR_NOENT),
        ("arch", b"VMLINUZ", nfsstat3::NFS3ERR_NOENT),
        ("arch", b"../arch", nfsstat3::NFS3ERR_NOENT),
        ("arch", &[b'x'; 256], nfsstat3::NFS3ERR_NAMETOOLONG),
        ("arch", &[b'x'; 5000], nfsstat3::NFS3ERR_NAMETOOLONG),
        ("arch/vmlinuz", b".", nfsstat3::NFS3ERR_NOTDIR),
        ("link", b"vmlinuz", nfsstat3::NFS3ERR_NOTDIR),
    ] {
        assert_eq!(status(world.look_up(folder, name)), expected, "{name:?}");
    }
    let link = READLINK3args {
        symlink: world.handle("link"),
    };
    let text: READLINK3res<'_> = world.nfs(NFS_PROGRAM::NFSPROC3_READLINK, &link);
    assert_eq!(text.unwrap().data.0.as_ref(), b"arch/vmlinuz");
    let file = READLINK3args {
        symlink: world.handle("arch/vmlinuz"),
    };
    let text: READLINK3res<'_> = world.nfs(NFS_PROGRAM::NFSPROC3_READLINK, &file);
    assert_eq!(status(text), nfsstat3::NFS3ERR_INVAL);
}

#[test]
fn access_follows_the_permission_bits_without_writing() {
    let mut world = world();
    const ALL: u32 = 0x3f;
    const READ: u32 = nfs3::ACCESS3_READ;
    const RUN: u32 = nfs3::ACCESS3_EXECUTE;
    const LOOK: u32 = nfs3::ACCESS3_LOOKUP;
    assert_eq!(world.access("arch/secret", ALL), READ | RUN, "AUTH_NONE");
    assert_eq!(world.access("arch/vmlinuz", ALL), READ, "not executable");
    assert_eq!(world.access("arch", ALL), READ | LOOK);
    assert_eq!(world.access("arch", LOOK), LOOK);
    for (who, expected) in [
        (user(0, 0, &[]), READ | RUN),
        (user(1000, 5, &[]), READ | RUN),
        (user(7, 100, &[]), READ | RUN),
        (user(7, 7, &[1, 2, 100]), READ | RUN),
        (user(7, 7, &[1, 2]), 0),
    ] {
        world.credentials = who;
        let granted = world.access("arch/secret", ALL);
        assert_eq!(granted, expected, "{:?}", world.credentials);
    }
}

#[test]
fn reads_are_cut_at_the_end_of_the_file() {
    let world = world();
    let text = b"the kernel";
    for (offset, count, expected, is_end) in [
        (0, 10, &text[..], true),
        (0, 4096, text, true),
        (0, 9, &text[..9], false),
        (3, 3, &text[3..6], false),
        (9, 1, &text[9..], true),
        (10, 1, b"", true),
        (11, 0, b"", true),
        (5, 0, b"", false),
        (u64::MAX, u32::MAX, b"", true),
        (0, u32::MAX, text, true),
    ] {
        let read = world.read("arch/vmlinuz", offset, count).unwrap();
        assert_eq!(read.data.as_ref(), expected, "{offset}+{count}");
        assert_eq!(read.count as usize, expected.len());
        assert_eq!(read.eof, is_end, "{offset}+{count}");
        assert_eq!(read.file_attributes.unwrap().size, 10);
    }
    for (path, expected) in [
        ("arch", nfsstat3::NFS3ERR_ISDIR),
        ("link", nfsstat3::NFS3ERR_INVAL),
    ] {
        assert_eq!(status(world.read(path, 0, 10)), expected);
    }
}

#[test]
fn reads_cross_extent_boundaries() {
    let world = world();
    let whole: Vec<u8> = (2048..3_002_048u64)
        .chain(10_000_000..10_000_005)
        .map(byte_at)
        .collect();
    let mut got = Vec::new();
    loop {
        let read = world
            .read("arch/extents", got.len() as u64, 999_999)
            .unwrap();
        got.extend_from_slice(&read.data);
        if read.eof {
            break;
        }
    }
    assert!(got == whole);
    let seam = world.read("arch/extents", 2_999_998, 6).unwrap();
    assert_eq!(seam.data.as_ref(), &whole[2_999_998..3_000_004]);
}

#[test]
fn a_read_is_no_longer_than_its_transport_allows() {
    let mut world = world();
    let read = world.read("arch/extents", 0, u32::MAX).unwrap();
    assert_eq!(read.count, MAX_READ_BYTES);
    assert!(!read.eof);
    world.over = Over::Udp;
    let read = world.read("arch/extents", 0, u32::MAX).unwrap();
    assert_eq!(read.count, MAX_READ_BYTES_UDP);
}

#[test]
fn reads_carry_an_error_reply_for_disk_failures() {
    let world = world();
    let file = world.handle("arch/extents");
    let args = READ3args {
        file,
        offset: 0,
        count: 4096,
    };
    let mut answer = world.nfs_answer(NFS_PROGRAM::NFSPROC3_READ, &args);
    let expected = CallOutcome::Read {
        identity: IDENTITY,
        image: IMAGE,
        size: 1 << 30,
    };
    assert_eq!(answer.outcome, expected);
    answer.reply.head = std::mem::take(&mut answer.reply.on_read_error);
    answer.reply.body = Slice::empty();
    let failed: READ3res<'_> = world.results(&answer);
    assert_eq!(status(failed), nfsstat3::NFS3ERR_IO);
}

#[test]
fn incomplete_files_keep_their_length_and_cannot_be_read() {
    let world = world();
    let size = |path| {
        let attributes = world.attributes(world.handle(path)).unwrap();
        attributes.obj_attributes.size
    };
    assert_eq!(size("arch/cut"), 9000);
    // The present part, the boundary, the missing part, and past the end.
    for (offset, count) in [(0, 4096), (3000, 2000), (8000, 100), (9000, 1), (0, 0)] {
        let args = READ3args {
            file: world.handle("arch/cut"),
            offset,
            count,
        };
        let mut answer = world.nfs_answer(NFS_PROGRAM::NFSPROC3_READ, &args);
        let pieces: Vec<Source> = answer.reply.body.pieces().map(|p| p.source).collect();
        assert!(matches!(pieces[..], [Source::Missing(_), ..]), "{offset}");
        // This is sent instead.
        answer.reply.head = std::mem::take(&mut answer.reply.on_read_error);
        answer.reply.body = Slice::empty();
        let failed: READ3res<'_> = world.results(&answer);
        assert_eq!(status(failed), nfsstat3::NFS3ERR_IO);
    }
}

#[test]
fn file_system_information_is_correct() {
    let mut world = world();
    let root = world.handle("");
    let args = FSSTAT3args {
        fsroot: root.clone(),
    };
    let stat: FSSTAT3res = world.nfs(NFS_PROGRAM::NFSPROC3_FSSTAT, &args);
    let stat = stat.unwrap();
    assert_eq!((stat.tbytes, stat.fbytes, stat.abytes), (1 << 30, 0, 0));
    assert_eq!((stat.tfiles, stat.ffiles), (world.tree.len() as u64, 0));
    let args = PATHCONF3args {
        object: root.clone(),
    };
    let conf: PATHCONF3res = world.nfs(NFS_PROGRAM::NFSPROC3_PATHCONF, &args);
    let conf = conf.unwrap();
    assert_eq!(conf.name_max, 255);
    assert!(conf.no_trunc && conf.case_preserving && !conf.case_insensitive);
    let args = FSINFO3args { fsroot: root };
    let info: FSINFO3res = world.nfs(NFS_PROGRAM::NFSPROC3_FSINFO, &args);
    let info = info.unwrap();
    assert_eq!((info.rtmax, info.rtpref), (1 << 20, 1 << 20));
    assert_eq!(info.properties & nfs3::FSF3_SYMLINK, nfs3::FSF3_SYMLINK);
    world.over = Over::Udp;
    let info: FSINFO3res = world.nfs(NFS_PROGRAM::NFSPROC3_FSINFO, &args);
    let info = info.unwrap();
    assert_eq!((info.rtmax, info.dtpref), (32 << 10, 8 << 10));
}

#[test]
fn write_procedures_are_rejected_in_their_own_format() {
    use NFS_PROGRAM as P;
    let world = world();
    let file = || world.handle("arch/vmlinuz");
    let place = || named(world.handle("arch"), b"new");
    let none = nfs3::sattr3::default;
    let refused = nfsstat3::NFS3ERR_ROFS;
    macro_rules! refuses {
        ($procedure:ident, $res:ty, $args:expr) => {
            let res: $res = world.nfs(P::$procedure, &$args);
            assert_eq!(status(res), refused, stringify!($procedure));
        };
    }
    let guard = nfs3::Nfs3Option::None;
    let (object, new_attributes) = (file(), none());
    refuses!(
        NFSPROC3_SETATTR,
        SETATTR3res,
        SETATTR3args {
            object,
            new_attributes,
            guard
        }
    );
    let data = Opaque::owned(vec![7; 1000]);
    let (stable, count) = (nfs3::stable_how::FILE_SYNC, 1000);
    let args = WRITE3args {
        file: file(),
        offset: 0,
        count,
        stable,
        data,
    };
    refuses!(NFSPROC3_WRITE, WRITE3res, args);
    let how = nfs3::createhow3::UNCHECKED(none());
    refuses!(
        NFSPROC3_CREATE,
        CREATE3res,
        CREATE3args {
            where_: place(),
            how
        }
    );
    refuses!(
        NFSPROC3_MKDIR,
        MKDIR3res,
        MKDIR3args {
            where_: place(),
            attributes: none()
        }
    );
    let symlink = nfs3::symlinkdata3 {
        symlink_attributes: none(),
        symlink_data: nfs3::nfspath3(Opaque::borrowed(b"there")),
    };
    refuses!(
        NFSPROC3_SYMLINK,
        SYMLINK3res,
        SYMLINK3args {
            where_: place(),
            symlink
        }
    );
    let what = nfs3::mknoddata3::NF3FIFO(none());
    refuses!(
        NFSPROC3_MKNOD,
        MKNOD3res,
        MKNOD3args {
            where_: place(),
            what
        }
    );
    refuses!(NFSPROC3_REMOVE, REMOVE3res, REMOVE3args { object: place() });
    refuses!(NFSPROC3_RMDIR, RMDIR3res, RMDIR3args { object: place() });
    refuses!(
        NFSPROC3_RENAME,
        RENAME3res,
        RENAME3args {
            from: place(),
            to: place()
        }
    );
    refuses!(
        NFSPROC3_LINK,
        LINK3res,
        LINK3args {
            file: file(),
            link: place()
        }
    );
    refuses!(
        NFSPROC3_COMMIT,
        COMMIT3res,
        COMMIT3args {
            file: file(),
            offset: 0,
            count: 0
        }
    );
    let stale = as_handle(&[1; HANDLE_BYTES]);
    let args = COMMIT3args {
        file: stale,
        offset: 0,
        count: 0,
    };
    let res: COMMIT3res = world.nfs(P::NFSPROC3_COMMIT, &args);
    assert_eq!(status(res), nfsstat3::NFS3ERR_STALE);
}

#[test]
fn truncated_writes_are_rejected_too() {
    let world = world();
    let data = Opaque::owned(vec![7; 1 << 20]);
    let args = WRITE3args {
        file: world.handle("arch/vmlinuz"),
        offset: 0,
        count: 1 << 20,
        stable: nfs3::stable_how::FILE_SYNC,
        data,
    };
    let message = world.call(100_003, 3, 7, &args);
    let stored = &message[..crate::nfs::KEPT_BYTES];
    let res: WRITE3res = world.results(&world.answer(stored).unwrap());
    assert_eq!(status(res), nfsstat3::NFS3ERR_ROFS);
}
