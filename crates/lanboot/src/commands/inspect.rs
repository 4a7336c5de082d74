//! `lanboot inspect`: contents of an image and the entries machines would be offered.

mod facts;
mod kinds;
mod tested;

use lanboot_core::catalog::{Dialect, Entry, Image, Transport};
use lanboot_core::events::bytes;
use lanboot_core::images::{EntryKind, Linux, Overlay};
use lanboot_core::machine::Arch;
use lanboot_core::text;
use serde::Serialize;

use self::facts::{Input, ReportStanding, memory, secure_standing, server, signed, with_server};
use self::kinds::{ReportComplete, complete, complete_text};
use self::tested::{ReportBoot, Tested, boots, tested};
use crate::config::args::Inspect;
use crate::images::library;
use crate::loaders;

/// The report, as printed by `--json`.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    name: String,
    size: u64,
    volume: String,
    uuid: Option<String>,
    /// File system that its files are read from.
    format: Option<String>,
    family: &'static str,
    /// The evidence for the family, the surest first; empty where it is of none.
    recognised_by: Vec<&'static str>,
    /// The certainty of the family.
    sureness: Option<&'static str>,
    /// Both for people.
    #[serde(skip)]
    shown: Option<String>,
    /// The name and version it gives itself.
    product: Option<String>,
    /// The boots of media like it by this project's tests.
    tested: Vec<ReportBoot>,
    entries: Vec<ReportStart>,
    /// Entries it could boot if its initramfs supported the network.
    not_offered: Vec<ReportEntry>,
    stock_menu: Option<String>,
    bios_loader: Option<String>,
    /// Loaders on it that start over the network with Secure Boot on, as pairs of shim and GRUB.
    secure_loaders: Vec<[String; 2]>,
    /// True if firmware can start the whole image as a disk (UEFI HTTP Boot).
    ram_disk: bool,
    /// Reason its system would not find its root on such a disk.
    ram_disk_lack: Option<String>,
    warnings: Vec<String>,
}

/// An entry, by the way it is started.
#[derive(Debug, Serialize)]
#[serde(tag = "start", rename_all = "kebab-case")]
enum ReportStart {
    Kernel(Box<ReportEntry>),
    Program(Box<ReportComplete>),
    Multiboot(Box<ReportComplete>),
    Disk(Box<ReportComplete>),
    WholeImage(ReportWhole),
}

