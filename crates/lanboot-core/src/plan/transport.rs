//! The transport of a root file system: what the operator asked for, and what suits one machine.

use std::fmt;

use super::unknown_entry::UnknownEntry;
use crate::catalog::{Catalog, Image};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::images::{Entry, Refusal, Server, Transport};

/// The operator's choice of transports. `None` stands for `auto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transports {
    /// For every entry that is not named.
    pub all: Option<Transport>,
    /// For single entries or images, the later one counting more.
    pub of: Vec<(String, Option<Transport>)>,
}

impl Transports {
    /// Returns the one decided for an entry; `None` when it is chosen here.
    pub fn of(&self, image: &Image, entry: &Entry) -> Option<Transport> {
        let names = |wanted: &str| self.of.iter().rev().find(|(name, _)| name == wanted);
        let called = || self.of.iter().rev().find(|(name, _)| image.is_called(name));
        let named = names(&entry.id)
            .or_else(|| names(&image.name))
            .or_else(called);
        // What is said for all is not meant for those that have no root to send, or that cannot
        // get it so.
        let able = |asked: &Transport| entry.root.is_some() && entry.unsupported(*asked).is_none();
        let all = self.all.filter(able);
        named.map_or(all, |(_, transport)| *transport)
    }

    /// Checks that every name is one that is served.
    ///
    /// # Errors
    /// Returns the first name that is not.
    pub fn check(&self, catalog: &Catalog) -> Result<(), UnknownEntry> {
        for (name, _) in &self.of {
            let is_entry = catalog.entries().any(|(_, entry)| entry.id == *name)
                || catalog
                    .incomplete_entries()
                    .any(|(_, entry, _)| entry.id == *name);
            let mut images = catalog.images().iter();
            if !is_entry && !images.any(|image| image.is_called(name)) {
                let names = |image: &'_ std::sync::Arc<Image>| -> Vec<String> {
                    let own = image.own_name();
                    image.names().chain([own]).map(str::to_owned).collect()
                };
                let known: Vec<String> = catalog.images().iter().flat_map(names).collect();
                let known = known.iter().map(String::as_str);
                return Err(UnknownEntry::new(name, known));
            }
        }
        Ok(())
    }

    /// Returns whether some entry is to use this transport.
    pub fn ask_for(&self, transport: Transport) -> bool {
        let of = self.of.iter().map(|(_, asked)| *asked);
        of.chain([self.all]).any(|asked| asked == Some(transport))
    }
}

/// Most memory modules asked for: who has more has enough.
const MAX_MODULES: usize = 16;

/// The machine's memory according to its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It was not asked yet.
    Unasked,
    /// It was asked and does not know.
    Unknown,
    /// So many MiB.
    Mib(u64),
}

impl Memory {
    /// Returns the query that makes iPXE send it: `${memsize}` where iPXE was built to know it, and
    /// the sizes of the first sixteen memory modules according to the firmware (SMBIOS type 17, two
    /// bytes at 0x0c), which every build can read.
    pub fn query() -> String {
        let module = |n| format!("${{smbios/{n}.17.12.2:hexraw}}");
        let modules: Vec<String> = (0..MAX_MODULES).map(module).collect();
        format!("memory=${{memsize}}&modules={}", modules.join("-"))
    }

    /// Returns the query that says so to a further part of a menu, with its `?`; empty where it was
    /// not asked.
    pub(crate) fn known_query(self) -> String {
        match self {
            Self::Unasked => String::new(),
            Self::Unknown => "?memory=0".into(),
            Self::Mib(mib) => format!("?memory={mib}"),
        }
    }

