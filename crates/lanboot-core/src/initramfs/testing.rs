//! Builds archives for the tests of this crate.

/// Builds an archive of these files.
pub(crate) fn cpio(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer: [(&str, &[u8]); 1] = [("TRAILER!!!", b"")];
    for (name, data) in files.iter().chain(&trailer) {
        let numbers = [
            1,
            0o100_644,
            0,
            0,
            1,
            0,
            data.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
            0,
        ];
        out.extend_from_slice(b"070701");
        for number in numbers {
            out.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        pad(&mut out, 4);
        out.extend_from_slice(data);
        pad(&mut out, 4);
    }
    out
}

pub(super) fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}
