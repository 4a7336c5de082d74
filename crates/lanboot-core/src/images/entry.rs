//! An entry: one kernel with its initramfs and arguments, and its command line for every way its
//! root can travel.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::Lack;
use crate::catalog::pinned_name;
use crate::catalog::{Firmware, Transport};
use crate::machine::Arch;
use crate::pe::Signed;
use crate::vfs::Identity;

/// The processor an entry's kernel is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cpu {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    I686,
    /// 64-bit ARM.
    Aarch64,
}

impl Cpu {
    /// As `uname -m` says it, which is also how archiso names its folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I686 => "i686",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Whether firmware of this kind starts kernels for it.
    pub fn runs_on(self, arch: Arch) -> bool {
        Firmware::of(arch).is_some_and(|firmware| firmware.cpus().contains(&self))
    }

    /// Every processor known.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::I686, Self::Aarch64];
}

/// Where this server's doors are, as one machine reaches them. Always literal addresses: in the
/// initramfs there may be no DNS, and `siaddr` may be somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The boot door.
    pub http: SocketAddrV4,
    /// Whether NFS is served, at the same address.
    pub nfs: bool,
    /// Whether NBD is served, at the same address.
    pub nbd: bool,
}

impl Server {
    /// Whether this transport's door is open.
    pub fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::Http => true,
            Transport::Nfs => self.nfs,
            Transport::Nbd => self.nbd,
        }
    }

    /// The transports whose doors are open.
    pub fn transports(&self) -> impl Iterator<Item = Transport> + use<'_> {
        Transport::ALL.into_iter().filter(|t| self.offers(*t))
    }

    /// `http://ADDRESS`, with the port only where it is not 80 (some ROMs cannot read one).
    pub fn http_origin(&self) -> String {
        match self.http.port() {
            80 => format!("http://{}", self.http.ip()),
            _ => format!("http://{}", self.http),
        }
    }
}

/// Which image a command line names, and at whose doors.
#[derive(Clone, Copy, Debug)]
pub struct MountSource<'a> {
    /// Our doors.
    pub server: &'a Server,
    /// The image's name.
    pub image: &'a str,
    /// The image's identity.
    pub identity: Identity,
}

/// How a loader spells what only it knows at boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// iPXE expands `${…}`.
    Ipxe,
    /// PXELINUX adds `BOOTIF=` itself (`SYSAPPEND`).
    Pxelinux,
    /// GRUB expands `${net_default_…}`, and does not know the network's mask.
    Grub {
        /// The mask, as this server knows it.
        netmask: Ipv4Addr,
    },
    /// For people: a placeholder.
    Shown,
}

/// How the initramfs is told to bring its network up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkArgs {
    /// `ip=dhcp BOOTIF=01-…`.
    Dhcp,
    /// `ip=CLIENT:SERVER:GATEWAY:MASK BOOTIF=01-…`, the form PXELINUX makes. The 2013 hook has no
    /// special case for `ip=dhcp` and would build a broken specification from it.
    Literal,
    /// Nothing: an installer asks its user, or does DHCP by itself.
    Own,
}

/// Where an initramfs finds its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootSource {
    /// By archiso's hooks.
    Archiso,
    /// It is the root itself.
    Itself,
}

/// A file that an initramfs fetches besides its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Companion {
    /// Path on the medium.
    pub path: String,
    /// The kernel argument that makes the initramfs fetch it; `None` when it always does.
    pub asked_by: Option<&'static str>,
}

/// A file that a boot fetches from this server after its initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Path on the medium.
    pub path: String,
    /// Whether the boot fails without it. One that is not required is fetched only by arguments
    /// this server does not give.
    pub required: bool,
}

/// What a medium's `nbd-client` and hooks do with a root that stays on the server over NBD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NbdRoot {
    /// The disk stays attached and the boot goes on.
    Streams,
    /// `nbd-client -persist` stays in the foreground (nbd 3.27 and later), and the boot with it.
    Stalls,
    /// The hook disconnects the disk in any case (archiso before v27, 2016-05): the root has to be
    /// copied.
    Disconnects,
    /// Nothing tells.
    #[default]
    Unknown,
}

