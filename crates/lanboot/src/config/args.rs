//! Commands and their arguments. The flags of `serve` are defined in `super::settings`.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory as _, Parser, Subcommand};

use lanboot_core::machine::Mac;
use lanboot_core::text;

use super::settings::Settings;
use super::value;

/// Boot every machine on the LAN from unopened ISO images.
#[derive(Debug, Parser)]
#[command(name = "lanboot", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses the arguments, including the program's name.
    ///
    /// # Errors
    ///
    /// Returns clap's errors; for an image without a command the error names the missing command.
    pub(super) fn matches(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<ArgMatches, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let parse = |words: &[OsString]| Self::command().try_get_matches_from(words);
        parse(&arguments).map_err(|error| {
            // Errors quote the arguments: they are made printable.
            let printable = |word: &OsString| OsString::from(text::path(word.as_ref()));
            let shown: Vec<OsString> = arguments.iter().map(printable).collect();
            match parse(&shown) {
                Err(of_shown) if of_shown.kind() == error.kind() => Self::explain(of_shown, &shown),
                _ => error,
            }
        })
    }

    /// Explains which command is missing before an image.
    fn explain(error: clap::Error, arguments: &[OsString]) -> clap::Error {
        match arguments.get(1) {
            // No command name contains these characters.
            Some(image)
                if error.kind() == ErrorKind::InvalidSubcommand
                    && image.to_string_lossy().contains(['.', '/']) =>
            {
                let image = text::path(image.as_ref());
                Self::command().error(
                    ErrorKind::InvalidSubcommand,
                    format!(
                        "'{image}' is not a command; to serve it: lanboot serve {image}; to examine it: lanboot inspect {image}"
                    ),
                )
            }
            _ if error.kind() == ErrorKind::UnknownArgument => with_long_flag(error, arguments),
            _ => error,
        }
    }
}

/// Suggests the long flags a short one may stand for: there are no short flags.
fn with_long_flag(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    let written = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(written)) => written.clone(),
        _ => return error,
    };
    let mut letters = written.trim_start_matches('-').chars();
    let (false, Some(first)) = (written.starts_with("--"), letters.next()) else {
        return error;
    };
    let top = Cli::command();
    let of = arguments.get(1).and_then(|name| top.find_subcommand(name));
    let flags = of
        .unwrap_or(&top)
        .get_arguments()
        .filter_map(|a| a.get_long());
    let flags: Vec<String> = flags
        .filter(|long| long.starts_with(first))
        .map(|long| format!("--{long}"))
        .collect();
    if !flags.is_empty() && flags.len() <= MAX_HINTS {
        error.insert(
            ContextKind::SuggestedArg,
            ContextValue::String(flags.join("' or '")),
        );
        // clap's suggestions for values that begin with a dash would be misleading.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Most flags suggested for a short one.
const MAX_HINTS: usize = 4;

const EXAMPLES: &str = "\
Examples:
  sudo lanboot serve archlinux.iso
      Serve one image on the LAN; machines that boot from the network get its menu.
  sudo lanboot serve --interface eth1 --address 192.168.0.1/24 ~/isos
      Give eth1 an address while lanboot runs and serve all images in a folder.
  lanboot inspect archlinux.iso
      Show the contents of an image and what machines would be offered.
  lanboot doctor
      Show which machines can be served, and which packages provide missing loaders.";

/// Commands of lanboot.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve images to every machine on the LAN that boots from the network
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Settings>),
    /// Show the contents of an image and what machines would be offered
    Inspect(Inspect),
    /// Print configuration for existing servers: boot files for a DHCP server, or entries for a
    /// menu
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Box<Export>),
    /// Show which machines can be served from here, and which packages provide missing loaders
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Show the machines that have asked the running lanboot to boot, and plan what they boot
    #[command(after_help = MACHINE_EXAMPLES)]
    Machine(Machine),
    /// Download official images by name, or any by address, and verify them
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
}

