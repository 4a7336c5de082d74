//! `lanboot inspect`: the family with its evidence, the version, and what was booted of it, as text and as
//! JSON.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const MENU: &str = "menuentry 'Live system' {\n\
    linux /live/vmlinuz boot=live components\ninitrd /live/initrd.img\n}\n";

/// Makes a live Debian for amd64, unsigned; without a menu only the names of its files show what it is.
fn live(folder: &Path, has_menu: bool) {
    let mut kernel = vec![0; 0x1000];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x236] = 1;
    let files: [(&str, &[u8]); 5] = [
        (".disk/info", b"Debian GNU/Linux 13.1.0 Live\n"),
        ("boot/grub/grub.cfg", MENU.as_bytes()),
        ("live/filesystem.squashfs", b"hsqs"),
        ("live/initrd.img", b"initramfs"),
        ("live/vmlinuz", &kernel),
    ];
    for (path, bytes) in files {
        if path.ends_with(".cfg") && !has_menu {
            continue;
        }
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn inspect(folder: &Path, flags: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_lanboot"))
        .arg("inspect")
        .args(flags)
        .arg(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_live_system_is_described_with_its_evidence_and_its_boots() {
    let folder = tempfile::tempdir().unwrap();
    live(folder.path(), true);
    let report: Value = serde_json::from_str(&inspect(folder.path(), &["--json"])).unwrap();
    assert_eq!(report["family"], "live-boot");
    assert_eq!(report["recognised_by"], json!(["menu"]));
    assert_eq!(report["sureness"], "sure");
    assert_eq!(report["product"], "Debian GNU/Linux 13.1.0 Live");
    let entry = &report["entries"][0];
    let boots = entry["tested"]["boots"].as_array().unwrap();
    let expected = json!({
        "case": "live-13-nfs", "system": "Debian 13", "loader": "iPXE",
        "firmware": "BIOS", "secure_boot": false, "root": "nfs",
    });
    assert!(boots.contains(&expected), "{boots:?}");
    // Unsigned, and everything else was booted.
    assert_eq!(entry["tested"]["untested"], json!([]));
    let standing = json!({
        "microsoft_2011": null, "microsoft_2023": null, "microsoft_both": null,
        "machine_owner_key": null,
    });
    assert_eq!(entry["secure_standing"], standing);
    let text = inspect(folder.path(), &[]);
    for line in [
        "  known by  the arguments in its boot menus (sure)\n",
        "  product   Debian GNU/Linux 13.1.0 Live\n",
        "    signed     no: the kernel starts only with Secure Boot off\n",
        "    booted     Debian 12, Debian 13: BIOS (HTTP, NFS), x64 UEFI (HTTP, NFS, RAM disk), \
         x64 UEFI with Secure Boot (HTTP)\n",
    ] {
        assert!(text.contains(line), "no '{line}' in {text}");
    }
}

#[test]
fn names_alone_are_a_guess() {
    let folder = tempfile::tempdir().unwrap();
    live(folder.path(), false);
    let report: Value = serde_json::from_str(&inspect(folder.path(), &["--json"])).unwrap();
    assert_eq!(report["recognised_by"], json!(["names"]));
    assert_eq!(report["sureness"], "a guess");
    let text = inspect(folder.path(), &[]);
    let line = "  known by  the names of its files only (a guess)\n";
    assert!(text.contains(line), "{text}");
}
