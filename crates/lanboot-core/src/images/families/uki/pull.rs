//! Roots that systemd downloads in the initramfs: `rd.systemd.pull=OPTIONS:NAME:URL`
//! (`systemd-import-generator(8)`, read in systemd 262 with `src/import/import-generator.c`).
//!
//! With `bootorigin` the URL is a file beside the program that firmware booted over HTTP. No other
//! loader says where a program came from, so that arguments given to it name the URL.

use crate::boot_config::file_names;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::lack::{Lack, Part, ShownBy};
use crate::images::medium::Medium;
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::pe;
use crate::vfs::{Content, Tree};

/// The argument.
const PULL: &str = "rd.systemd.pull=";
/// Most downloads of one entry.
const MAX_PULLS: usize = 8;
/// The initramfs keeps what it downloads in `/run`, which systemd limits to a fifth of the memory
/// (`src/shared/mount-setup.c`: `TMPFS_LIMITS_RUN`).
const RUN_SHARE: u64 = 5;
/// systemd waits for the device with the root from the start, while the download runs: its 90 seconds
/// end before a large root is there.
const WAIT: &str = "systemd.default_device_timeout_sec=30min";
/// Suffixes of disk images and of archives, packed or not (`importctl(1)`).
const RAW: [&str; 5] = [".raw", ".raw.xz", ".raw.gz", ".raw.zst", ".raw.bz2"];
const TAR: [&str; 5] = [".tar", ".tar.xz", ".tar.gz", ".tar.zst", ".tar.bz2"];
/// Bytes of a disk image that show what is in it.
const HEAD: u64 = 2048;

/// Things that an initramfs with systemd's downloads gets from here.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulled {
    /// The number of its profile for systemd's stub.
    profile: Option<usize>,
    /// Its downloads from here; the first is the root.
    pulls: Vec<Pull>,
    /// Arguments that name the root where its maker's do not.
    root_words: Vec<String>,
    /// Its other arguments.
    pub(super) others: Vec<String>,
}

/// One download.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pull {
    /// Options, without `bootorigin`.
    options: String,
    /// The name it is kept under.
    name: String,
    /// Path of the file on the medium.
    path: String,
    /// Size of the file in bytes.
    bytes: u64,
}

impl Pulled {
    /// Finds what an image at `program` with these `arguments` downloads: the files that its own
    /// arguments name, else the disk image or archive beside it.
    pub(super) fn find(
        medium: Medium<'_>,
        program: &str,
        arguments: &[String],
        profile: Option<usize>,
    ) -> Self {
        let folder = program.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = Self {
            profile,
            ..Self::default()
        };
        for word in arguments {
            let expression = word.strip_prefix(PULL);
            let pull = expression.and_then(|text| own(medium.tree, folder, text));
            match pull.filter(|_| found.pulls.len() < MAX_PULLS) {
                Some(pull) => found.pulls.push(pull),
                None => found.others.push(word.clone()),
            }
        }
        let pulls_elsewhere = found.others.iter().any(|word| word.starts_with(PULL));
        if found.pulls.is_empty() && !pulls_elsewhere {
            found.take_beside(medium, program, folder);
        }
        found
    }

    /// Takes the disk image or archive beside the program as its root, if there is one.
    fn take_beside(&mut self, medium: Medium<'_>, program: &str, folder: &str) {
        let Some((pull, root)) = beside(medium, program, folder) else {
            return;
        };
        let verity = ["roothash=", "usrhash=", "systemd.verity"];
        let is_verified = |word: &String| verity.iter().any(|prefix| word.starts_with(prefix));
        let has_root = self.others.iter().any(is_verified);
        if !has_root {
            self.others.retain(|word| !word.starts_with("root="));
            self.root_words.push(root);
        }
        self.pulls.push(pull);
    }

    /// Lists the keys of arguments that it gives instead of the maker's.
    pub(super) fn decides(&self) -> &'static [&'static str] {
        match self.root_words.is_empty() {
            true => &["rd.systemd.pull", "systemd.pull"],
            false => &["rd.systemd.pull", "systemd.pull", "root"],
        }
    }

    /// Returns path and size of the root, in bytes.
    pub(super) fn root(&self) -> Option<(&str, u64)> {
        let first = self.pulls.first()?;
        Some((&first.path, first.bytes))
    }
}