/// An image that firmware starts as a whole.
#[derive(Debug, Serialize)]
struct ReportWhole {
    id: String,
    /// Firmware that can start it; empty if unknown.
    firmware: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ReportEntry {
    id: String,
    title: String,
    cpu: &'static str,
    kernel: String,
    initramfs: Vec<String>,
    /// Files the server adds to the initramfs, by their paths there.
    overlay: Vec<String>,
    /// Size of the overlay in bytes; 0 without one.
    overlay_bytes: u64,
    /// `None` if everything is in the initramfs.
    root: Option<String>,
    root_bytes: u64,
    /// Reason it cannot start: a file it needs is incomplete.
    incomplete: Option<String>,
    /// Signers of the kernel; empty if unsigned.
    signed_by: Vec<String>,
    /// Consequence with Secure Boot on.
    secure_boot: String,
    /// The same by certificate authority.
    secure_standing: ReportStanding,
    /// The boots of it in this project's tests.
    tested: Tested,
    /// Kernel arguments by transport.
    arguments: Vec<Arguments>,
    /// Notes for the operator.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Arguments {
    transport: &'static str,
    /// The complete command line; `SERVER` stands for this host's address.
    command_line: Option<String>,
    /// Memory it needs at least, in bytes; `None` if the root stays on the server.
    memory: Option<u64>,
    /// Reason it cannot start with this transport.
    refused: Option<String>,
}

/// Inspects an image and returns the text to print.
pub fn run(inspect: &Inspect) -> anyhow::Result<String> {
    let image = library::open_one(&inspect.image)?;
    let host = loaders::loaders(None)?;
    let input = Input {
        append: inspect.append.as_deref().unwrap_or(""),
        host: &host,
    };
    let report = report(&image, input);
    if inspect.json {
        Ok(text::json(&serde_json::to_string_pretty(&report)?))
    } else {
        Ok(text(&report))
    }
}

fn report(image: &Image, input: Input<'_>) -> Report {
    Report {
        file: image.file.clone(),
        name: image.name.clone(),
        size: image.size,
        volume: image.label.clone(),
        uuid: image.uuid.clone(),
        format: image.found.format.map(|format| format.to_string()),
        family: image.found.family_name(),
        recognised_by: image.found.evidence.iter().map(|by| by.name()).collect(),
        sureness: image.found.sureness().map(|sureness| sureness.name()),
        shown: shown(image),
        product: image.found.product.clone(),
        tested: boots(image),
        entries: entries(image, input),
        not_offered: image
            .found
            .unreachable
            .iter()
            .filter_map(|entry| match &entry.kind {
                EntryKind::Linux(linux) => Some(kernel(image, entry, linux, input)),
                // Only an initramfs lacks anything.
                EntryKind::Program(_) | EntryKind::Multiboot(_) | EntryKind::Disk(_) => None,
            })
            .collect(),
        stock_menu: image.found.stock.as_ref().map(|stock| stock.loader.clone()),
        bios_loader: image
            .found
            .pxelinux
            .as_ref()
            .map(|folder| format!("{folder}/lpxelinux.0")),
        secure_loaders: image
            .loaders
            .pairs
            .iter()
            .map(|pair| [pair.shim.from.clone(), pair.grub.from.clone()])
            .collect(),
        ram_disk: image.found.efi_boot && image.whole().damage().is_none(),
        ram_disk_lack: image.found.ram_disk_lack().map(ToString::to_string),
        warnings: image.found.warnings.clone(),
    }
}

/// Returns what shows the family, and how sure that is; `None` where it is of none.
fn shown(image: &Image) -> Option<String> {
    let sureness = image.found.sureness()?;
    let evidence = image.found.evidence.iter().map(ToString::to_string);
    let evidence = evidence.collect::<Vec<_>>().join(", ");
    Some(format!("{evidence} ({})", sureness.name()))
}

fn kernel(image: &Image, entry: &Entry, linux: &Linux, input: Input<'_>) -> ReportEntry {
    let Linux { kernel, initrd } = linux;
    let overlay = entry.overlay();
    ReportEntry {
        id: entry.id.clone(),
        title: image.title(entry),
        cpu: entry.cpu.name(),
        kernel: kernel.clone(),
        initramfs: initrd.clone(),
        overlay: overlay.map_or_else(Vec::new, |overlay| {
            let paths = overlay.files().iter().map(|file| format!("/{}", file.path));
            paths.collect()
        }),
        overlay_bytes: overlay.map_or(0, Overlay::bytes),
        root: entry.root.clone(),
        root_bytes: entry.root_bytes,
        incomplete: image.incomplete(entry).map(|reason| reason.to_string()),
        signed_by: entry.signed.names().to_vec(),
        secure_boot: signed(entry),
        secure_standing: secure_standing(image, entry, input.host),
        tested: tested(image, entry, input.append),
        arguments: Transport::ALL
            .map(|transport| arguments(image, entry, transport, input.append))
            .into(),
        notes: entry.notes.iter().map(ToString::to_string).collect(),
    }
}

/// Returns all entries, including those that cannot start because something is missing.
fn entries(image: &Image, input: Input<'_>) -> Vec<ReportStart> {
    let entries = image.found.entries.iter();
    let entries = entries.map(|entry| {
        let complete = || complete(image, entry, input).into();
        match &entry.kind {
            EntryKind::Linux(linux) => {
                ReportStart::Kernel(kernel(image, entry, linux, input).into())
            }
            EntryKind::Program(_) => ReportStart::Program(complete()),
            EntryKind::Multiboot(_) => ReportStart::Multiboot(complete()),
            EntryKind::Disk(_) => ReportStart::Disk(complete()),
        }
    });
    let whole = image.is_whole_entry().then(|| {
        ReportStart::WholeImage(ReportWhole {
            id: image.name.clone(),
            firmware: image.found.efi_archs.iter().map(Arch::to_string).collect(),
        })
    });
    entries.chain(whole).collect()
}

fn arguments(image: &Image, entry: &Entry, transport: Transport, append: &str) -> Arguments {
    let server = server();
    let refused = entry
        .check(transport, append)
        .err()
        .map(|reason| reason.to_string());
    let line = entry.command_line(transport, image.at(&server), Dialect::Shown, append);
    Arguments {
        transport: transport.name(),
        command_line: refused.is_none().then(|| with_server(&line)),
        memory: memory(entry, transport, append).filter(|_| refused.is_none()),
        refused,
    }
}

fn text(report: &Report) -> String {
    let mut out = format!(
        "{}\n  volume    {} ({})\n",
        text::line(&report.file),
        text::line(&report.volume),
        bytes(report.size)
    );
    let mut field =
        |name: &str, value: &str| out.push_str(&format!("  {name:<9} {}\n", text::line(value)));
    if let Some(uuid) = &report.uuid {
        field("uuid", uuid);
    }
    if let Some(format) = &report.format {
        field("format", format);
    }
    field("family", report.family);
    if let Some(shown) = &report.shown {
        field("known by", shown);
    }
    if let Some(product) = &report.product {
        field("product", product);
    }
    field("name", &report.name);
    field(
        "loader",
        report
            .bios_loader
            .as_deref()
            .unwrap_or("none for BIOS on this image"),
    );
    for [shim, grub] in &report.secure_loaders {
        field(
            "secure",
            &format!("{shim} and {grub}, with Secure Boot on or off"),
        );
    }
    if let Some(lack) = report.ram_disk_lack.as_ref().filter(|_| report.ram_disk) {
        field(
            "RAM disk",
            &format!("not recommended (--loader iso): {lack}"),
        );
    } else if report.ram_disk {
        field(
            "RAM disk",
            "UEFI HTTP Boot can take the whole image (--loader iso)",
        );
    }
    field(
        "own menu",
        report
            .stock_menu
            .as_deref()
            .unwrap_or("none for PXE on this image"),
    );
    entries_text(&mut out, report);
    for warning in &report.warnings {
        out.push_str(&format!("\n  note: {}\n", text::line(warning)));
    }
    out
}

fn entries_text(out: &mut String, report: &Report) {
    for entry in &report.entries {
        match entry {
            ReportStart::Kernel(entry) => kernel_text(out, "entry", entry),
            ReportStart::Program(entry) => complete_text(out, "a program", entry),
            ReportStart::Multiboot(entry) => {
                complete_text(out, "a multiboot kernel", entry);
            }
            ReportStart::Disk(entry) => complete_text(out, "the image as a disk", entry),
            ReportStart::WholeImage(whole) => whole_text(out, whole),
        }
    }
    for entry in &report.not_offered {
        kernel_text(out, "not offered", entry);
    }
}

fn kernel_text(out: &mut String, what: &str, entry: &ReportEntry) {
    out.push_str(&format!(
        "\n  {what} {}: {}\n",
        entry.id,
        text::line(&entry.title)
    ));
    let mut field = |name: &str, value: &str| {
        out.push_str(&format!("    {name:<10} {}\n", text::line(value)));
    };
    field("kernel", &entry.kernel);
    for initramfs in &entry.initramfs {
        field("initramfs", initramfs);
    }
    if !entry.overlay.is_empty() {
        let size = bytes(entry.overlay_bytes);
        field(
            "added",
            &format!("{} ({size}), made by the server", entry.overlay.join(", ")),
        );
    }
    let root = match &entry.root {
        Some(root) => format!("{root} ({})", bytes(entry.root_bytes)),
        None => "none: everything is in its initramfs".into(),
    };
    field("root", &root);
    if let Some(incomplete) = &entry.incomplete {
        field("fault", incomplete);
    }
    field("signed", &entry.secure_boot);
    if !entry.signed_by.is_empty() {
        field("Secure Boot", &entry.secure_standing.to_string());
    }
    for (name, line) in entry.tested.lines() {
        field(name, line);
    }
    let transports = entry.arguments.iter();
    for arguments in transports.filter(|a| entry.root.is_some() || a.refused.is_none()) {
        let line = arguments
            .command_line
            .as_deref()
            .or(arguments.refused.as_deref())
            .unwrap_or_default();
        field(arguments.transport, line);
        if let Some(memory) = arguments.memory {
            let name = arguments.transport;
            field("memory", &format!("at least {} over {name}", bytes(memory)));
        }
    }
    for note in &entry.notes {
        field("note", note);
    }
}

fn whole_text(out: &mut String, whole: &ReportWhole) {
    let firmware = match whole.firmware.as_slice() {
        [] => "UEFI".into(),
        firmware => firmware.join(" and "),
    };
    out.push_str(&format!(
        "\n  entry {}: the whole image\n    starts     on {firmware} machines by HTTP Boot, as a \
         RAM disk; not by PXE, not with a BIOS\n",
        whole.id
    ));
}
