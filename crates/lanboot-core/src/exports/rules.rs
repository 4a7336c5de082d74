//! Rules for another DHCP server: which machine gets which boot file.
//!
//! The rules are exclusive and come from [`offer`] itself, asked once for every architecture with
//! a number and every stage of a boot.

use std::fmt;
use std::net::IpAddr;

use super::{Export, Fragment, comment, text};
use crate::catalog::Server;
use crate::dhcp::pxe;
use crate::dhcp::quirk::{Match, Override, QUIRKS};
use crate::machine::{Arch, Mac, Machine, Stage};
use crate::plan::{NoLoader, Offer, Offers, offer};

/// The rules, and what their fragment says of itself.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) server: Server,
    /// The images' names, on one line.
    pub(super) names: String,
    /// The commands to run, and where.
    pub(super) run: String,
    /// At most one applies to a machine. Those of a stage stand together; one for "every other
    /// architecture" comes last.
    pub(super) rules: Vec<Rule>,
    /// Firmware that gets nothing, with the reason; one sentence part each.
    pub(super) unserved: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Machines of one kind, and what they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) stage: Stage,
    pub(super) which: Which,
    /// `None` only keeps these machines away from the rule for every other one.
    pub(super) offer: Option<Offer>,
    /// Machines that show one of these only say they are of this kind and get nothing.
    pub(super) except: Vec<Mark>,
}

/// A mark of a machine that another server can see: the beginning of its hardware address or of
/// its option 97.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Oui([u8; 3]),
    Uuid(&'static [u8]),
}

/// The architectures of a stage that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// These numbers of option 93, which have one name.
    Numbers(Vec<u16>, Arch),
    /// Every one that no other rule of the stage names.
    Other,
}

/// The stages that load something, in the order in which a server must match them: iPXE also sends
/// `PXEClient`.
pub(super) const STAGES: [Stage; 3] = [Stage::Ipxe, Stage::HttpBoot, Stage::Firmware];

/// The rules for these images and loaders, for a server that gives the addresses and names ours as
/// the one with the files.
pub(super) fn rules(from: &Export<'_>) -> Rules {
    made(from, false)
}

/// The rules for a proxy: a third server gives the addresses and names itself, or nobody.
pub(super) fn proxy_rules(from: &Export<'_>) -> Rules {
    made(from, true)
}

fn made(from: &Export<'_>, proxy: bool) -> Rules {
    let mut rules = Vec::new();
    let mut unserved = Unserved::default();
    let mut warnings = Vec::new();
    for stage in STAGES {
        // A number nobody has stands for all that have no name.
        let other = ask(from, proxy, stage, Arch::Other(u16::MAX));
        for (numbers, arch) in archs(stage) {
            let offered = ask(from, proxy, stage, arch);
            if let Some(value) = offered.as_ref().ok().and_then(unusable) {
                let value = text(value, super::MAX_COMMENT);
                let why = format!("the boot file {value} has a name no configuration can hold");
                warnings.push(format!("no boot file for {arch}: {why}"));
                unserved.add(arch, &why);
                continue;
            }
            match (&offered, &other) {
                (Ok(offer), Ok(other)) if offer == other => {}
                (Err(_), Ok(_)) | (Ok(_), _) => rules.push(Rule {
                    stage,
                    which: Which::Numbers(numbers, arch),
                    offer: offered.clone().ok(),
                    except: impostors(&|arch| ask(from, proxy, stage, arch), stage, arch, &offered),
                }),
                (Err(_), Err(_)) => {}
            }
            if let (Err(why), true) = (&offered, stage != Stage::Ipxe) {
                if is_common(arch) {
                    warnings.push(format!("no boot file for {arch}: {why}"));
                }
                unserved.add(arch, &why.to_string());
            }
        }
        if let Ok(offer) = other
            && unusable(&offer).is_none()
        {
            rules.push(Rule {
                stage,
                which: Which::Other,
                offer: Some(offer),
                except: Vec::new(),
            });
        }
    }
    if !from.loader.of.is_empty() {
        warnings.push(
            "--loader for single machines is left out: these rules go by kinds of machines".into(),
        );
    }
    if from.catalog.starts().next().is_none() {
        // For everybody the same.
        unserved = Unserved::default();
        warnings = vec![format!(
            "nothing will start: {}",
            NoLoader::nothing(from.catalog)
        )];
    } else if !rules.iter().any(|rule| rule.offer.is_some()) {
        warnings = unserved.lines();
    }
    Rules {
        server: *from.server,
        names: from.names(),
        run: from.run(),
        rules,
        unserved: unserved.lines(),
        warnings,
    }
}

/// Architectures that get nothing, by reason.
#[derive(Debug, Default)]
struct Unserved(Vec<(String, Vec<String>)>);

