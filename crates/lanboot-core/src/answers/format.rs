//! Kinds of answer files: the names they are asked for by, and what makes an installer ask.

use super::language::Language;

/// A kind of answer files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Debian's installer and what is built like it.
    Preseed,
    /// Anaconda: Fedora, RHEL and kin.
    Kickstart,
    /// cloud-init's NoCloud, and Ubuntu's autoinstall in it.
    CloudInit,
    /// SUSE's installer up to Leap 15 and SLES 15.
    AutoYast,
    /// SUSE's installer of Leap 16 and SLES 16.
    Agama,
    /// Fedora CoreOS, Flatcar and kin.
    Ignition,
    /// Windows Setup.
    AutoUnattend,
    /// Alpine's `setup-alpine -f`.
    AlpineAnswers,
    /// A script that Arch's live system runs, and archinstall's configuration.
    Archinstall,
}

/// A file of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFile {
    /// Its name, below the machine's URL and in the template folder.
    pub name: &'static str,
    /// Its content type.
    pub content_type: &'static str,
    pub(super) language: Language,
    /// True if it may be empty.
    pub(super) may_be_empty: bool,
}

const TEXT: &str = "text/plain; charset=utf-8";
const XML: &str = "application/xml";
const JSON: &str = "application/json";
/// RFC 9512.
const YAML: &str = "application/yaml";

const fn file(name: &'static str, content_type: &'static str, language: Language) -> AnswerFile {
    AnswerFile {
        name,
        content_type,
        language,
        may_be_empty: false,
    }
}

const fn optional(file: AnswerFile) -> AnswerFile {
    AnswerFile {
        may_be_empty: true,
        ..file
    }
}

/// The files of each format, the one that makes an installer unattended first.
const FILES: &[(Format, &[AnswerFile])] = &[
    (
        Format::Preseed,
        &[file("preseed.cfg", TEXT, Language::Text)],
    ),
    (Format::Kickstart, &[file("ks.cfg", TEXT, Language::Text)]),
    (
        Format::CloudInit,
        &[
            file("user-data", YAML, Language::CloudConfig),
            optional(file("meta-data", YAML, Language::Yaml)),
            optional(file("vendor-data", YAML, Language::CloudConfig)),
            optional(file("network-config", YAML, Language::Yaml)),
        ],
    ),
    (
        Format::AutoYast,
        &[file("autoinst.xml", XML, Language::Xml)],
    ),
    (
        Format::Agama,
        &[
            file("agama.json", JSON, Language::Json),
            // A program in Jsonnet, which only Agama reads.
            file("agama.jsonnet", TEXT, Language::Text),
            file("agama.sh", TEXT, Language::Text),
        ],
    ),
    (
        Format::Ignition,
        &[file("config.ign", JSON, Language::Json)],
    ),
    (
        Format::AutoUnattend,
        &[file("autounattend.xml", XML, Language::Xml)],
    ),
    (
        Format::AlpineAnswers,
        &[file("alpine.answers", TEXT, Language::Text)],
    ),
    (
        Format::Archinstall,
        &[
            file("archinstall.sh", TEXT, Language::Text),
            file("user_configuration.json", JSON, Language::Json),
            file("user_credentials.json", JSON, Language::Json),
        ],
    ),
];

impl Format {
    /// Every format.
    pub fn all() -> impl Iterator<Item = Self> {
        FILES.iter().map(|(format, _)| *format)
    }

    /// Lists its files, the one that makes an installer unattended first.
    pub fn files(self) -> &'static [AnswerFile] {
        let mut formats = FILES.iter();
        let found = formats.find(|(format, _)| *format == self);
        found.map_or(&[], |(_, files)| files)
    }

    /// Returns the format that has a file of this name, with the file.
    pub fn of_file(name: &str) -> Option<(Self, &'static AnswerFile)> {
        FILES.iter().find_map(|(format, files)| {
            let file = files.iter().find(|file| file.name == name)?;
            Some((*format, file))
        })
    }

    /// Returns the word for it in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preseed => "preseed",
            Self::Kickstart => "kickstart",
            Self::CloudInit => "cloud-init",
            Self::AutoYast => "AutoYaST",
            Self::Agama => "Agama",
            Self::Ignition => "ignition",
            Self::AutoUnattend => "autounattend",
            Self::AlpineAnswers => "Alpine answers",
            Self::Archinstall => "archinstall",
        }
    }

    /// Returns the kernel arguments that make an installer fetch `file`, one of this format, from the
    /// folder at `url`, which has no slash at its end. Empty where none does.
    ///
    /// NoCloud's has a semicolon, which GRUB takes for the end of a command unless it is quoted.
    pub fn arguments(self, url: &str, file: &str) -> Vec<String> {
        let words: &[String] = &match self {
            // `auto` asks the questions of language and keyboard after the file has come; a static
            // `hostname=` would win over DHCP's. Source: debian-installer's manual, appendix B.2.
            Self::Preseed => vec![
                "auto=true".to_owned(),
                "priority=critical".to_owned(),
                format!("url={url}/{file}"),
            ],
            Self::Kickstart => vec![format!("inst.ks={url}/{file}")],
            Self::CloudInit => vec![format!("ds=nocloud;s={url}/")],
            Self::AutoYast => vec![format!("autoyast={url}/{file}")],
            // A script is for `inst.script=`, everything else is a profile.
            Self::Agama if file.ends_with(".sh") => vec![format!("inst.script={url}/{file}")],
            Self::Agama => vec![format!("inst.auto={url}/{file}")],
            Self::Ignition => vec![
                "ignition.firstboot".to_owned(),
                "ignition.platform.id=metal".to_owned(),
                format!("ignition.config.url={url}/{file}"),
            ],
            Self::Archinstall => vec![format!("script={url}/{file}")],
            Self::AutoUnattend | Self::AlpineAnswers => Vec::new(),
        };
        words.to_vec()
    }
}
