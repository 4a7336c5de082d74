//! What was written and would have no effect: refused, because who wrote it expects one.

use anyhow::bail;

use super::args::Serve;
use super::settings::{Cidr, Dhcp, transports};
use super::subnet::Subnet;

/// What of a configuration the modes that hand out no addresses leave without effect: the key,
/// and what it is about.
const OF_ADDRESSES: [(&str, &str); 4] = [
    ("range", "which"),
    ("router", "a route that goes with one"),
    ("dns", "a name server that goes with one"),
    ("lease-time", "for how long one is lent"),
];

/// Refuses what `dhcp` leaves without effect. A flag overrules the file without a word; two words
/// of one place contradict each other.
pub(super) fn check(flags: &Serve, file: &Serve, dhcp: Dhcp) -> anyhow::Result<()> {
    let word = match dhcp {
        Dhcp::Off => "off",
        Dhcp::Proxy => "proxy",
        Dhcp::Auto | Dhcp::Server => return Ok(()),
    };
    let is_overruled = flags.dhcp.is_some();
    for (key, about) in OF_ADDRESSES {
        if has(flags, key) || (has(file, key) && !is_overruled) {
            bail!("--dhcp {word} hands out no addresses, and --{key} says {about}; leave one out");
        }
    }
    if dhcp == Dhcp::Off && (has(flags, "only") || (has(file, "only") && !is_overruled)) {
        bail!(
            "--dhcp off answers no machine's DHCP, and --only says whose; files are served to every \
             machine. Leave one out"
        );
    }
    Ok(())
}

fn has(serve: &Serve, key: &str) -> bool {
    match key {
        "range" => serve.range.is_some(),
        "router" => serve.router.is_some(),
        "dns" => !serve.dns.is_empty(),
        "lease-time" => serve.lease_time.is_some(),
        _ => !serve.only.is_empty(),
    }
}

/// Refuses what a `[[subnet]]` says beside its network, which alone counts there, where the
/// configuration file itself hands out no addresses.
pub(super) fn check_subnets(
    subnets: &[Subnet],
    dhcp: Dhcp,
    is_overruled: bool,
) -> anyhow::Result<()> {
    let word = match dhcp {
        Dhcp::Off => "off",
        Dhcp::Proxy => "proxy",
        Dhcp::Auto | Dhcp::Server => return Ok(()),
    };
    if is_overruled {
        return Ok(());
    }
    for subnet in subnets {
        let said = [
            ("range", subnet.range.is_some()),
            ("router", !subnet.routers.is_empty()),
            ("dns", !subnet.dns.is_empty()),
            ("domain", subnet.domain.is_some()),
            ("lease-time", subnet.lease_time.is_some()),
            ("option", !subnet.options.is_empty()),
        ];
        if let Some((key, _)) = said.iter().find(|(_, is_said)| *is_said) {
            let Cidr { address, prefix } = subnet.network;
            bail!(
                "subnet {address}/{prefix}: {key}: dhcp = '{word}' hands out no addresses, and {key} \
                 goes with one; leave one out"
            );
        }
    }
    Ok(())
}

