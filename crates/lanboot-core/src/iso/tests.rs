//! Malformed and unusual images.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::time::Instant;

use super::builder::{
    DIRECTORY, IsoBuilder, MULTI_EXTENT, ROOT, both, ce, descriptor, file, folder, nm, posix,
    record, susp,
};
use super::storage::SECTOR_BYTES;
use super::*;
use crate::cpu;
use crate::vfs::{Damage, ImageId, Kind, MAX_NODES, Meta, NodeId, Path, Piece, Source};

const IMAGE: ImageId = ImageId(3);

fn medium(builder: &IsoBuilder) -> Medium {
    let medium = read(IMAGE, &builder.image).unwrap();
    assert_inside(&medium, builder.image.len() as u64);
    medium
}

fn error(image: &[u8]) -> String {
    read(IMAGE, &image.to_vec()).unwrap_err().to_string()
}

/// Builds an image whose root directory has these records.
fn with(records: &[Vec<u8>]) -> IsoBuilder {
    let mut builder = IsoBuilder::new();
    builder.directory(ROOT, records);
    builder
}

/// Asserts that no piece of any file lies outside the image.
fn assert_inside(medium: &Medium, len: u64) {
    let files = (0..u32::try_from(medium.tree.len()).unwrap()).filter_map(|n| {
        match &medium.tree.node(NodeId(n))?.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    });
    for content in files.chain(medium.boot.iter().map(|entry| &entry.content)) {
        for Piece { source, len: n } in content.pieces() {
            match source {
                Source::Image { image, offset } => {
                    assert_eq!(*image, IMAGE);
                    assert!(offset + n <= len, "{offset} + {n} > {len}");
                }
                Source::Missing(_) => assert!(content.damage().is_some()),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn names(medium: &Medium) -> Vec<String> {
    let mut all = Vec::new();
    let mut todo = vec![(String::new(), Tree::ROOT)];
    while let Some((path, id)) = todo.pop() {
        for (name, child) in medium.tree.entries(id) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            all.push(path.clone());
            todo.push((path, *child));
        }
    }
    all.sort();
    all
}

#[test]
fn errors_are_one_clause() {
    assert_eq!(error(&[]), "is empty");
    assert_eq!(
        error(&[0; 100]),
        "is not an ISO 9660 image (100 bytes end before the volume descriptor at sector 16 would)"
    );
    assert_eq!(
        error(&[0x5a; 100_000]),
        "is not an ISO 9660 image (no volume descriptor at sector 16)"
    );
    let mut udf = vec![0; 100_000];
    udf[16 * 2048 + 1..16 * 2048 + 6].copy_from_slice(b"BEA01");
    udf[17 * 2048 + 1..17 * 2048 + 6].copy_from_slice(b"NSR03");
    assert_eq!(
        error(&udf),
        "is not an ISO 9660 image: it holds only a UDF file system (no ISO 9660 descriptor at sector 16)"
    );
    let mut builder = with(&[]);
    builder.poke(16 * 2048, &[9]);
    assert_eq!(
        error(&builder.image),
        "has no primary volume descriptor among the descriptors at sector 16"
    );
    let mut builder = with(&[]);
    builder.poke(16 * 2048 + 128, &[0, 16]);
    assert_eq!(
        error(&builder.image),
        "has a logical block size of 4096 bytes in its volume descriptor, not 512, 1024 or 2048"
    );
}

#[test]
fn descriptor_without_a_root_is_an_error() {
    let mut builder = with(&[]);
    builder.poke(16 * 2048 + 158, &[0; 4]);
    assert_eq!(
        error(&builder.image),
        "has a volume descriptor that names no root directory"
    );
}

#[test]
fn root_record_length_and_name_are_ignored() {
    let whole = with(&[file("a", 30, 5)]);
    let expected = medium(&whole).tree;
    // CSRG's CDs say 68, others 0; the field has 34 bytes.
    for len in [0, 33, 68, 255] {
        let mut builder = whole.clone();
        builder.poke(16 * 2048 + 156, &[len]);
        assert_eq!(medium(&builder).tree, expected, "{len}");
        builder.poke(16 * 2048 + 156 + 32, &[0, 7]);
        assert_eq!(medium(&builder).tree, expected, "{len}");
    }
}

#[test]
fn directory_length_comes_from_its_own_record() {
    let many: Vec<_> = (0..60).map(|n| file(&format!("f{n:02}"), 30, 1)).collect();
    let mut builder = with(&[folder("d", 24)]);
    let sectors = builder.directory(24, &many);
    assert!(sectors > 2);
    builder.put(30, b"x");
    // The record in the root states one sector, the folder's own all of them.
    assert_eq!(names(&medium(&builder)).len(), 61);
    let own = 24 * 2048 + 10;
    for (len, expected) in [
        (2048u32, 22..25),
        // Zero or more than there is: the record in the root counts.
        (0, 22..25),
        (u32::MAX, 22..25),
    ] {
        let mut builder = builder.clone();
        builder.poke(own, &len.to_le_bytes());
        let found = names(&medium(&builder)).len();
        assert!(expected.contains(&found), "{len}: {found}");
    }
    // The root, and the record in the volume descriptor.
    let mut root = with(&many);
    root.put(30, b"x");
    for len in [0u32, 34, 2048, u32::MAX] {
        root.poke(16 * 2048 + 166, &len.to_le_bytes());
        assert_eq!(names(&medium(&root)).len(), 60, "{len}");
    }
}

#[test]
fn two_records_of_one_directory_are_two_names_for_it() {
    let mut builder = with(&[folder("a", 21), folder("b", 21)]);
    builder.directory(21, &[file("f", 30, 5), folder("c", 22)]);
    builder.directory(22, &[folder("up", 21)]);
    builder.put(30, b"hello");
    let found = medium(&builder);
    assert_eq!(
        names(&found),
        [
            "/a", "/a/c", "/a/c/up", "/a/f", "/b", "/b/c", "/b/c/up", "/b/f"
        ]
    );
    assert_eq!(found.tree.file("a/f"), found.tree.file("b/f"));
    assert_eq!(
        found.warnings,
        [
            "has a folder that leads back to a parent folder: '/a/c/up'",
            "has a folder that leads back to a parent folder: '/b/c/up'",
        ]
    );
}

#[test]
fn exponentially_branching_directories_are_bounded() {
    let mut builder = with(&[folder("0", 21), folder("1", 21)]);
    for n in 21..90 {
        builder.directory(n, &[folder("0", n + 1), folder("1", n + 1)]);
    }
    builder.directory(90, &[]);
    let started = Instant::now();
    let found = medium(&builder);
    assert!(found.tree.len() < 10_000, "{}", found.tree.len());
    let has_warning = |text: &str| found.warnings.iter().any(|w| w.contains(text));
    assert!(
        has_warning("is too damaged to be read on"),
        "{:?}",
        found.warnings
    );
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn an_image_cut_in_its_root_directory_is_an_error() {
    let whole = with(&[file("a", 30, 5)]).image;
    for len in [
        ROOT as usize * 2048,
        ROOT as usize * 2048 + 1,
        whole.len() - 1,
    ] {
        assert_eq!(
            error(&whole[..len]),
            format!(
                "is cut short: the root directory at byte 40960 reaches past the end \
                 (file has {len} bytes)"
            )
        );
    }
    let mut huge = with(&[]);
    huge.poke(16 * 2048 + 166, &[0xff; 4]);
    huge.poke(ROOT as usize * 2048 + 10, &[0xff; 4]);
    assert!(error(&huge.image).starts_with("is cut short: the root directory"));
    let mut far = with(&[]);
    far.poke(16 * 2048 + 158, &[0xff; 4]);
    assert!(error(&far.image).starts_with("is cut short: the root directory"));
    let mut other = with(&[]);
    other.poke(ROOT as usize * 2048, &[0; 2048]);
    assert_eq!(
        error(&other.image),
        "is damaged: the root directory at byte 40960 does not start with its own record"
    );
}

#[test]
fn label_uuid_modes_and_times_are_read() {
    let mut builder = with(&[file("kernel", 21, 5), folder("boot", 22)]);
    builder.put(21, b"hello");
    builder.directory(22, &[]);
    let medium = medium(&builder);
    assert_eq!(medium.label, "BUILDER");
    assert_eq!(medium.uuid.as_deref(), Some("2026-03-01-12-34-56-00"));
    assert_eq!(medium.naming, Naming::RockRidge);
    assert_eq!(medium.warnings, Vec::<String>::new());
    assert_eq!(
        medium.tree.file("kernel"),
        Some(&Content::in_image(IMAGE, 21 * 2048, 5))
    );
    let path = Path::parse(b"kernel").unwrap();
    let meta = Meta {
        mode: 0o644,
        uid: 1000,
        gid: 100,
        modified: 1_772_368_496,
        links: 1,
    };
    assert_eq!(medium.tree.resolve(&path).unwrap().node.meta, meta);
    assert!(medium.tree.is_directory("boot"));
}

#[test]
fn files_past_the_end_keep_their_length_and_cannot_be_read() {
    let mut builder = with(&[
        file("whole", 21, 2048),
        file("half", 21, 5000),
        file("gone", 0xffff_fff0, 9),
        file("huge", 21, u32::MAX),
        file("empty", 0xffff_ffff, 0),
    ]);
    builder.put(21, &[1; 2048]);
    let medium = medium(&builder);
    let has = |path| {
        let content = medium.tree.file(path).unwrap();
        (content.len(), content.damage())
    };
    let lacks = |recorded, present| {
        let damage = Damage::Incomplete { present, recorded };
        (recorded, Some(damage))
    };
    assert_eq!(
        ["whole", "half", "gone", "huge", "empty"].map(has),
        [
            (2048, None),
            lacks(5000, 2048),
            lacks(9, 0),
            lacks(u32::MAX.into(), 2048),
            (0, None)
        ]
    );
    assert_eq!(
        medium.len,
        builder.image.len() as u64,
        "the descriptor says nothing"
    );
    assert_eq!(
        medium.warnings,
        [
            "is incomplete: 3 files (the first is '/half') would end past the end (file has 45056 \
             bytes)"
        ]
    );
}

#[test]
fn directory_loops_end_with_a_warning() {
    let mut builder = with(&[folder("up", ROOT), folder("a", 21), folder("huge", 23)]);
    builder.directory(21, &[folder("b", 22), folder("self", 21)]);
    builder.directory(22, &[folder("a", 21), file("file", 0, 0)]);
    let root = builder.image[ROOT as usize * 2048..].to_vec();
    let at = root.windows(4).position(|w| w == b"huge").unwrap() - 5 - 36 - 34;
    assert_eq!(root[at + 2], 23);
    builder.poke(ROOT as usize * 2048 + at + 10, &[0xff; 4]);
    builder.directory(23, &[file("last", 0, 0)]);
    builder.poke(23 * 2048 + 10, &[0xff; 4]);
    let medium = medium(&builder);
    assert_eq!(
        names(&medium),
        [
            "/a",
            "/a/b",
            "/a/b/a",
            "/a/b/file",
            "/a/self",
            "/huge",
            "/huge/last",
            "/up"
        ]
    );
    assert_eq!(
        medium.warnings,
        [
            "has a folder that leads back to a parent folder: '/up'",
            "has a folder that leads back to a parent folder: '/a/self'",
            "is cut short: the folder '/huge' at byte 47104 reaches past the end (file has 49152 \
             bytes)",
            "has a folder that leads back to a parent folder: '/a/b/a'",
        ]
    );
}

#[test]
fn moved_directories_are_put_back_and_cannot_loop() {
    let cl = |name: &str, block| {
        let susp = [
            posix(0o040_700),
            nm(name.as_bytes()),
            susp(b"CL", &both(block)),
        ]
        .concat();
        record(b"C", 21, 0, 0, &susp)
    };
    let moved = |name: &str, block| {
        let susp = [posix(0o040_700), nm(name.as_bytes()), susp(b"RE", b"")].concat();
        record(b"M", block, 2048, DIRECTORY, &susp)
    };
    let mut builder = with(&[folder("a", 21), folder("rr_moved", 22)]);
    builder.directory(
        21,
        &[
            cl("deep", 23),
            cl("back", 21),
            cl("nowhere", 24),
            cl("far", u32::MAX),
        ],
    );
    builder.directory(22, &[moved("deep", 23)]);
    builder.directory(23, &[file("x", 24, 1)]);
    builder.put(24, b"x");
    let found = medium(&builder);
    // rr_moved had no other entries.
    assert_eq!(names(&found), ["/a", "/a/back", "/a/deep", "/a/deep/x"]);
    assert_eq!(found.warnings.len(), 3, "{:?}", found.warnings);
    // With an entry of its own, it is listed.
    builder.directory(22, &[moved("deep", 23), file("own", 24, 1)]);
    let found = medium(&builder);
    assert!(found.tree.file("rr_moved/own").is_some());
    assert_eq!(found.tree.file("rr_moved/deep/x"), None);
}

#[test]
fn bad_continuation_areas_are_bounded() {
    let with_ce = |name: &str, ce: Vec<u8>| {
        record(
            b"F.;1",
            21,
            1,
            0,
            &[posix(0o100_644), nm(name.as_bytes()), ce].concat(),
        )
    };
    let mut builder = with(&[
        with_ce("loops", ce(22, 0, 28)),
        with_ce("far", ce(u32::MAX, u32::MAX, 28)),
        with_ce("huge", ce(22, 0, u32::MAX)),
        with_ce("none", ce(22, 0, 0)),
        file("fine", 21, 1),
    ]);
    builder.put(21, b"x");
    builder.put(22, &ce(22, 0, 28));
    let medium = medium(&builder);
    assert_eq!(
        names(&medium),
        ["/far", "/fine", "/huge", "/loops", "/none"]
    );
    assert_eq!(
        medium.warnings,
        ["is damaged: 3 names (the first is '/loops') with unreadable Rock Ridge entries"]
    );
}

#[test]
fn a_name_can_be_spread_over_continuation_areas() {
    let part = |flags: u8, text: &[u8]| susp(b"NM", &[&[flags], text].concat());
    let first = [posix(0o100_644), part(1, b"one-"), ce(22, 100, 36)].concat();
    let mut builder = with(&[record(b"F.;1", 21, 1, 0, &first)]);
    builder.put(21, b"x");
    builder.put(22, &vec![0; 4096]);
    builder.poke(22 * 2048 + 100, &[part(1, b"two"), ce(23, 7, 9)].concat());
    builder.poke(23 * 2048 + 7, &part(0, b"-end"));
    let medium = medium(&builder);
    assert_eq!(names(&medium), ["/one-two-end"]);
    assert_eq!(medium.warnings, Vec::<String>::new());
}

#[test]
fn a_damaged_record_costs_the_rest_of_its_sector_only() {
    let many: Vec<_> = (0..60).map(|n| file(&format!("f{n:02}"), 30, 1)).collect();
    let mut builder = with(&many);
    builder.put(30, b"x");
    let all = names(&medium(&builder)).len();
    assert_eq!(all, 60);
    // The first record of the second sector is now shorter than any record.
    builder.poke((ROOT as usize + 1) * 2048, &[20]);
    let medium = medium(&builder);
    let left = names(&medium).len();
    assert!((20..60).contains(&left), "{left}");
    assert_eq!(
        medium.warnings,
        ["is damaged: a record in the folder '/' makes no sense"]
    );
    assert!(medium.tree.file("f00").is_some());
    assert!(medium.tree.file("f59").is_some());
    // A length of zero is padding: reading continues at the next sector.
    builder.poke((ROOT as usize + 1) * 2048, &[0]);
    assert_eq!(names(&self::medium(&builder)).len(), left);
}

#[test]
fn links_are_text_and_stay_inside_the_tree() {
    let link = |name: &str, components: &[u8]| {
        let susp = [
            posix(0o120_777),
            nm(name.as_bytes()),
            susp(b"SL", components),
        ]
        .concat();
        record(b"L.;1", 0, 0, 0, &susp)
    };
    let mut builder = with(&[
        file("passwd", 21, 1),
        link("up", b"\0\x04\0\x04\0\x04\0\0\x06passwd"),
        link("slashes", b"\0\0\x0f../../../passwd"),
        link("root", b"\0\x08\0\0\x06passwd"),
        link("loop", b"\0\0\x04loop"),
        link("nul", b"\0\0\x02a\0"),
        link("none", b"\0"),
        link("short", b"\0\0\xffabc"),
    ]);
    builder.put(21, b"x");
    let medium = medium(&builder);
    let file = medium.tree.file("passwd");
    assert!(file.is_some());
    for path in ["up", "slashes", "root"] {
        assert_eq!(medium.tree.file(path), file, "{path}");
    }
    assert_eq!(medium.tree.file("loop"), None);
    assert_eq!(
        names(&medium),
        ["/loop", "/passwd", "/root", "/slashes", "/up"]
    );
    assert_eq!(
        medium.warnings,
        ["is damaged: 4 names (the first is '/nul') with unreadable Rock Ridge entries"]
    );
}

#[test]
fn unservable_names_are_left_out() {
    let mut builder = with(&[
        file("..", 21, 1),
        file("a/b", 21, 1),
        file("a\0b", 21, 1),
        file("\x1b[2J", 21, 1),
        file("", 21, 1),
    ]);
    builder.put(21, b"x");
    let medium = medium(&builder);
    // An escape sequence is a valid name; an empty one falls back to the plain name.
    assert_eq!(names(&medium), ["/\x1b[2J", "/F"]);
    assert_eq!(medium.warnings.len(), 3);
    assert!(medium.warnings[2].ends_with("left out: '/a?b'"));
}

#[test]
fn extents_of_one_file_are_joined() {
    let part = |name: &[u8], block, len, flags| {
        record(
            name,
            block,
            len,
            flags,
            &[posix(0o100_600), nm(b"big")].concat(),
        )
    };
    let mut builder = with(&[
        part(b"BIG.;1", 21, 2048, MULTI_EXTENT),
        part(b"BIG.;1", 22, 2048, MULTI_EXTENT),
        part(b"BIG.;1", 30, 7, 0),
        record(
            b"CUT.;1",
            21,
            2048,
            MULTI_EXTENT,
            &[posix(0o100_600), nm(b"cut")].concat(),
        ),
    ]);
    builder.put(30, b"the end");
    let medium = medium(&builder);
    let content = medium.tree.file("big").unwrap();
    assert_eq!(content.len(), 4103);
    assert_eq!((content.pieces().len(), content.damage()), (2, None));
    let cut = medium.tree.file("cut").unwrap();
    assert_eq!(cut.damage(), Some(Damage::ExtentMissing));
    assert_eq!(
        medium.warnings,
        ["is damaged: the last extent of '/cut' is missing from its folder"]
    );
}

#[test]
fn devices_are_left_out_and_compressed_files_reported() {
    let special = |name: &str, mode| {
        record(
            b"S.;1",
            0,
            0,
            0,
            &[posix(mode), nm(name.as_bytes())].concat(),
        )
    };
    let zisofs = [
        posix(0o100_644),
        nm(b"z"),
        susp(b"ZF", b"pz\x04\x0f\x07\0\0\0\0\0\0\x07"),
    ]
    .concat();
    let mut builder = with(&[
        special("null", 0o020_666),
        special("pipe", 0o010_666),
        record(b"Z.;1", 21, 1, 0, &zisofs),
    ]);
    builder.put(21, b"x");
    let medium = medium(&builder);
    assert_eq!(names(&medium), ["/z"]);
    // Has its unpacked length, as on Linux, and never the compressed bytes.
    let content = medium.tree.file("z").unwrap();
    assert_eq!((content.len(), content.damage()), (7, Some(Damage::Zisofs)));
    assert_eq!(
        medium.warnings,
        [
            "has 2 device files or pipes (the first is '/null'), left out",
            "has 1 file ('/z') compressed by zisofs, which is not unpacked: reading is an error",
        ]
    );
}

#[test]
fn directories_too_deep_to_serve_are_not_entered() {
    let mut builder = with(&[folder("d", 21)]);
    for n in 21..400 {
        builder.directory(n, &[folder("d", n + 1)]);
    }
    builder.directory(400, &[]);
    let medium = medium(&builder);
    assert_eq!(names(&medium).len(), Path::MAX_NAMES);
    assert_eq!(medium.warnings.len(), 1);
    assert!(medium.warnings[0].starts_with("has a folder that is too deep to be asked for: '/d/"));
}

#[test]
fn without_rock_ridge_joliet_is_used_and_without_joliet_plain_names() {
    let mut builder = IsoBuilder::new();
    let dots = |sector| record(&[0], sector, 2048, DIRECTORY, &[]);
    let plain = [dots(ROOT), record(b"README.;1", 22, 1, 0, &[])].concat();
    builder.put(ROOT, &plain);
    builder.put(22, b"x");
    let found = medium(&builder);
    assert_eq!(found.naming, Naming::Plain);
    assert_eq!(names(&found), ["/README"]);
    let mut joliet = descriptor(2, 21);
    joliet[88..91].copy_from_slice(b"%/E");
    builder.put(17, &joliet);
    let mut end = descriptor(255, 0);
    end.truncate(7);
    builder.put(18, &end);
    let name: Vec<u8> = "Lies mich ☺;1"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    builder.put(21, &[dots(21), record(&name, 22, 1, 0, &[])].concat());
    let found = medium(&builder);
    assert_eq!(found.naming, Naming::Joliet);
    assert_eq!(names(&found), ["/Lies mich ☺"]);
    assert_eq!(found.warnings, Vec::<String>::new());
    // Each tree stands in for the other.
    let mut broken = builder.clone();
    broken.poke(21 * 2048, &[0]);
    let found = medium(&broken);
    assert_eq!(found.naming, Naming::Plain);
    assert_eq!(
        found.warnings,
        [
            "in one of its two directory trees, is damaged: the root directory at byte 43008 does \
             not start with its own record"
        ]
    );
    builder.poke(ROOT as usize * 2048, &[0]);
    let found = medium(&builder);
    assert_eq!(found.naming, Naming::Joliet);
    assert_eq!(found.warnings.len(), 1);
}

#[test]
fn rock_ridge_behind_cd_xa_bytes_is_found() {
    let mut builder = IsoBuilder::new();
    let xa = [7; 14];
    let own = [&xa[..], &susp(b"SP", &[0xbe, 0xef, 14]), &posix(0o040_555)].concat();
    let name = [&xa[..], &posix(0o100_644), &nm(b"name")].concat();
    let records = [
        record(&[0], ROOT, 2048, DIRECTORY, &own),
        record(b"F.;1", 21, 1, 0, &name),
    ];
    builder.put(ROOT, &records.concat());
    builder.put(21, b"x");
    let medium = medium(&builder);
    assert_eq!(medium.naming, Naming::RockRidge);
    assert_eq!(names(&medium), ["/name"]);
}

#[test]
fn blocks_may_be_smaller_than_sectors() {
    let mut builder = IsoBuilder::new();
    builder.poke(16 * 2048 + 128, &512u16.to_le_bytes());
    // The root starts in the third quarter of sector 20, so it has two quarters there.
    let root = 20 * 4 + 2;
    builder.poke(16 * 2048 + 158, &u32::to_le_bytes(root));
    builder.poke(16 * 2048 + 166, &2048u32.to_le_bytes());
    builder.put(22, &[1; 2048]);
    let own = record(&[0], root, 2048, DIRECTORY, &[]);
    builder.poke(
        root as usize * 512,
        &[own, record(b"A.;1", 22 * 4 + 1, 3, 0, &[])].concat(),
    );
    builder.poke(21 * 2048, &record(b"B.;1", 22 * 4 + 3, 512, 0, &[]));
    let medium = medium(&builder);
    assert_eq!(names(&medium), ["/A", "/B"]);
    let a = Content::in_image(IMAGE, 22 * 2048 + 512, 3);
    assert_eq!(medium.tree.file("A"), Some(&a));
    assert_eq!(medium.warnings, Vec::<String>::new());
}

#[test]
fn boot_image_past_the_end_is_reported() {
    let mut builder = with(&[file("bios.img", 31, 9)]);
    builder.put(17, &el_torito(30));
    builder.put(
        30,
        &catalog(&[(0, 4, 31), (0xef, 0, 32), (1, 9, 0x00ff_ffff)]),
    );
    builder.put(31, &[1; 4096]);
    let found = medium(&builder);
    let warnings: Vec<_> = found
        .boot
        .iter()
        .map(|e| (e.platform, e.bootable, e.content.len()))
        .collect();
    assert_eq!(
        warnings,
        [
            (Platform::Bios, true, 9),
            (Platform::Uefi, true, 2048),
            (Platform::Other(1), true, 4608)
        ]
    );
    assert_eq!(
        found.warnings,
        ["has a boot image at byte 34359736320 that is incomplete: 0 of 4608 bytes"]
    );
    builder.put(30, &[0; 2048]);
    let found = medium(&builder);
    assert!(found.boot.is_empty());
    assert_eq!(found.warnings, ["has a damaged boot catalog at byte 61440"]);
    builder.put(17, &el_torito(u32::MAX));
    assert_eq!(medium(&builder).warnings.len(), 1);
}

fn el_torito(catalog: u32) -> Vec<u8> {
    let mut bytes = descriptor(0, 0);
    bytes[7..39].fill(0);
    bytes[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    bytes[71..75].copy_from_slice(&catalog.to_le_bytes());
    bytes
}

/// Builds a catalog from entries of platform, sector count and block.
fn catalog(entries: &[(u8, u16, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0] = 1;
    bytes[30..32].copy_from_slice(&[0x55, 0xaa]);
    for (n, (platform, sectors, block)) in entries.iter().enumerate() {
        let mut entry = vec![0; 32];
        entry[0] = 0x88;
        entry[6..8].copy_from_slice(&sectors.to_le_bytes());
        entry[8..12].copy_from_slice(&block.to_le_bytes());
        if n == 0 {
            bytes[1] = *platform;
            bytes[32..].copy_from_slice(&entry);
        } else {
            let mut header = vec![0; 32];
            header[0] = if n + 1 == entries.len() { 0x91 } else { 0x90 };
            header[1] = *platform;
            header[2] = 1;
            bytes.extend(header);
            bytes.extend(entry);
        }
    }
    bytes
}

/// An image on a disk with faults.
struct Faulty {
    image: Vec<u8>,
    /// Bytes returned per read.
    step: usize,
    /// Offset from which reads fail.
    bad: u64,
    /// Length when it was opened.
    len: u64,
}

impl ReadAt for Faulty {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        if offset >= self.bad {
            return Err(std::io::Error::other("the disk is on fire"));
        }
        let step = self.step.min(buf.len());
        self.image.read_at(&mut buf[..step], offset)
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[test]
fn short_reads_failing_disks_and_files_that_shrink_are_survived() {
    let mut builder = with(&[file("a", 40, 5), folder("b", 21), folder("c", 22)]);
    builder.directory(21, &[file("d", 40, 5)]);
    builder.directory(22, &[file("e", 40, 5)]);
    builder.put(40, b"hello");
    let whole = medium(&builder);
    let len = builder.image.len() as u64;
    let mut disk = Faulty {
        image: builder.image,
        step: 7,
        bad: u64::MAX,
        len,
    };
    assert_eq!(read(IMAGE, &disk).unwrap(), whole);
    disk.bad = 22 * 2048;
    let found = read(IMAGE, &disk).unwrap();
    assert_eq!(names(&found), ["/a", "/b", "/b/d", "/c"]);
    assert_eq!(
        found.warnings,
        ["cannot be read whole: the folder '/c' at byte 45056 cannot be read: the disk is on fire"]
    );
    disk.bad = 20 * 2048;
    assert_eq!(
        read(IMAGE, &disk).unwrap_err().to_string(),
        "cannot be read at byte 40960, where the root directory is: the disk is on fire"
    );
    disk.bad = u64::MAX;
    disk.image.truncate(22 * 2048);
    let found = read(IMAGE, &disk).unwrap();
    assert_eq!(names(&found), ["/a", "/b", "/b/d", "/c"]);
    assert_eq!(found.warnings.len(), 1);
    disk.image.clear();
    assert!(read(IMAGE, &disk).is_err());
}

/// Builds an image with a bit of everything, for the fuzz test.
fn colourful() -> IsoBuilder {
    let cl = [posix(0o040_700), nm(b"deep"), susp(b"CL", &both(23))].concat();
    let re = [posix(0o040_700), nm(b"deep"), susp(b"RE", b"")].concat();
    let link = [
        posix(0o120_777),
        nm(b"link"),
        susp(b"SL", b"\0\x04\0\0\x01a"),
    ]
    .concat();
    let long = [posix(0o100_644), ce(26, 0, 37)].concat();
    let big = [posix(0o100_644), nm(b"big")].concat();
    let times = [
        posix(0o100_644),
        nm(b"t"),
        susp(b"TF", &[2, 126, 1, 1, 0, 0, 0, 0]),
    ]
    .concat();
    let mut builder = with(&[
        folder("a", 21),
        folder("rr_moved", 22),
        file("kernel", 40, 3000),
        record(b"L.;1", 0, 0, 0, &link),
        record(b"N.;1", 40, 1, 0, &long),
        record(b"B.;1", 40, 2048, MULTI_EXTENT, &big),
        record(b"B.;1", 42, 20, 0, &big),
        record(b"T.;1", 41, 20, 0, &times),
    ]);
    builder.directory(21, &[record(b"C", 21, 0, 0, &cl), file("f", 41, 1)]);
    builder.directory(22, &[record(b"M", 23, 2048, DIRECTORY, &re)]);
    builder.directory(23, &[file("x", 40, 1), folder("y", 24)]);
    builder.directory(24, &[file("z", 40, 1)]);
    builder.put(26, &[susp(b"NM", b"\x01long"), ce(27, 4, 20)].concat());
    builder.put(27, &[0; 2048]);
    builder.poke(27 * 2048 + 4, &susp(b"NM", b"\0-and-long"));
    let mut joliet = descriptor(2, 28);
    joliet[88..91].copy_from_slice(b"%/E");
    builder.put(17, &el_torito(30));
    builder.put(18, &joliet);
    let mut end = descriptor(255, 0);
    end.truncate(7);
    builder.put(19, &end);
    let own = record(&[0], 28, 2048, DIRECTORY, &[]);
    builder.put(28, &[own, record(b"\0j", 40, 9, 0, &[])].concat());
    builder.put(30, &catalog(&[(0, 4, 40), (0xef, 1, 41)]));
    builder.put(40, &[1; 6144]);
    builder
}

#[test]
fn random_damage_neither_panics_nor_takes_long() {
    const ROUNDS: usize = 5000;
    let builder = colourful();
    let clean = medium(&builder);
    assert_eq!(clean.warnings, Vec::<String>::new());
    assert_eq!(clean.tree.len(), 12);
    assert_eq!(clean.boot.len(), 2);
    // Offsets of bytes worth damaging.
    let places: Vec<usize> = (0..builder.image.len())
        .filter(|&at| builder.image[at] != 0 && at < 40 * SECTOR_BYTES)
        .collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % n as u64).unwrap()
    };
    let started = Instant::now();
    let (mut refused, mut worst) = (0, 0.0f64);
    for _ in 0..ROUNDS {
        let mut image = builder.image.clone();
        for _ in 0..=below(6) {
            let at = places[below(places.len())] + below(3);
            let edges = [0, 1, 2, 0x14, 0x15, 0x7f, 0x80, 0xff];
            image[at] = match below(3) {
                0 => edges[below(edges.len())],
                1 => image[at] ^ (1 << below(8)),
                _ => u8::try_from(below(256)).unwrap(),
            };
        }
        if below(8) == 0 {
            image.truncate(below(image.len()));
        }
        let before = cpu::seconds();
        match read(IMAGE, &image) {
            Ok(medium) => {
                assert_inside(&medium, image.len() as u64);
                assert!(medium.warnings.len() <= MAX_WARNINGS + 8);
            }
            Err(_) => refused += 1,
        }
        worst = worst.max(cpu::seconds() - before);
    }
    println!(
        "{refused} of {ROUNDS} refused, worst {worst:.4} s, all {:?}",
        started.elapsed()
    );
    // Takes milliseconds on an idle machine.
    assert!(worst < 5.0, "one image took {worst} s");
    assert!((1..ROUNDS / 2).contains(&refused), "{refused}");
}

/// `folders` directories of `files` files each.
fn large(folders: u32, files: u32) -> IsoBuilder {
    let mut builder = IsoBuilder::new();
    let mut next = ROOT + folders.div_ceil(10);
    let mut records = Vec::new();
    for n in 0..folders {
        let inside: Vec<_> = (0..files)
            .map(|m| file(&format!("file-number-{m:06}.conf"), ROOT, m))
            .collect();
        let sectors = builder.directory(next, &inside);
        let susp = [posix(0o040_755), nm(format!("folder-{n}").as_bytes())].concat();
        records.push(record(b"D", next, sectors * 2048, DIRECTORY, &susp));
        next += sectors;
    }
    builder.directory(ROOT, &records);
    builder
}

#[test]
fn two_hundred_thousand_files_are_read_in_seconds() {
    for (folders, files) in [(1, 200_000), (2000, 100)] {
        let builder = large(folders, files);
        let started = cpu::seconds();
        let found = read(IMAGE, &builder.image).unwrap();
        let took = cpu::seconds() - started;
        println!("{folders} × {files} files: {took:.2} s");
        assert!(found.tree.len() >= 200_000);
        let last = format!("folder-{}/file-number-{:06}.conf", folders - 1, files - 1);
        assert_eq!(found.tree.file(&last).unwrap().len(), u64::from(files - 1));
        assert!(took < 5.0, "{took} s of processor time");
    }
}

#[test]
fn overlapping_directories_are_bounded() {
    // 112 directories, each starting one sector into the previous one: 170,000 names in an image of
    // 300 KB. On real media no two directories share a sector.
    let mut builder = IsoBuilder::new();
    let inside: Vec<_> = (0..3000).map(|m| file(&m.to_string(), ROOT, 1)).collect();
    let first = ROOT + 40;
    let sectors = builder.directory(first, &inside);
    let records: Vec<_> = (0..400)
        .map(|n| {
            let susp = [posix(0o040_755), nm(n.to_string().as_bytes())].concat();
            record(b"D", first + n % sectors, sectors * 2048, DIRECTORY, &susp)
        })
        .collect();
    builder.directory(ROOT, &records);
    let found = medium(&builder);
    assert!(found.tree.len() < 50_000, "{}", found.tree.len());
    let has_warning = |text: &str| found.warnings.iter().any(|w| w.contains(text));
    assert!(has_warning("is too damaged to be read on"));
}

#[test]
fn more_files_than_a_tree_takes_are_left_out_with_a_warning() {
    let mut builder = IsoBuilder::new();
    let dot = record(&[0], ROOT, 2048, DIRECTORY, &[]);
    let mut sector = dot.clone();
    let mut bytes = Vec::new();
    for n in 0..MAX_NODES + 100 {
        let record = record(format!("{n:X}").as_bytes(), ROOT, 1, 0, &[]);
        if sector.len() + record.len() > SECTOR_BYTES {
            sector.resize(SECTOR_BYTES, 0);
            bytes.append(&mut sector);
        }
        sector.extend(record);
    }
    bytes.append(&mut sector);
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[10..14].copy_from_slice(&len.to_le_bytes());
    builder.put(ROOT, &bytes);
    let started = Instant::now();
    let found = read(IMAGE, &builder.image).unwrap();
    println!("{} nodes: {:?}", found.tree.len(), started.elapsed());
    assert_eq!(found.tree.len(), MAX_NODES);
    assert_eq!(
        found.warnings,
        ["has more than 1048576 files and folders; those beyond are left out"]
    );
}
