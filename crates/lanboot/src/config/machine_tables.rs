//! `[[machine]]` and `[[group]]` of the configuration file: plans of machines. What `lanboot machine
//! export` writes and `machine import` reads has the same form.

use anyhow::anyhow;
use lanboot_core::machine::{Mac, Uuid};
use lanboot_core::machine_plans::{
    Group, KEYS, Matcher, Pattern, PlanFields, PlanState, Rule, Rules,
};
use lanboot_core::text;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Source, scalar};

/// The key of the rules.
pub(super) const MACHINE: &str = "machine";
/// The key of the groups.
pub(super) const GROUP: &str = "group";
/// The keys by which a rule names its machines.
const MATCHERS: [&str; 2] = ["mac", "uuid"];
/// The key of the entry whose installation is done, which only export and import have.
const INSTALLED: &str = "installed";
/// Longest name of a group or an entry, in bytes.
const MAX_TEXT: usize = 255;
/// Most groups that one table names.
const MAX_GROUPS: usize = 16;

/// Reads the rules and groups of a configuration file.
pub(super) fn rules(source: &Source<'_>, table: &DeTable<'_>) -> anyhow::Result<Rules> {
    let mut rules = Vec::new();
    for (offset, keys) in tables(source, table, MACHINE)? {
        let read = Table::read(source, keys, &[&MATCHERS[..], &[GROUP]].concat(), MACHINE)?;
        rules.push(Rule {
            place: source.line(offset),
            matcher: read.matcher,
            groups: read.groups,
            fields: read.fields,
        });
    }
    let mut groups = Vec::new();
    for (offset, keys) in tables(source, table, GROUP)? {
        let read = Table::read(source, keys, &["name", GROUP], GROUP)?;
        let missing = || source.error(offset, "[[group]] has no name; write name = 'school'");
        groups.push(Group {
            place: source.line(offset),
            name: read.name.ok_or_else(missing)?,
            groups: read.groups,
            fields: read.fields,
        });
    }
    Rules::new(rules, groups).map_err(|(place, error)| anyhow!("{place}: {error}"))
}

/// Reads a file that `machine export` wrote: the plans of single machines.
///
/// # Errors
/// It is no such file; the sentence begins with the file, the line and the column.
pub fn read_plans(name: &str, text: &str) -> anyhow::Result<Vec<(Mac, PlanState)>> {
    let source = Source { name, text };
    let parsed = source.parse()?;
    let table = parsed.get_ref();
    if let Some((other, _)) = table.iter().find(|(key, _)| key.get_ref() != MACHINE) {
        let key = text::line(other.get_ref());
        let message = format!("there is no key '{key}' here; only [[machine]]");
        return Err(source.error(other.span().start, message));
    }
    let mut plans: Vec<(Mac, PlanState)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for (offset, keys) in tables(&source, table, MACHINE)? {
        let read = Table::read(&source, keys, &["mac", INSTALLED], MACHINE)?;
        let mac = read.matcher.exact_mac();
        let missing = "[[machine]] has no mac of a single machine; write mac = '52:54:00:12:34:56'";
        let mac = mac.ok_or_else(|| source.error(offset, missing))?;
        if let Some(first) = places.insert(mac, source.line(offset)) {
            let message = format!("{mac} is there already, at {first}; make one of them");
            return Err(source.error(offset, message));
        }
        let state = PlanState {
            set: read.fields,
            next: None,
            installed: read.installed,
        };
        plans.push((mac, state));
    }
    Ok(plans)
}

/// Writes the plans of machines as [`read_plans`] reads them.
pub fn write_plans<'a>(plans: impl Iterator<Item = (Mac, &'a PlanState)>) -> String {
    let mut out = String::new();
    for (mac, state) in plans {
        let mut table = toml::Table::new();
        for (key, value) in state.set.list() {
            table.insert(key, value.into());
        }
        if let Some(entry) = &state.installed {
            table.insert(INSTALLED.to_owned(), entry.clone().into());
        }
        out.push_str(&format!("[[machine]]\nmac = \"{mac}\"\n{table}\n"));
    }
    out
}