impl Unserved {
    fn add(&mut self, arch: Arch, why: &str) {
        let arch = arch.to_string();
        // Reasons name the machine; those that differ in nothing else are one.
        let why = text(
            &why.replace(&format!("{arch} "), "such "),
            super::MAX_COMMENT,
        );
        match self.0.iter_mut().find(|(other, _)| *other == why) {
            Some((_, archs)) => archs.push(arch),
            None => self.0.push((why, vec![arch])),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = |(why, archs): &(String, Vec<String>)| format!("{}: {why}", archs.join(", "));
        self.0.iter().map(line).collect()
    }
}

/// Returns what lanboot's own DHCP says.
fn ask(from: &Export<'_>, proxy: bool, stage: Stage, arch: Arch) -> Result<Offer, NoLoader> {
    // Of no particular machine: another server does not distinguish single machines.
    let machine = Machine {
        mac: Mac([2, 0, 0, 0, 0, 1]),
        arch: Some(arch),
        stage,
        uuid: None,
    };
    let offers = Offers {
        catalog: from.catalog,
        loaders: from.loaders,
        choice: from.loader,
        boot: &from.menu.boot,
        menu: from.menu.kind,
        proxy,
    };
    offer(&machine, &offers, from.server)
        // A warning for the event log makes no other rule.
        .map(|offer| Offer {
            warning: None,
            ..offer
        })
}

/// Returns what of an offer has a byte that means something in one of the formats. Our own names
/// and URLs have none; the names on a medium may.
fn unusable(offer: &Offer) -> Option<&String> {
    let is_fit = |b: u8| b.is_ascii_alphanumeric() || b"/._-:@~+%=?&".contains(&b);
    let values = [
        Some(&offer.file),
        offer.config.as_ref(),
        offer.prefix.as_ref(),
    ];
    let mut values = values.into_iter().flatten();
    values.find(|value| value.is_empty() || value.len() > MAX_VALUE || !value.bytes().all(is_fit))
}

/// Longest boot file, in bytes: what fits the message's own field with its NUL (RFC 2131 §2).
const MAX_VALUE: usize = 127;

/// The architectures of a stage, each with all its numbers, those that are its own first. Firmware
/// that loads over HTTP by itself has architectures of its own; iPXE may run on any. Where a number
/// contradicts the stage (`HTTPClient` with 7, `PXEClient` with 16), the stage counts.
fn archs(stage: Stage) -> Vec<(Vec<u16>, Arch)> {
    let mut found: Vec<(Vec<u16>, Arch)> = Vec::new();
    let said = Arch::known().map(|(number, arch)| (number, arch, pxe::as_stage(stage, arch)));
    let (own, others): (Vec<_>, Vec<_>) = said.partition(|(_, arch, meant)| arch == meant);
    let known = own.into_iter().chain(others);
    let known = known.map(|(number, _, meant)| (number, meant));
    for (number, arch) in known.chain(misnumbered(stage)) {
        let is_in = match stage {
            Stage::HttpBoot => arch.is_http(),
            Stage::Firmware => !arch.is_http(),
            Stage::Ipxe => true,
            Stage::Plain => false,
        };
        if !is_in {
            continue;
        }
        match found.iter_mut().find(|(_, other)| *other == arch) {
            Some((numbers, _)) => numbers.push(number),
            None => found.push((vec![number], arch)),
        }
    }
    found
}

/// Returns what machines show that say they are of this architecture, are of another, and would get
/// something else: a Raspberry Pi says it is a PC.
fn impostors(
    ask: &dyn Fn(Arch) -> Result<Offer, NoLoader>,
    stage: Stage,
    arch: Arch,
    offered: &Result<Offer, NoLoader>,
) -> Vec<Mark> {
    let mut marks = Vec::new();
    let Ok(offered) = offered else { return marks };
    for quirk in QUIRKS {
        let fits = quirk.matches.iter().all(|sign| match sign {
            Match::Stage(other) => *other == stage,
            Match::Arch(archs) => archs.contains(&arch),
            Match::Oui(_) | Match::Uuid(_) => true,
        });
        let is_other = quirk.overrides.iter().any(|effect| match effect {
            Override::Arch(other) => ask(*other).as_ref() != Ok(offered),
            _ => false,
        });
        for sign in quirk.matches.iter().filter(|_| fits && is_other) {
            match sign {
                Match::Oui(ouis) => marks.extend(ouis.iter().map(|oui| Mark::Oui(*oui))),
                Match::Uuid(uuids) => marks.extend(uuids.iter().map(|uuid| Mark::Uuid(uuid))),
                Match::Stage(_) | Match::Arch(_) => {}
            }
        }
    }
    marks
}

/// The numbers without a name that firmware of this stage uses for an architecture all the same.
/// Quirks that need more than the number to match are [`impostors`].
fn misnumbered(stage: Stage) -> impl Iterator<Item = (u16, Arch)> {
    QUIRKS.iter().flat_map(move |quirk| {
        let is_stage = quirk.matches.iter().all(|sign| match sign {
            Match::Stage(other) => *other == stage,
            Match::Arch(_) => true,
            Match::Oui(_) | Match::Uuid(_) => false,
        });
        let becomes = quirk.overrides.iter().find_map(|effect| match effect {
            Override::Arch(arch) => Some(*arch),
            _ => None,
        });
        let said = quirk.matches.iter().flat_map(|sign| match sign {
            Match::Arch(archs) => *archs,
            _ => &[],
        });
        let named = said.filter_map(move |arch| match (arch, becomes) {
            (Arch::Other(number), Some(becomes)) => Some((*number, becomes)),
            _ => None,
        });
        named.filter(move |_| is_stage)
    })
}

/// Returns whether most networks have such firmware: it is worth a warning if it gets nothing.
fn is_common(arch: Arch) -> bool {
    matches!(arch, Arch::X86Bios | Arch::X64Uefi)
}

impl Rules {
    /// Those that give something.
    pub(super) fn giving(&self) -> impl Iterator<Item = (&Rule, &Offer)> {
        let giving = |rule| Some((rule, Rule::offer(rule)?));
        self.rules.iter().filter_map(giving)
    }

