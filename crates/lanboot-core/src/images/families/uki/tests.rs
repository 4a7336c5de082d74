use super::*;
use crate::images::families;
use crate::images::golden::line;
use crate::images::{Fetched, Transport};
use crate::initramfs::list;
use crate::initramfs::testing::cpio;
use crate::testing::{linux, medium, program as efi, tree_of};

/// `/usr/lib/os-release` of Debian sid.
const OS_RELEASE: &str = "PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nNAME=\"Debian GNU/Linux\"\n\
    VERSION_CODENAME=forky\nID=debian\n";
/// Example 4 of systemd-import-generator(8).
const OWN: &str = "rd.systemd.pull=raw,machine,verify=no,blockdev,bootorigin:rootdisk:image.raw.xz \
    root=gpt-auto quiet";

/// A unified kernel image as `ukify build` joins it, its sections padded as in a file.
fn uki(command_line: &str, more: &[(&[u8], &str)]) -> Vec<u8> {
    let padded = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(text.len().next_multiple_of(512), 0);
        bytes
    };
    let mut sections: Vec<(&[u8], Vec<u8>)> = vec![
        (b".osrel", padded(OS_RELEASE)),
        (b".cmdline", padded(command_line)),
        (b".uname", padded("7.2.13+deb14-amd64")),
        (b".initrd", vec![7; 40]),
        (b".linux", vec![8; 20]),
    ];
    sections.extend(more.iter().map(|(name, text)| (*name, padded(text))));
    efi(0x8664, &sections, &["Lab"])
}

fn detected(files: &[(&str, Vec<u8>)]) -> Detection {
    families::detect(medium(&tree_of(files), "disc", "UKI")).unwrap()
}

fn gpt() -> Vec<u8> {
    let mut disk = vec![0; 2048];
    disk[512..520].copy_from_slice(b"EFI PART");
    disk
}

fn one(found: &Detection) -> &Entry {
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    entry
}

#[test]
fn the_root_its_own_arguments_name_comes_from_here() {
    let found = detected(&[
        ("EFI/Linux/image.efi", uki(OWN, &[])),
        ("EFI/Linux/image.raw.xz", vec![1; 1000]),
    ]);
    assert_eq!(found.family_name(), "UKI (systemd.pull)");
    let entry = one(&found);
    assert_eq!(
        (entry.id.as_str(), entry.title.as_str(), entry.cpu),
        (
            "disc",
            "Debian GNU/Linux forky/sid (7.2.13+deb14-amd64)",
            Cpu::X86_64
        )
    );
    assert_eq!(
        entry.kind,
        EntryKind::Program(Program {
            files: vec![ProgramFile {
                firmware: Firmware::X64Uefi,
                path: "EFI/Linux/image.efi".into()
            }]
        })
    );
    assert_eq!(
        line(entry, Transport::Http, "console=ttyS0"),
        "root=gpt-auto quiet rd.systemd.pull=raw,machine,verify=no,blockdev:rootdisk:\
         http://192.168.0.1/iso/disc/EFI/Linux/image.raw.xz ip=dhcp \
         systemd.default_device_timeout_sec=30min console=ttyS0"
    );
    assert!(!line(entry, Transport::Http, "ip=enp1s0:dhcp").contains("ip=dhcp"));
    assert_eq!(entry.signed.names(), ["Lab"]);
    assert_eq!((entry.root_bytes, entry.initrd_bytes), (1000, 40));
    assert_eq!(
        entry.fetches(Transport::Http, "")[0].file,
        Fetched::File("EFI/Linux/image.raw.xz".into())
    );
    // A fifth of the memory has to hold it.
    assert!(entry.copy_memory(Transport::Http, "") >= 5000);
    assert_eq!(
        entry.check(Transport::Nfs, "").unwrap_err().to_string(),
        "its initramfs (systemd's) fetches the root over HTTP only"
    );
    assert_eq!(
        entry.notes[0].to_string(),
        "with Secure Boot on it starts with the arguments inside it, not with these"
    );
}