/// Lists the tables of a key, each with its place.
fn tables<'a>(
    source: &Source<'_>,
    table: &'a DeTable<'a>,
    key: &str,
) -> anyhow::Result<Vec<(usize, &'a DeTable<'a>)>> {
    let Some(value) = table.get(key) else {
        return Ok(Vec::new());
    };
    let wrong = |offset| {
        let message = format!("{key}: write [[{key}]], and its keys below it");
        source.error(offset, message)
    };
    let DeValue::Array(list) = value.get_ref() else {
        return Err(wrong(value.span().start));
    };
    let each = list.iter().map(|table| match table.get_ref() {
        DeValue::Table(keys) => Ok((table.span().start, keys)),
        _ => Err(wrong(table.span().start)),
    });
    each.collect()
}

/// One table, read.
#[derive(Default)]
struct Table {
    name: Option<String>,
    matcher: Matcher,
    groups: Vec<String>,
    installed: Option<String>,
    fields: PlanFields,
}

impl Table {
    /// Reads the keys of a table: those of a plan, and `others`.
    fn read(
        source: &Source<'_>,
        keys: &DeTable<'_>,
        others: &[&str],
        kind: &str,
    ) -> anyhow::Result<Self> {
        let mut table = Self::default();
        let mut sorted: Vec<_> = keys.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| key.span().start);
        for (key, value) in sorted {
            let is_known = others.contains(&key.get_ref().as_ref())
                || KEYS.iter().any(|(known, _)| key.get_ref() == known);
            if !is_known {
                let plan = KEYS.iter().map(|(key, _)| *key);
                let valid: Vec<&str> = others.iter().copied().chain(plan).collect();
                return Err(source.unknown_key(key, &format!(" in [[{kind}]]"), &valid));
            }
            let taken = table.take(key.get_ref(), value);
            taken.map_err(|(offset, message)| source.error(offset, message))?;
        }
        Ok(table)
    }

    /// Takes the value of a key that is known. The error is a place, and a sentence with the key.
    fn take(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), (usize, String)> {
        let offset = value.span().start;
        let wrong = |message: String| (offset, format!("{key}: {message}"));
        if let (GROUP, DeValue::Array(names)) = (key, value.get_ref()) {
            for name in names.iter() {
                let name = name.get_ref().as_str();
                let name = name.ok_or_else(|| wrong("write names in quotes".into()))?;
                self.groups.push(short(name).map_err(wrong)?);
            }
            if self.groups.len() > MAX_GROUPS {
                return Err(wrong(format!("at most {MAX_GROUPS} groups")));
            }
            return Ok(());
        }
        let value =
            scalar(value.get_ref()).ok_or_else(|| wrong("write 'text', in quotes".into()))?;
        let set = &mut self.matcher;
        match key {
            "mac" => set.mac = Some(mac_pattern(&value).map_err(wrong)?),
            "uuid" => {
                let uuid = value.parse::<Uuid>();
                set.uuid = Some(uuid.map_err(|error| wrong(error.to_string()))?);
            }
            "name" => self.name = Some(short(&value).map_err(wrong)?),
            GROUP => self.groups.push(short(&value).map_err(wrong)?),
            INSTALLED => self.installed = Some(short(&value).map_err(wrong)?),
            _ => {
                let set = self.fields.set(key, Some(&value));
                set.map_err(|error| (offset, error.to_string()))?;
            }
        }
        Ok(())
    }
}

fn short(value: &str) -> Result<String, String> {
    if value.is_empty() || value.len() > MAX_TEXT {
        return Err(format!("write 1 to {MAX_TEXT} characters"));
    }
    Ok(value.to_owned())
}

