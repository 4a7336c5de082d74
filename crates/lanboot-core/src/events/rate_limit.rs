//! Rate limits of repeated log lines: so many of one kind about one machine, then one line a minute
//! with their number. A broken or hostile machine does not fill a disk with its log.
//!
//! Every kind of line has a [`TokenBucket`] per machine and one for all machines together,
//! because hardware and network addresses can be invented by the thousand. A bucket may be emptied
//! at once and is refilled over an hour, so what a machine can write in the long run does not
//! depend on how it spreads its packets. The buckets are large enough that a classroom of 200
//! machines that boot at once loses no line.

mod token_bucket;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Event, Kind, Peer, Protocol, Volume};
use crate::machine::Mac;

pub use token_bucket::{RateLimit, TokenBucket};

/// Time in which an empty bucket is refilled.
pub const REFILL: Duration = Duration::from_secs(3600);
/// Interval of lines with the number of lines left out.
pub const SUMMARY: Duration = Duration::from_secs(60);
/// Machines times kinds of lines counted one by one: 1,000 machines with the 12 kinds that a boot
/// has, and some more for those that do not boot; about 2 MiB. Beyond that only the bucket for all
/// machines counts, until one is silent for [`SUMMARY`].
pub const MAX_COUNTED: usize = 16_384;

/// Number of lines of a kind that are logged at once, and again in every [`REFILL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimits {
    /// About one machine.
    pub each: u32,
    /// About all machines together.
    pub all: u32,
}

/// DHCP messages of one name. A boot has 3 to 6 of each, and 20 while nobody answers.
pub const MESSAGES: LineLimits = LineLimits {
    each: 256,
    all: 8192,
};
/// Files that leave. An installer fetches 1,500 packages from the image one by one;
/// 200 machines need 80 files each until GRUB has its modules, and once again when they are
/// switched off too early.
pub const PROGRESS: LineLimits = LineLimits {
    each: 2048,
    all: 32_768,
};
/// Progress of long transfers, up to ten times a second each, which only the JSON log has. Nothing
/// is lost with them: the next one says more.
pub const AMOUNTS: LineLimits = LineLimits {
    each: 3 * 3600,
    all: 131_072,
};
/// Files that are not there. PXELINUX and GRUB look for up to 40 names before they find their
/// menu, three times a boot.
pub const PROBES: LineLimits = LineLimits {
    each: 128,
    all: 16_384,
};
/// Transfers that failed. Of a boot these are fewer than 10; each takes a transfer that was begun, and
/// after a hundred that a machine gave up by itself the next one may be the one that matters.
pub const FAILURES: LineLimits = LineLimits {
    each: 256,
    all: 4096,
};
/// Ignored requests. Of a boot this is less than 10 times; the reason does not become clearer by
/// the thirtieth line.
pub const TROUBLE: LineLimits = LineLimits {
    each: 32,
    all: 2048,
};
/// Sentences about the server itself, which are about nobody.
pub const DIAGNOSTICS: LineLimits = LineLimits {
    each: 512,
    all: 512,
};

/// Lines that were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// About this machine; about any when neither address is known.
    pub peer: Peer,
    /// Their kind.
    pub kind: Kind,
    /// Number of lines.
    pub count: u64,
    /// The time in which they would have been logged.
    pub within: Duration,
}

/// Serialises as in the JSON log: `of` is the key `event` of each of these lines.
impl Serialize for Suppressed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(tag = "event", rename = "suppressed")]
        struct Keys {
            of: &'static str,
            #[serde(flatten)]
            protocol: Option<Protocol>,
            count: u64,
            seconds: u64,
        }
        Keys {
            of: self.kind.name(),
            protocol: self.kind.protocol(),
            count: self.count,
            seconds: self.within.as_secs(),
        }
        .serialize(serializer)
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, count, peer, ..
        } = self;
        write!(f, "… and {} more {kind}", Grouped(*count))?;
        let whose = if matches!(kind, Kind::Ignored(_)) {
            "from"
        } else {
            "for"
        };
        match (peer.ip, peer.mac) {
            _ if *kind == Kind::Diagnostic => {}
            (_, Some(mac)) => write!(f, " {whose} {mac}")?,
            (Some(ip), None) => write!(f, " {whose} {ip}")?,
            (None, None) => write!(f, " {whose} many machines")?,
        }
        write!(f, " in the last {} s", self.within.as_secs().max(1))
    }
}

/// A number with a comma between thousands.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (0, rest) => write!(f, "{rest}"),
            (more, rest) => write!(f, "{},{rest:03}", Self(more)),
        }
    }
}