#[test]
fn the_disk_image_beside_it_is_its_root() {
    let pull = |path: &str, image: Vec<u8>| {
        let found = detected(&[("os.efi", uki("root=UUID=1 quiet", &[])), (path, image)]);
        line(one(&found), Transport::Http, "")
    };
    let url = "http://192.168.0.1/iso/disc";
    let rest = "ip=dhcp systemd.default_device_timeout_sec=30min";
    let raw = "rd.systemd.pull=raw,machine,verify=no,blockdev:rootdisk:";
    assert_eq!(
        pull("os.raw", gpt()),
        format!("quiet {raw}{url}/os.raw root=gpt-auto {rest}")
    );
    assert_eq!(
        pull("os.raw", b"hsqs".to_vec()),
        format!("quiet {raw}{url}/os.raw root=/dev/disk/by-loop-ref/rootdisk.raw {rest}")
    );
    assert_eq!(
        pull("other.raw.zst", vec![0]),
        format!("quiet {raw}{url}/other.raw.zst root=gpt-auto {rest}")
    );
    assert_eq!(
        pull("other.tar.xz", vec![0]),
        format!(
            "quiet rd.systemd.pull=tar,machine,verify=no:root:{url}/other.tar.xz \
             root=bind:/run/machines/root {rest}"
        )
    );
    // Its maker's root hash names the root already.
    let found = detected(&[
        ("os.efi", uki("root=tmpfs usrhash=ab", &[])),
        ("os.raw", gpt()),
    ]);
    assert_eq!(
        line(one(&found), Transport::Http, ""),
        format!("root=tmpfs usrhash=ab {raw}{url}/os.raw {rest}")
    );
}

#[test]
fn several_disk_images_are_nobodys_unless_one_has_its_name() {
    let files = |names: [&'static str; 2]| {
        detected(&[
            ("os.efi", uki("quiet", &[])),
            (names[0], gpt()),
            (names[1], gpt()),
        ])
    };
    assert_eq!(one(&files(["a.raw", "b.raw"])).root, None);
    assert_eq!(
        one(&files(["a.raw", "os.raw"])).root.as_deref(),
        Some("os.raw")
    );
    // A name that would end the argument is no root.
    assert_eq!(one(&files(["a b.raw", "x.txt"])).root, None);
}

#[test]
fn without_a_root_here_it_starts_as_it_is() {
    let found = detected(&[("EFI/Linux/a.efi", uki("root=PARTUUID=12 rw", &[]))]);
    assert_eq!(found.family_name(), "UKI");
    let entry = one(&found);
    assert_eq!(
        line(entry, Transport::Http, "debug"),
        "root=PARTUUID=12 rw debug"
    );
    assert_eq!(
        entry.notes[1].to_string(),
        "the started system does not see the medium: without its root, which a disk of the \
         machine has to hold"
    );
    // A download from another server stays as it is, and no file here takes its place.
    let elsewhere = "rd.systemd.pull=raw,machine,blockdev:rootdisk:https://example.org/a.raw";
    let found = detected(&[("a.efi", uki(elsewhere, &[])), ("a.raw", gpt())]);
    assert_eq!(line(one(&found), Transport::Http, ""), elsewhere);
    // Its own arguments name a file that is not there.
    let found = detected(&[("a.efi", uki(OWN, &[])), ("b.txt", vec![1])]);
    assert_eq!(one(&found).root, None);
}

#[test]
fn each_profile_is_an_entry_with_its_number() {
    let profiles: [(&[u8], &str); 4] = [
        (b".profile", "ID=main\nTITLE=Installed system\n"),
        (b".profile", "ID=factory-reset\nTITLE=Factory reset\n"),
        (b".cmdline", "quiet systemd.factory_reset=yes"),
        (b".profile", "ID=x y;z\n"),
    ];
    let found = detected(&[("EFI/Linux/a.efi", uki("quiet", &profiles))]);
    let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["disc", "disc-factory-reset", "disc-x-y-z"]);
    let lines = found.entries.iter();
    let lines: Vec<String> = lines.map(|e| line(e, Transport::Http, "debug")).collect();
    assert_eq!(
        lines,
        [
            "@0 quiet debug",
            "@1 quiet systemd.factory_reset=yes debug",
            "@2 quiet debug"
        ]
    );
    assert_eq!(
        found.entries[1].title,
        "Debian GNU/Linux forky/sid (7.2.13+deb14-amd64, Factory reset)"
    );
    // Thousands of them are cut.
    let many: Vec<(&[u8], &str)> = (0..60).map(|_| (&b".profile"[..], "ID=a\n")).collect();
    let found = detected(&[("a.efi", uki("quiet", &many))]);
    assert_eq!(found.entries.len(), 8);
}