    /// Parses the query of a menu's URL, as [`Self::query`] made it and iPXE filled it in.
    pub fn from_query(query: &[u8]) -> Self {
        let value = |key: &[u8]| {
            let mut pairs = query.split(|&b| b == b'&');
            pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix(b"="))
        };
        let (memory, modules) = (value(b"memory"), value(b"modules"));
        if memory.is_none() && modules.is_none() {
            return Self::Unasked;
        }
        let number = memory.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let sum = || {
            let modules = modules.unwrap_or_default().split(|&b| b == b'-');
            modules.take(MAX_MODULES).filter_map(module_mib).sum()
        };
        match number.unwrap_or_else(sum) {
            0 => Self::Unknown,
            mib => Self::Mib(mib),
        }
    }

    /// Returns it in bytes, where it is known.
    fn bytes(self) -> Option<u64> {
        match self {
            Self::Mib(mib) => Some(mib.saturating_mul(1 << 20)),
            Self::Unasked | Self::Unknown => None,
        }
    }
}

/// Parses the size of one memory module in MiB, from the four digits iPXE writes for it:
/// little-endian, in KiB when the highest bit is set; all bits mean unknown, and the largest value
/// that or more (DMTF DSP0134 §7.18).
fn module_mib(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.len() == 4)?;
    match u16::from_str_radix(digits, 16).ok()?.swap_bytes() {
        0xffff => None,
        kib if kib & 0x8000 != 0 => Some(u64::from(kib & 0x7fff) >> 10),
        mib => Some(u64::from(mib)),
    }
}

/// The transport of one machine's root, and the reason for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootTransport {
    /// The transport.
    pub transport: Transport,
    /// The reason.
    pub reason: TransportReason,
}

/// The reason for a transport. Displays as a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportReason {
    /// The operator said so.
    Asked,
    /// A copy in memory is the fastest and needs the server no more.
    Copy,
    /// The initramfs is the whole system.
    NoRoot,
    /// The initramfs is the whole system, and it does not fit.
    TooLittleForInitramfs {
        /// The machine's memory, in bytes.
        has: u64,
        /// The memory that the initramfs takes, in bytes.
        needs: u64,
    },
    /// `copytoram=n` was asked for, which HTTP cannot do.
    CopyToRamOff,
    /// The initramfs has not what HTTP needs.
    NoHttp,
    /// The operator said so, and the copy does not fit.
    AskedTooLittleMemory {
        /// The machine's memory, in bytes.
        has: u64,
        /// The memory that the copy takes, in bytes.
        needs: u64,
    },
    /// The copy does not fit, so the root is read when it is needed.
    TooLittleMemory {
        /// The machine's memory, in bytes.
        has: u64,
        /// The memory that the copy takes, in bytes.
        needs: u64,
    },
    /// The copy does not fit, and neither NFS nor NBD is served.
    TooLittleForAny {
        /// The machine's memory, in bytes.
        has: u64,
        /// The memory that the copy takes, in bytes.
        needs: u64,
    },
}