/// Something a person should know of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The medium's own menu says `copytoram=n`, which is not taken over: what its maker chose for
    /// a disk does not bind a boot over the network.
    CopyToRamOverridden {
        /// The menu's path on the medium.
        menu: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopyToRamOverridden { menu } => write!(
                f,
                "copytoram=n in its own menu ({menu}) is not used: over HTTP the root is always \
                 copied into memory, over NFS and NBD --transport and --append decide"
            ),
        }
    }
}

/// Something a person can boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What `--boot` takes and PXELINUX calls it: image name and processor.
    pub id: String,
    /// What a person reads in a menu.
    pub title: String,
    /// Label of the volume, for the help below a menu.
    pub volume: String,
    /// The kernel's processor.
    pub cpu: Cpu,
    /// Path of the kernel on the medium.
    pub kernel: String,
    /// Paths of the initramfs files on the medium, in order.
    pub initrd: Vec<String>,
    /// Arguments from the medium's own configuration that stay as they are.
    pub(crate) kept: Vec<String>,
    /// Arguments whose truth depends on files of the medium (`cms_verify=y`).
    pub(crate) added: Vec<String>,
    pub(crate) network: NetworkArgs,
    pub(crate) finds: RootSource,
    /// Path on the medium of the root file system's image; `None` when the initramfs is the whole
    /// system and fetches nothing from here.
    pub root: Option<String>,
    /// What its initramfs fetches over HTTP besides the root: before it (aitab) and after it
    /// (signature, checksum, further layers), in order.
    pub(crate) companions: (Vec<Companion>, Vec<Companion>),
    /// Its size in bytes.
    pub root_bytes: u64,
    /// Size of the initramfs files together, in bytes.
    pub initrd_bytes: u64,
    /// How many copies of the root are in memory at once while it is copied over HTTP: today's
    /// hook keeps what it downloaded beside the copy it boots from.
    pub(crate) http_copies: u64,
    /// What its `nbd-client` and hooks do with a root that stays on the server.
    pub nbd_root: NbdRoot,
    /// What its initramfs is known not to have.
    pub lacks: Vec<Lack>,
    /// What a person should know of it.
    pub notes: Vec<Note>,
    /// Who signed the kernel for Secure Boot.
    pub signed: Signed,
}

/// Why an entry cannot start the way it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// archiso's HTTP hook always copies the root into memory.
    #[error(
        "copytoram=n in --append cannot work with an HTTP root: over HTTP the root file system is \
         always downloaded into memory; leave copytoram=n out, or stream the root with NFS or NBD"
    )]
    CopyToRamOff,
    /// Its hooks disconnect an NBD disk in any case.
    #[error(
        "copytoram=n in --append cannot work with an NBD root here: the hooks on this medium \
         (archiso before v27, 2016) disconnect the disk before the system starts from it; leave \
         copytoram=n out, or stream the root with NFS"
    )]
    NbdDisconnects,
    /// The initramfs has not what this way needs.
    #[error("{0}")]
    Lacks(Lack),
    /// There is no root that could travel.
    #[error(
        "its initramfs is the whole system and is loaded over HTTP; there is no root that could \
         travel by NFS or NBD"
    )]
    NoRoot,
    /// There is no kernel either.
    #[error(
        "it starts only as a whole, by UEFI HTTP Boot; there is no root that could travel by NFS \
         or NBD"
    )]
    WholeImage,
}

/// What kernel and programs need besides the copy of the root, in bytes.
const SYSTEM_MEMORY: u64 = 160 << 20;

impl Entry {
    /// Whether this entry can start by `transport` with the operator's own arguments `append`.
    pub fn check(&self, transport: Transport, append: &str) -> Result<(), Refusal> {
        if self.root.is_none() {
            return match transport {
                Transport::Http => Ok(()),
                Transport::Nfs | Transport::Nbd => Err(Refusal::NoRoot),
            };
        }
        if let Some(lack) = self.lack_for(transport) {
            return Err(Refusal::Lacks(lack.clone()));
        }
        match (transport, copy_to_ram(append)) {
            (Transport::Http, Some("n")) => Err(Refusal::CopyToRamOff),
            (Transport::Nbd, Some("n")) if self.nbd_root == NbdRoot::Disconnects => {
                Err(Refusal::NbdDisconnects)
            }
            (Transport::Http | Transport::Nfs | Transport::Nbd, _) => Ok(()),
        }
    }

