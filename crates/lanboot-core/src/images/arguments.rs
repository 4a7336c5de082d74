//! Kernel arguments: which of a medium's own are inherited, and how the network is configured.

use std::net::IpAddr;

/// Most bytes of arguments inherited from a medium: kernels cut their command line at 2048 on x86.
/// Every menu repeats them several times, and one medium must not make it unreadable for all.
const MAX_INHERITED: usize = 2048;

/// A loader's notation for values that only it knows at boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// iPXE expands `${…}`.
    Ipxe,
    /// PXELINUX adds `BOOTIF=` itself (`SYSAPPEND`).
    Pxelinux,
    /// GRUB expands `${net_default_…}`, and does not know the network's mask.
    Grub {
        /// The mask, as this server knows it.
        netmask: IpAddr,
    },
    /// For people: a placeholder.
    Shown,
}

/// The arguments that make an initramfs configure its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkArgs {
    /// `ip=dhcp BOOTIF=01-…`.
    Dhcp,
    /// `ip=CLIENT:SERVER:GATEWAY:MASK BOOTIF=01-…`, the form PXELINUX makes. The 2013 hook has no
    /// special case for `ip=dhcp` and would build a broken specification from it.
    Literal,
    /// `ip=dhcp` alone: the initramfs configures every card it finds. Beside `BOOTIF=`,
    /// systemd-network-generator 260 and later makes a network of that card that has no DHCP
    /// (systemd pull request 41028); `ip=BOOTIF:dhcp`, which has, is unknown to earlier ones.
    EveryCard,
    /// `BOOTIF=01-…` only: the initramfs configures that card by DHCP without being asked, and
    /// gives `ip=` another meaning.
    Interface,
}

impl NetworkArgs {
    /// Returns the arguments in the notation of one loader; `server` is this host's address.
    pub(crate) fn words(self, dialect: Dialect, server: IpAddr) -> Vec<String> {
        let words: &[&str] = match (self, dialect) {
            (Self::Dhcp, Dialect::Ipxe) => &["ip=dhcp", "BOOTIF=01-${netX/mac:hexhyp}"],
            (Self::Dhcp, Dialect::Pxelinux) => &["ip=dhcp"],
            // With colons inside; the hooks rewrite them before they compare.
            (Self::Dhcp, Dialect::Grub { .. }) => &["ip=dhcp", "BOOTIF=01-${net_default_mac}"],
            (Self::Dhcp, Dialect::Shown) => &["ip=dhcp", "BOOTIF=01-<mac>"],
            (Self::Literal, Dialect::Ipxe) => &[
                "ip=${netX/ip}:${next-server}:${netX/gateway}:${netX/netmask}",
                "BOOTIF=01-${netX/mac:hexhyp}",
            ],
            (Self::Literal, Dialect::Pxelinux) => &[],
            (Self::Literal, Dialect::Grub { netmask }) => {
                let address = format!("ip=${{net_default_ip}}:{server}::{netmask}");
                return vec![address, "BOOTIF=01-${net_default_mac}".into()];
            }
            (Self::Literal, Dialect::Shown) => &[
                "ip=<client>:<server>:<gateway>:<netmask>",
                "BOOTIF=01-<mac>",
            ],
            (Self::EveryCard, _) => &["ip=dhcp"],
            (Self::Interface, Dialect::Ipxe) => &["BOOTIF=01-${netX/mac:hexhyp}"],
            (Self::Interface, Dialect::Pxelinux) => &[],
            (Self::Interface, Dialect::Grub { .. }) => &["BOOTIF=01-${net_default_mac}"],
            (Self::Interface, Dialect::Shown) => &["BOOTIF=01-<mac>"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// Returns the `SYSAPPEND` mask PXELINUX needs (bit 0 `ip=`, bit 1 `BOOTIF=`).
    pub(crate) fn sysappend(self) -> u32 {
        match self {
            Self::Dhcp | Self::Interface => 2,
            Self::Literal => 3,
            Self::EveryCard => 0,
        }
    }
}

/// Words after which arguments are for the system that an installer installs: Ubuntu's and Debian's
/// today, and of before 2015.
const BREAKS: [&str; 2] = ["---", "--"];

/// Returns a medium's own arguments with those `added` and the operator's own. They are for what is
/// started: they stand before the medium's `---`, unless the operator's have a `---` themselves.
pub(crate) fn before_break(own: &[String], added: Vec<String>, append: &str) -> Vec<String> {
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let append: Vec<&str> = append.split_whitespace().collect();
    let is_break = |word: &&str| BREAKS.contains(word);
    let split = |words: &[&str]| -> (Vec<String>, Option<(String, Vec<String>)>) {
        let owned = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
        match words.iter().position(is_break) {
            Some(at) => {
                let (before, after) = words.split_at(at);
                let word = after.first().copied().unwrap_or_default();
                let rest = owned(after.get(1..).unwrap_or_default());
                (owned(before), Some((word.to_owned(), rest)))
            }
            None => (owned(words), None),
        }
    };
    let ((mut words, after), (own_before, own_after)) = (split(&own), split(&append));
    words.extend(added);
    words.extend(own_before);
    let word = after.as_ref().or(own_after.as_ref());
    words.extend(word.map(|(word, _)| word.clone()));
    let rest = after.into_iter().chain(own_after);
    words.extend(rest.flat_map(|(_, rest)| rest));
    words
}

/// Returns the words of a medium's own arguments that are taken over: the harmless ones, up to the
/// first that does not fit on a kernel command line.
pub(crate) fn inherited(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut left = MAX_INHERITED;
    let fits = |word: &String| {
        let rest = left.checked_sub(word.len() + 1);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let harmless = words.filter(|word| is_harmless(word));
    harmless.take_while(fits).collect()
}

/// Tests whether a word means the same in every menu language: a medium must not be able to write
/// menu or script lines.
fn is_harmless(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_graphic())
        && !word.contains("${")
        && !matches!(word, "||" | "&&")
}
