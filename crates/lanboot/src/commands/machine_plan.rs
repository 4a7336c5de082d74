//! The plans in `lanboot machine`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use hyper::Method;
use lanboot_core::text;

use crate::admin::client;
use crate::admin::views::{NextStart, PlanChangeView, PlanList, PlanSaid, PlanView};
use crate::config::{read_plans, write_plans};

/// Path of all plans.
const PLANS: &str = "/api/v1/plans";
/// Largest file that is imported, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// Sets keys of the plan of the machine at `path`.
///
/// # Errors
/// A key or a value is wrong, or it cannot be kept.
pub(super) fn set(
    folder: &Path,
    path: &str,
    keys: &[String],
    replace: bool,
) -> anyhow::Result<String> {
    let mut change = PlanChangeView {
        keys: BTreeMap::new(),
        replace,
    };
    for word in keys {
        let Some((key, value)) = word.split_once('=') else {
            let word = text::line(word);
            bail!("'{word}' is not KEY=VALUE, such as boot=disk; '{word}=' removes the key");
        };
        let value = (!value.is_empty()).then(|| value.to_owned());
        if change.keys.insert(key.to_owned(), value).is_some() {
            bail!("'{}' is given twice", text::line(key));
        }
    }
    let plan: PlanView = client::send(folder, Method::PATCH, &format!("{path}/plan"), &change)?;
    Ok(changed(&plan))
}

/// Chooses what the next boot of the machine at `path` starts, or takes that back.
///
/// # Errors
/// It is no name, or cannot be kept.
pub(super) fn next(folder: &Path, path: &str, boot: Option<&str>) -> anyhow::Result<String> {
    let boot = boot.map(str::to_owned);
    let path = format!("{path}/next");
    let plan: PlanView = client::send(folder, Method::POST, &path, &NextStart { boot })?;
    Ok(changed(&plan))
}

/// Notes that the installation of the machine at `path` is done.
///
/// # Errors
/// Its plan names none, or it cannot be kept.
pub(super) fn done(folder: &Path, path: &str) -> anyhow::Result<String> {
    let plan: PlanView = client::send(folder, Method::POST, &format!("{path}/done"), &())?;
    Ok(changed(&plan))
}

/// Writes the plans that were set.
///
/// # Errors
/// No program runs there.
pub(super) fn export(folder: &Path) -> anyhow::Result<String> {
    let list: PlanList = client::get(folder, PLANS)?;
    let plans = list.plans.iter().map(|said| {
        let mac = said.mac.parse().context("a plan of no machine")?;
        Ok((mac, said.state()?))
    });
    let plans = plans.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(write_plans(plans.iter().map(|(mac, state)| (*mac, state))))
}

/// Sets the plans of a file.
///
/// # Errors
/// It cannot be read, a line is wrong, or they cannot be kept; nothing is changed then.
pub(super) fn import(folder: &Path, file: &Path) -> anyhow::Result<String> {
    let name = text::path(file);
    let cannot = || format!("cannot read {name}");
    let mut read = String::new();
    let bytes = if file.as_os_str() == "-" {
        std::io::stdin()
            .take(MAX_FILE + 1)
            .read_to_string(&mut read)
    } else {
        let file = std::fs::File::open(file).with_context(cannot)?;
        file.take(MAX_FILE + 1).read_to_string(&mut read)
    };
    if bytes.with_context(cannot)? as u64 > MAX_FILE {
        bail!("{name} is larger than {} MiB", MAX_FILE >> 20);
    }
    let plans = read_plans(&name, &read)?;
    let said = plans.iter().map(|(mac, state)| PlanSaid::new(*mac, state));
    let list = PlanList {
        plans: said.collect(),
    };
    client::send::<()>(folder, Method::POST, PLANS, &list)?;
    let machines = match plans.len() {
        1 => "1 machine has".to_owned(),
        count => format!("{count} machines have"),
    };
    Ok(format!("{machines} the plans of {name}\n"))
}

/// Writes the plan of a machine; with `why` also from where each value is, and those it overrides.
pub(super) fn lines(plan: &PlanView, why: bool) -> String {
    let mut out = format!("{:<12}{}\n", "next boot", start(&plan.boot));
    for value in plan.values.iter().filter(|value| why || value.counts) {
        let shown = text::line(&value.value);
        let line = match (why, value.counts) {
            (false, _) if value.key == "boot" => continue,
            (false, _) => format!("{:<12}{shown}", value.key),
            (true, true) => format!("  {} = {shown}: {}", value.key, value.origin),
            (true, false) => format!("    overrides {} = {shown}: {}", value.key, value.origin),
        };
        // A `String` never fails to grow by an error.
        let _ = writeln!(out, "{}", text::line(&line));
    }
    out
}

fn changed(plan: &PlanView) -> String {
    let warning = plan.warning.as_ref().map_or_else(String::new, |warning| {
        format!("warning: {}\n", text::lines(warning))
    });
    let (mac, start) = (&plan.mac, start(&plan.boot));
    format!("{warning}{mac}: next boot {start}\n")
}

/// Returns the start of a plan in words.
fn start(boot: &str) -> String {
    match (boot, boot.strip_prefix("install:")) {
        ("menu", _) => "shows the menu".to_owned(),
        ("disk", _) => "from its own disk".to_owned(),
        (_, Some(entry)) => format!("installs {}", text::line(entry)),
        (entry, None) => format!("starts {}", text::line(entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::views::PlanValue;

    #[test]
    fn a_plan_says_from_where_each_value_is() {
        let value = |key: &str, value: &str, origin: &str, counts| PlanValue {
            key: key.into(),
            value: value.into(),
            origin: origin.into(),
            counts,
        };
        let plan = PlanView {
            mac: "52:54:00:00:00:01".into(),
            boot: "install:debian-13".into(),
            values: vec![
                value(
                    "boot",
                    "install:debian-13",
                    "set for this machine (machine set)",
                    true,
                ),
                value(
                    "append",
                    "quiet\x1b",
                    "group 'school' at lanboot.toml:6",
                    true,
                ),
                value(
                    "boot",
                    "menu",
                    "for every machine without a plan (--boot-policy)",
                    false,
                ),
            ],
            said: PlanSaid {
                mac: String::new(),
                keys: BTreeMap::new(),
                next: None,
                installed: None,
            },
            warning: Some("there is no entry".into()),
        };
        assert_eq!(
            lines(&plan, false),
            "next boot   installs debian-13\nappend      quiet\\x1b\n"
        );
        assert_eq!(
            lines(&plan, true),
            "\
next boot   installs debian-13
  boot = install:debian-13: set for this machine (machine set)
  append = quiet\\x1b: group 'school' at lanboot.toml:6
    overrides boot = menu: for every machine without a plan (--boot-policy)
"
        );
        assert_eq!(
            changed(&plan),
            "warning: there is no entry\n52:54:00:00:00:01: next boot installs debian-13\n"
        );
    }
}
