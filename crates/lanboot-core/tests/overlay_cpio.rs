//! Archives made by `initramfs::write`, read by cpio.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::io::Write;
use std::process::{Command, Stdio};

use lanboot_core::initramfs::{Member, MemberKind, write};
use lanboot_core::vfs::Content;

fn file(path: &str, text: &str, is_executable: bool) -> Member {
    Member {
        path: path.into(),
        kind: MemberKind::File {
            content: Content::memory(text.as_bytes()),
            is_executable,
        },
        modified: 0,
    }
}

#[test]
fn cpio_lists_paths_modes_owners_and_targets() {
    let members = [
        file("usr/lib/hook", "#!/bin/sh\n", true),
        file("lib/live/x", "12345", false),
        Member {
            path: "link".into(),
            kind: MemberKind::Link("usr/lib/hook".into()),
            modified: 0,
        },
    ];
    let archive = write(&members).unwrap();
    let pieces = archive.pieces().iter();
    let bytes: Vec<u8> = pieces
        .flat_map(|piece| piece.memory().unwrap().to_vec())
        .collect();
    let cpio = Command::new("cpio")
        .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut cpio = cpio.expect("cpio is needed: apt-get install cpio");
    cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = cpio.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().map(squeezed).collect();
    let expected = [
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 usr",
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 usr/lib",
        "-rwxr-xr-x 1 0 0 10 Jan 1 1970 usr/lib/hook",
        "drwxr-xr-x 2 0 0 0 Jan 1 1970 lib/live",
        "-rw-r--r-- 1 0 0 5 Jan 1 1970 lib/live/x",
        "lrwxrwxrwx 1 0 0 12 Jan 1 1970 link -> usr/lib/hook",
    ];
    assert_eq!(lines, expected);
}