const MACHINE_EXAMPLES: &str = "\
Examples:
  sudo lanboot machine list
      Which machines have asked to boot, from which address, and how did their last boot end?
  sudo lanboot machine show 52:54:00:12:34:56
      Everything known of one of them.
  sudo lanboot machine list --json
      The same for a script.
  sudo lanboot machine set 52:54:00:12:34:56 boot=disk append='console=ttyS0'
      It boots from its own disk, and what else it boots gets one more argument.
  sudo lanboot machine set 52:54:00:12:34:56 boot=install:debian-13
      It starts this entry until its installation is done, and its own disk from then on.
  sudo lanboot machine next 52:54:00:12:34:56 memtest86
      Its next boot starts this image, once.
  sudo lanboot machine show --why 52:54:00:12:34:56
      Its plan, and from where each value is.
  sudo lanboot machine export >machines.toml
  sudo lanboot machine import machines.toml

It asks the lanboot that is running, through the socket in its state folder.";

const GET_EXAMPLES: &str = "\
Examples:
  lanboot get --list
      Which images can be asked for by name, and how is each verified?
  lanboot get debian-netinst systemrescue --to ~/isos
      Download the newest of both, and verify their signatures.
  lanboot get --update --remove-old --to ~/isos
      Get newer versions of what is in the folder; then remove the older ones.
  lanboot get https://example.org/rescue.iso --sha256 \
      3d1c0f04f5b2ac5b9f4b1d8f2a2b7c55d1b0c1c4a7d6e5f40312345678abcdef
      Download any image, with the checksum that its makers publish.

What is downloaded is NAME.part until it is verified; a second call goes on with it. A running lanboot
finds new images by itself. Proxies are those of http_proxy, https_proxy and no_proxy.

Exit codes: 0 the images are here and verified, 1 an address or the disk failed, 2 wrong flags,
3 a checksum or signature is wrong or missing, 4 another call downloads the same, 5 the disk is full.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  lanboot doctor
      Which machines can be served with the loaders of this host?
  lanboot doctor ~/isos
      And with those on these images?
  lanboot doctor --loaders /srv/loaders
      And with the loaders in this folder instead of the host's?";

const SERVE_EXAMPLES: &str = "\
Examples:
  sudo lanboot serve archlinux.iso
  sudo lanboot serve --interface eth1 --address 192.168.0.1/24 --router 192.168.0.254 ~/isos
  sudo lanboot serve --boot archlinux --append 'console=ttyS0' --menu-timeout 0 --once arch.iso
  sudo lanboot serve --transport nfs --transport rescue=nbd arch.iso rescue.iso
  sudo lanboot serve --interface eth0 --interface eth1 --address eth1=10.9.0.1/24 ~/isos
  sudo lanboot serve --dhcp proxy --config /etc/lanboot/lanboot.toml

Networks, on interfaces or behind relays, in the configuration file:
  [[subnet]]
  network = '10.1.0.0/24'
  range = '10.1.0.100-10.1.0.199'
  router = '10.1.0.1'
  dns = ['10.1.0.2', '9.9.9.9']
  domain = 'lab.example'
  lease-time = '2h'
  option.42 = ['10.1.0.3']      # addresses; or text; or 'hex:01 02 ff'

On the machine: enable network boot (PXE) in its firmware, or press its boot menu key
(often F12, F11, F9 or Esc) and select the network card.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  lanboot export dnsmasq archlinux.iso >/etc/dnsmasq.d/lanboot.conf
  lanboot export pxelinux --transport nfs ~/isos >/srv/tftp/lanboot.cfg
  lanboot export kea --server 192.168.0.5 archlinux.iso

It takes the flags of serve, changes nothing and needs no privileges. Beside the other server run
'lanboot serve --dhcp off' with the same flags: the files still come from lanboot.";

/// Arguments of `lanboot export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Target format: pxelinux, grub, ipxe, dnsmasq, isc-dhcp, kea, mikrotik or windows-dhcp
    #[arg(value_name = "FORMAT")]
    pub format: String,
    /// Address of lanboot for machines; default: that of --address or of the interface
    #[arg(long, value_name = "ADDRESS")]
    pub server: Option<String>,
    /// Flags of `lanboot serve`, merged with the file.
    #[command(flatten)]
    pub settings: Settings,
    /// Flags that affect what a fragment refers to, as given: `serve` needs them too.
    #[arg(skip)]
    pub repeated: Vec<String>,
}

