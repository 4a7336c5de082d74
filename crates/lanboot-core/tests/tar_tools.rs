//! Archives of GNU tar, in every format it writes.

#![allow(clippy::disallowed_methods)]

use std::process::Command;

use lanboot_core::tar::read;
use lanboot_core::vfs::{ImageId, Source, Tree};

const IMAGE: ImageId = ImageId(3);

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

/// GNU tar's own forms of what does not fit into a header.
#[test]
fn long_names_of_every_format_are_read() {
    let folder = std::env::temp_dir().join(format!("lanboot-tar-{}", std::process::id()));
    let long = format!("{}/{}/{}", "d".repeat(90), "e".repeat(120), "f".repeat(200));
    let (path, archive) = (folder.join("in").join(&long), folder.join("a.tar"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "text").unwrap();
    std::os::unix::fs::symlink(&long, folder.join("in/link")).unwrap();
    for format in ["gnu", "pax", "oldgnu"] {
        let status = Command::new("tar")
            .args(["--format", format, "-C"])
            .arg(folder.join("in"))
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .status();
        assert!(
            status
                .expect("tar is missing: apt-get install -y tar")
                .success()
        );
        let bytes = std::fs::read(&archive).unwrap();
        let found = read(IMAGE, &bytes).unwrap();
        assert_eq!(found.warnings, Vec::<String>::new(), "{format}");
        for path in [long.as_str(), "link"] {
            let read = text(&found.tree, path, &bytes);
            assert_eq!(read.as_deref(), Some("text"), "{format} {path}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
