//! Every key once: the flag of `serve` and `export`, the key of the configuration file, its type, its
//! default, and the text of `--help` and of `docs/configuration.md`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::images::Transport;
use lanboot_core::loaders::LoaderKind;
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::{Rules, Start};
use lanboot_core::plan::Transports;
use lanboot_core::plan::{LoaderChoice, MenuKind};

use super::subnet::Subnet;
use super::value::{self, Log, MenuTimeout};

/// Flags that are no keys of the file.
pub(super) const FLAG_ONLY: [&str; 1] = ["config"];

/// Keys that affect what an exported fragment refers to, in the order in which its text repeats them:
/// `serve` needs them too.
pub(super) const REPEATED_BY_EXPORT: [&str; 13] = [
    "config",
    "interface",
    "address",
    "http-port",
    "transport",
    "loader",
    "loaders",
    "menu",
    "menu-timeout",
    "boot",
    "append",
    "no-nfs",
    "no-nbd",
];

/// Keys that an exported fragment does not repeat: the images follow the flags; addresses are the other
/// server's task; the rest is how the program runs. A test finds the key that is in neither list.
#[cfg(test)]
pub(super) const NOT_REPEATED_BY_EXPORT: [&str; 14] = [
    "images",
    "boot-policy",
    "dhcp",
    "range",
    "lease-time",
    "router",
    "dns",
    "only",
    "state",
    "once",
    "until-idle",
    "log",
    "ready-file",
    "tftp-single-port",
];

