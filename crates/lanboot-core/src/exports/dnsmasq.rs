//! For dnsmasq: tags by what a machine says of itself, a `dhcp-boot` for each combination.

use std::fmt::Write as _;

use super::Fragment;
use super::rules::{Mark, Rule, Rules, Which, hex, stage_slug};
use crate::machine::Stage;

/// `proxied` are the rules where a third server gives the addresses.
pub(super) fn fragment(rules: &Rules, proxied: &Rules) -> Fragment {
    let head = [
        "dnsmasq: boot files for machines that boot from the network. Made by lanboot.",
        "They load {names} from {address}.",
        "Save this as /etc/dnsmasq.d/lanboot.conf and restart dnsmasq. It hands out addresses as your",
        "own dhcp-range says; the files come from lanboot.",
        "{run}",
        "Does another DHCP server hand out the addresses? Then see PROXY at the end.",
    ];
    let mut fragment = rules.fragment("#", &head, |out, _| {
        out.push_str(
            "\n# The boot file must stand in the message's own field: ROMs and shim read it there.\n\
             # This holds for all machines.\ndhcp-no-override\n",
        );
        out.push_str(
            "\n# Who asks: option 60 is PXEClient or HTTPClient; iPXE sends option 175.\n",
        );
        for stage in super::rules::STAGES {
            match stage {
                Stage::Ipxe => {
                    out.push_str("dhcp-match=set:lanboot-ipxe,175\n");
                    out.push_str("dhcp-userclass=set:lanboot-ipxe,iPXE\n");
                }
                Stage::HttpBoot if rules.has(stage) => {
                    out.push_str("dhcp-vendorclass=set:lanboot-http,HTTPClient\n");
                }
                Stage::Firmware if rules.has(stage) => {
                    out.push_str("dhcp-vendorclass=set:lanboot-pxe,PXEClient\n");
                }
                Stage::HttpBoot | Stage::Firmware | Stage::Plain => {}
            }
        }
        out.push_str(
            "# Who sends no option 93 is known by the number in option 60, if that has one.\n\
             dhcp-match=set:lanboot-number,option:client-arch\n\
             dhcp-vendorclass=set:lanboot-number-in-class,:Arch:\n",
        );
        for rule in &rules.rules {
            boot(out, rules, rule);
        }
    });
    proxy(&mut fragment.text, proxied);
    fragment
}

fn boot(out: &mut String, rules: &Rules, rule: &Rule) {
    let tags = tags(rules, rule);
    let address = rules.server.http.host;
    let _ = write!(out, "\n# {rule}\n");
    if let Which::Numbers(numbers, _) = &rule.which {
        for number in numbers {
            let _ = writeln!(
                out,
                "dhcp-match=set:{},option:client-arch,{number}",
                tag(rule)
            );
        }
        for number in numbers {
            let tag = tag(rule);
            let _ = writeln!(out, "dhcp-vendorclass=set:{tag}-class,:Arch:{number:05}");
        }
        for tags in unnumbered(rule) {
            let _ = writeln!(out, "tag-if=set:{},tag:!lanboot-number,{tags}", tag(rule));
        }
    }
    for mark in &rule.except {
        let not = format!("set:{}-not", tag(rule));
        let _ = match mark {
            Mark::Oui(oui) => writeln!(out, "dhcp-mac={not},{}:*:*:*", hex(oui, ":")),
            Mark::Uuid(uuid) => writeln!(out, "dhcp-match={not},97,{}", hex(uuid, ":")),
        };
    }
    let Some(offer) = &rule.offer else {
        out.push_str("# Nothing to load.\n");
        return;
    };
    if rule.stage == Stage::HttpBoot {
        // EDK2 takes no URL from an answer without it.
        let _ = writeln!(out, "dhcp-option-force={tags},60,HTTPClient");
    }
    // The address outright: the answer's next-server would be dnsmasq's own.
    let _ = writeln!(out, "dhcp-boot={tags},{},,{address}", offer.file);
    for (option, value) in [(209, &offer.config), (210, &offer.prefix)] {
        if let Some(value) = value {
            // Nobody asks for them and PXELINUX needs them, so they are forced.
            let _ = writeln!(out, "dhcp-option-force={tags},{option},{}", value);
        }
    }
}

/// Returns what else holds of a machine of this rule that sends no option 93, one way a line.
fn unnumbered(rule: &Rule) -> impl Iterator<Item = String> {
    let by_class = format!("tag:{}-class", tag(rule));
    let by_nothing = rule.is_for_unsaid();
    let by_nothing = by_nothing.then(|| "tag:!lanboot-number-in-class".to_owned());
    [by_class].into_iter().chain(by_nothing)
}

/// `tag:…` for every condition of a rule; all of them must hold.
fn tags(rules: &Rules, rule: &Rule) -> String {
    let mut tags = vec![format!("tag:lanboot-{}", stage_slug(rule.stage))];
    if rule.stage != Stage::Ipxe {
        tags.push("tag:!lanboot-ipxe".into());
    }
    match &rule.which {
        Which::Numbers(..) => tags.push(format!("tag:{}", tag(rule))),
        Which::Other => tags.extend(rules.beside(rule).map(|r| format!("tag:!{}", tag(r)))),
    }
    if !rule.except.is_empty() {
        tags.push(format!("tag:!{}-not", tag(rule)));
    }
    tags.join(",")
}

/// The tag of a rule's architectures.
fn tag(rule: &Rule) -> String {
    format!("lanboot-{}", rule.slug())
}

/// dnsmasq as a proxy needs the firmware's files as `pxe-service`; iPXE's `dhcp-boot` stays.
fn proxy(out: &mut String, rules: &Rules) {
    let address = rules.server.http.host;
    let _ = write!(
        out,
        "\n# PROXY: another server hands out the addresses and dnsmasq only names boot files. Then have\n\
         # no other dhcp-range, and use these lines too, without their #. UEFI HTTP Boot gets no answer\n\
         # from dnsmasq then, nor do machines that send no option 93; lanboot's own proxy answers both\n\
         # (lanboot serve --dhcp proxy).\n\
         #dhcp-range={address},proxy\n"
    );
    for (rule, offer) in rules.giving() {
        let (Stage::Firmware, Which::Numbers(numbers, _)) = (rule.stage, &rule.which) else {
            continue;
        };
        let not = match rule.except.is_empty() {
            true => String::new(),
            false => format!("tag:!{}-not,", tag(rule)),
        };
        for number in numbers {
            let _ = writeln!(
                out,
                "#pxe-service=tag:!lanboot-ipxe,{not}{number},lanboot,{},{address}",
                offer.file
            );
        }
    }
}
