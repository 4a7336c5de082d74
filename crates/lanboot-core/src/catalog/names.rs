//! Names of images: a name for machines, which is safe in a URL, a menu and a shell, and the
//! file's own name for people.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::{Catalog, Entry, Image};
use crate::text;

/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Most images one sentence names.
const MAX_NAMED: usize = 16;
/// A name that a menu has for something else: GRUB's exported one calls its submenus
/// `lanboot-transports-CPU`.
const RESERVED: [&str; 1] = ["lanboot-transports"];

/// The name an image file would like: its file name without `.iso`, `.img`, `.raw` or the ending of a tar archive, every character that is not an
/// ASCII letter, a digit, `.`, `_` or `-` replaced by `-`, at most 64 bytes. Case stays. Letters are
/// composed first, so that a name decomposed by macOS gives the same. Where no letter is left, `image`
/// stands for those that were lost.
pub fn image_name(file_name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let letters = stem(file_name).nfc();
    let name: String = letters
        .take(MAX_NAME)
        .map(|c| if keep(c) { c } else { '-' })
        .collect();
    let name = name.trim_matches(['.', '-']);
    let lost_letters = !stem(file_name).is_ascii();
    match name.bytes().any(|b| b.is_ascii_alphabetic()) {
        _ if name.is_empty() => "image".into(),
        // A number that is left of a name in another script would be the only one in a menu.
        false if lost_letters => format!("image-{name}"),
        _ => name.into(),
    }
}

/// Returns whether [`image_name`] gives the file's own name back. Such files are named before
/// others, so that the name a person reads on the file means that file.
pub fn is_plain_name(file_name: &str) -> bool {
    image_name(file_name) == stem(file_name)
}

/// A file name without the ending of an image or an archive.
fn stem(file_name: &str) -> &str {
    /// Endings of images of discs and of drives, and of archives.
    const ENDINGS: [&str; 6] = [".iso", ".img", ".raw", ".tar.gz", ".tgz", ".tar"];
    let stem = ENDINGS.iter().find_map(|ending| {
        let at = file_name.len().checked_sub(ending.len())?;
        let (stem, suffix) = file_name.split_at_checked(at)?;
        suffix.eq_ignore_ascii_case(ending).then_some(stem)
    });
    stem.unwrap_or(file_name)
}

/// The names taken, and by which file. Names that differ only in case count as one: people and
/// some loaders do not distinguish them.
#[derive(Clone, Debug, Default)]
pub struct TakenNames {
    by_name: HashMap<String, PathBuf>,
}

impl TakenNames {
    /// Marks that `name` belongs to `file`.
    pub fn take(&mut self, name: &str, file: &Path) {
        let name = name.to_ascii_lowercase();
        self.by_name.insert(name, file.to_owned());
    }

    /// Marks that every name of `image` belongs to `file`.
    pub fn take_all(&mut self, image: &Image, file: &Path) {
        for name in image.names() {
            self.take(name, file);
        }
    }

    /// Returns whether `name` is left for `file`.
    fn is_free(&self, name: &str, file: &Path) -> bool {
        let name = name.to_ascii_lowercase();
        let is_ours = |owner: &PathBuf| owner == file;
        !RESERVED.contains(&name.as_str()) && self.by_name.get(&name).is_none_or(is_ours)
    }

    /// Returns whether every name of `image` is left for `file`.
    pub fn are_free(&self, image: &Image, file: &Path) -> bool {
        image.names().all(|name| self.is_free(name, file))
    }

    /// The names `file` may get, the best one first: [`image_name`], and then numbered from 2.
    pub fn candidates<'a>(
        &'a self,
        file_name: &str,
        file: &'a Path,
    ) -> impl Iterator<Item = String> + use<'a> {
        let base = image_name(file_name);
        let numbered = move |n: usize| {
            if n == 1 {
                return base.clone();
            }
            let suffix = format!("-{n}");
            let kept = base.len().min(MAX_NAME - suffix.len());
            let base = base.get(..kept).unwrap_or_default();
            format!("{}{suffix}", base.trim_end_matches(['.', '-']))
        };
        // As many as are taken, and one more.
        let most = self.by_name.len() + RESERVED.len() + 1;
        let names = (1..=most.saturating_add(most)).map(numbered);
        names.filter(|name| self.is_free(name, file))
    }
}

/// One word means several images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{wanted}' is the name of several files; use one of: {}", names.join(", "))]
pub struct AmbiguousName {
    /// The name asked for.
    pub wanted: String,
    /// The names of the images, each with its file.
    pub names: Vec<String>,
}

