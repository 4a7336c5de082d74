//! Archives are read back entry by entry, and by this crate's own reader.

use proptest::prelude::*;

use super::*;
use crate::initramfs::list;
use crate::vfs::{ImageId, Source};

/// An entry as the format has it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    mode: u32,
    owner: [u32; 2],
    links: u32,
    modified: u32,
    body: Vec<u8>,
}

fn file(path: &str, text: &str) -> Member {
    Member {
        path: path.into(),
        kind: MemberKind::File {
            content: Content::memory(text.as_bytes()),
            is_executable: false,
        },
        modified: 7,
    }
}

/// The bytes of an archive; those of images are zeros.
fn bytes(content: &Content) -> Vec<u8> {
    let piece = |piece: &Piece| match piece.memory() {
        Some(memory) => memory.to_vec(),
        None => vec![0; usize::try_from(piece.len).unwrap()],
    };
    content.pieces().iter().flat_map(piece).collect()
}

/// Reads every entry, the last one excepted.
fn entries(archive: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut inodes = BTreeSet::new();
    loop {
        let header = &archive[at..at + HEADER];
        assert_eq!(&header[..6], b"070701");
        let number = |index: usize| {
            let digits = &header[6 + index * 8..][..8];
            u32::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
        };
        let (name, len) = (number(11) as usize, number(6) as usize);
        let path = &archive[at + HEADER..][..name];
        assert_eq!(path.iter().position(|byte| *byte == 0), Some(name - 1));
        let path = String::from_utf8(path[..name - 1].to_vec()).unwrap();
        let begin = (at + HEADER + name).next_multiple_of(4);
        at = (begin + len).next_multiple_of(4);
        if path == TRAILER {
            assert_eq!((at, len), (archive.len(), 0));
            return found;
        }
        assert!(inodes.insert(number(0)), "one number, one file");
        found.push(Entry {
            path,
            mode: number(1),
            owner: [number(2), number(3)],
            links: number(4),
            modified: number(5),
            body: archive[begin..begin + len].to_vec(),
        });
    }
}

#[test]
fn folders_come_before_what_is_in_them_and_everything_belongs_to_root() {
    let members = [
        file("a/b/c", "12345"),
        Member {
            path: "a/hook".into(),
            kind: MemberKind::File {
                content: Content::memory(*b"#!"),
                is_executable: true,
            },
            modified: 9,
        },
        Member {
            path: "a/link".into(),
            kind: MemberKind::Link("b/c".into()),
            modified: 0,
        },
    ];
    let entry = |path: &str, mode, links, modified, body: &str| Entry {
        path: path.into(),
        mode,
        owner: [0, 0],
        links,
        modified,
        body: body.into(),
    };
    let expected = [
        entry("a", 0o040_755, 2, 7, ""),
        entry("a/b", 0o040_755, 2, 7, ""),
        entry("a/b/c", 0o100_644, 1, 7, "12345"),
        entry("a/hook", 0o100_755, 1, 9, "#!"),
        entry("a/link", 0o120_777, 1, 0, "b/c"),
    ];
    assert_eq!(entries(&bytes(&write(&members).unwrap())), expected);
}

#[test]
fn folders_that_may_be_links_are_left_alone() {
    let members = [file("lib/live/boot/0001", "x"), file("usr/lib/x", "y")];
    let archive = bytes(&write(&members).unwrap());
    let paths: Vec<String> = entries(&archive).into_iter().map(|e| e.path).collect();
    let expected = [
        "lib/live",
        "lib/live/boot",
        "lib/live/boot/0001",
        "usr",
        "usr/lib",
        "usr/lib/x",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn an_image_stays_where_it_is() {
    let image = Content::in_image(ImageId(3), 0, 0xffff_ffff);
    let member = |content: Content| Member {
        path: "proxmox.iso".into(),
        kind: MemberKind::File {
            content,
            is_executable: false,
        },
        modified: 0,
    };
    let archive = write(&[member(image)]).unwrap();
    let [head, body, end] = archive.pieces() else {
        panic!("{archive:?}")
    };
    let source = Source::Image {
        image: ImageId(3),
        offset: 0,
    };
    assert_eq!((&body.source, body.len), (&source, 0xffff_ffff));
    assert_eq!(head.len % 4, 0);
    assert!(head.memory().unwrap().windows(8).any(|w| w == b"FFFFFFFF"));
    // One byte of padding, then the last entry.
    assert_eq!(end.memory().unwrap()[..7], *b"\x00070701");
    let image = Content::in_image(ImageId(3), 0, 0x1_0000_0000);
    let error = write(&[member(image)]).unwrap_err().to_string();
    let expected =
        "/proxmox.iso has 4294967296 bytes, and a file in an initramfs has less than 4 GiB";
    assert_eq!(error, expected);
}

#[test]
fn what_cannot_be_read_damages_the_archive() {
    let cut = Content::new(Piece::of_image(ImageId(1), 0, 50, 20));
    let member = Member {
        kind: MemberKind::File {
            content: cut,
            is_executable: false,
        },
        ..file("a", "")
    };
    assert!(write(&[member]).unwrap().damage().is_some());
}

#[test]
fn what_is_no_path_is_refused() {
    let long = "x".repeat(MAX_PATH + 1);
    for path in [
        "", "/a", "a/", "a//b", ".", "a/../b", "a\0b", TRAILER, &long,
    ] {
        let error = write(&[file(path, "")]).unwrap_err();
        assert_eq!(error, Unwritable::Path(path.into()));
    }
    assert!(write(&[file(&long[1..], "")]).is_ok());
    for (one, other, twice) in [("a", "a", "a"), ("a/b", "a", "a"), ("a", "a/b", "a")] {
        let error = write(&[file(one, ""), file(other, "")]).unwrap_err();
        assert_eq!(error, Unwritable::Twice(twice.into()));
    }
    let many: Vec<Member> = (0..=MAX_MEMBERS)
        .map(|n| file(&n.to_string(), ""))
        .collect();
    assert_eq!(write(&many), Err(Unwritable::TooMany));
    assert!(write(&many[1..]).is_ok());
}

proptest! {
    #[test]
    fn every_archive_can_be_read_back(
        files in prop::collection::btree_map("[a-z]{1,3}(/[a-z]{1,3}){0,3}", ".{0,9}", 0..9)
    ) {
        let members: Vec<Member> = files.iter().map(|(path, text)| file(path, text)).collect();
        let Ok(archive) = write(&members) else {
            let is_folder = |path: &String| files.keys().any(|p| p.starts_with(&format!("{path}/")));
            prop_assert!(files.keys().any(is_folder));
            return Ok(());
        };
        let archive = bytes(&archive);
        prop_assert_eq!(archive.len() % 4, 0);
        prop_assert!(list(&archive[..]).is_ok());
        let found = entries(&archive);
        for (at, entry) in found.iter().enumerate() {
            let folder = entry.path.rsplit_once('/').map(|(folder, _)| folder);
            let is_there = |f: &str| ALWAYS_THERE.contains(&f) || found[..at].iter().any(|e| e.path == f);
            prop_assert!(folder.is_none_or(is_there), "{}", entry.path);
            prop_assert_eq!(entry.owner, [0, 0]);
        }
        let read: Vec<(&String, &[u8])> = found.iter()
            .filter(|entry| entry.mode == 0o100_644)
            .map(|entry| (&entry.path, &entry.body[..]))
            .collect();
        let expected: Vec<(&String, &[u8])> = files.iter().map(|(p, t)| (p, t.as_bytes())).collect();
        prop_assert_eq!(read, expected);
    }
}