    /// What its initramfs has not of what a root needs that travels by `transport`.
    pub fn lack_for(&self, transport: Transport) -> Option<&Lack> {
        let mut lacks = self.lacks.iter().filter(|_| self.root.is_some());
        lacks.find(|lack| lack.part.is_needed_by(transport))
    }

    /// Whether no root can travel to it in any way.
    pub fn is_unreachable(&self) -> bool {
        Transport::ALL.iter().all(|t| self.lack_for(*t).is_some())
    }

    /// Whether the root stays on the server.
    pub fn streams(&self, transport: Transport, append: &str) -> bool {
        if self.root.is_none() {
            return false;
        }
        match (transport, copy_to_ram(append)) {
            (Transport::Http, _) => false,
            (Transport::Nfs | Transport::Nbd, Some(asked)) => asked == "n",
            (Transport::Nfs, None) => true,
            (Transport::Nbd, None) => self.nbd_root == NbdRoot::Streams,
        }
    }

    /// Lists what the initramfs fetches from here, in order, when the root travels by `transport`
    /// and the operator's own arguments are `append`. Through a mount and a network disk it reads
    /// everything, and fetches nothing.
    pub fn fetches(&self, transport: Transport, append: &str) -> Vec<Fetch> {
        let (Transport::Http, Some(root)) = (transport, &self.root) else {
            return Vec::new();
        };
        let given = self.kept.iter().chain(&self.added).map(String::as_str);
        let words: Vec<&str> = given.chain(append.split_whitespace()).collect();
        // `key` alone means `y`, and the last of several wins.
        let is_asked = |key: &str| {
            let of_key = |word: &&str| match word.strip_prefix(key) {
                Some("") => Some(true),
                Some(rest) => rest.strip_prefix('=').map(|value| value == "y"),
                None => None,
            };
            words.iter().rev().find_map(of_key).unwrap_or(false)
        };
        let fetch = |companion: &Companion| Fetch {
            path: companion.path.clone(),
            required: companion.asked_by.is_none_or(is_asked),
        };
        let (before, after) = &self.companions;
        let root = Fetch {
            path: root.clone(),
            required: true,
        };
        let before = before.iter().map(fetch);
        before
            .chain([root])
            .chain(after.iter().map(fetch))
            .collect()
    }

    /// About how much memory a machine needs to start from a copy of the root that came by
    /// `transport`, in bytes. The copy lies in file systems of at most three quarters of the
    /// memory; the initramfs is there packed and unpacked before. Over NFS and NBD the root is
    /// copied once.
    pub fn copy_memory(&self, transport: Transport) -> u64 {
        let copies = match transport {
            Transport::Http => self.http_copies,
            Transport::Nfs | Transport::Nbd => 1,
        };
        let all = self
            .root_bytes
            .saturating_mul(copies)
            .saturating_add(self.initrd_bytes.saturating_mul(3))
            .saturating_add(SYSTEM_MEMORY);
        all.max(self.root_bytes / 3 * 4)
    }

    /// One sentence for the line below a menu.
    pub fn help(&self, transport: Transport, append: &str) -> String {
        if self.root.is_none() {
            let mib = self.initrd_bytes >> 20;
            return format!(
                "{}: everything is in its initramfs ({mib} MiB).",
                self.volume
            );
        }
        let mib = self.root_bytes >> 20;
        let how = match (transport, self.streams(transport, append)) {
            (Transport::Http, _) => "is copied into memory over HTTP",
            (Transport::Nfs, true) => "stays here and is read over NFS",
            (Transport::Nfs, false) => "is copied into memory over NFS",
            (Transport::Nbd, true) => "stays here and is read over NBD",
            (Transport::Nbd, false) => "is copied into memory over NBD",
        };
        format!("{}: the root ({mib} MiB) {how}.", self.volume)
    }

