//! For GRUB 2: one `menuentry` an entry.

use std::fmt::Write as _;

use super::ways::{Way, ways};
use super::{Export, Fragment, MAX_TITLE, comment, text};
use crate::catalog::Spelling;
use crate::script::{url_path, way};

/// Where `http` needs no port: GRUB before 2.12 cannot be told one.
const HTTP_PORT: u16 = 80;

pub(super) fn fragment(from: &Export<'_>) -> Fragment {
    let mut fragment = Fragment::default();
    let (planned, others) = ways(from, &mut fragment);
    let mut out = String::new();
    let address = from.address();
    comment(
        &mut out,
        "#",
        &[
            "GRUB 2: menu entries made by lanboot.",
            &format!("They load {} from {address}.", from.names()),
            "Save this as lanboot.cfg beside grub.cfg and put there: source $prefix/lanboot.cfg",
            &format!("Run on {address}: lanboot serve --dhcp off IMAGE"),
            "A GRUB that came over the network has its network up. One from a disk needs before it:",
            "insmod efinet; insmod net; net_dhcp (before 2.06: net_bootp)",
        ],
    );
    let mut left_out = Vec::new();
    for way in &planned {
        entry(
            &mut out,
            from,
            way,
            "",
            &way.entry.id,
            &way.entry.title,
            &mut left_out,
        );
    }
    if !others.is_empty() {
        out.push_str(
            "\n# The same entries with other ways for the root file system.\n\
             submenu 'Other ways for the root to travel' --id lanboot-ways {\n",
        );
        for other in &others {
            let title = format!("{} - {}", other.entry.title, way(other.transport));
            let id = format!("{}/{}", other.entry.id, other.transport);
            entry(&mut out, from, other, "    ", &id, &title, &mut left_out);
        }
        out.push_str("}\n");
    }
    fragment.text = out;
    fragment.remarks.extend(left_out);
    fragment
}

fn entry(
    out: &mut String,
    from: &Export<'_>,
    way: &Way<'_>,
    indent: &str,
    id: &str,
    title: &str,
    remarks: &mut Vec<String>,
) {
    let entry = way.entry;
    let mut arguments: Vec<String> = way
        .arguments(from, Spelling::Pxelinux)
        .iter()
        .map(|word| quoted(word))
        .collect();
    // GRUB writes it with colons, which archiso's hook reads as well.
    arguments.push("BOOTIF=01-$net_default_mac".into());
    if entry.sysappend() & 1 != 0 && !id.contains('/') {
        remarks.push(format!(
            "{id}: its initramfs wants ip=ADDRESS:SERVER:GATEWAY:NETMASK, which GRUB cannot make; \
             write one into the entry"
        ));
    }
    let file = |path: &str| file(from, way, path);
    let initrd: Vec<String> = entry.initrd.iter().map(|path| file(path)).collect();
    let module = if from.server.http.port() == HTTP_PORT {
        "http"
    } else {
        "tftp"
    };
    let _ = write!(
        out,
        "\n{indent}menuentry {} --id {} {{\n\
         {indent}    insmod {module}\n\
         {indent}    echo {}\n\
         {indent}    linux {} {}\n\
         {indent}    initrd {}\n\
         {indent}}}\n",
        quoted(&text(title, MAX_TITLE)),
        quoted(&text(id, MAX_TITLE)),
        quoted(&text(
            &entry.help(way.transport, &from.menu.append),
            MAX_TITLE
        )),
        file(&entry.kernel),
        arguments.join(" "),
        initrd.join(" "),
    );
}

/// A file as GRUB names it. Over HTTP the path goes out as it is written, so it is encoded as in
/// a URL; over TFTP nothing is.
fn file(from: &Export<'_>, way: &Way<'_>, path: &str) -> String {
    let address = from.address();
    if from.server.http.port() == HTTP_PORT {
        format!("(http,{address})/{}", url_path(&way.path(path)))
    } else {
        format!(
            "(tftp,{address}){}",
            quoted(&format!("/{}", way.path(path)))
        )
    }
}

/// One word of a GRUB script. Between single quotes nothing means anything but `'` itself.
fn quoted(word: &str) -> String {
    let word = crate::bytes::printable(word.as_bytes(), usize::MAX);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-:=,@+%".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
