//! For Kea: client classes, which exclude each other.

use std::fmt::Write as _;

use super::Fragment;
use super::rules::{Mark, Rule, Rules, Which, class, hex};
use crate::machine::Stage;

pub(super) fn fragment(rules: &Rules) -> Fragment {
    let head = [
        "Kea DHCPv4: boot files for machines that boot from the network. Made by lanboot.",
        "They load {names} from {address}.",
        "Save this as /etc/kea/lanboot.json and put into \"Dhcp4\": { … }, with its comma:",
        "  <?include \"/etc/kea/lanboot.json\"?>,",
        "If there is a list of client-classes already, put these classes into it instead.",
        "Reload Kea. {run}",
    ];
    rules.fragment("//", &head, |out, address| {
    out.push_str("\"client-classes\": [\n");
    out.push_str(
        "  // iPXE says its name in option 77 and has an option 175 of its own.\n  \
         { \"name\": \"lanboot-ipxe\",\n    \"test\": \"option[175].exists or option[77].hex == 'iPXE' or \
         substring(option[77].hex, 1, 4) == 'iPXE'\" }",
    );
    for (rule, offer) in rules.giving() {
        let _ = write!(
            out,
            ",\n  // {rule}\n  {{ \"name\": \"lanboot-{}\",\n    \"test\": \"{}\",\n    \
             \"next-server\": \"{address}\",\n    \"boot-file-name\": \"{}\"",
            rule.slug(),
            test(rules, rule),
            offer.file,
        );
        let mut options = Vec::new();
        if rule.stage == Stage::HttpBoot {
            options.push((60, "HTTPClient"));
        }
        options.extend(offer.config.as_deref().map(|value| (209, value)));
        options.extend(offer.prefix.as_deref().map(|value| (210, value)));
        if !options.is_empty() {
            let options: Vec<String> = options.iter().map(|(c, v)| option(*c, v)).collect();
            let _ = write!(out, ",\n    \"option-data\": [{}]", options.join(","));
        }
        out.push_str(" }");
    }
    out.push_str("\n]\n");
    })
}

/// In hexadecimal, because Kea has no definition of 209 and 210; sent to who does not ask, too.
fn option(code: u8, value: &str) -> String {
    let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
    format!(
        "\n      // {value}\n      {{ \"code\": {code}, \"csv-format\": false, \"data\": \"{hex}\", \
         \"always-send\": true }}"
    )
}

fn test(rules: &Rules, rule: &Rule) -> String {
    let mut terms = vec![match rule.stage {
        Stage::Ipxe => "member('lanboot-ipxe')".to_owned(),
        Stage::HttpBoot => {
            "not member('lanboot-ipxe') and substring(option[60].hex, 0, 10) == 'HTTPClient'".into()
        }
        Stage::Firmware | Stage::Plain => {
            "not member('lanboot-ipxe') and substring(option[60].hex, 0, 9) == 'PXEClient'".into()
        }
    }];
    match &rule.which {
        Which::Numbers(numbers, _) => terms.push(is_one_of(rule, numbers)),
        Which::Other => {
            for beside in rules.beside(rule) {
                if let Which::Numbers(numbers, _) = &beside.which {
                    terms.push(format!("not {}", is_one_of(beside, numbers)));
                }
            }
        }
    }
    if !rule.except.is_empty() {
        let shown: Vec<String> = rule.except.iter().map(shows).collect();
        terms.push(format!("not ({})", shown.join(" or ")));
    }
    terms.join(" and ")
}

/// The numbers of option 93; without one, the number in option 60; without either, BIOS.
fn is_one_of(rule: &Rule, numbers: &[u16]) -> String {
    let after_class = class(rule.stage).len() + 1;
    let of_option = numbers
        .iter()
        .map(|n| format!("substring(option[93].hex, 0, 2) == 0x{n:04x}"));
    let of_class = numbers
        .iter()
        .map(|n| format!("substring(option[60].hex, {after_class}, 10) == 'Arch:{n:05}'"));
    let unnamed = rule
        .is_for_unsaid()
        .then(|| format!("not substring(option[60].hex, {after_class}, 5) == 'Arch:'"));
    let of_option: Vec<String> = of_option.collect();
    let of_class: Vec<String> = of_class.chain(unnamed).collect();
    format!(
        "({} or (not option[93].exists and ({})))",
        of_option.join(" or "),
        of_class.join(" or ")
    )
}

fn shows(mark: &Mark) -> String {
    match mark {
        Mark::Oui(oui) => format!("substring(pkt4.mac, 0, 3) == 0x{}", hex(oui, "")),
        Mark::Uuid(uuid) => format!(
            "substring(option[97].hex, 0, {}) == 0x{}",
            uuid.len(),
            hex(uuid, "")
        ),
    }
}
