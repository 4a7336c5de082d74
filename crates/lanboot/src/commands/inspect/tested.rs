//! The boots of this project's tests that show something of an image, and what none of them shows.

use lanboot_core::catalog::{Entry, Image};
use lanboot_core::images::{Boots, RootFrom, Setup, Setups, TestBoot};
use serde::Serialize;

/// The boots that show something of an entry, and the setups in which it is offered beside them.
#[derive(Debug, Serialize)]
pub(super) struct Tested {
    boots: Vec<ReportBoot>,
    untested: Vec<ReportSetup>,
    /// The same for people.
    #[serde(skip)]
    texts: [String; 2],
}

/// One boot.
#[derive(Debug, Serialize)]
pub(super) struct ReportBoot {
    /// Name of the boot case.
    case: &'static str,
    /// The system on its medium, with the version.
    system: &'static str,
    /// The loader with the menu; `None` where firmware took the whole image.
    loader: Option<&'static str>,
    #[serde(flatten)]
    setup: ReportSetup,
}

/// A setup in which an entry is started.
#[derive(Debug, Serialize)]
pub(super) struct ReportSetup {
    firmware: &'static str,
    secure_boot: bool,
    /// The transport of the root, `ram-disk`, or `None` where what is loaded is everything.
    root: Option<&'static str>,
}

/// Finds what was tested of `entry`.
pub(super) fn tested(image: &Image, entry: &Entry, append: &str) -> Tested {
    let boots = image.found.tested_of(entry);
    let untested = image.found.untested_of(entry, append);
    Tested {
        texts: [Boots(&boots).to_string(), Setups(&untested).to_string()],
        boots: boots.iter().map(report_boot).collect(),
        untested: untested.into_iter().map(report_setup).collect(),
    }
}

/// Lists the boots of media like this one.
pub(super) fn boots(image: &Image) -> Vec<ReportBoot> {
    image.found.tested().iter().map(report_boot).collect()
}

fn report_boot(boot: &TestBoot) -> ReportBoot {
    ReportBoot {
        case: boot.case,
        system: boot.system,
        loader: boot.loader.map(|loader| loader.name()),
        setup: report_setup(boot.setup),
    }
}

fn report_setup(setup: Setup) -> ReportSetup {
    ReportSetup {
        firmware: setup.firmware.name(),
        secure_boot: setup.secure_boot,
        root: match setup.root {
            RootFrom::Loader => None,
            RootFrom::Server(transport) => Some(transport.name()),
            RootFrom::RamDisk => Some("ram-disk"),
        },
    }
}

impl Tested {
    /// Lists its lines: names with what they say.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let [boots, untested] = &self.texts;
        let lines = [("booted", boots), ("not booted", untested)];
        let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
        lines.map(|(name, text)| (name, text.as_str()))
    }
}
