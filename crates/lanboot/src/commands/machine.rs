//! `lanboot machine`: shows the machines that the running program knows, and changes their plans.

use std::fmt::Write as _;
use std::path::Path;

use lanboot_core::machine::Mac;
use lanboot_core::text;

use super::machine_plan;
use crate::admin::client;
use crate::admin::views::{BootView, MachineList, MachineView, PlanView};
use crate::config::args::{Machine, MachineCommand};
use crate::config::state_folder;

/// Path of all machines.
const MACHINES: &str = "/api/v1/machines";

/// Runs the command against the program that uses the state folder, and returns what it prints.
///
/// # Errors
/// No program runs there, or it does not know the machine.
pub fn run(flags: &Machine) -> anyhow::Result<String> {
    let folder = &*state_folder(flags.state.as_deref(), flags.config.as_deref())?;
    match &flags.command {
        MachineCommand::List { json } => {
            let list: MachineList = client::get(folder, MACHINES)?;
            if *json {
                as_json(&list)
            } else {
                Ok(table(&list.machines))
            }
        }
        MachineCommand::Show { mac, why, json } => show(folder, *mac, *why, *json),
        MachineCommand::Set { mac, keys, replace } => {
            machine_plan::set(folder, &path(*mac), keys, *replace)
        }
        MachineCommand::Next { mac, boot, .. } => {
            machine_plan::next(folder, &path(*mac), boot.as_deref())
        }
        MachineCommand::Done { mac } => machine_plan::done(folder, &path(*mac)),
        MachineCommand::Export => machine_plan::export(folder),
        MachineCommand::Import { file } => machine_plan::import(folder, file),
        MachineCommand::Forget { mac } => forget(folder, *mac),
    }
}

fn path(mac: Mac) -> String {
    format!("{MACHINES}/{mac}")
}

/// Shows a machine that is known, or has a plan.
fn show(folder: &Path, mac: Mac, why: bool, json: bool) -> anyhow::Result<String> {
    let plan: PlanView = client::get(folder, &format!("{}/plan", path(mac)))?;
    let has_plan = plan.values.len() > 1;
    let machine: Option<MachineView> = match client::get(folder, &path(mac)) {
        Ok(machine) => Some(machine),
        Err(_) if has_plan => None,
        Err(error) => return Err(error),
    };
    if json {
        let mut value = match &machine {
            Some(machine) => serde_json::to_value(machine)?,
            None => serde_json::json!({ "mac": plan.mac }),
        };
        value["plan"] = serde_json::to_value(&plan)?;
        return as_json(&value);
    }
    let details = machine.as_ref().map(details).unwrap_or_default();
    Ok(format!("{details}{}", machine_plan::lines(&plan, why)))
}

fn forget(folder: &Path, mac: Mac) -> anyhow::Result<String> {
    client::delete(folder, &path(mac))?;
    Ok(format!("{mac} is forgotten until it asks to boot again\n"))
}

fn as_json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    let json = serde_json::to_string_pretty(value)?;
    Ok(format!("{}\n", text::json(&json)))
}

/// Writes a line for each machine, in columns.
fn table(machines: &[MachineView]) -> String {
    const TITLES: [&str; 6] = [
        "MAC",
        "ADDRESS",
        "FIRMWARE",
        "LAST SEEN (UTC)",
        "BOOTS",
        "LAST BOOT",
    ];
    if machines.is_empty() {
        return "No machine has asked to boot so far. On the machine, enable network boot (PXE) in its \
                firmware,\nor press its boot menu key (often F12) and select the network card.\n"
            .to_owned();
    }
    let rows = machines.iter().map(|machine| {
        [
            machine.mac.clone(),
            or_dash(machine.address.as_deref()),
            or_dash(machine.architecture.as_deref()),
            minute(&machine.last_seen),
            machine.boots.to_string(),
            or_dash(machine.last_boot.as_ref().map(boot).as_deref()),
        ]
    });
    let rows: Vec<_> = [TITLES.map(str::to_owned)]
        .into_iter()
        .chain(rows)
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // A `String` never fails to grow by an error.
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Writes everything known of one machine.
fn details(machine: &MachineView) -> String {
    let boots = match machine.failures {
        0 => format!("{}", machine.boots),
        failures => format!("{} ({failures} more did not finish)", machine.boots),
    };
    let rows = [
        ("machine", machine.mac.clone()),
        ("UUID", or_dash(machine.uuid.as_deref())),
        ("firmware", or_dash(machine.architecture.as_deref())),
        ("address", or_dash(machine.address.as_deref())),
        ("first seen", format!("{} UTC", minute(&machine.first_seen))),
        ("last seen", format!("{} UTC", minute(&machine.last_seen))),
        ("boots", boots),
        (
            "last boot",
            or_dash(machine.last_boot.as_ref().map(long_boot).as_deref()),
        ),
    ];
    let lines = rows
        .iter()
        .map(|(name, value)| format!("{name:<12}{value}\n"));
    lines.collect()
}

fn long_boot(of: &BootView) -> String {
    format!("{}, began {} UTC", boot(of), minute(&of.began))
}

/// Returns the image of a boot and its end in words.
fn boot(boot: &BootView) -> String {
    let image = boot
        .image
        .as_deref()
        .map_or_else(|| "no image yet".to_owned(), text::lines);
    match boot.outcome.as_str() {
        "up" => image,
        "given-up" => format!("{image} (did not finish)"),
        _ => format!("{image} (not up yet)"),
    }
}

/// Returns `2026-11-27 01:10` of `2026-11-27T01:10:11.000Z`.
fn minute(time: &str) -> String {
    let minutes = "2026-11-27T01:10".len();
    time.get(..minutes).unwrap_or(time).replace('T', " ")
}

fn or_dash(value: Option<&str>) -> String {
    value.map_or_else(|| "-".to_owned(), text::lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> MachineView {
        MachineView {
            mac: "52:54:00:00:00:01".into(),
            uuid: None,
            architecture: Some("x64 UEFI".into()),
            address: Some("10.0.0.5".into()),
            first_seen: "2026-11-26T23:00:00.000Z".into(),
            last_seen: "2026-11-27T01:10:11.000Z".into(),
            boots: 3,
            failures: 1,
            last_boot: Some(BootView {
                began: "2026-11-27T01:09:00.000Z".into(),
                image: Some("arch\x1b[2J".into()),
                outcome: "given-up".into(),
            }),
        }
    }

    #[test]
    fn a_list_is_in_columns_and_what_is_not_known_is_a_dash() {
        let bare = MachineView {
            architecture: None,
            address: None,
            last_boot: None,
            ..machine()
        };
        let text = table(&[machine(), bare]);
        let expected = "\
MAC                ADDRESS   FIRMWARE  LAST SEEN (UTC)   BOOTS  LAST BOOT
52:54:00:00:00:01  10.0.0.5  x64 UEFI  2026-11-27 01:10  3      arch\\x1b[2J (did not finish)
52:54:00:00:00:01  -         -         2026-11-27 01:10  3      -
";
        assert_eq!(text, expected);
        assert!(table(&[]).starts_with("No machine has asked to boot so far."));
    }

    #[test]
    fn one_machine_is_shown_with_everything() {
        let expected = "\
machine     52:54:00:00:00:01
UUID        -
firmware    x64 UEFI
address     10.0.0.5
first seen  2026-11-26 23:00 UTC
last seen   2026-11-27 01:10 UTC
boots       3 (1 more did not finish)
last boot   arch\\x1b[2J (did not finish), began 2026-11-27 01:09 UTC
";
        assert_eq!(details(&machine()), expected);
    }
}
