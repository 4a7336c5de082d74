//! For RouterOS 7: options, sets of them, and matchers that give a set to a machine.
//!
//! RouterOS cannot be installed beside the tests: only the form of these lines is checked, against
//! its manual.

use std::fmt::Write as _;

use super::Fragment;
use super::rules::{Rule, Rules, Which, class};
use crate::machine::Stage;
use crate::plan::Offer;

pub(super) fn fragment(rules: &Rules) -> Fragment {
    let head = [
        "MikroTik RouterOS 7.16 or later: boot files for machines that boot from the network.",
        "Made by lanboot. They load {names} from {address}.",
        "Set the name of your DHCP server below, save this as lanboot.rsc, and: /import lanboot.rsc",
        "{run}",
        "Not tested on RouterOS, only written after its manual: try it with one machine first.",
    ];
    rules.fragment("#", &head, |out, address| {
        let _ = write!(
            out,
            ":local server \"dhcp1\"\n\
         :local pool [/ip dhcp-server get $server address-pool]\n\
         \n# The server with the files, for every network; take it back with next-server=0.0.0.0.\n\
         /ip dhcp-server network set [find] next-server={address}\n\
         /ip dhcp-server option add name=lanboot-server code=66 value=\"s'{address}'\"\n"
        );
        // The first matcher that fits counts, so iPXE, which says PXEClient too, stands first.
        for (rule, offer) in rules.giving() {
            let _ = write!(out, "\n# {rule}\n");
            set(out, rule, offer);
            matchers(out, rules, rule);
        }
    })
}

fn set(out: &mut String, rule: &Rule, offer: &Offer) {
    let name = format!("lanboot-{}", rule.slug());
    let mut names = vec!["lanboot-server".to_owned()];
    let mut add = |code: u8, value: &str, is_forced: bool| {
        let option = format!("{name}-{code}");
        let force = if is_forced { " force=yes" } else { "" };
        let _ = writeln!(
            out,
            "/ip dhcp-server option add name={option} code={code} value=\"{value}\"{force}"
        );
        names.push(option);
    };
    // With its NUL: some firmware reads on into what follows.
    add(67, &format!("s'{}'0x00", escaped(&offer.file)), false);
    if rule.stage == Stage::HttpBoot {
        add(60, "s'HTTPClient'", true);
    }
    for (code, value) in [(209, &offer.config), (210, &offer.prefix)] {
        if let Some(value) = value {
            add(code, &format!("s'{}'", escaped(value)), true);
        }
    }
    let _ = writeln!(
        out,
        "/ip dhcp-server option sets add name={name} options={}",
        names.join(",")
    );
}

/// Writes the matchers of a rule. A matcher sees one option, so architectures are distinguished by
/// the number inside option 60. iPXE is recognized by option 77 and cannot be distinguished
/// further.
fn matchers(out: &mut String, rules: &Rules, rule: &Rule) {
    let class = class(rule.stage);
    let mut add = |suffix: &str, code: u8, kind: &str, value: &str| {
        let _ = writeln!(
            out,
            "/ip dhcp-server matcher add name=lanboot-{}{suffix} server=$server address-pool=$pool \
             code={code} matching-type={kind} value=\"{value}\" option-set=lanboot-{}",
            rule.slug(),
            rule.slug()
        );
    };
    match (&rule.which, rule.stage) {
        (Which::Other, Stage::Ipxe) => add("", 77, "exact", "iPXE"),
        (Which::Other, _) => add("", 60, "substring", class),
        (Which::Numbers(..), Stage::Ipxe)
            if rules.rules.iter().any(|r| {
                r.stage == Stage::Ipxe && r.which == Which::Other && r.offer.is_some()
            }) =>
        {
            out.push_str("# One matcher cannot tell this from other iPXE; no line for it.\n");
        }
        (Which::Numbers(..), Stage::Ipxe) => add("", 77, "exact", "iPXE"),
        (Which::Numbers(numbers, _), _) => {
            for number in numbers {
                let suffix = format!("-{number}");
                add(
                    &suffix,
                    60,
                    "substring",
                    &format!("{class}:Arch:{number:05}"),
                );
            }
            if rule.is_for_unsaid() {
                add("-none", 60, "exact", class);
            }
            if !rule.except.is_empty() {
                out.push_str(
                    "# Raspberry Pis say they are such PCs, and one matcher cannot tell them apart.\n",
                );
            }
        }
    }
}

/// Inside double quotes a terminal takes `?` for a call for help.
fn escaped(value: &str) -> String {
    value.replace('?', "\\3F")
}