/// Refuses several values in one where the flag is to be repeated.
pub(super) fn check_lists(flags: &Serve, file: &Serve) -> anyhow::Result<()> {
    let lists = |serve: &Serve| -> [(&'static str, Vec<String>); 6] {
        [
            ("interface", serve.interface.clone()),
            ("address", serve.address.clone()),
            ("dns", serve.dns.clone()),
            ("transport", serve.transport.clone()),
            ("loader", serve.loader.clone()),
            ("only", serve.only.clone()),
        ]
    };
    for (key, values) in lists(flags) {
        if let Some(parts) = values.iter().find_map(|value| parts(key, value)) {
            let repeated = parts.iter().map(|part| format!("--{key} {part}"));
            let repeated = repeated.collect::<Vec<_>>().join(" ");
            bail!("--{key} takes one value; repeat the flag: {repeated}");
        }
    }
    for (key, values) in lists(file) {
        if let Some(parts) = values.iter().find_map(|value| parts(key, value)) {
            let list = parts.join("', '");
            bail!("{key} takes one value or a list; write {key} = ['{list}']");
        }
    }
    Ok(())
}

/// Returns the values in `text`, separated by commas, semicolons or spaces; `None` where it is one. The
/// name of an image may contain all of these, so a `transport` is several only where each part would
/// be one by itself.
fn parts(key: &str, text: &str) -> Option<Vec<String>> {
    let all = text.split([',', ';', ' ']).map(str::trim);
    let all: Vec<String> = all.filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let is_several = match key {
        "transport" => transports(&all).is_ok(),
        _ => true,
    };
    (all.len() > 1 && is_several).then_some(all)
}

/// Refuses what is for one interface where there are several.
pub(super) fn check_alone(has_range: bool, has_router: bool, several: bool) -> anyhow::Result<()> {
    for (key, is_given) in [("range", has_range), ("router", has_router)] {
        if is_given && several {
            bail!(
                "--{key} is for one interface; for several, write a [[subnet]] for each into the \
                 configuration file"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lanboot_core::catalog::Transport;

    use super::super::settings::tests::settings;

    /// Every flag about addresses and machines, with every mode, from both places.
    #[test]
    fn what_has_no_effect_is_refused_and_the_rest_is_not() {
        let keys = [
            ("range", "10.0.0.5-10.0.0.9"),
            ("router", "10.0.0.1"),
            ("dns", "9.9.9.9"),
            ("lease-time", "2h"),
            ("only", "00:1a:02:03:04:05"),
        ];
        for (key, value) in keys {
            let flag = format!("--{key}");
            for mode in ["auto", "server", "proxy", "off"] {
                let is_refused = mode == "off" || (mode == "proxy" && key != "only");
                let by_flag = [flag.as_str(), value];
                let dhcp = ["--dhcp", mode];
                let in_file = format!("{key} = '{value}'\n");
                let dhcp_in_file = format!("dhcp = '{mode}'\n");
                for (words, file, is_refused) in [
                    ([&by_flag[..], &dhcp].concat(), String::new(), is_refused),
                    (by_flag.to_vec(), dhcp_in_file.clone(), is_refused),
                    (vec![], format!("{in_file}{dhcp_in_file}"), is_refused),
                    // The flag overrules the file.
                    (dhcp.to_vec(), in_file, false),
                ] {
                    let line = [&words[..], &["a.iso"]].concat();
                    match settings(&line, &file) {
                        Ok(_) => assert!(!is_refused, "{words:?} {file}"),
                        Err(error) => {
                            let error = error.to_string();
                            assert!(is_refused, "{words:?} {file}: {error}");
                            let names_both =
                                error.contains(&format!("--dhcp {mode}")) && error.contains(&flag);
                            assert!(names_both, "{words:?} {file}: {error}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_subnet_counts_for_as_much_as_its_mode_uses() {
        let file = |mode: &str, line: &str| {
            format!("dhcp = '{mode}'\n[[subnet]]\nnetwork = '10.1.0.0/24'\n{line}\n")
        };
        for mode in ["auto", "server", "proxy", "off"] {
            let hands_out = mode == "auto" || mode == "server";
            // Its machines are served in every mode.
            settings(&["a.iso"], &file(mode, "")).unwrap();
            for line in [
                "range = '10.1.0.5-10.1.0.9'",
                "router = '10.1.0.1'",
                "dns = ['9.9.9.9']",
                "domain = 'lab.example'",
                "lease-time = '2h'",
                "option.42 = ['10.1.0.3']",
            ] {
                let found = settings(&["a.iso"], &file(mode, line));
                let key = line.split([' ', '.']).next().unwrap();
                match found {
                    Ok(_) => assert!(hands_out, "{mode}: {line}"),
                    Err(error) => {
                        let error = error.to_string();
                        let names_all = error.starts_with("subnet 10.1.0.0/24: ")
                            && error.contains(&format!("{key}: dhcp = '{mode}'"));
                        assert!(!hands_out && names_all, "{mode}: {line}: {error}");
                    }
                }
                settings(&["--dhcp", mode, "a.iso"], &file("server", line)).unwrap();
            }
        }
    }

    #[test]
    fn several_values_in_one_say_that_the_flag_is_repeated() {
        for (flag, value) in [
            ("--only", "00:1a:02:03:04:05,00:1a:02:03:04:06"),
            ("--only", "00:1a:02:03:04:05 00:1a:02:03:04:06"),
            ("--interface", "eth0,eth1"),
            ("--dns", "9.9.9.9, 1.1.1.1"),
            ("--transport", "a=nfs,b=nbd"),
            ("--loader", "00:1a:02:03:04:05=grub,ipxe"),
            ("--address", "eth0=10.0.0.1/24,eth1=10.1.0.1/24"),
        ] {
            let error = settings(&[flag, value, "a.iso"], "")
                .unwrap_err()
                .to_string();
            let parts: Vec<&str> = value.split([',', ' ']).filter(|p| !p.is_empty()).collect();
            let repeated = format!("repeat the flag: {flag} {} {flag} {}", parts[0], parts[1]);
            assert!(error.contains(&repeated), "{value}: {error}");
            let key = flag.trim_start_matches('-');
            let error = settings(&["a.iso"], &format!("{key} = '{value}'\n")).unwrap_err();
            let list = format!("{key} = ['{}', '{}']", parts[0], parts[1]);
            assert!(error.to_string().contains(&list), "{value}: {error}");
        }
        // An image is called by the name on its file, whatever that contains.
        for name in ["Debian (1)", "Debian, 1", "a; b", "a=b c"] {
            let value = format!("{name}=nfs");
            let expected = [(name.to_owned(), Some(Transport::Nfs))];
            let found = settings(&["--transport", &value, "a.iso"], "").unwrap();
            assert_eq!(found.transports.of, expected);
            let in_file = format!("transport = ['{value}', 'nbd']\n");
            let found = settings(&["a.iso"], &in_file).unwrap();
            assert_eq!(found.transports.of, expected);
        }
        let one = [
            "--only",
            "00:1a:02:03:04:05",
            "--only",
            "00-1a-02-03-04-06",
            "a.iso",
        ];
        assert_eq!(settings(&one, "").unwrap().only.len(), 2);
    }
}