#[test]
fn loader_entries_and_folders_name_each_image_once() {
    let found = detected(&[
        ("EFI/Linux/a.efi", uki("a", &[])),
        ("EFI/Linux/b.efi", uki("b", &[])),
        (
            "EFI/BOOT/BOOTX64.EFI",
            efi(0x8664, &[(b".text", vec![1])], &[]),
        ),
        ("images/c.efi", uki("c", &[])),
        (
            "loader/entries/1.conf",
            b"title C\nuki /images/c.efi\n".to_vec(),
        ),
        (
            "loader/entries/2.conf",
            b"title B\nefi /EFI/Linux/b.efi\n".to_vec(),
        ),
        (
            "loader/entries/3.conf",
            b"title Shell\nefi /EFI/BOOT/BOOTX64.EFI\n".to_vec(),
        ),
    ]);
    let lines = found.entries.iter().map(|e| line(e, Transport::Http, ""));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    assert_eq!(lines, ["a", "b", "c"]);
}

#[test]
fn a_kernel_whose_initramfs_downloads_gets_its_root_from_here() {
    let menu = b"title Debian\nlinux /debian/vmlinuz\ninitrd /debian/initrd\n\
        options root=gpt-auto rd.systemd.pull=raw,machine,blockdev,bootorigin:rootdisk:a.raw\n";
    let files = [
        ("debian/a.raw", gpt()),
        ("debian/initrd", vec![1]),
        ("debian/vmlinuz", vec![1]),
        ("loader/entries/debian.conf", menu.to_vec()),
    ];
    let found = detected(&files);
    let entry = one(&found);
    assert_eq!(linux(entry).kernel, "debian/vmlinuz");
    let rest = "ip=dhcp systemd.default_device_timeout_sec=30min";
    assert_eq!(
        line(entry, Transport::Http, ""),
        format!(
            "root=gpt-auto rd.systemd.pull=raw,machine,blockdev:rootdisk:\
             http://192.168.0.1/iso/disc/debian/a.raw {rest}"
        )
    );
    // What mkosi writes into one folder.
    let found = detected(&[
        ("image.initrd", vec![1]),
        ("image.raw", gpt()),
        ("image.vmlinuz", vec![1]),
    ]);
    assert_eq!(
        line(one(&found), Transport::Http, ""),
        format!(
            "rd.systemd.pull=raw,machine,verify=no,blockdev:rootdisk:\
             http://192.168.0.1/iso/disc/image.raw root=gpt-auto {rest}"
        )
    );
    // Any other system with a disk image beside its kernel is another family's.
    let menu = b"title Other\nlinux /debian/vmlinuz\ninitrd /debian/initrd\n";
    let mut files = files.to_vec();
    files[3].1 = menu.to_vec();
    assert!(detect(medium(&tree_of(&files), "disc", "X")).is_none());
    let lacks = |files: &[(&str, &[u8])]| {
        let contents = list(&cpio(files)[..]).unwrap();
        let examine = entry.root_source.examiner().unwrap();
        let lacks = examine(&contents, "debian/initrd");
        lacks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let generator = "usr/lib/systemd/system-generators/systemd-import-generator";
    assert_eq!(lacks(&[(generator, b"")]), [""; 0]);
    assert_eq!(
        lacks(&[("usr/bin/sh", b"")]),
        [
            "its initramfs cannot fetch the root over HTTP: debian/initrd has no program \
             systemd-import-generator"
        ]
    );
}

#[test]
fn other_programs_and_broken_ones_are_none() {
    let detect = |bytes: Vec<u8>| {
        let tree = tree_of(&[("EFI/Linux/a.efi", bytes)]);
        detect(medium(&tree, "disc", "X")).is_none()
    };
    assert!(detect(efi(0x8664, &[(b".text", vec![1])], &[])));
    assert!(detect(uki("quiet", &[])[..100].to_vec()));
    assert!(detect(Vec::new()));
    let arm32 = efi(0x01c2, &[(b".linux", vec![1])], &[]);
    assert!(detect(arm32), "no firmware that is known starts it");
}