/// Arguments of `lanboot inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Additional kernel arguments, as for serve
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append: Option<String>,
}

/// Arguments of `lanboot doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Images, or folders of images, whose loaders are included
    #[arg(value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Check the loaders of this host (the default); with a folder, those in it instead
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub loaders: Option<Option<PathBuf>>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `lanboot machine`.
#[derive(Debug, Args)]
pub struct Machine {
    /// The command.
    #[command(subcommand)]
    pub command: MachineCommand,
    /// State folder of the running lanboot [default: that of the configuration file, else
    /// /var/lib/lanboot]
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Configuration file of the running lanboot [default: /etc/lanboot/lanboot.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `lanboot get`.
#[derive(Debug, Args)]
pub struct Get {
    /// Names of images (--list shows them), or addresses beginning with http:// or https://; with
    /// --update, only these names
    #[arg(value_name = "NAME|URL")]
    pub images: Vec<String>,
    /// Show the names, sizes and verification of all images
    #[arg(long, conflicts_with_all = ["images", "update"])]
    pub list: bool,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub json: bool,
    /// Get newer versions of the images in the folder
    #[arg(long)]
    pub update: bool,
    /// With --update: remove the older versions, after the newer one is verified
    #[arg(long, requires = "update")]
    pub remove_old: bool,
    /// Folder to put images in [default: the first folder of images in the configuration file, else
    /// the current one]
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// SHA-256 that the file at the address must have, as 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = value::sha256, conflicts_with = "unverified")]
    pub sha256: Option<String>,
    /// Take the file at the address although nothing verifies it
    #[arg(long)]
    pub unverified: bool,
    /// Accept checksums alone, without verifying OpenPGP signatures
    #[arg(long, conflicts_with = "keyring")]
    pub no_signature: bool,
    /// File of OpenPGP keys; with it, all of them count, and no others
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
    /// File of sources instead of the built-in ones, for mirrors and images of your own; docs/get.md
    /// describes it
    #[arg(long, value_name = "FILE")]
    pub sources: Option<PathBuf>,
    /// Replace another file of the same name
    #[arg(long)]
    pub replace: bool,
    /// Seconds without a byte until the next address is tried
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub timeout: NonZeroU64,
    /// Configuration file [default: /etc/lanboot/lanboot.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Commands of `lanboot machine`.
#[derive(Debug, Subcommand)]
pub enum MachineCommand {
    /// List the machines that have asked to boot, the one heard last first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show everything known of a machine
    Show {
        /// Its hardware address
        #[arg(value_name = "MAC")]
        mac: Mac,
        /// Also show from where each value of its plan is, and those it overrides
        #[arg(long)]
        why: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set keys of a machine's plan: boot, transport, append, loader
    Set {
        /// Its hardware address
        #[arg(value_name = "MAC")]
        mac: Mac,
        /// Keys to set; without a value one is removed
        #[arg(value_name = "KEY=VALUE", required_unless_present = "replace")]
        keys: Vec<String>,
        /// Remove all other keys that were set
        #[arg(long)]
        replace: bool,
    },
    /// Choose what the next boot of a machine starts, once
    Next {
        /// Its hardware address
        #[arg(value_name = "MAC")]
        mac: Mac,
        /// menu, disk, or an entry or image; one that its plan installs is installed again
        #[arg(value_name = "menu|disk|ENTRY", required_unless_present = "cancel")]
        boot: Option<String>,
        /// Take back what was chosen
        #[arg(long, conflicts_with = "boot")]
        cancel: bool,
    },
    /// Note that the installation of a machine is done: from now on it boots from its disk
    Done {
        /// Its hardware address
        #[arg(value_name = "MAC")]
        mac: Mac,
    },
    /// Print the plans that were set, as `[[machine]]` tables
    Export,
    /// Set the plans of a file that export wrote; all of them, or none if one is wrong
    Import {
        /// The file; '-' reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Forget a machine until it asks to boot again; its plan stays
    Forget {
        /// Its hardware address
        #[arg(value_name = "MAC")]
        mac: Mac,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn read(line: &str) -> Result<Command, String> {
        let matches = Cli::matches(line.split(' ').map(OsString::from));
        matches
            .and_then(|matches| Cli::from_arg_matches(&matches))
            .map(|cli| cli.command)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn doctor_accepts_loaders_with_and_without_a_folder() {
        for (line, folder, images) in [
            ("lanboot doctor", None, 0),
            ("lanboot doctor --loaders", Some(None), 0),
            ("lanboot doctor --loaders --json", Some(None), 0),
            ("lanboot doctor --loaders DIR", Some(Some("DIR")), 0),
            ("lanboot doctor --loaders=DIR a.iso", Some(Some("DIR")), 1),
            ("lanboot doctor a.iso --loaders", Some(None), 1),
        ] {
            let Ok(Command::Doctor(doctor)) = read(line) else {
                panic!("{line}: {:?}", read(line).err());
            };
            let folder = folder.map(|dir| dir.map(PathBuf::from));
            assert_eq!(doctor.loaders, folder, "{line}");
            assert_eq!(doctor.images.len(), images, "{line}");
        }
    }

    #[test]
    fn short_flags_suggest_the_long_one() {
        for (line, expected) in [
            ("lanboot serve -i eth0 a.iso", "'--interface'"),
            ("lanboot serve -ieth0 a.iso", "'--interface'"),
            ("lanboot serve -interface eth0 a.iso", "'--interface'"),
            ("lanboot serve -d off a.iso", "'--dhcp' or '--dns'"),
            ("lanboot export grub -i eth0 a.iso", "'--interface'"),
            ("lanboot inspect -j a.iso", "'--json'"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
            assert!(!error.contains("to pass '-"), "{line}: {error}");
        }
        let error = read("lanboot serve -z a.iso").unwrap_err();
        assert!(error.contains("unexpected argument '-z'"), "{error}");
    }

    #[test]
    fn an_image_without_a_command_suggests_serve() {
        let error = read("lanboot Cargo.toml").unwrap_err();
        assert!(error.contains("lanboot serve Cargo.toml"), "{error}");
        let error = read("lanboot sevre").unwrap_err();
        assert!(error.contains("'serve'"), "{error}");
    }

    #[test]
    fn errors_quote_arguments_in_printable_form() {
        for typed in [
            "a\x1b[2J\nforged.iso",
            "--log\x1b[2J\nforged",
            "serve --only=x --\x1b]0;t\x07",
            "serve --menu-timeout=\u{9b}2J -\u{202e}",
        ] {
            let error = read(&format!("lanboot {typed}")).unwrap_err();
            let has = |c: char| error.contains(c);
            assert!(
                !has('\x1b') && !has('\u{9b}') && !has('\u{202e}'),
                "{error}"
            );
            assert!(
                !error.lines().any(|line| line.starts_with("forged")),
                "{error}"
            );
        }
    }

    /// Splits a line into words as a shell would, without redirections.
    fn words(line: &str) -> Vec<OsString> {
        line.split('\'')
            .enumerate()
            .flat_map(|(n, part)| match n % 2 {
                0 => part.split_whitespace().map(OsString::from).collect(),
                _ => vec![OsString::from(part)],
            })
            .filter(|word| !word.to_string_lossy().starts_with('>'))
            .collect()
    }

    #[test]
    fn examples_of_help_and_readme_are_valid() {
        let readme = include_str!("../../../../README.md");
        let mut tried = 0;
        for line in [
            EXAMPLES,
            SERVE_EXAMPLES,
            EXPORT_EXAMPLES,
            DOCTOR_EXAMPLES,
            MACHINE_EXAMPLES,
            GET_EXAMPLES,
            readme,
        ]
        .iter()
        .flat_map(|text| text.lines())
        {
            let line = line.trim().trim_start_matches("sudo ");
            let line = line.trim_start_matches("target/release/");
            if line.starts_with("lanboot ") {
                let read = Cli::matches(words(line));
                assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
                tried += 1;
            }
        }
        assert!(tried > 20, "{tried}");
    }
}
