//! An entry: one kernel with its initramfs and arguments, and the ways its root can travel.

use std::fmt;
use std::net::SocketAddrV4;

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

    /// Every processor known.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::I686, Self::Aarch64];
}

/// How the root file system reaches the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Copied into memory over HTTP.
    Http,
}

impl Transport {
    /// The word for it on the command line and in menus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
        }
    }
}

/// Where this server's doors are, as one machine reaches them. Always literal addresses: in the
/// initramfs there may be no DNS, and `siaddr` may be somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The boot door.
    pub http: SocketAddrV4,
}

impl Server {
    /// `http://ADDRESS`, with the port only where it is not 80 (some ROMs cannot read one).
    pub fn http_origin(&self) -> String {
        match self.http.port() {
            80 => format!("http://{}", self.http.ip()),
            _ => format!("http://{}", self.http),
        }
    }
}

/// How a loader spells what only it knows at boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// iPXE expands `${…}`.
    Ipxe,
    /// PXELINUX adds `BOOTIF=` itself (`SYSAPPEND`).
    Pxelinux,
    /// For people: a placeholder.
    Shown,
}

/// How the initramfs is told to bring its network up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkForm {
    /// `ip=dhcp BOOTIF=01-…`.
    Dhcp,
    /// `ip=CLIENT:SERVER:GATEWAY:MASK BOOTIF=01-…`, the form PXELINUX makes. The 2013 hook has no
    /// special case for `ip=dhcp` and would build a broken specification from it.
    Literal,
}

/// Something a person can boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What `--boot` takes and PXELINUX calls it: image name and processor.
    pub id: String,
    /// What a person reads in a menu.
    pub title: String,
    /// One sentence more.
    pub help: String,
    /// The kernel's processor.
    pub cpu: Cpu,
    /// Path of the kernel on the medium.
    pub kernel: String,
    /// Paths of the initramfs files on the medium, in order.
    pub initrd: Vec<String>,
    /// Arguments from the medium's own configuration that stay as they are.
    pub(super) kept: Vec<String>,
    /// Arguments whose truth depends on files of the medium (`cms_verify=y`).
    pub(super) added: Vec<String>,
    pub(super) network: NetworkForm,
    /// Path on the medium of the root file system's image.
    pub root: String,
    /// Its size in bytes: what `http` downloads into memory.
    pub root_bytes: u64,
}

/// Why an entry cannot start the way it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// archiso's HTTP hook always copies the root into memory.
    #[error(
        "copytoram=n cannot work with an HTTP root: over HTTP the root file system is always \
         downloaded into memory; leave copytoram=n out, or stream the root with NFS or NBD"
    )]
    CopyToRamOff,
}

impl Entry {
    /// Whether this entry can start by `transport` with the operator's own arguments `append`.
    pub fn check(&self, transport: Transport, append: &str) -> Result<(), Refusal> {
        match transport {
            Transport::Http => {
                let words = self
                    .kept
                    .iter()
                    .map(String::as_str)
                    .chain(append.split_whitespace());
                // The last occurrence wins in the initramfs' own parser.
                match words.rev().find(|w| w.starts_with("copytoram=")) {
                    Some("copytoram=n") => Err(Refusal::CopyToRamOff),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The kernel command line for a root that travels by `transport` from `base`, the URL under
    /// which `server` shows the image's files, ending in a slash.
    pub fn command_line(
        &self,
        transport: Transport,
        server: &Server,
        image: &str,
        spelling: Spelling,
        append: &str,
    ) -> String {
        let mut words = self.kept.clone();
        match transport {
            // The hook concatenates, so the slash at the end is part of the contract.
            Transport::Http => {
                words.push(format!(
                    "archiso_http_srv={}/iso/{image}/",
                    server.http_origin()
                ));
            }
        }
        words.extend(network(self.network, spelling));
        words.extend(self.added.iter().cloned());
        words.push("net.ifnames=0".into());
        words.extend(append.split_whitespace().map(str::to_owned));
        words.join(" ")
    }

    /// The `SYSAPPEND` mask PXELINUX needs for this entry (bit 0 `ip=`, bit 1 `BOOTIF=`).
    pub fn sysappend(&self) -> u32 {
        match self.network {
            NetworkForm::Dhcp => 2,
            NetworkForm::Literal => 3,
        }
    }
}

fn network(form: NetworkForm, spelling: Spelling) -> Vec<String> {
    let words: &[&str] = match (form, spelling) {
        (NetworkForm::Dhcp, Spelling::Ipxe) => &["ip=dhcp", "BOOTIF=01-${netX/mac:hexhyp}"],
        (NetworkForm::Dhcp, Spelling::Pxelinux) => &["ip=dhcp"],
        (NetworkForm::Dhcp, Spelling::Shown) => &["ip=dhcp", "BOOTIF=01-<mac>"],
        (NetworkForm::Literal, Spelling::Ipxe) => &[
            "ip=${netX/ip}:${next-server}:${netX/gateway}:${netX/netmask}",
            "BOOTIF=01-${netX/mac:hexhyp}",
        ],
        (NetworkForm::Literal, Spelling::Pxelinux) => &[],
        (NetworkForm::Literal, Spelling::Shown) => &[
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

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