    /// The kernel command line for a root that travels by `transport` from `source`.
    pub fn command_line(
        &self,
        transport: Transport,
        source: MountSource<'_>,
        dialect: Dialect,
        append: &str,
    ) -> String {
        match self.finds {
            RootSource::Archiso => {}
            RootSource::Itself => return self.own_line(append),
        }
        let MountSource {
            server,
            image,
            identity,
        } = source;
        let address = server.http.ip();
        let mut words = self.kept.clone();
        match transport {
            // The hook concatenates, so the slash at the end is part of the contract.
            Transport::Http => words.push(format!(
                "archiso_http_srv={}/iso/{image}/",
                server.http_origin()
            )),
            Transport::Nfs => words.push(format!("archiso_nfs_srv={address}:/iso/{image}")),
            Transport::Nbd => words.extend([
                format!("archiso_nbd_srv={address}"),
                format!("archiso_nbd_name={}", pinned_name(image, identity)),
            ]),
        }
        let disconnects = self.nbd_root == NbdRoot::Disconnects;
        match copy_to_ram(append) {
            None if self.streams(transport, append) => words.push("copytoram=n".into()),
            // Before v27 nothing but the argument makes the hook copy.
            None if transport == Transport::Nbd && disconnects => words.push("copytoram=y".into()),
            _ => {}
        }
        words.extend(network(self.network, dialect, *address));
        words.extend(self.added.iter().cloned());
        words.push("net.ifnames=0".into());
        words.extend(append.split_whitespace().map(str::to_owned));
        words.join(" ")
    }

    /// debian-installer hands what stands behind `---` on to the system it installs. The
    /// operator's own arguments are for the installer, unless they say `---` themselves.
    fn own_line(&self, append: &str) -> String {
        const BREAK: &str = "---";
        let kept: Vec<&str> = self.kept.iter().map(String::as_str).collect();
        let own: Vec<&str> = append.split_whitespace().collect();
        let split = |words: &[&str]| -> (Vec<String>, Option<Vec<String>>) {
            let owned = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
            match words.iter().position(|w| *w == BREAK) {
                Some(at) => {
                    let (before, after) = words.split_at(at);
                    (
                        owned(before),
                        Some(owned(after.get(1..).unwrap_or_default())),
                    )
                }
                None => (owned(words), None),
            }
        };
        let ((mut words, kept_after), (own_before, own_after)) = (split(&kept), split(&own));
        words.extend(own_before);
        if kept_after.is_some() || own_after.is_some() {
            words.push(BREAK.into());
        }
        words.extend(kept_after.into_iter().chain(own_after).flatten());
        words.join(" ")
    }

    /// The `SYSAPPEND` mask PXELINUX needs for this entry (bit 0 `ip=`, bit 1 `BOOTIF=`).
    pub fn sysappend(&self) -> u32 {
        match self.network {
            NetworkArgs::Dhcp => 2,
            NetworkArgs::Literal => 3,
            NetworkArgs::Own => 0,
        }
    }
}

/// What the last `copytoram=` of these arguments says; the last one counts in the initramfs.
fn copy_to_ram(arguments: &str) -> Option<&str> {
    let mut words = arguments.split_whitespace().rev();
    words.find_map(|word| match word.strip_prefix("copytoram")? {
        // The word alone means yes (mkinitcpio's `parse_cmdline`).
        "" => Some("y"),
        value => value.strip_prefix('='),
    })
}

fn network(form: NetworkArgs, dialect: Dialect, server: Ipv4Addr) -> Vec<String> {
    let words: &[&str] = match (form, dialect) {
        (NetworkArgs::Own, _) => &[],
        (NetworkArgs::Dhcp, Dialect::Ipxe) => &["ip=dhcp", "BOOTIF=01-${netX/mac:hexhyp}"],
        (NetworkArgs::Dhcp, Dialect::Pxelinux) => &["ip=dhcp"],
        // With colons inside; the hooks write them so before they compare.
        (NetworkArgs::Dhcp, Dialect::Grub { .. }) => &["ip=dhcp", "BOOTIF=01-${net_default_mac}"],
        (NetworkArgs::Dhcp, Dialect::Shown) => &["ip=dhcp", "BOOTIF=01-<mac>"],
        (NetworkArgs::Literal, Dialect::Ipxe) => &[
            "ip=${netX/ip}:${next-server}:${netX/gateway}:${netX/netmask}",
            "BOOTIF=01-${netX/mac:hexhyp}",
        ],
        (NetworkArgs::Literal, Dialect::Pxelinux) => &[],
        (NetworkArgs::Literal, Dialect::Grub { netmask }) => {
            let address = format!("ip=${{net_default_ip}}:{server}::{netmask}");
            return vec![address, "BOOTIF=01-${net_default_mac}".into()];
        }
        (NetworkArgs::Literal, Dialect::Shown) => &[
            "ip=<client>:<server>:<gateway>:<netmask>",
            "BOOTIF=01-<mac>",
        ],
    };
    words.iter().map(|&w| w.to_owned()).collect()
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
