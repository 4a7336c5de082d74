//! READDIR and READDIRPLUS with all sizes.

use nfs3_types::nfs3::{READDIR3args, READDIR3res, READDIRPLUS3args, READDIRPLUS3res, cookieverf3};
use proptest::prelude::*;

use super::*;

type Entry = (Vec<u8>, u64, u64);

impl World {
    fn read_directory(&self, path: &str, cookie: u64, verifier: [u8; 8], count: u32) -> Answer {
        let args = READDIR3args {
            dir: self.handle(path),
            cookie,
            cookieverf: cookieverf3(verifier),
            count,
        };
        self.nfs_answer(NFS_PROGRAM::NFSPROC3_READDIR, &args)
    }

    /// Returns all entries, listed in parts of at most `count` bytes.
    fn list(&self, path: &str, count: u32) -> Vec<Entry> {
        let mut found: Vec<Entry> = Vec::new();
        let mut verifier = [0; 8];
        loop {
            let cookie = found.last().map_or(0, |(_, cookie, _)| *cookie);
            let answer = self.read_directory(path, cookie, verifier, count);
            let results = self.reply(&answer).1;
            assert!(
                results.len() - 4 <= count as usize,
                "the status is not counted"
            );
            let ok = self.results::<READDIR3res<'_>>(&answer).unwrap();
            verifier = ok.cookieverf.0;
            let entries = ok.reply.entries.0;
            assert!(ok.reply.eof || !entries.is_empty());
            found.extend(
                entries
                    .into_iter()
                    .map(|e| (e.name.0.to_vec(), e.cookie, e.fileid)),
            );
            if ok.reply.eof {
                return found;
            }
        }
    }

    fn list_plus(&self, path: &str, dircount: u32, maxcount: u32) -> Vec<Entry> {
        let mut found: Vec<Entry> = Vec::new();
        let mut verifier = cookieverf3([0; 8]);
        loop {
            let cookie = found.last().map_or(0, |(_, cookie, _)| *cookie);
            let args = READDIRPLUS3args {
                dir: self.handle(path),
                cookie,
                cookieverf: verifier,
                dircount,
                maxcount,
            };
            let answer = self.nfs_answer(NFS_PROGRAM::NFSPROC3_READDIRPLUS, &args);
            assert!(self.reply(&answer).1.len() - 4 <= maxcount as usize);
            let ok = self.results::<READDIRPLUS3res<'_>>(&answer).unwrap();
            verifier = ok.cookieverf;
            for entry in ok.reply.entries.0 {
                let attributes = entry.name_attributes.unwrap();
                assert_eq!(attributes.fileid, entry.fileid);
                let name = entry.name.0.to_vec();
                let node = NodeId(u32::try_from(entry.fileid - 1).unwrap());
                assert_eq!(entry.name_handle.unwrap(), self.handle_of(node));
                found.push((name, entry.cookie, entry.fileid));
            }
            if ok.reply.eof {
                return found;
            }
        }
    }
}

fn names(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|(name, ..)| name.as_slice()).collect()
}

#[test]
fn every_name_is_listed_once_for_every_count() {
    let world = world();
    let whole = world.list("many", 1 << 20);
    assert_eq!(whole.len(), MANY + 2);
    assert_eq!(names(&whole)[..2], [&b"."[..], b".."]);
    assert!(names(&whole)[2..].is_sorted());
    // The longest entry takes 24 bytes and a name of 99, padded; the reply around it 104.
    for count in (228..700).chain([1024, 4096, 8192, 65536, u32::MAX]) {
        assert_eq!(world.list("many", count), whole, "count {count}");
    }
    let whole_plus = world.list_plus("many", 1 << 20, 1 << 20);
    assert_eq!(whole_plus, whole);
    for maxcount in (368..1000).step_by(7).chain([4096, 32768, u32::MAX]) {
        for dircount in [0, 1, 130, 512, maxcount] {
            assert_eq!(world.list_plus("many", dircount, maxcount), whole);
        }
    }
}