impl Catalog {
    /// The entry or image name that `wanted` stands for: itself, or that of the image whose file is
    /// called so. What is unknown stays as it is.
    pub fn meant<'a>(&self, wanted: &'a str) -> Result<Cow<'a, str>, AmbiguousName> {
        let is_name = |image: &Image| image.names().any(|name| name == wanted);
        if self.images().iter().any(|image| is_name(image)) {
            return Ok(wanted.into());
        }
        let images = self.images().iter();
        let called: Vec<_> = images.filter(|image| image.is_called(wanted)).collect();
        match called.as_slice() {
            [] => Ok(wanted.into()),
            [image] => Ok(image.name.clone().into()),
            several => Err(AmbiguousName {
                wanted: text::line(wanted),
                names: several
                    .iter()
                    .take(MAX_NAMED)
                    .map(|i| i.name_and_path())
                    .collect(),
            }),
        }
    }

    /// The images, for a sentence.
    pub fn sentence(&self) -> String {
        let (images, more) = self.images().split_at(self.images().len().min(MAX_NAMED));
        let names: Vec<String> = images.iter().map(|i| i.name_and_file()).collect();
        let more = match more.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        format!("{}{more}", names.join(", "))
    }
}

impl Image {
    /// The file's own name without `.iso`, as people read it.
    pub fn own_name(&self) -> &str {
        stem(self.file_name())
    }

    /// The name a menu shows: the one the medium gives itself, else the file's own.
    pub fn shown_name(&self) -> &str {
        self.found
            .product
            .as_deref()
            .unwrap_or_else(|| self.own_name())
    }

    fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// Returns whether another file had the name that this one would like.
    fn is_numbered(&self) -> bool {
        image_name(self.file_name()) != self.name
    }

    /// Returns whether a person may mean this image by `wanted`: its name, its file's own name with
    /// or without `.iso`, or the end of its path.
    pub fn is_called(&self, wanted: &str) -> bool {
        if wanted == self.name {
            return true;
        }
        let wanted = text::line(wanted);
        let is = |own: &str| equal_composed(own, &wanted);
        // What another image is called by right is not this one's name too.
        let is_own =
            is(self.own_name()) && !(self.is_numbered() && is_plain_name(self.file_name()));
        let path_end = || {
            let file: String = self.file.nfc().collect();
            let wanted: String = wanted.nfc().collect();
            let before = file.strip_suffix(&wanted);
            !wanted.is_empty() && before.is_some_and(|b| b.is_empty() || b.ends_with('/'))
        };
        is_own || path_end()
    }

    /// `name`, with the file where that is called otherwise.
    pub fn name_and_file(&self) -> String {
        if self.name == self.own_name() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.file_name())
        }
    }

    fn name_and_path(&self) -> String {
        format!("{} ({})", self.name, self.file)
    }

    /// Returns what the operator should know: machines know this file by a name nobody would guess.
    pub fn about_name(&self) -> Option<String> {
        let is_guessed = !self.is_numbered() && self.own_name().is_ascii();
        (!is_guessed).then(|| {
            format!(
                "is called '{}' in URLs and in menus that show ASCII only",
                self.name
            )
        })
    }

    /// The title of one of its entries, for a menu that shows any script: with the name the medium
    /// gives itself, else the file's own name, and with the image's name where that is needed to
    /// know it again elsewhere.
    pub fn title(&self, entry: &Entry) -> String {
        let product = self.found.product.as_deref();
        let titled = product.and_then(|product| self.with_product(product, &entry.title));
        titled.unwrap_or_else(|| self.with_own_name(&entry.title))
    }

    /// The title of one of its entries, for a menu that shows ASCII only.
    pub fn ascii_title(&self, entry: &Entry) -> String {
        // Nothing that a menu's language could take for its own.
        let is_fit = |b: u8| b.is_ascii_alphanumeric() || b" ._-()[]+,@~".contains(&b);
        let product = self.found.product.as_deref().and_then(plain);
        let titled = product.and_then(|product| self.with_product(&product, &entry.title));
        titled.unwrap_or_else(|| match self.own_name().bytes().all(is_fit) {
            true => self.with_own_name(&entry.title),
            false => entry.title.clone(),
        })
    }

    /// Returns `title` with the name the medium gives itself in the place of the image's.
    fn with_product(&self, product: &str, title: &str) -> Option<String> {
        let rest = title.strip_prefix(&self.name)?;
        // What a font has no signs for leaves something to read.
        match plain(product) {
            Some(_) => Some(format!("{product}{rest}")),
            None => Some(format!("{product} [{}]{rest}", self.name)),
        }
    }

    fn with_own_name(&self, title: &str) -> String {
        let own = self.own_name();
        let is_other = own != self.name;
        let Some(rest) = title.strip_prefix(&self.name).filter(|_| is_other) else {
            return title.to_owned();
        };
        if self.is_numbered() || !own.is_ascii() {
            format!("{own} [{}]{rest}", self.name)
        } else {
            format!("{own}{rest}")
        }
    }
}