/// Returns the transport of the root of `entry` for a machine with so much `memory`.
///
/// Streaming is by NFS first: a client of NFS waits for a server that comes back, while one of
/// NBD may give its disk up.
pub fn root_transport(
    image: &Image,
    entry: &Entry,
    asked: &Transports,
    server: &Server,
    memory: Memory,
    append: &str,
) -> RootTransport {
    let works = |t: Transport| server.offers(t) && entry.check(t, append).is_ok();
    let by_itself = |t: Transport| works(t) && entry.is_proven(t);
    let streams = [Transport::Nfs, Transport::Nbd];
    let streaming = streams.into_iter().find(|t| by_itself(*t));
    let plan = |transport, reason| RootTransport { transport, reason };
    let short = |transport| {
        let needs = entry.copy_memory(transport, append);
        let has = memory.bytes().filter(|has| *has < needs);
        has.map(|has| (has, needs))
    };
    if entry.root.is_none() {
        let reason = short(Transport::Http).map_or(TransportReason::NoRoot, |(has, needs)| {
            TransportReason::TooLittleForInitramfs { has, needs }
        });
        return plan(Transport::Http, reason);
    }
    if let Some(asked) = asked.of(image, entry) {
        // Over HTTP somebody who asks for it knows that it is copied.
        let is_copied = asked != Transport::Http && !entry.streams(asked, append);
        let too_little = short(asked).filter(|_| is_copied);
        let reason = too_little.map_or(TransportReason::Asked, |(has, needs)| {
            TransportReason::AskedTooLittleMemory { has, needs }
        });
        return plan(asked, reason);
    }
    if let Err(refusal) = entry.check(Transport::Http, append) {
        let other = streaming.or_else(|| streams.into_iter().find(|t| works(*t)));
        let reason = match refusal {
            Refusal::Lacks(_) | Refusal::SeveralLayers(_) => TransportReason::NoHttp,
            _ => TransportReason::CopyToRamOff,
        };
        return other.map_or_else(
            || plan(Transport::Http, TransportReason::Copy),
            |transport| plan(transport, reason),
        );
    }
    match (short(Transport::Http), streaming) {
        (Some((has, needs)), Some(streaming)) => {
            plan(streaming, TransportReason::TooLittleMemory { has, needs })
        }
        (Some((has, needs)), None) => plan(
            Transport::Http,
            TransportReason::TooLittleForAny { has, needs },
        ),
        (None, _) => plan(Transport::Http, TransportReason::Copy),
    }
}

impl RootTransport {
    /// Returns the warning to log for the machine, if the choice needs one.
    pub fn warning(&self) -> Option<Diagnostic> {
        match self.reason {
            TransportReason::Asked
            | TransportReason::Copy
            | TransportReason::NoRoot
            | TransportReason::CopyToRamOff
            | TransportReason::NoHttp => None,
            TransportReason::TooLittleForInitramfs { needs, has } => {
                let text = format!(
                    "everything is in the initramfs, which takes about {} MiB, and the machine \
                     has only {} MiB; it may not start",
                    needs >> 20,
                    has >> 20
                );
                Some(DiagnosticCode::RootTransport.with(text))
            }
            TransportReason::TooLittleMemory { .. }
            | TransportReason::TooLittleForAny { .. }
            | TransportReason::AskedTooLittleMemory { .. } => {
                let text = format!("root over {}: {}", self.transport, self.reason);
                Some(DiagnosticCode::RootTransport.with(text))
            }
        }
    }
}

