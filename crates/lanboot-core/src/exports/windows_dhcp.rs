//! For the DHCP service of Windows Server, as PowerShell: classes, policies, and option values
//! for each policy.
//!
//! PowerShell's DHCP module cannot be installed beside the tests: only the form of these lines is
//! checked, against its manual.

use std::fmt::Write as _;

use super::Fragment;
use super::rules::{Mark, Rule, Rules, Which, class, hex};
use crate::machine::Stage;

pub(super) fn fragment(rules: &Rules) -> Fragment {
    let head = [
        "Windows Server DHCP (2012 or later): boot files for machines that boot from the network.",
        "Made by lanboot. They load {names} from {address}.",
        "Run this once in PowerShell as administrator on the DHCP server.",
        "{run}",
        "Not tested on Windows, only written after its manual: try it with one scope first.",
        "Options 60, 66 and 67 of the server or scope itself would reach every machine: remove them.",
    ];
    rules.fragment("#", &head, |out, address| {
    out.push_str(
        "\n# For every scope; for one alone: $scope = @{ ScopeId = '192.168.0.0' }\n$scope = @{}\n\
         \n# iPXE says its name in option 77.\n\
         Add-DhcpServerv4Class -Name 'lanboot iPXE' -Type User -Data 'iPXE'\n",
    );
    definitions(out, rules);
    // Policies are looked at in this order, and the first value of an option counts.
    for (rule, offer) in rules.giving() {
        let policy = format!("lanboot {}", rule.slug());
        let _ = write!(out, "\n# {rule}\n");
        let classes = vendor_classes(out, rule);
        let user = match rule.stage {
            Stage::Ipxe => "EQ",
            Stage::HttpBoot | Stage::Firmware | Stage::Plain => "NE",
        };
        let mut conditions = format!(" -UserClass {user},'lanboot iPXE'");
        if !classes.is_empty() {
            let classes: Vec<String> = classes.iter().map(|c| format!("'{c}'")).collect();
            let _ = write!(conditions, " -VendorClass EQ,{}", classes.join(","));
        }
        let ouis = rule.except.iter().filter_map(|mark| match mark {
            Mark::Oui(oui) => Some(format!("'{}*'", hex(oui, "").to_uppercase())),
            Mark::Uuid(_) => None,
        });
        let ouis: Vec<String> = ouis.collect();
        if !ouis.is_empty() {
            out.push_str("# Raspberry Pis say they are such PCs; they are known by their address.\n");
            let _ = write!(conditions, " -MacAddress NE,{}", ouis.join(","));
        }
        let _ = writeln!(
            out,
            "Add-DhcpServerv4Policy @scope -Name '{policy}' -Condition AND{conditions}"
        );
        let mut value = |option: u8, value: &str| {
            let _ = writeln!(
                out,
                "Set-DhcpServerv4OptionValue @scope -PolicyName '{policy}' -OptionId {option} -Value '{value}'"
            );
        };
        if rule.stage == Stage::HttpBoot {
            value(60, "HTTPClient");
        }
        value(66, &address.to_string());
        value(67, &offer.file);
        for (option, text) in [(209, &offer.config), (210, &offer.prefix)] {
            if let Some(text) = text {
                value(option, text);
            }
        }
    }
    })
}

/// Writes definitions of the options that Windows does not know.
fn definitions(out: &mut String, rules: &Rules) {
    let uses = |is_used: &dyn Fn(&Rule) -> bool| rules.rules.iter().any(is_used);
    let option = |rule: &Rule, pick: fn(&crate::plan::Offer) -> &Option<String>| {
        rule.offer
            .as_ref()
            .is_some_and(|offer| pick(offer).is_some())
    };
    let needed = [
        (
            60,
            "PXEClient",
            uses(&|r| r.stage == Stage::HttpBoot && r.offer.is_some()),
        ),
        (
            209,
            "PXELINUX configuration file",
            uses(&|r| option(r, |o| &o.config)),
        ),
        (
            210,
            "PXELINUX path prefix",
            uses(&|r| option(r, |o| &o.prefix)),
        ),
    ];
    if needed.iter().any(|(.., is_needed)| *is_needed) {
        out.push_str("\n# Options Windows must be told of; one it has already is no harm.\n");
    }
    for (id, name, _) in needed.iter().filter(|(.., is_needed)| *is_needed) {
        let _ = writeln!(
            out,
            "Add-DhcpServerv4OptionDefinition -OptionId {id} -Name '{name}' -Type String \
             -ErrorAction SilentlyContinue"
        );
    }
}

/// A vendor class for each number; its data is the beginning of option 60.
fn vendor_classes(out: &mut String, rule: &Rule) -> Vec<String> {
    let class = class(rule.stage);
    let Which::Numbers(numbers, _) = &rule.which else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for number in numbers {
        let name = format!("lanboot {} {number}", rule.slug());
        let _ = writeln!(
            out,
            "Add-DhcpServerv4Class -Name '{name}' -Type Vendor -Data '{class}:Arch:{number:05}'"
        );
        // The class begins so.
        names.push(format!("{name}*"));
    }
    if rule.is_for_unsaid() {
        let name = format!("lanboot {} none", rule.slug());
        let _ = writeln!(
            out,
            "Add-DhcpServerv4Class -Name '{name}' -Type Vendor -Data '{class}'"
        );
        names.push(name);
    }
    names
}
