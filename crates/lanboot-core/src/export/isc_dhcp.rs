//! For ISC dhcpd: one chain of conditions, so at most one applies.

use std::fmt::Write as _;

use super::rules::{Rule, Rules, Which};
use super::{Fragment, comment};
use crate::machine::Stage;

pub(super) fn fragment(rules: &Rules) -> Fragment {
    let mut out = String::new();
    let address = rules.server.http.ip();
    comment(
        &mut out,
        "#",
        &[
            "ISC dhcpd: boot files for machines that boot from the network. Made by lanboot.",
            &format!("They load {} from {address}.", rules.names),
            "Save this as /etc/dhcp/lanboot.conf, put this line into dhcpd.conf, into one subnet or",
            "outside of all: include \"/etc/dhcp/lanboot.conf\";",
            &format!("Restart dhcpd and run on {address}: lanboot serve --dhcp off IMAGE"),
            "It needs dhcpd 4.4, which knows option 93 as pxe-system-type. A filename of a host or pool counts more.",
        ],
    );
    out.push('\n');
    let mut word = "if";
    for rule in &rules.rules {
        let _ = writeln!(out, "# {rule}\n{word} {} {{", condition(rule));
        body(&mut out, rules, rule);
        out.push_str("}\n");
        word = "elsif";
    }
    rules.unserved(&mut out, "#");
    Fragment {
        text: out,
        remarks: rules.remarks.clone(),
    }
}

fn condition(rule: &Rule) -> String {
    // iPXE says its name without the length byte of RFC 3004; others may say it with one.
    let stage = match rule.stage {
        Stage::Ipxe => {
            "(option user-class = \"iPXE\" or substring(option user-class, 1, 4) = \"iPXE\")"
        }
        Stage::HttpBoot => "substring(option vendor-class-identifier, 0, 10) = \"HTTPClient\"",
        Stage::Firmware | Stage::Plain => {
            "substring(option vendor-class-identifier, 0, 9) = \"PXEClient\""
        }
    };
    match &rule.which {
        Which::Numbers(numbers, _) => {
            let numbers: Vec<String> = numbers
                .iter()
                .map(|n| {
                    let [high, low] = n.to_be_bytes();
                    format!("option pxe-system-type = {high:02x}:{low:02x}")
                })
                .collect();
            format!("{stage} and ({})", numbers.join(" or "))
        }
        Which::Other => stage.to_owned(),
    }
}

fn body(out: &mut String, rules: &Rules, rule: &Rule) {
    let Some(offer) = &rule.offer else {
        out.push_str("    # Nothing to load.\n");
        return;
    };
    let _ = write!(
        out,
        "    next-server {};\n    filename \"{}\";\n",
        rules.server.http.ip(),
        offer.file
    );
    let options = [
        (
            (rule.stage == Stage::HttpBoot).then_some("HTTPClient"),
            "vendor-class-identifier",
            "3c",
        ),
        (offer.config.as_deref(), "loader-configfile", "d1"),
        (offer.prefix.as_deref(), "loader-pathprefix", "d2"),
    ];
    let mut forced = Vec::new();
    for (value, name, code) in options {
        if let Some(value) = value {
            let _ = writeln!(out, "    option {name} \"{value}\";");
            forced.push(code);
        }
    }
    if !forced.is_empty() {
        // dhcpd sends only what the client lists.
        let _ = writeln!(
            out,
            "    option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, {});",
            forced.join(":")
        );
    }
}
