//! ISO 9660 images: descriptors, directories, Rock Ridge, Joliet, El Torito.

use lanboot_core::iso;
use lanboot_core::vfs::{ImageId, Kind, NodeId, Tree};

/// Bytes of a sector.
const SECTOR: usize = 2048;
/// The first sector that `data` fills: what is in front of it never says anything.
const FIRST: usize = 16;

/// Reads an image whose sectors from the first descriptor on are `data`.
pub fn run(data: &[u8]) {
    let mut image = vec![0; FIRST * SECTOR];
    image.extend_from_slice(data);
    let Ok(medium) = iso::read(ImageId(1), &image) else {
        return;
    };
    check(&medium.tree);
}

/// Checks what every reader of a file system promises of its tree.
pub(super) fn check(tree: &Tree) {
    for n in 0..tree.len() {
        let id = NodeId(u32::try_from(n).expect("trees are bounded"));
        let node = tree.node(id).expect("ids are dense");
        match &node.kind {
            Kind::File(content) => {
                let pieces = content.pieces().iter().map(|piece| piece.len).sum::<u64>();
                assert_eq!(pieces, content.len());
            }
            Kind::Directory(entries) => assert!(entries.is_sorted_by(|a, b| a.0 < b.0)),
            Kind::Symlink(_) => {}
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![image(false), image(true)]
}

/// Returns an image without its first 16 sectors: descriptors at 16 to 19, directories at 20 and
/// 21, files and a boot catalog behind them.
pub(super) fn image(joliet: bool) -> Vec<u8> {
    let mut image = Sectors(Vec::new());
    image.put(16, &descriptor(1, 20));
    let mut boot = vec![0];
    boot.extend_from_slice(b"CD001\x01EL TORITO SPECIFICATION");
    boot.resize(71, 0);
    boot.extend_from_slice(&23u32.to_le_bytes());
    image.put(17, &boot);
    if joliet {
        let mut second = descriptor(2, 21);
        second[88..91].copy_from_slice(b"%/E");
        image.put(18, &second);
    } else {
        image.put(18, b"\xffCD001\x01");
    }
    image.put(19, b"\xffCD001\x01");
    let px = |mode: u32| susp(b"PX", &[both(mode), both(1), both(0), both(0)].concat());
    let root = [
        susp(b"SP", &[0xbe, 0xef, 0]),
        px(0o40_755),
        susp(b"CE", &[both(22), both(0), both(48)].concat()),
    ];
    let link = [
        px(0o120_777),
        susp(b"NM", b"\0link"),
        susp(b"SL", b"\0\0\x01d"),
    ]
    .concat();
    let file = [
        px(0o100_644),
        susp(b"NM", b"\0vmlinuz"),
        susp(b"TF", b"\x0e~\x03\x01\0\0\0\0"),
    ]
    .concat();
    image.put(
        20,
        &[
            record(&[0], 20, 2, &root.concat()),
            record(&[1], 20, 2, &px(0o40_755)),
            record(b"D", 21, 2, &[px(0o40_755), susp(b"NM", b"\0d")].concat()),
            record(b"F.;1", 24, 0, &file),
            record(b"L.;1", 0, 0, &link),
        ]
        .concat(),
    );
    image.put(
        21,
        &[
            record(&[0], 21, 2, &[]),
            record(&[1], 20, 2, &[]),
            record(b"\0F\0I", 24, 0x80, &[]),
            record(b"\0F\0I", 25, 0, &[]),
        ]
        .concat(),
    );
    image.put(
        22,
        &susp(b"ER", b"\x0a\x09\x0a\x01RRIP_1991Arrrr rrrrMore text"),
    );
    let mut catalog = vec![1, 0, 0, 0];
    catalog.resize(28, 0);
    catalog.extend_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
    for (platform, last) in [(0, false), (0xef, true)] {
        if platform != 0 {
            catalog.extend_from_slice(&[if last { 0x91 } else { 0x90 }, platform, 1, 0]);
            catalog.resize(catalog.len() + 28, 0);
        }
        catalog.extend_from_slice(&[0x88, 0, 0, 0, 0, 0, 4, 0, 24, 0, 0, 0]);
        catalog.resize(catalog.len() + 20, 0);
    }
    image.put(23, &catalog);
    image.put(25, &[7; 100]);
    image.0
}

struct Sectors(Vec<u8>);

impl Sectors {
    fn put(&mut self, sector: usize, bytes: &[u8]) {
        let at = (sector - FIRST) * SECTOR;
        self.0.resize(self.0.len().max(at + SECTOR), 0);
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

fn descriptor(kind: u8, root: u32) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR];
    bytes[0] = kind;
    bytes[1..7].copy_from_slice(b"CD001\x01");
    bytes[40..72].copy_from_slice(b"ARCH_202603                     ");
    bytes[80..88].copy_from_slice(&both(26));
    bytes[128..132].copy_from_slice(&[0, 8, 8, 0]);
    let root = record(&[0], root, 2, &[]);
    bytes[156..156 + root.len()].copy_from_slice(&root);
    bytes[830..847].copy_from_slice(b"2026030112345600\0");
    bytes
}

/// Returns a directory record of 2048 bytes of data.
fn record(name: &[u8], block: u32, flags: u8, susp: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(both(block));
    bytes.extend(both(2048));
    bytes.extend_from_slice(&[126, 3, 1, 12, 34, 56, 0, flags, 0, 0, 1, 0, 0, 1]);
    bytes.push(u8::try_from(name.len()).expect("a short name"));
    bytes.extend_from_slice(name);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend_from_slice(susp);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes[0] = u8::try_from(bytes.len()).expect("a short record");
    bytes
}

fn susp(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(4 + data.len()).expect("a short entry");
    [&signature[..], &[len, 1], data].concat()
}

fn both(n: u32) -> Vec<u8> {
    [n.to_le_bytes(), n.to_be_bytes()].concat()
}
