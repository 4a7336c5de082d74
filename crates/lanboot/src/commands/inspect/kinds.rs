//! The report about entries that are no Linux kernels: programs, multiboot kernels and disks.

use lanboot_core::catalog::{Dialect, Entry, Image, Transport};
use lanboot_core::events::bytes;
use lanboot_core::images::{EntryKind, Firmware, MenuLoader};
use lanboot_core::text;
use serde::Serialize;

use super::facts::{
    Input, ReportStanding, memory_of_other, secure_standing, server, signed, with_server,
};
use super::tested::{Tested, tested};

/// An entry that is complete when it is loaded.
#[derive(Debug, Serialize)]
pub(super) struct ReportComplete {
    id: String,
    title: String,
    /// The machines that start it.
    starts: Vec<ReportStarts>,
    /// Its modules, each with its arguments; none but for a multiboot kernel.
    modules: Vec<String>,
    /// Its arguments.
    arguments: String,
    /// Memory it takes at least, in bytes; of a disk, where it is copied.
    memory: Option<u64>,
    /// Reason it cannot start: a file it needs is incomplete.
    incomplete: Option<String>,
    /// Signers of its program; empty if unsigned or unknown.
    signed_by: Vec<String>,
    /// Consequence with Secure Boot on.
    secure_boot: String,
    /// The same by certificate authority; `None` for a disk, whose programs are not looked at.
    secure_standing: Option<ReportStanding>,
    /// The boots of it in this project's tests.
    tested: Tested,
    /// Notes for the operator.
    notes: Vec<String>,
}

/// One kind of machine that starts an entry.
#[derive(Debug, Serialize)]
struct ReportStarts {
    firmware: &'static str,
    /// The file on the medium; `None` for the image as a disk.
    file: Option<String>,
    /// The loaders whose menus have it.
    loaders: Vec<&'static str>,
}

impl ReportComplete {
    /// Returns the line about Secure Boot; `None` where nothing of it is signed or looked at.
    fn standing(&self) -> Option<String> {
        let standing = self.secure_standing.as_ref();
        let standing = standing.filter(|_| !self.signed_by.is_empty());
        standing.map(ToString::to_string)
    }
}

/// Makes the report about `entry`.
pub(super) fn complete(image: &Image, entry: &Entry, input: Input<'_>) -> ReportComplete {
    let append = input.append;
    let file = |firmware| match &entry.kind {
        EntryKind::Program(program) => program.file(firmware).map(str::to_owned),
        EntryKind::Multiboot(multiboot) => Some(multiboot.kernel.clone()),
        EntryKind::Linux(linux) => Some(linux.kernel.clone()),
        EntryKind::Disk(_) => None,
    };
    let loaders = |firmware| {
        let all = MenuLoader::ALL.into_iter();
        let able = all.filter(|loader| entry.starts_by(*loader, firmware));
        able.map(MenuLoader::name).collect()
    };
    let modules = match &entry.kind {
        EntryKind::Multiboot(multiboot) => multiboot.modules.as_slice(),
        EntryKind::Linux(_) | EntryKind::Program(_) | EntryKind::Disk(_) => &[],
    };
    let modules = modules.iter().map(|module| {
        let words = [&module.path].into_iter().chain(&module.arguments);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    });
    let starts = Firmware::ALL.into_iter();
    let starts = starts.filter(|firmware| entry.starts_on(*firmware));
    let server = server();
    let is_disk = matches!(entry.kind, EntryKind::Disk(_));
    let arguments = entry.command_line(Transport::Http, image.at(&server), Dialect::Shown, append);
    let arguments = with_server(&arguments);
    ReportComplete {
        id: entry.id.clone(),
        title: image.title(entry),
        starts: starts
            .map(|firmware| ReportStarts {
                firmware: firmware.name(),
                file: file(firmware),
                loaders: loaders(firmware),
            })
            .collect(),
        modules: modules.collect(),
        arguments,
        incomplete: image.incomplete(entry).map(|reason| reason.to_string()),
        signed_by: entry.signed.names().to_vec(),
        memory: memory_of_other(image, entry, append),
        secure_boot: signed(entry),
        secure_standing: (!is_disk).then(|| secure_standing(image, entry, input.host)),
        tested: tested(image, entry, append),
        notes: entry.notes.iter().map(ToString::to_string).collect(),
    }
}

/// Writes the report about an entry; `what` says of which kind it is.
pub(super) fn complete_text(out: &mut String, what: &str, entry: &ReportComplete) {
    out.push_str(&format!(
        "\n  entry {}: {}, {what}\n",
        entry.id,
        text::line(&entry.title)
    ));
    let mut field = |name: &str, value: &str| {
        out.push_str(&format!("    {name:<10} {}\n", text::line(value)));
    };
    for starts in &entry.starts {
        let file = starts.file.as_deref().unwrap_or("the whole image");
        let loaders = starts.loaders.join(", ");
        field(
            "starts",
            &format!("{}: {file}, by {loaders}", starts.firmware),
        );
    }
    for module in &entry.modules {
        field("module", module);
    }
    if !entry.arguments.is_empty() {
        field("arguments", &entry.arguments);
    }
    if let Some(incomplete) = &entry.incomplete {
        field("fault", incomplete);
    }
    if let Some(memory) = entry.memory {
        let memory = bytes(memory);
        field(
            "memory",
            &match entry.secure_standing {
                Some(_) => format!("at least {memory}"),
                None => format!("at least {memory} where it is copied (memdisk, UEFI HTTP Boot)"),
            },
        );
    }
    field("signed", &entry.secure_boot);
    if let Some(standing) = entry.standing() {
        field("Secure Boot", &standing);
    }
    for (name, line) in entry.tested.lines() {
        field(name, line);
    }
    for note in &entry.notes {
        field("note", note);
    }
}
