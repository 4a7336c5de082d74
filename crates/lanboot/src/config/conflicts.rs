//! Rejects keys that contradict each other, and values that would have no effect: who wrote one
//! expects one.

use anyhow::bail;
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::images::Transport;

use super::given::GivenKeys;
use super::network::check_networks;
use super::settings::Settings;

/// The keys that have no effect where no addresses are handed out, and what each is about.
const OF_ADDRESSES: [(&str, &str); 4] = [
    ("range", "which"),
    ("router", "a route that goes with one"),
    ("dns", "a name server that goes with one"),
    ("lease-time", "for how long one is lent"),
];

/// Rejects settings that contradict each other.
pub(super) fn check(settings: &Settings, given: &GivenKeys) -> anyhow::Result<()> {
    check_dhcp(settings, given)?;
    if settings.images.is_empty() {
        bail!("no image to serve; name an ISO file or a folder of them: lanboot serve IMAGE");
    }
    let transports = settings.transports();
    let off = [
        (Transport::Nfs, settings.no_nfs),
        (Transport::Nbd, settings.no_nbd),
    ];
    for (transport, is_off) in off {
        if is_off && transports.ask_for(transport) {
            bail!("--transport {transport} and --no-{transport} contradict each other");
        }
    }
    check_networks(settings, given)?;
    if !given.flags.contains("dhcp") {
        check_subnets(settings)?;
    }
    Ok(())
}

/// Rejects what the mode of DHCP leaves without effect.
fn check_dhcp(settings: &Settings, given: &GivenKeys) -> anyhow::Result<()> {
    let dhcp = settings.dhcp;
    if hands_out(dhcp) {
        return Ok(());
    }
    let word = dhcp.name();
    for (key, about) in OF_ADDRESSES {
        if given.counts_beside_dhcp(key) {
            bail!(
                "{}--dhcp {word} hands out no addresses, and --{key} says {about}; leave one out",
                given.place(key)
            );
        }
    }
    if dhcp == Policy::Off && given.counts_beside_dhcp("only") {
        bail!(
            "{}--dhcp off answers no machine's DHCP, and --only says whose; files are served to every \
             machine. Leave one out",
            given.place("only")
        );
    }
    Ok(())
}

fn hands_out(dhcp: Policy) -> bool {
    match dhcp {
        Policy::Off | Policy::Proxy => false,
        Policy::Auto | Policy::Server => true,
    }
}

/// Rejects the keys of a `[[subnet]]` beside its network, which alone counts where the file itself
/// hands out no addresses.
fn check_subnets(settings: &Settings) -> anyhow::Result<()> {
    if hands_out(settings.dhcp) {
        return Ok(());
    }
    for subnet in &settings.subnets {
        if let Some(key) = subnet.key_of_addresses() {
            bail!(
                "subnet {}: {key}: dhcp = '{}' hands out no addresses, and {key} goes with one; \
                 leave one out",
                subnet.network,
                settings.dhcp.name()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lanboot_core::images::Transport;

    use super::super::tests::settings;

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
            assert_eq!(found.transports().of, expected);
            let in_file = format!("transport = ['{value}', 'nbd']\n");
            let found = settings(&["a.iso"], &in_file).unwrap();
            assert_eq!(found.transports().of, expected);
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