/// Settings of `serve` and `export`: defaults, then the file, then the flags.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Images, or folders of images
    #[arg(value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Network interface to serve; needed only if several are suitable. May be repeated
    #[arg(id = "interface", long = "interface", value_name = "IF", value_parser = value::interface)]
    pub interfaces: Vec<String>,
    /// Give the interface this address, such as 192.168.0.1/24, while lanboot runs; with several
    /// interfaces, IF=ADDRESS/BITS. May be repeated
    #[arg(
        id = "address",
        long = "address",
        value_name = "[IF=]ADDRESS/BITS",
        value_parser = value::address
    )]
    pub addresses: Vec<(Option<String>, IpNet)>,
    /// auto: assign addresses unless another DHCP server answers; beside one, and as soon as one
    /// appears, only provide boot information, until SIGHUP or a restart. server: assign addresses
    /// in any case. proxy: only provide boot information. off: no DHCP
    #[arg(
        long,
        value_name = "auto|server|proxy|off",
        value_parser = value::dhcp,
        default_value = "auto"
    )]
    pub dhcp: Policy,
    /// Addresses to assign on a single interface; default: part of its own network. For several
    /// interfaces and networks behind relays use tables in the configuration file, shown below
    #[arg(long, value_name = "A-B", value_parser = value::range)]
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Duration of a lease, such as 12h or 30m [default: 12h; 1h with --dhcp auto]
    #[arg(long, value_name = "DURATION", value_parser = value::lease_time)]
    pub lease_time: Option<Duration>,
    /// Default route announced to machines; default: none
    #[arg(long, value_name = "ADDRESS", value_parser = value::machine)]
    pub router: Option<Ipv4Addr>,
    /// DNS server announced to machines; default: none. May be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = value::dns)]
    pub dns: Vec<Ipv4Addr>,
    /// Root transport: auto, http, nfs or nbd; ENTRY=TRANSPORT for one entry or image. May be
    /// repeated [default: auto]
    #[arg(long, value_name = "[ENTRY=]TRANSPORT", value_parser = value::transport)]
    pub transport: Vec<(Option<String>, Option<Transport>)>,
    /// Do not serve NFS (ports 111 and 2049)
    #[arg(long)]
    pub no_nfs: bool,
    /// Do not serve NBD (port 10809)
    #[arg(long)]
    pub no_nbd: bool,
    /// Entry or image to start when the menu times out; default: the first image
    #[arg(long, value_name = "ENTRY")]
    pub boot: Option<String>,
    /// Start of machines without a plan: menu (what --boot says), disk, or an entry or image
    #[arg(
        long,
        value_name = "menu|disk|ENTRY",
        value_parser = value::boot_policy,
        default_value = "menu"
    )]
    pub boot_policy: Start,
    /// Additional kernel arguments for every entry
    #[arg(
        long,
        value_name = "ARGS",
        allow_hyphen_values = true,
        value_parser = value::append,
        default_value = "",
        hide_default_value = true
    )]
    pub append: String,
    /// generated: a menu of all images. stock: the first image's own
    #[arg(
        long,
        value_name = "generated|stock",
        value_parser = value::menu,
        default_value = "generated"
    )]
    pub menu: MenuKind,
    /// Seconds a menu waits for a key; 0 starts at once, 'never' waits forever
    #[arg(long, value_name = "S", value_parser = value::menu_timeout, default_value = "10")]
    pub menu_timeout: MenuTimeout,
    /// First loader: auto, ipxe, ipxe-native, pxelinux (BIOS), grub (UEFI, also with
    /// Secure Boot on) or iso (UEFI HTTP Boot: the first image as a RAM disk); MAC=LOADER for one
    /// machine. May be repeated [default: auto]
    #[arg(long, value_name = "[MAC=]LOADER", value_parser = value::loader)]
    pub loader: Vec<(Option<Mac>, LoaderKind)>,
    /// Folder for the lease database [default: /var/lib/lanboot]
    #[arg(
        long,
        value_name = "DIR",
        default_value_os_t = default_state(),
        hide_default_value = true
    )]
    pub state: PathBuf,
    /// Configuration file [default: /etc/lanboot/lanboot.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Serve only this machine. May be repeated
    #[arg(long, value_name = "MAC", value_parser = value::mac)]
    pub only: Vec<Mac>,
    /// Exit once every machine that began to boot is up with its address and none reads its root
    /// file system from this server
    #[arg(long)]
    pub once: bool,
    /// Exit once no machine is booting and none has requested anything for this long, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub until_idle: Option<Duration>,
    /// plain: lines of text. json: one JSON object per line [default: plain; live on a terminal]
    #[arg(long, value_name = "plain|json", value_parser = value::log)]
    pub log: Option<Log>,
    /// Create this file once all services are running and the DHCP mode is decided
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Port of the HTTP server
    #[arg(long, value_name = "PORT", value_parser = value::port, default_value = "80")]
    pub http_port: u16,
    /// Answer TFTP from port 69 alone, for machines behind NAT and for containers; by default each
    /// transfer has a port of its own
    #[arg(long)]
    pub tftp_single_port: bool,
    /// Folder of loaders to use instead of the host's (undionly.kpxe, snponly-x86_64.efi,
    /// snponly-arm64.efi, shimx64.efi and grubx64.efi, lpxelinux.0, *.c32)
    #[arg(long, value_name = "DIR")]
    pub loaders: Option<PathBuf>,
    /// Networks, on interfaces or behind relays: the tables `[[subnet]]` of the file.
    #[arg(skip)]
    pub subnets: Vec<Subnet>,
    /// Plans of machines: the tables `[[machine]]` and `[[group]]` of the file.
    #[arg(skip)]
    pub rules: Rules,
    /// True if log lines begin with the time: journald adds its own.
    #[arg(skip = std::env::var_os("JOURNAL_STREAM").is_none())]
    pub stamped: bool,
}

impl Settings {
    /// Returns the lease time where a subnet has none of its own. With `--dhcp auto` it is short,
    /// because another server may only be away: its machines must soon get their default route.
    pub fn lease_time(&self) -> Duration {
        let hours = if self.dhcp == Policy::Auto { 1 } else { 12 };
        let default = Duration::from_secs(hours * 3600);
        self.lease_time.unwrap_or(default)
    }

    /// Returns the choices of `--transport`, the last one for all entries counting.
    pub fn transports(&self) -> Transports {
        let mut transports = Transports::default();
        for (name, transport) in &self.transport {
            match name {
                Some(name) => transports.of.push((name.clone(), *transport)),
                None => transports.all = *transport,
            }
        }
        transports
    }

    /// Returns the choices of `--loader`, the last one for all machines counting.
    pub fn loader(&self) -> LoaderChoice {
        let mut choice = LoaderChoice::default();
        for (mac, kind) in &self.loader {
            match mac {
                Some(mac) => choice.of.push((*mac, *kind)),
                None => choice.all = *kind,
            }
        }
        choice
    }
}

/// Returns systemd's `StateDirectory=`, else where such programs keep their state.
fn default_state() -> PathBuf {
    std::env::var_os("STATE_DIRECTORY").map_or_else(|| "/var/lib/lanboot".into(), PathBuf::from)
}
