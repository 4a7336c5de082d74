//! The doors: which module may use which. A module rule is easy to break by accident, so this
//! test reads the sources. `docs/architecture.md` explains the table.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Core: each room and the rooms it may use.
const CORE: [(&str, &[&str]); 23] = [
    ("reason_codes", &[]),
    ("bytes", &[]),
    ("text", &[]),
    ("machine", &[]),
    ("vfs", &[]),
    ("iso", &["bytes", "vfs"]),
    ("boot_config", &["vfs"]),
    ("initramfs", &[]),
    ("pe", &["boot_config", "text", "vfs", "machine"]),
    // The medium's tree, label and boot entries are all a family sees of an image format.
    (
        "images",
        &["boot_config", "initramfs", "iso", "machine", "pe", "vfs"],
    ),
    ("loaders", &["boot_config", "text", "vfs", "machine", "pe"]),
    (
        "catalog",
        &["boot_config", "images", "loaders", "machine", "text", "vfs"],
    ),
    ("route", &["loaders", "machine", "vfs"]),
    ("plan", &["catalog", "loaders", "machine", "route"]),
    (
        "menus",
        &[
            "bytes", "text", "images", "catalog", "machine", "loaders", "pe", "plan", "route",
        ],
    ),
    // It answers as our own DHCP does, quirks included.
    (
        "exports",
        &[
            "bytes", "text", "images", "catalog", "dhcp", "machine", "menus", "loaders", "plan",
            "route",
        ],
    ),
    ("dhcp", &["bytes", "text", "machine", "plan"]),
    ("tftp", &["bytes", "text", "machine", "vfs"]),
    ("http", &["bytes", "text", "machine", "vfs"]),
    ("nbd", &["bytes", "text", "machine", "vfs"]),
    ("nfs", &["bytes", "text", "machine", "vfs"]),
    // Reasons are those of the protocols.
    (
        "events",
        &[
            "machine", "vfs", "dhcp", "tftp", "http", "nbd", "nfs", "route",
        ],
    ),
    (
        "routes",
        // It is also what the doors of NFS and NBD export.
        &[
            "bytes", "text", "machine", "vfs", "images", "catalog", "menus", "nbd", "nfs",
            "loaders", "plan", "route",
        ],
    ),
];

#[test]
fn every_room_of_the_core_uses_only_what_it_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = CORE.into_iter().collect();
    let mut wrong = Vec::new();
    for (room, file) in rust_files(&source) {
        if room == "lib" {
            continue;
        }
        let Some(allowed) = table.get(room.as_str()) else {
            wrong.push(format!(
                "{}: the room '{room}' is not in the table",
                file.display()
            ));
            continue;
        };
        for used in rooms_used(&production_code(&file)) {
            // What the crate's root defines (Reply) belongs to everybody.
            let of_root = used.chars().next().is_some_and(char::is_uppercase);
            if used != room && !of_root && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: '{room}' may not use '{used}'", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_names_no_clock_file_or_socket() {
    const FORBIDDEN: [&str; 10] = [
        "std::fs",
        "std::process",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant::now",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "tokio",
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (_, file) in rust_files(&source) {
        let code = production_code(&file);
        for word in FORBIDDEN.into_iter().filter(|word| code.contains(word)) {
            wrong.push(format!("{}: {word}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn in_the_shell_only_settings_reads_what_was_written_and_only_library_makes_a_catalog() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lanboot/src");
    let mut wrong = Vec::new();
    for (room, file) in rust_files(&source) {
        let code = production_code(&file);
        for (word, owners) in [
            ("std::env::args", &["main"][..]),
            ("std::env::var", &["settings"][..]),
            ("Cli::of", &["main"][..]),
            ("Catalog::new", &["library"][..]),
            ("iso::read(", &["library"][..]),
        ] {
            if code.contains(word) && !owners.contains(&room.as_str()) {
                wrong.push(format!(
                    "{}: {word} belongs to {}",
                    file.display(),
                    owners.join(", ")
                ));
            }
        }
        let unsafe_rooms = ["net", "clock"];
        if code.contains("unsafe ") && !unsafe_rooms.contains(&room.as_str()) {
            wrong.push(format!(
                "{}: unsafe belongs to {}",
                file.display(),
                unsafe_rooms.join(", ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn source_files_stay_readable() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let shell = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lanboot/src");
    let long: Vec<String> = rust_files(&source)
        .into_iter()
        .chain(rust_files(&shell))
        .filter_map(|(_, file)| {
            let lines = production_code(&file).lines().count();
            (lines > 560).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "split by what they do:\n{}",
        long.join("\n")
    );
}

/// Every source file with the room it is in, tests left out.
fn rust_files(source: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![source.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !["tests", "testing"].contains(&name.as_str())
            {
                let inside = path.strip_prefix(source).unwrap();
                let room = inside
                    .components()
                    .next()
                    .unwrap()
                    .as_os_str()
                    .to_str()
                    .unwrap();
                found.push((room.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    assert!(found.len() > 5, "no sources under {}", source.display());
    found
}

/// The text up to the tests, without comments.
fn production_code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first names after every `crate::`, also inside braces.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        let end = text
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len());
        text[..end].to_owned()
    };
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let inside = list.split('}').next().unwrap();
                used.extend(inside.split(',').map(|part| word(part.trim())));
            }
            None => {
                used.insert(word(rest));
            }
        }
    }
    used.retain(|name| !name.is_empty());
    used
}