impl fmt::Display for TransportReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        match self {
            Self::Asked => f.write_str("--transport asks for it"),
            Self::Copy => f.write_str("a copy in memory is the fastest"),
            Self::NoRoot | Self::TooLittleForInitramfs { .. } => {
                f.write_str("everything is in its initramfs")
            }
            Self::CopyToRamOff => f.write_str("copytoram=n was asked for"),
            Self::NoHttp => f.write_str("its initramfs cannot fetch the root over HTTP"),
            Self::AskedTooLittleMemory { has, needs } => write!(
                f,
                "it was asked for; the root is copied, which takes about {} MiB, and the machine \
                 has only {} MiB; it may not start",
                mib(*needs),
                mib(*has)
            ),
            Self::TooLittleMemory { has, needs } => write!(
                f,
                "a copy in memory takes about {} MiB and the machine has {} MiB, \
                 so the root stays on the server",
                mib(*needs),
                mib(*has)
            ),
            Self::TooLittleForAny { has, needs } => write!(
                f,
                "the copy takes about {} MiB and the machine has only {} MiB; \
                 it may not start, and neither NFS nor NBD can stream the root here",
                mib(*needs),
                mib(*has)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Cpu;
    use crate::testing::{catalog, image, server};

    const OPEN: [Transport; 2] = [Transport::Nfs, Transport::Nbd];

    fn planned(
        open: &[Transport],
        asked: &Transports,
        memory: Memory,
        append: &str,
    ) -> RootTransport {
        let image = image("dual", &[Cpu::X86_64]);
        let mut server = server();
        server.nfs = open.contains(&Transport::Nfs);
        server.nbd = open.contains(&Transport::Nbd);
        root_transport(
            &image,
            &image.found.entries[0],
            asked,
            &server,
            memory,
            append,
        )
    }

    #[test]
    fn memory_decides_between_copy_and_stream() {
        let auto = Transports::default();
        let needs =
            image("dual", &[Cpu::X86_64]).found.entries[0].copy_memory(Transport::Http, "") >> 20;
        let chosen = |memory| planned(&OPEN, &auto, memory, "").transport;
        assert_eq!(chosen(Memory::Mib(needs + 1)), Transport::Http);
        assert_eq!(chosen(Memory::Mib(needs - 1)), Transport::Nfs);
        assert_eq!(chosen(Memory::Unknown), Transport::Http);
        let warning = planned(&OPEN, &auto, Memory::Mib(needs - 1), "").warning();
        assert!(
            warning
                .unwrap()
                .text
                .starts_with("root over nfs: a copy in memory")
        );
        let none = planned(&[], &auto, Memory::Mib(64), "");
        assert_eq!(none.transport, Transport::Http);
        assert!(none.warning().unwrap().text.contains("may not start"));
    }

    #[test]
    fn nbd_streams_only_where_its_client_can() {
        // The test entries' medium says nothing about its nbd-client.
        let auto = Transports::default();
        let chosen = |open: &[Transport]| planned(open, &auto, Memory::Mib(64), "").transport;
        assert_eq!(chosen(&[Transport::Nbd]), Transport::Http);
        assert_eq!(chosen(&[Transport::Nfs]), Transport::Nfs);
    }

    #[test]
    fn without_a_copy_http_is_out_of_the_question() {
        let auto = Transports::default();
        let chosen = |open: &[Transport]| planned(open, &auto, Memory::Unknown, "copytoram=n");
        assert_eq!(chosen(&OPEN).transport, Transport::Nfs);
        assert_eq!(chosen(&OPEN).reason, TransportReason::CopyToRamOff);
        assert_eq!(chosen(&[]).transport, Transport::Http);
    }

    #[test]
    fn the_narrowest_name_decides() {
        let catalog = catalog();
        let transports = Transports {
            all: Some(Transport::Nfs),
            of: vec![
                ("dual-i686".into(), None),
                ("dual".into(), Some(Transport::Nbd)),
            ],
        };
        assert_eq!(transports.check(&catalog), Ok(()));
        let of = |n: usize| {
            let (image, entry) = catalog.entries().nth(n).unwrap();
            transports.of(image, entry)
        };
        assert_eq!((of(0), of(1)), (Some(Transport::Nbd), None));
        assert!(transports.ask_for(Transport::Nfs) && !transports.ask_for(Transport::Http));
        let wrong = Transports {
            all: None,
            of: vec![("dual-x86".into(), None)],
        };
        let error = wrong.check(&catalog).unwrap_err().to_string();
        assert!(error.contains("did you mean"), "{error}");
    }

    #[test]
    fn a_query_that_is_no_number_is_an_answer_all_the_same() {
        for (query, memory) in [
            ("", Memory::Unasked),
            ("a=b", Memory::Unasked),
            ("memory=", Memory::Unknown),
            ("memory=0", Memory::Unknown),
            ("memory=99999999999999999999999", Memory::Unknown),
            ("a=b&memory=512", Memory::Mib(512)),
            ("memory=&modules=8002", Memory::Mib(640)),
            ("memory=&modules=0010-0000-0010-", Memory::Mib(8192)),
            ("memory=&modules=ffff-0080-xxxx-1", Memory::Unknown),
            ("memory=&modules=ff7f-0088", Memory::Mib(32767 + 2)),
            ("memory=700&modules=8002", Memory::Mib(700)),
            ("memory=${memsize}&modules=é-", Memory::Unknown),
        ] {
            assert_eq!(Memory::from_query(query.as_bytes()), memory, "{query}");
        }
    }
}
