//! Every route prints as a path that parses to it again.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::loaders::{
    AUTOEXEC, GrubHttpTest, IPXE, IpxePart, LoaderRoute, PxelinuxFile, SecureArch, ShimGrubFile,
    ShimGrubPart, SignedIpxeFile,
};

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._+@-]{1,12}".prop_filter("a plain name", |name| name != "." && name != "..")
}

fn path() -> impl Strategy<Value = FilePath> {
    prop::collection::vec(name(), 1..4).prop_map(|names| FilePath::from(&*names.join("/")))
}

fn shim_grub() -> impl Strategy<Value = LoaderRoute> {
    use ShimGrubPart::{Disk, Grub, LockedMenu, Menu, MokManager, Shim};
    let parts = vec![Shim, Grub, MokManager, Disk, Menu, LockedMenu];
    let all = (
        select(SecureArch::ALL.to_vec()),
        any::<bool>(),
        select(parts),
    );
    all.prop_map(|(arch, http, part)| ShimGrubFile { arch, http, part }.into())
}

fn signed_ipxe() -> impl Strategy<Value = LoaderRoute> {
    let parts = vec![
        IpxePart::Shim("snponly"),
        IpxePart::Shim("ipxe"),
        IpxePart::Program(Some("snponly")),
        IpxePart::Program(Some("ipxe")),
        IpxePart::Program(None),
    ];
    let all = (select(SecureArch::ALL.to_vec()), select(parts));
    all.prop_map(|(arch, part)| SignedIpxeFile { arch, part }.into())
}

/// Returns where iPXE may be in the folder `loader`.
fn autoexec_folder() -> impl Strategy<Value = FilePath> {
    let known = [
        "",
        "secure/x86_64",
        "secure-http/arm64",
        "secure-ipxe/x86_64",
        "a/b/c",
    ];
    select(known.to_vec()).prop_map(FilePath::from)
}

fn loader() -> impl Strategy<Value = LoaderRoute> {
    let config = name().prop_filter("is a script", |name| name != AUTOEXEC);
    prop_oneof![
        select(IPXE.to_vec()).prop_map(LoaderRoute::Ipxe),
        name().prop_map(|name| PxelinuxFile::Program(name).into()),
        config.prop_map(|name| PxelinuxFile::Config(name).into()),
        Just(GrubHttpTest.into()),
        shim_grub(),
        signed_ipxe(),
    ]
}

fn menu_part() -> impl Strategy<Value = MenuPart> {
    use PartKind::{Boot, Page, Transports, TransportsPage};
    let locked = (select(SecureArch::ALL.to_vec()), any::<bool>());
    let reader = prop_oneof![
        select(vec![
            MenuReader::Ipxe,
            MenuReader::Pxelinux,
            MenuReader::Grub
        ]),
        locked.prop_map(|(arch, http)| MenuReader::LockedGrub { arch, http }),
    ];
    let kind = select(vec![Page, Boot, TransportsPage, Transports]);
    let all = (reader, kind, name());
    all.prop_map(|(reader, kind, name)| MenuPart { reader, kind, name })
}

fn route() -> impl Strategy<Value = Route> {
    let root = path().prop_filter("has a folder of its own", |path| {
        !matches!(
            path.names()[..],
            [b"loader" | b"iso" | b"overlay", ..] | [b"boot.ipxe"]
        )
    });
    prop_oneof![
        Just(Route::Index),
        Just(Route::IpxeMenu),
        loader().prop_map(Route::Loader),
        autoexec_folder().prop_map(Route::Autoexec),
        name().prop_map(Route::RamDisk),
        name().prop_map(Route::RamDrive),
        name().prop_map(Route::WholeImage),
        (name(), path()).prop_map(|(image, path)| Route::Image { image, path }),
        (name(), name()).prop_map(|(image, entry)| Route::Overlay { image, entry }),
        menu_part().prop_map(Route::MenuPart),
        root.prop_map(Route::Root),
    ]
}

/// Paths as machines make them up, most of them near a real one.
fn asked() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        select(vec![
            "loader",
            "iso",
            "secure",
            "secure-http",
            "secure-ipxe",
            "x86_64",
            "arm64",
            "ramdisk",
            "pxelinux",
            "pxelinux.cfg",
            "grub",
            "EFI",
            "grub.cfg-0A",
            "autoexec.ipxe",
            "boot.img",
            "mmx64.efi",
            "shimaa64.efi",
            "ipxe-shim.efi",
            "snponlyx64.efi",
            "a.iso",
            ".iso",
            "",
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.join(&b'/'))
}

proptest! {
    #[test]
    fn a_printed_route_parses_to_the_same_route(route in route()) {
        let printed = route.to_string();
        prop_assert_eq!(Route::parse(printed.as_bytes()), Some(route.clone()), "{}", printed);
        prop_assert_eq!(route.to_bytes(), printed.into_bytes());
    }

    #[test]
    fn whatever_was_asked_for_has_a_path_of_its_own(asked in asked()) {
        if let Some(route) = Route::parse(&asked) {
            prop_assert_eq!(Route::parse(&route.to_bytes()), Some(route));
        }
    }
}

#[test]
fn what_a_loader_means_by_a_path_of_the_root() {
    use SecondStage::{Garbled, Grub, Ipxe, MokManager};
    let menu = |for_one| Some(Derived::GrubMenu { for_one });
    let second = |stage| Some(Derived::SecondStage(stage));
    for (path, expected) in [
        (&b"EFI/BOOT/autoexec.ipxe"[..], Some(Derived::Autoexec)),
        (b"boot/grub2/grub.cfg", menu(false)),
        (b"EFI/fedora/grub.cfg-01-52-54-00-12-34-56", menu(true)),
        (
            b"grub/x86_64-efi/command.lst",
            Some(Derived::GrubModuleList),
        ),
        (
            b"debian-installer/riscv64/grub/riscv64-efi/command.lst",
            None,
        ),
        (b"grubx64.efi", second(Grub(SecureArch::X64))),
        (b"mmaa64.efi", second(MokManager(SecureArch::Arm64))),
        (b"snponly.efi", second(Ipxe(None))),
        (b"\xeaonboard", second(Garbled)),
        (b"shimx64.efi", None),
        (b"else/grub.cfg", None),
        (b"arch/vmlinuz", None),
    ] {
        let Some(Route::Root(path)) = Route::parse(path) else {
            panic!("{path:?}")
        };
        assert_eq!(path.derived(), expected, "{path}");
    }
}