#[test]
fn dot_entries_are_correct() {
    let world = world();
    let number = |path: &str, name: &[u8]| {
        let found = world.list(path, 4096);
        found.iter().find(|(n, ..)| n == name).unwrap().2
    };
    assert_eq!(number("", b"."), 1);
    assert_eq!(number("", b".."), 1, "the root is its own parent");
    assert_eq!(number("arch", b".."), 1);
    assert_eq!(number("arch", b"."), number("", b"arch"));
}

#[test]
fn a_count_too_small_for_one_entry_is_refused() {
    let world = world();
    for count in [0, 1, 104, 131] {
        let answer = world.read_directory("many", 0, [0; 8], count);
        let small = status(world.results::<READDIR3res<'_>>(&answer));
        assert_eq!(small, nfsstat3::NFS3ERR_TOOSMALL, "{count}");
    }
    // Enough for the dots but not for the next entry.
    let answer = world.read_directory("many", 98, [0; 8], 150);
    let small = status(world.results::<READDIR3res<'_>>(&answer));
    assert_eq!(small, nfsstat3::NFS3ERR_TOOSMALL);
}

#[test]
fn foreign_cookies_are_rejected() {
    let world = world();
    let last = world.list("many", 4096).last().unwrap().1;
    let ask = |cookie, verifier| {
        let answer = world.read_directory("many", cookie, verifier, 4096);
        world.results::<READDIR3res<'_>>(&answer)
    };
    let end = ask(last, [0; 8]).unwrap();
    assert!(end.reply.eof && end.reply.entries.0.is_empty());
    let own = end.cookieverf.0;
    assert_ne!(own, [0; 8]);
    assert_eq!(ask(5, own).unwrap().cookieverf.0, own);
    assert_eq!(status(ask(5, [0; 8])), nfsstat3::NFS3_OK);
    assert_eq!(status(ask(5, [3; 8])), nfsstat3::NFS3ERR_BAD_COOKIE);
    // At the start of a listing the verifier is ignored.
    assert_eq!(status(ask(0, [3; 8])), nfsstat3::NFS3_OK);
    assert_eq!(status(ask(last + 1, own)), nfsstat3::NFS3ERR_BAD_COOKIE);
    assert_eq!(status(ask(u64::MAX, own)), nfsstat3::NFS3ERR_BAD_COOKIE);
    let answer = world.read_directory("link", 0, own, 4096);
    let link = status(world.results::<READDIR3res<'_>>(&answer));
    assert_eq!(link, nfsstat3::NFS3ERR_NOTDIR);
}

#[test]
fn over_udp_a_listing_fits_a_datagram() {
    let mut world = world();
    world.over = Over::Udp;
    let answer = world.read_directory("many", 0, [0; 8], u32::MAX);
    assert!(world.wire(&answer).len() < 9000);
    assert_eq!(world.list("many", u32::MAX).len(), MANY + 2);
}

proptest! {
    #[test]
    fn folders_are_listed_completely(
        names in proptest::collection::btree_set(proptest::collection::vec(1..=255u8, 1..60), 0..80),
        counts in proptest::collection::vec(200..2000u32, 1..4),
    ) {
        let mut tree = TreeBuilder::new(Meta::default());
        let mut expected: Vec<Vec<u8>> = vec![b".".to_vec(), b"..".to_vec()];
        for name in names {
            let file = Kind::File(Content::memory(*b""));
            if tree.add(Tree::ROOT, &name, file, Meta::default()).is_ok() {
                expected.push(name);
            }
        }
        let world = World { tree: tree.build(), ..world() };
        for count in counts {
            let found = world.list("", count);
            prop_assert_eq!(found.iter().map(|e| e.0.clone()).collect::<Vec<_>>(), expected.clone());
            let found = world.list_plus("", count, count + 200);
            prop_assert_eq!(found.iter().map(|e| e.0.clone()).collect::<Vec<_>>(), expected.clone());
        }
    }
}