    /// The rules that take machines away from one for every other architecture.
    pub(super) fn beside(&self, rule: &Rule) -> impl Iterator<Item = &Rule> {
        let stage = rule.stage;
        let is_other = rule.which == Which::Other;
        let rules = self.rules.iter();
        rules.filter(move |r| is_other && r.stage == stage && r.which != Which::Other)
    }

    /// A fragment: what it is and where it goes, as comment lines behind `mark`; what `write` makes of
    /// the rules, for a server at this address; and who gets nothing.
    pub(super) fn fragment(
        &self,
        mark: &str,
        head: &[&str],
        write: impl FnOnce(&mut String, IpAddr),
    ) -> Fragment {
        let mut out = String::new();
        let address = self.server.http.host;
        for line in head {
            let line = line.replace("{address}", &address.to_string());
            // What one puts in is not looked at for the other.
            let line = match line.split_once("{run}") {
                Some((before, after)) => format!("{before}{}{after}", self.run),
                None => line.replace("{names}", &self.names),
            };
            comment(&mut out, mark, &[&line]);
        }
        write(&mut out, address);
        self.write_unserved(&mut out, mark);
        Fragment {
            text: out,
            warnings: self.warnings.clone(),
        }
    }

    fn write_unserved(&self, out: &mut String, mark: &str) {
        if !self.unserved.is_empty() {
            out.push('\n');
            comment(out, mark, &["Not served:"]);
        }
        for line in &self.unserved {
            comment(out, mark, &[&format!("  {line}")]);
        }
    }

    /// Returns whether some rule is for this stage.
    pub(super) fn has(&self, stage: Stage) -> bool {
        self.rules.iter().any(|rule| rule.stage == stage)
    }
}

impl Rule {
    fn offer(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    /// Returns whether it is also for machines that name no number anywhere.
    pub(super) fn is_for_unsaid(&self) -> bool {
        let unsaid = self.stage.unsaid_arch();
        matches!(&self.which, Which::Numbers(_, arch) if Some(*arch) == unsaid)
    }

    /// A name for the class, tag or policy: `pxe-x64-uefi`, `ipxe-any`.
    pub(super) fn slug(&self) -> String {
        let stage = stage_slug(self.stage);
        match &self.which {
            Which::Numbers(_, arch) => format!("{stage}-{}", slug(*arch)),
            Which::Other => format!("{stage}-any"),
        }
    }
}

/// Returns how the vendor class (option 60) of a stage begins.
pub(super) fn class(stage: Stage) -> &'static str {
    match stage {
        Stage::HttpBoot => "HTTPClient",
        Stage::Ipxe | Stage::Firmware | Stage::Plain => "PXEClient",
    }
}

/// Bytes as hexadecimal digits, with `between` between two bytes.
pub(super) fn hex(bytes: &[u8], between: &str) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(between)
}

/// One word for a stage.
pub(super) fn stage_slug(stage: Stage) -> &'static str {
    match stage {
        Stage::Ipxe => "ipxe",
        Stage::HttpBoot => "http",
        Stage::Firmware => "pxe",
        Stage::Plain => "plain",
    }
}

/// One word for an architecture: lower case, `-` between.
fn slug(arch: Arch) -> String {
    arch.to_string().to_lowercase().replace(' ', "-")
}

impl fmt::Display for Rule {
    /// For a comment: who this is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Ipxe => "iPXE",
            Stage::HttpBoot => "UEFI HTTP Boot",
            Stage::Firmware => "PXE",
            Stage::Plain => "no loader",
        };
        match &self.which {
            Which::Numbers(numbers, arch) => {
                let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
                write!(f, "{stage}, {arch} (option 93: {})", numbers.join(" or "))
            }
            Which::Other => write!(f, "{stage}, on whatever it runs"),
        }
    }
}