/// Counts what repeats.
#[derive(Clone, Debug, Default)]
pub struct RateLimiter {
    each: HashMap<(Address, Kind), Count>,
    all: HashMap<Kind, Count>,
    /// Time of the last sweep.
    swept: Duration,
}

/// Identity of a machine here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    Mac(Mac),
    Ip(IpAddr),
}

impl Address {
    fn of(peer: Peer) -> Option<Self> {
        peer.mac.map(Self::Mac).or_else(|| peer.ip.map(Self::Ip))
    }

    fn peer(self) -> Peer {
        match self {
            Self::Mac(mac) => Peer {
                mac: Some(mac),
                ip: None,
            },
            Self::Ip(ip) => Peer {
                mac: None,
                ip: Some(ip),
            },
        }
    }
}

impl RateLimiter {
    /// Returns whether `event` is to be logged; if not, it is counted.
    pub fn admit(&mut self, event: &Event) -> bool {
        let now = event.at;
        let kind = Kind::of(event);
        let LineLimits { each, all } = limits_of(kind.volume());
        let all_count = self.all.entry(kind).or_default();
        let has_any = all_count.bucket.has_token(per_refill(all), now);
        if let Some(address) = Address::of(event.peer) {
            let key = (address, kind);
            if self.each.len() >= MAX_COUNTED && !self.each.contains_key(&key) {
                sweep(&mut self.each, &mut self.swept, now);
            }
            if self.each.len() < MAX_COUNTED || self.each.contains_key(&key) {
                let count = self.each.entry(key).or_default();
                count.heard = now;
                if !count.bucket.has_token(per_refill(each), now) {
                    count.fold(now);
                    return false;
                }
                // What all machines may not say costs this one nothing.
                if has_any {
                    count.bucket.spend();
                }
            }
        }
        if has_any {
            all_count.bucket.spend();
        } else {
            all_count.fold(now);
        }
        has_any
    }

    /// Returns what was left out for at least `patience` ([`SUMMARY`], or nothing at the end), in a
    /// fixed order. It is not returned again.
    ///
    /// There are few of them: to empty its own bucket a machine needs a good part of the one for
    /// all machines.
    pub fn due(&mut self, now: Duration, patience: Duration) -> Vec<Suppressed> {
        let each = self
            .each
            .iter_mut()
            .map(|((address, kind), count)| (address.peer(), *kind, count));
        let all = self
            .all
            .iter_mut()
            .map(|(kind, count)| (Peer::default(), *kind, count));
        let mut due: Vec<_> = each
            .chain(all)
            .filter_map(|(peer, kind, count)| {
                let (count, within) = count.due(now, patience)?;
                Some(Suppressed {
                    peer,
                    kind,
                    count,
                    within,
                })
            })
            .collect();
        due.sort_by_key(|suppressed| {
            let Suppressed { peer, kind, .. } = suppressed;
            (peer.mac, peer.ip, kind.to_string())
        });
        due
    }
}

/// Forgets machines that were silent for a while and have nothing left to be logged. At most once a
/// second, since it looks at everything.
fn sweep(each: &mut HashMap<(Address, Kind), Count>, swept: &mut Duration, now: Duration) {
    if now.abs_diff(*swept) < Duration::from_secs(1) {
        return;
    }
    *swept = now;
    each.retain(|_, count| count.suppressed > 0 || now.abs_diff(count.heard) < SUMMARY);
}

fn limits_of(volume: Volume) -> LineLimits {
    match volume {
        Volume::Messages => MESSAGES,
        Volume::Transfers => PROGRESS,
        Volume::Amounts => AMOUNTS,
        Volume::Probes => PROBES,
        Volume::Failures => FAILURES,
        Volume::Trouble => TROUBLE,
        Volume::Diagnostics => DIAGNOSTICS,
    }
}

fn per_refill(lines: u32) -> RateLimit {
    RateLimit {
        burst: lines,
        refill: REFILL,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// The lines that may still be logged.
    bucket: TokenBucket,
    /// Time at which it was last asked for.
    heard: Duration,
    /// Lines left out.
    suppressed: u64,
    /// Since when.
    since: Duration,
}

impl Count {
    fn fold(&mut self, now: Duration) {
        if self.suppressed == 0 || now < self.since {
            self.since = now;
        }
        self.suppressed += 1;
    }

    fn due(&mut self, now: Duration, patience: Duration) -> Option<(u64, Duration)> {
        self.since = self.since.min(now);
        let within = now - self.since;
        if self.suppressed == 0 || within < patience {
            return None;
        }
        Some((std::mem::take(&mut self.suppressed), within))
    }
}

#[cfg(test)]
mod tests;
