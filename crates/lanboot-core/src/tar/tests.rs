//! Archives made header by header; those of GNU tar are read in `tests/tar_tools.rs`.

use super::*;
use crate::vfs::{Damage, Source};

const IMAGE: ImageId = ImageId(3);

/// Returns a member with this type.
fn member(kind: u8, path: &str, link: &str, body: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
    block[136..147].copy_from_slice(b"14524770000");
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..263].copy_from_slice(b"ustar\0");
    seal(&mut block);
    let padding = body.len().next_multiple_of(BLOCK) - body.len();
    [&block[..], body, &vec![0; padding]].concat()
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 2 * BLOCK]].concat()
}

fn text(tree: &Tree, path: &str, bytes: &[u8]) -> Option<String> {
    let content = tree.file(path)?;
    assert_eq!(content.damage(), None);
    let mut out = Vec::new();
    for piece in content.pieces() {
        let Source::Image { image, offset } = piece.source else {
            panic!("{piece:?}")
        };
        assert_eq!(image, IMAGE);
        let from = usize::try_from(offset).unwrap();
        out.extend_from_slice(&bytes[from..from + usize::try_from(piece.len).unwrap()]);
    }
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn files_are_pieces_of_the_archive() {
    let bytes = archive(&[
        member(b'5', "./", "", b""),
        member(b'0', "./a/b/linux", "", b"kernel"),
        member(b'2', "./linux", "a/b/linux", b""),
        member(b'1', "./same", "./a/b/linux", b""),
        member(b'0', "/a/c", "", b"old"),
        member(b'0', "a/c", "", b"new"),
    ]);
    let found = read(IMAGE, &bytes).unwrap();
    assert_eq!(found.warnings, Vec::<String>::new());
    for (path, expected) in [
        ("a/b/linux", "kernel"),
        ("linux", "kernel"),
        ("same", "kernel"),
        ("a/c", "new"),
    ] {
        assert_eq!(text(&found.tree, path, &bytes).as_deref(), Some(expected));
    }
    let linux = found
        .tree
        .resolve(&crate::vfs::Path::parse(b"a/b/linux").unwrap());
    assert_eq!(linux.unwrap().node.meta.modified, 0o14_524_770_000);
}

#[test]
fn nothing_leaves_the_tree_and_devices_are_left_out() {
    let bytes = archive(&[
        member(b'0', "../../etc/passwd", "", b"x"),
        member(b'3', "null", "", b""),
        member(b'6', "pipe", "", b""),
        member(b'2', "out", "../../../etc", b""),
        member(b'0', "out/passwd", "", b"x"),
        member(b'2', "root", "/etc/passwd", b""),
        member(b'1', "link", "/etc/passwd", b""),
        member(b'0', "kept", "", b"k"),
    ]);
    let found = read(IMAGE, &bytes).unwrap();
    assert!(found.tree.file("kept").is_some());
    for path in ["etc/passwd", "null", "pipe", "out/passwd", "root", "link"] {
        assert!(found.tree.file(path).is_none(), "{path}");
    }
    let [said] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    assert!(
        said.starts_with("5 members (the first is '../../etc/passwd') left out"),
        "{said}"
    );
}

#[test]
fn damage_and_a_lost_end_are_refused_in_a_sentence() {
    let whole = archive(&[
        member(b'0', "a", "", &[1; 3000]),
        member(b'0', "b", "", b"b"),
    ]);
    let said = |bytes: &Vec<u8>| read(IMAGE, bytes).unwrap_err().to_string();
    for cut in [0, 100, BLOCK, 2000, 4096, whole.len() - 2 * BLOCK] {
        let said = said(&whole[..cut].to_vec());
        assert!(
            said.starts_with("is an incomplete tar archive"),
            "{cut}: {said}"
        );
    }
    let mut damaged = whole.clone();
    damaged[4096 - 512 + 3] ^= 1;
    assert!(
        said(&damaged).starts_with("is a damaged tar archive"),
        "{}",
        said(&damaged)
    );
    let mut huge = member(b'0', "a", "", b"");
    huge[124..136].copy_from_slice(&[0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    seal(&mut huge);
    assert!(said(&archive(&[huge])).starts_with("is an incomplete"));
    let record = member(b'L', "x", "", &vec![b'n'; 70_000]);
    assert!(said(&archive(&[record])).contains("more than 65536 bytes"));
    for record in [&b"8 path=a\n"[..], b"99999 path=a\n", b"x", b"8 size=x\n"] {
        let bytes = archive(&[member(b'x', "p", "", record), member(b'0', "a", "", b"")]);
        assert!(said(&bytes).starts_with("is a damaged"), "{record:?}");
    }
}

#[test]
fn sparse_files_are_never_read() {
    let pax = b"22 GNU.sparse.major=1\n";
    let bytes = archive(&[
        member(b'S', "gnu", "", b"x"),
        member(b'x', "p", "", pax),
        member(b'0', "pax", "", b"x"),
        member(b'0', "whole", "", b"x"),
    ]);
    let tree = read(IMAGE, &bytes).unwrap().tree;
    for (path, damage) in [
        ("gnu", Some(Damage::Sparse)),
        ("pax", Some(Damage::Sparse)),
        ("whole", None),
    ] {
        assert_eq!(tree.file(path).unwrap().damage(), damage, "{path}");
    }
}

#[test]
fn any_bytes_are_read_within_bounds() {
    use proptest::prelude::*;
    proptest!(|(flips in proptest::collection::vec((0usize..3072, any::<u8>()), 1..8))| {
        let mut bytes = archive(&[
            member(b'L', "l", "", b"long/name"),
            member(b'0', "a", "", b"body"),
            member(b'2', "b", "a", b""),
        ]);
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        if bytes.len() > 2 * BLOCK {
            for at in [0, 2 * BLOCK, 4 * BLOCK] {
                seal(&mut bytes[at..at + BLOCK]);
            }
        }
        let _ = read(IMAGE, &bytes);
    });
}