/// Parses a hardware address, or a pattern of one.
fn mac_pattern(value: &str) -> Result<Pattern, String> {
    let is_pattern = value.contains(['*', '?'])
        && value
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '*' | '?'));
    match value.parse::<Mac>() {
        Err(error) if !is_pattern => Err(error.to_string()),
        _ => Ok(Pattern::of_mac(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use lanboot_core::machine_plans::{Identity, Plan, Start};

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn plan(text: &str) -> Plan {
        let settings = settings(&["a.iso"], text).unwrap();
        let machine = Identity {
            mac: MAC,
            uuid: None,
            serial: None,
            asset_tag: None,
        };
        Plan::new(&machine, &settings.rules, None, &Start::Menu)
    }

    #[test]
    fn tables_make_plans() {
        let found = plan(
            "[[machine]]\nmac = '52-54-00-12-34-56'\ngroup = ['school', 'ssd']\nboot = 'disk'\n\
             [[group]]\nname = 'school'\nappend = 'console=ttyS0'\n\
             transport = 'nbd'\n\
             [[group]]\nname = 'ssd'\nloader = 'ipxe'\n[[machine]]\nmac = '52:54:*'\nboot = 'x'\n",
        );
        let values: Vec<String> = found
            .candidates()
            .iter()
            .filter(|candidate| candidate.counts)
            .map(|c| format!("{}={} {}", c.key, c.value, c.origin))
            .collect();
        assert_eq!(
            values,
            [
                "boot=disk [[machine]] at lanboot.toml:1",
                "transport=nbd group 'school' at lanboot.toml:5",
                "append=console=ttyS0 group 'school' at lanboot.toml:5",
                "loader=ipxe group 'ssd' at lanboot.toml:9",
            ]
        );
    }

    #[test]
    fn bad_tables_name_their_place_and_what_would_be_right() {
        for (text, expected) in [
            ("[machine]\nmac = '*'", ":1:1: machine: write [[machine]]"),
            ("machine = ['x']", ":1:12: machine: write [[machine]]"),
            (
                "[[machine]]\nboot = 'disk'",
                ":1: [[machine]] names no machine",
            ),
            (
                "[[machine]]\nmac = '52:54'",
                ":2:7: mac: '52:54' is not a hardware address",
            ),
            ("[[machine]]\nmac = 'zz:*'", ":2:7: mac: 'zz:*' is not"),
            ("[[machine]]\nuuid = '7'", ":2:8: uuid: '7' is not a UUID"),
            (
                "[[machine]]\nmac = '*'\nbot = 'disk'",
                ":3:1: there is no key 'bot' in [[machine]]; did you mean 'boot'?",
            ),
            (
                "[[machine]]\nmac = '*'\ninstalled = 'x'",
                "there is no key 'installed'",
            ),
            (
                "[[machine]]\nmac = '*'\nboot = ['x']",
                ":3:8: boot: write 'text', in quotes",
            ),
            (
                "[[machine]]\nmac = '*'\ntransport = 'nsf'",
                ":3:13: transport: 'nsf' is none of",
            ),
            (
                "[[machine]]\nmac = '*'\nappend = \"a\\nb\"",
                ":3:10: append: '\\n' cannot stand",
            ),
            (
                "[[machine]]\nmac = '*'\ngroup = 'x'",
                ":1: there is no group 'x'",
            ),
            ("[[group]]\nboot = 'disk'", ":1:1: [[group]] has no name"),
        ] {
            let error = settings(&["a.iso"], text).unwrap_err().to_string();
            let expected = format!("lanboot.toml{expected}");
            assert!(
                error.starts_with(&expected)
                    || error.contains(expected.trim_start_matches("lanboot.toml")),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn what_is_exported_can_be_imported_and_a_bad_line_is_named() {
        let mut state = PlanState {
            installed: Some("debian-13".into()),
            ..PlanState::default()
        };
        for (key, value) in [("boot", "install:debian-13"), ("append", "a=\"b\"")] {
            state.set.set(key, Some(value)).unwrap();
        }
        let plans = [(MAC, state), (Mac([2; 6]), PlanState::default())];
        let text = write_plans(plans.iter().map(|(mac, state)| (*mac, state)));
        assert_eq!(read_plans("m.toml", &text).unwrap(), plans, "{text}");
        for (text, expected) in [
            (
                "[[machine]]\nmac = '*'",
                "m.toml:1:1: [[machine]] has no mac",
            ),
            (
                "[[machine]]\nboot = 'disk'",
                "m.toml:1:1: [[machine]] has no mac",
            ),
            (
                "[[group]]\nname = 'x'",
                "m.toml:1:3: there is no key 'group' here",
            ),
            ("[[machine", "m.toml:1:"),
            (
                "[[machine]]\nmac = '02:02:02:02:02:02'\n[[machine]]\nmac = '02-02-02-02-02-02'",
                "m.toml:3:1: 02:02:02:02:02:02 is there already, at m.toml:1",
            ),
        ] {
            let error = read_plans("m.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
