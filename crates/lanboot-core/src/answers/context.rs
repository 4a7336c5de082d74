//! The values that a template can use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::{Arch, Mac, Uuid};

/// Every variable with its description, in the order of the documentation.
pub const VARIABLES: &[(&str, &str)] = &[
    (
        "machine.mac",
        "hardware address of the card it boots from: `52:54:00:12:34:56`",
    ),
    ("machine.mac_hyphenated", "the same as `52-54-00-12-34-56`"),
    ("machine.mac_plain", "the same as `525400123456`"),
    ("machine.uuid", "UUID of its board"),
    ("machine.serial", "serial number of its board"),
    ("machine.asset_tag", "asset tag of its case"),
    ("machine.architecture", "`x86`, `x64`, `arm64`, …"),
    ("machine.firmware", "`bios` or `uefi`"),
    ("machine.address", "its IP address"),
    ("machine.host_name", "its host name, from its plan"),
    ("entry.id", "the entry it boots, as in `--boot`"),
    ("entry.title", "its title in the menu"),
    (
        "entry.family",
        "the family of its image, as `inspect` shows it",
    ),
    (
        "entry.url",
        "URL of the files of its image, without a slash at the end",
    ),
    (
        "server.address",
        "address of this server, as the machine reaches it",
    ),
    (
        "server.url",
        "URL of this server, without a slash at the end",
    ),
    (
        "server.answers_url",
        "URL of the machine's own answer files, without a slash at the end",
    ),
    (
        "server.done_url",
        "URL that the installer requests when it has finished",
    ),
    (
        "server.failed_url",
        "URL that the installer requests when it has failed",
    ),
    ("server.log_url", "URL that the installer sends its log to"),
    ("network.netmask", "netmask of its network: `255.255.255.0`"),
    ("network.prefix", "the same as a number of bits: `24`"),
    ("network.gateway", "default route announced to it"),
    ("network.dns", "list of the DNS servers announced to it"),
    ("variables.NAME", "a variable of its plan"),
];

/// The values that a template can use. What is not known is left out, so that using it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerContext {
    /// The machine.
    pub machine: MachineFacts,
    /// The entry it boots.
    pub entry: EntryFacts,
    /// This server.
    pub server: ServerFacts,
    /// Its network.
    pub network: NetworkFacts,
    /// Variables of its plan.
    pub variables: BTreeMap<String, String>,
}

/// A machine, for a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Hardware address, with colons.
    pub mac: String,
    /// Hardware address, with hyphens.
    pub mac_hyphenated: String,
    /// Hardware address, with nothing between its digits.
    pub mac_plain: String,
    /// UUID of its board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Serial number of its board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Asset tag of its case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Kind of firmware: `bios` or `uefi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
}

/// An entry, for a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFacts {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Name of its image's family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// URL of its image's files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// This server, for a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Its address.
    pub address: String,
    /// Its URL.
    pub url: String,
    /// URL of the machine's answer files.
    pub answers_url: String,
    /// URL of the call-back of success.
    pub done_url: String,
    /// URL of the call-back of failure.
    pub failed_url: String,
    /// URL that takes the log.
    pub log_url: String,
}

/// A machine's network, for a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Netmask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netmask: Option<String>,
    /// Number of bits of the netmask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// Default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// DNS servers.
    pub dns: Vec<String>,
}

impl MachineFacts {
    /// Makes the facts of a machine of which nothing but its address is known.
    pub fn new(mac: Mac) -> Self {
        Self {
            mac: mac.to_string(),
            mac_hyphenated: mac.hyphenated(),
            mac_plain: mac.to_string().replace(':', ""),
            ..Self::default()
        }
    }

    /// Adds what its firmware said of it.
    pub fn with_firmware(self, arch: Option<Arch>, uuid: Option<Uuid>) -> Self {
        let words = arch.map(|arch| arch.to_string());
        let mut words = words.iter().flat_map(|words| words.split(' '));
        let processor = words.next().map(str::to_owned);
        let firmware = words.next().map(str::to_ascii_lowercase);
        let is_known = |word: &String| word == "bios" || word == "uefi";
        Self {
            uuid: uuid.map(|uuid| uuid.to_string()),
            architecture: processor.filter(|_| firmware.as_ref().is_some_and(is_known)),
            firmware: firmware.filter(is_known),
            ..self
        }
    }
}

impl ServerFacts {
    /// Makes the facts of the server at `url`, which the machine with this part of a path reaches by
    /// `address`.
    pub fn new(address: &str, url: &str, machine: &str) -> Self {
        let of_machine = |word: &str| format!("{url}/machine/{machine}/{word}");
        Self {
            address: address.to_owned(),
            url: url.to_owned(),
            answers_url: of_machine("answers"),
            done_url: of_machine("done"),
            failed_url: of_machine("failed"),
            log_url: of_machine("log"),
        }
    }
}

impl AnswerContext {
    /// Makes an invented machine of which everything is known, with these variables.
    pub fn sample(variables: BTreeMap<String, String>) -> Self {
        let some = |text: &str| Some(text.to_owned());
        Self {
            machine: MachineFacts {
                uuid: some("00000000-0000-0000-0000-000000000001"),
                serial: some("SERIAL"),
                asset_tag: some("ASSET"),
                architecture: some("x64"),
                firmware: some("uefi"),
                address: some("192.0.2.10"),
                host_name: some("sample"),
                ..MachineFacts::new(Mac([0x52, 0x54, 0, 0, 0, 1]))
            },
            entry: EntryFacts {
                id: some("sample"),
                title: some("Sample"),
                family: some("sample"),
                url: some("http://192.0.2.1/iso/sample"),
            },
            server: ServerFacts::new("192.0.2.1", "http://192.0.2.1", "sample"),
            network: NetworkFacts {
                netmask: some("255.255.255.0"),
                prefix: Some(24),
                gateway: some("192.0.2.254"),
                dns: vec!["192.0.2.53".into()],
            },
            variables,
        }
    }
}