/// Returns a name in ASCII: letters without their accents, and a space for every sign that a menu's
/// language could take for its own. `None` where other letters are left.
pub fn plain(name: &str) -> Option<String> {
    let letters = name.nfd().filter(|letter| !is_combining_mark(*letter));
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-()[]+,@~/:".contains(c);
    let signs = letters.map(|c| if c.is_ascii() && !is_fit(c) { ' ' } else { c });
    let signs: String = signs.collect();
    let words: Vec<&str> = signs.split_whitespace().collect();
    let plain = words.join(" ");
    (plain.is_ascii() && !plain.is_empty()).then_some(plain)
}

/// Returns whether two texts are the same letters, composed or decomposed.
fn equal_composed(a: &str, b: &str) -> bool {
    a == b || (!(is_nfc(a) && is_nfc(b)) && a.nfc().eq(b.nfc()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Cpu, Firmware};
    use crate::plan::BootChoice;
    use crate::testing::image;
    use std::sync::Arc;

    #[test]
    fn names_are_safe_in_a_url_and_in_a_shell() {
        for (file, name) in [
            (
                "archlinux-2026.11.01-x86_64.iso",
                "archlinux-2026.11.01-x86_64",
            ),
            ("My ISO (1).ISO", "My-ISO--1"),
            ("..", "image"),
            ("日本.iso", "image"),
            ("深度操作系统-25.0.iso", "image-25.0"),
            ("2026.iso", "2026"),
            ("$(reboot);.iso", "reboot"),
            (".iso", "image"),
            (
                "a%2f?b#c ${net0/mac}\n\u{202e}\u{200b}.iso",
                "a-2f-b-c---net0-mac",
            ),
            ("loader.iso", "loader"),
            ("trailing. .iso", "trailing"),
            ("M\u{fc}ller.iso", "M-ller"),
            ("Mu\u{308}ller.iso", "M-ller"),
        ] {
            assert_eq!(image_name(file), name, "{file}");
            assert_eq!(is_plain_name(file), name == stem(file), "{file}");
        }
        assert_eq!(image_name(&"x".repeat(300)).len(), 64);
    }

    /// Gives these files names in this order, as the library does.
    fn named(files: &[&str]) -> Vec<Image> {
        let mut taken = TakenNames::default();
        let mut images = Vec::new();
        for file in files {
            let file_name = file.rsplit('/').next().unwrap();
            let path = Path::new(file);
            let made = taken.candidates(file_name, path).map(|name| Image {
                file: (*file).to_owned(),
                ..image(&name, &[Cpu::X86_64, Cpu::I686])
            });
            let image = made
                .into_iter()
                .find(|image| taken.are_free(image, path))
                .unwrap();
            taken.take_all(&image, path);
            images.push(image);
        }
        images
    }

    fn names(files: &[&str]) -> Vec<String> {
        named(files).into_iter().map(|image| image.name).collect()
    }

    #[test]
    fn names_that_meet_are_numbered() {
        assert_eq!(names(&["统信.iso", "优麒麟.iso"]), ["image", "image-2"]);
        assert_eq!(
            names(&["Debian (1).iso", "Debian [1].iso", "Debian--1.iso"]),
            ["Debian--1", "Debian--1-2", "Debian--1-3"]
        );
        assert_eq!(names(&["a/mini.iso", "b/mini.iso"]), ["mini", "mini-2"]);
        assert_eq!(names(&["Arch.iso", "arch.iso"]), ["Arch", "arch-2"]);
        // One's entry and another one's name.
        assert_eq!(
            names(&["dual-i686.iso", "dual.iso"]),
            ["dual-i686", "dual-2"]
        );
        assert_eq!(
            names(&["dual.iso", "dual-i686.iso"]),
            ["dual", "dual-i686-2"]
        );
        assert_eq!(names(&["lanboot-transports.iso"]), ["lanboot-transports-2"]);
        let long = "x".repeat(70);
        let [a, b] = [format!("{long}a.iso"), format!("{long}b.iso")];
        let [a, b] = &names(&[&a, &b])[..] else {
            panic!()
        };
        assert_eq!((a.len(), b.len()), (64, 64));
        assert!(b.ends_with("x-2"), "{b}");
        let many: Vec<String> = (0..500).map(|n| format!("{n}/i.iso")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(names(&many).last().map(String::as_str), Some("i-500"));
    }

    #[test]
    fn an_image_is_found_by_the_name_on_its_file() {
        let files = [
            "x/统信.iso",
            "x/优麒麟.iso",
            "a/mini.iso",
            "b/mini.iso",
            "Mu\u{308}ller (1).iso",
        ];
        let catalog = Catalog::new(named(&files).into_iter().map(Arc::new).collect());
        for (wanted, name) in [
            ("统信", "image"),
            ("优麒麟.iso", "image-2"),
            ("x/优麒麟.iso", "image-2"),
            ("image", "image"),
            ("image-2-i686", "image-2-i686"),
            ("mini", "mini"),
            ("b/mini.iso", "mini-2"),
            ("M\u{fc}ller (1)", "M-ller--1"),
            ("优麒", "优麒"),
            ("", ""),
        ] {
            assert_eq!(catalog.meant(wanted).unwrap(), name, "{wanted}");
        }
        let several = catalog.meant("mini.iso").unwrap_err().to_string();
        assert!(
            several.ends_with("mini (a/mini.iso), mini-2 (b/mini.iso)"),
            "{several}"
        );
        let boot = BootChoice::resolve(&catalog, Some("优麒麟")).unwrap();
        assert_eq!(boot.of(Firmware::X64Uefi), Some("image-2-x86_64"));
        assert_eq!(
            catalog.sentence(),
            "image (统信.iso), image-2 (优麒麟.iso), mini, mini-2 (mini.iso), \
             M-ller--1 (Mu\u{308}ller (1).iso)"
        );
    }

    #[test]
    fn a_title_has_the_own_name_where_it_can_be_shown() {
        let titles = |file: &str, name: &str| {
            let image = Image {
                file: file.into(),
                ..image(name, &[Cpu::X86_64])
            };
            let entry = &image.found.entries[0];
            (image.title(entry), image.ascii_title(entry))
        };
        let same = |title: &str| (title.to_owned(), title.to_owned());
        assert_eq!(titles("a/arch.iso", "arch"), same("arch (x86_64)"));
        assert_eq!(
            titles("Debian (1).iso", "Debian--1"),
            same("Debian (1) (x86_64)")
        );
        assert_eq!(
            titles("b/mini.iso", "mini-2"),
            same("mini [mini-2] (x86_64)")
        );
        assert_eq!(
            titles("统信.iso", "image-2"),
            ("统信 [image-2] (x86_64)".into(), "image-2 (x86_64)".into())
        );
        assert_eq!(titles("a;b ${x}.iso", "a-b---x").1, "a-b---x (x86_64)");
    }

    #[test]
    fn a_medium_that_names_itself_is_called_so() {
        let titles = |product: &str| {
            let mut image = image("mini", &[Cpu::X86_64]);
            image.found.product = Some(product.into());
            let entry = &image.found.entries[0];
            (image.title(entry), image.ascii_title(entry))
        };
        let same = |title: &str| (title.to_owned(), title.to_owned());
        assert_eq!(
            titles("Debian GNU/Linux 13.1"),
            same("Debian GNU/Linux 13.1 (x86_64)")
        );
        let (shown, ascii) = titles("M\u{fc}ller \u{c9}d. 2");
        assert_eq!(shown, "M\u{fc}ller \u{c9}d. 2 (x86_64)");
        assert_eq!(ascii, "Muller Ed. 2 (x86_64)");
        assert_eq!(titles("统信 20").0, "统信 20 [mini] (x86_64)");
        assert_eq!(
            titles("统信 20").1,
            "mini (x86_64)",
            "no letter is lost silently"
        );
        assert_eq!(
            titles("a || shell ${b} && ;c # \\").1,
            "a shell b c (x86_64)"
        );
    }

    #[test]
    fn media_that_share_a_name_are_called_as_their_files() {
        let images = ["a", "b", "c"].map(|name| {
            let mut image = image(name, &[Cpu::X86_64]);
            let product = if name == "c" { "Other" } else { "Same" };
            image.found.product = Some(product.into());
            Arc::new(image)
        });
        let catalog = Catalog::new(images.to_vec());
        let titles: Vec<String> = catalog.entries().map(|(image, e)| image.title(e)).collect();
        assert_eq!(titles, ["a (x86_64)", "b (x86_64)", "Other (x86_64)"]);
        assert!(
            images[0].found.product.is_some(),
            "another catalog decides anew"
        );
    }
}
