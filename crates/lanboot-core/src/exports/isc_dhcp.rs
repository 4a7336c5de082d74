//! For ISC dhcpd: one chain of conditions, so at most one applies.

use std::fmt::Write as _;

use super::Fragment;
use super::rules::{Mark, Rule, Rules, STAGES, Which, class, hex};
use crate::machine::Stage;

pub(super) fn fragment(rules: &Rules) -> Fragment {
    let head = [
        "ISC dhcpd: boot files for machines that boot from the network. Made by lanboot.",
        "They load {names} from {address}.",
        "Save this as /etc/dhcp/lanboot.conf, put this line into dhcpd.conf, into one subnet or",
        "outside of all: include \"/etc/dhcp/lanboot.conf\";",
        "Restart dhcpd. {run}",
        "It needs dhcpd 4.4, which knows option 93 as pxe-system-type. A filename of a host or pool counts more.",
    ];
    rules.fragment("#", &head, |out, _| {
        out.push('\n');
        let mut word = "if";
        for stage in STAGES.into_iter().filter(|stage| rules.has(*stage)) {
            let _ = writeln!(out, "{word} {} {{", is_stage(stage));
            archs(out, rules, stage);
            out.push_str("}\n");
            word = "elsif";
        }
    })
}

fn is_stage(stage: Stage) -> &'static str {
    match stage {
        // iPXE says its name without the length byte of RFC 3004; others may say it with one.
        Stage::Ipxe => {
            "option user-class = \"iPXE\" or substring(option user-class, 1, 4) = \"iPXE\""
        }
        Stage::HttpBoot => "substring(option vendor-class-identifier, 0, 10) = \"HTTPClient\"",
        Stage::Firmware | Stage::Plain => {
            "substring(option vendor-class-identifier, 0, 9) = \"PXEClient\""
        }
    }
}

/// The rules of a stage, as a chain of their own: dhcpd reads no bracket that begins a condition.
fn archs(out: &mut String, rules: &Rules, stage: Stage) {
    let mut word = "if";
    for rule in rules.rules.iter().filter(|rule| rule.stage == stage) {
        let _ = writeln!(out, "    # {rule}");
        let _ = match &rule.which {
            Which::Numbers(numbers, _) => {
                writeln!(out, "    {word} {} {{", is_one_of(rule, numbers))
            }
            Which::Other if word == "if" => {
                body(out, "    ", rules, rule);
                return;
            }
            Which::Other => writeln!(out, "    else {{"),
        };
        if rule.except.is_empty() {
            body(out, "        ", rules, rule);
        } else {
            let shows: Vec<String> = rule.except.iter().map(shows).collect();
            let _ = writeln!(
                out,
                "        # Those that only say so load nothing.\n        if not ({}) {{",
                shows.join("\n            or ")
            );
            body(out, "            ", rules, rule);
            out.push_str("        }\n");
        }
        out.push_str("    }\n");
        word = "elsif";
    }
}

/// The numbers of option 93; without one, the number in option 60; without either, BIOS.
fn is_one_of(rule: &Rule, numbers: &[u16]) -> String {
    let of_option = |number: &u16| {
        let number = hex(&number.to_be_bytes(), ":");
        format!("option pxe-system-type = {number}")
    };
    // Two bytes are never equal to a text of ten.
    let after_class = class(rule.stage).len() + 1;
    let first = format!(
        "pick-first-value(option pxe-system-type, \
         substring(option vendor-class-identifier, {after_class}, 10))"
    );
    let of_class = |number: &u16| format!("{first} = \"Arch:{number:05}\"");
    let named = numbers.iter().map(of_option);
    let named = named.chain(numbers.iter().map(of_class));
    let unnamed = rule.is_for_unsaid().then(|| {
        format!(
            "not (exists pxe-system-type or \
             substring(option vendor-class-identifier, {after_class}, 5) = \"Arch:\")"
        )
    });
    named
        .chain(unnamed)
        .collect::<Vec<_>>()
        .join("\n        or ")
}

fn shows(mark: &Mark) -> String {
    match mark {
        // The hardware type comes first.
        Mark::Oui(oui) => format!("substring(hardware, 1, 3) = {}", hex(oui, ":")),
        Mark::Uuid(uuid) => format!(
            "substring(option pxe-client-id, 0, {}) = {}",
            uuid.len(),
            hex(uuid, ":")
        ),
    }
}

fn body(out: &mut String, indent: &str, rules: &Rules, rule: &Rule) {
    let Some(offer) = &rule.offer else {
        let _ = writeln!(out, "{indent}# Nothing to load.");
        return;
    };
    let _ = write!(
        out,
        "{indent}next-server {};\n{indent}filename \"{}\";\n",
        rules.server.http.host, offer.file
    );
    let class = (rule.stage == Stage::HttpBoot).then_some("HTTPClient");
    let mut forced = Vec::new();
    for (value, name, code) in [
        (class, "vendor-class-identifier", "3c"),
        (offer.config.as_deref(), "loader-configfile", "d1"),
        (offer.prefix.as_deref(), "loader-pathprefix", "d2"),
    ] {
        if let Some(value) = value {
            let _ = writeln!(out, "{indent}option {name} \"{value}\";");
            forced.push(code);
        }
    }
    if !forced.is_empty() {
        // dhcpd sends only what the client lists.
        let _ = writeln!(
            out,
            "{indent}option dhcp-parameter-request-list = \
             concat(option dhcp-parameter-request-list, {});",
            forced.join(":")
        );
    }
}