impl RootSource for Pulled {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words: Vec<String> = Vec::new();
        words.extend(self.profile.map(|number| format!("@{number}")));
        words.extend(entry.inherited.iter().cloned());
        for pull in &self.pulls {
            words.push(format!(
                "{PULL}{}:{}:{}/iso/{image}/{}",
                pull.options, pull.name, server.http, pull.path
            ));
        }
        words.extend(self.root_words.iter().cloned());
        let append: Vec<&str> = boot.append.split_whitespace().collect();
        if !self.pulls.is_empty() {
            let own = entry.inherited.iter().map(String::as_str);
            let mut given = own.chain(append.iter().copied());
            if !given.any(|word| word.starts_with("ip=")) {
                words.push("ip=dhcp".to_owned());
            }
            words.push(WAIT.to_owned());
        }
        words.extend(append.into_iter().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        let is_pulled = !self.pulls.is_empty();
        (is_pulled && transport != Transport::Http).then_some(Refusal::OnlyHttp("systemd's"))
    }

    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        let pulls = self.pulls.iter().map(|pull| Fetch {
            file: Fetched::File(pull.path.clone()),
            required: true,
        });
        pulls.collect()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(lacks)
    }

    fn copied_bytes(&self, _root_bytes: u64, _transport: Transport, _append: &str) -> u64 {
        let bytes = self.pulls.iter().map(|pull| pull.bytes);
        bytes.fold(0, u64::saturating_add).saturating_mul(RUN_SHARE)
    }
}

/// Returns what the initramfs at `path` lacks.
fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    const GENERATOR: &str = "systemd-import-generator";
    let is_missing = !contents.has_program(GENERATOR);
    let lack = is_missing.then(|| Lack {
        part: Part::Http,
        missing: format!("program {GENERATOR}"),
        shown_by: ShownBy::Initramfs(path.to_owned()),
    });
    lack.into_iter().collect()
}

/// Reads an expression of the image's own that names a file beside it; `None` for one that names a
/// server, and where the file is not there.
fn own(tree: &Tree, folder: &str, expression: &str) -> Option<Pull> {
    let mut parts = expression.splitn(3, ':');
    let (options, name, remote) = (parts.next()?, parts.next()?, parts.next()?);
    let mut options: Vec<&str> = options.split(',').collect();
    let count = options.len();
    options.retain(|option| *option != "bootorigin");
    if options.len() == count {
        return None;
    }
    let path = join(folder, remote);
    Some(Pull {
        options: options.join(","),
        name: name.to_owned(),
        bytes: tree.file(&path)?.len(),
        path,
    })
}

/// Finds the disk image or archive that belongs to `program`: the one of its name, else the only one
/// in its folder, else the only one at the top. Returns it with the argument that names the root.
fn beside(medium: Medium<'_>, program: &str, folder: &str) -> Option<(Pull, String)> {
    let tree = medium.tree;
    let name = program.rsplit('/').next().unwrap_or(program);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let of = |folder: &str| -> Vec<(String, bool)> {
        let names = file_names(tree, folder).filter_map(|name| {
            let has = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
            let is_raw = has(&RAW);
            (is_raw || has(&TAR)).then(|| (name.to_owned(), is_raw))
        });
        names.take(2 * MAX_PULLS).collect()
    };
    let inside = of(folder);
    let named = inside
        .iter()
        .find(|(name, _)| name.split_once('.').is_some_and(|(first, _)| first == stem));
    let top = || match folder {
        "" => Vec::new(),
        _ => of(""),
    };
    let (folder, (name, is_raw)) = match (named, &inside[..]) {
        (Some(found), _) | (None, [found]) => (folder, found.clone()),
        (None, []) => match &top()[..] {
            [found] => ("", found.clone()),
            _ => return None,
        },
        _ => return None,
    };
    let path = join(folder, &name);
    let content = tree.file(&path).filter(|_| is_plain(&path))?;
    let pull = |options: &str, name: &str| Pull {
        options: options.to_owned(),
        name: name.to_owned(),
        bytes: content.len(),
        path: path.clone(),
    };
    Some(match is_raw {
        true => {
            let root = match has_partitions(medium, content, &name) {
                true => "root=gpt-auto",
                false => "root=/dev/disk/by-loop-ref/rootdisk.raw",
            };
            // `root=gpt-auto` looks for this name.
            let pull = pull("raw,machine,verify=no,blockdev", "rootdisk");
            (pull, root.to_owned())
        }
        false => {
            let pull = pull("tar,machine,verify=no", "root");
            (pull, "root=bind:/run/machines/root".to_owned())
        }
    })
}

/// Tests whether a disk image has UEFI's partitions. A packed one is taken for such.
fn has_partitions(medium: Medium<'_>, content: &Content, name: &str) -> bool {
    if !name.ends_with(".raw") {
        return true;
    }
    let head = pe::bytes(content, 0, HEAD.min(content.len()), medium.read);
    let head = head.unwrap_or_default();
    head.get(512..520) == Some(b"EFI PART")
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// Tests whether a path is the same in a URL and on a kernel command line.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
}
