//! Reads SYSLINUX configurations: `LABEL` with `KERNEL`/`LINUX`, `INITRD` and `APPEND`, across the
//! files they include (SYSLINUX `doc/syslinux.txt`, `core/readconfig.c`).

use super::files::{Files, file_names, folder_of, medium_path};
use super::{
    Dialect, Limit, MAX_ENTRIES, MAX_INCLUDES, MAX_INITRDS, MenuEntry, Program, within_limit,
};

/// Files a bootloader starts with; others count only if nothing includes them.
const STARTS: [&str; 3] = ["isolinux.cfg", "syslinux.cfg", "extlinux.conf"];

/// Reads every configuration in `folder` and appends its entries.
pub(super) fn read(files: &mut Files<'_>, folder: &str, entries: &mut Vec<MenuEntry>) {
    let join = |name: &str| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let names = file_names(files.tree, folder);
    let others = names.filter(|name| name.to_ascii_lowercase().ends_with(".cfg"));
    let mut queue: Vec<String> = STARTS.iter().copied().chain(others).map(join).collect();
    queue.reverse();
    while let Some(path) = queue.pop() {
        if files.was_read(&path) || entries.len() >= MAX_ENTRIES {
            continue;
        }
        let mut menu = Menu::default();
        menu.file(files, &path, &mut Vec::new());
        queue.extend(menu.next_menus.drain(..).rev());
        entries.extend(menu.finish(files));
    }
}

/// One configuration with its includes.
#[derive(Default)]
struct Menu {
    labels: Vec<Label>,
    /// Value of `DEFAULT`.
    default: Option<String>,
    /// `APPEND` before the first label, for every label without one.
    append: Vec<String>,
    /// Configurations that a label's `CONFIG` continues with.
    next_menus: Vec<String>,
}

#[derive(Default)]
struct Label {
    name: String,
    title: Option<String>,
    kernel: Option<String>,
    /// Words after the kernel's name.
    options: Vec<String>,
    initrds: Vec<String>,
    append: Option<Vec<String>>,
    is_default: bool,
    file: String,
    line: usize,
}

impl Menu {
    fn file(&mut self, files: &mut Files<'_>, path: &str, including: &mut Vec<String>) {
        if including.len() >= MAX_INCLUDES {
            return files.limit(Limit::TooDeep(path.to_owned()));
        }
        if including.iter().any(|other| other == path) {
            return;
        }
        let Some(text) = files.text(path) else {
            return;
        };
        including.push(path.to_owned());
        let mut in_help = false;
        for (at, line) in text.lines().enumerate() {
            let (keyword, rest) = split_word(line);
            let keyword = keyword.to_ascii_uppercase();
            match keyword.as_str() {
                "ENDTEXT" => in_help = false,
                _ if in_help => {}
                "TEXT" => in_help = true,
                "INCLUDE" => self.include(files, path, rest, including),
                "MENU" => {
                    let (what, value) = split_word(rest);
                    match what.to_ascii_uppercase().as_str() {
                        "INCLUDE" => self.include(files, path, split_word(value).0, including),
                        what => self.menu(what, value),
                    }
                }
                "LABEL" => self.label(files, rest, path, at + 1),
                "CONFIG" => {
                    let found = files.locate(split_word(rest).0, folder_of(path));
                    self.next_menus.extend(found);
                }
                keyword => self.command(keyword, rest),
            }
        }
        including.pop();
    }

    fn include(
        &mut self,
        files: &mut Files<'_>,
        from: &str,
        written: &str,
        including: &mut Vec<String>,
    ) {
        if let Some(path) = files.locate(written, folder_of(from)) {
            self.file(files, &path, including);
        }
    }

    fn label(&mut self, files: &mut Files<'_>, name: &str, path: &str, line: usize) {
        if self.labels.len() >= MAX_ENTRIES {
            return files.limit(Limit::TooManyEntries);
        }
        self.labels.push(Label {
            name: name.to_owned(),
            file: path.to_owned(),
            line,
            ..Label::default()
        });
    }

    /// Handles `MENU LABEL` and `MENU DEFAULT` of the last label.
    fn menu(&mut self, what: &str, value: &str) {
        let Some(label) = self.labels.last_mut() else {
            return;
        };
        match what {
            // `^` marks the hot key.
            "LABEL" => label.title = Some(value.replace('^', "")),
            "DEFAULT" => label.is_default = true,
            _ => {}
        }
    }

    fn command(&mut self, keyword: &str, rest: &str) {
        if matches!(keyword, "DEFAULT" | "ONTIMEOUT") {
            self.default.get_or_insert_with(|| rest.to_owned());
            return;
        }
        let words = || rest.split_whitespace().map(str::to_owned);
        let Some(label) = self.labels.last_mut() else {
            if keyword == "APPEND" {
                self.append = within_limit(words());
            }
            return;
        };
        match keyword {
            "KERNEL" if words().next().is_some_and(|kernel| is_module(&kernel)) => {
                label.kernel = None;
            }
            "LINUX" | "KERNEL" => {
                label.kernel = words().next();
                label.options = within_limit(words().skip(1));
            }
            "INITRD" => label.initrds = split_files(rest),
            // A lone hyphen also removes the global `APPEND`.
            "APPEND" if rest == "-" => label.append = Some(Vec::new()),
            "APPEND" => label.append = Some(within_limit(words())),
            _ => {}
        }
    }

    fn finish(self, files: &Files<'_>) -> Vec<MenuEntry> {
        // The highlighted entry takes precedence over the label named by `DEFAULT`.
        let highlighted = self.labels.iter().position(|label| label.is_default);
        let named = self.default.and_then(|name| {
            let mut names = self.labels.iter();
            names.position(|label| label.name.eq_ignore_ascii_case(&name))
        });
        let default = highlighted.or(named);
        let labels = self.labels.into_iter().enumerate();
        labels
            .filter_map(|(at, label)| label.entry(files, default == Some(at), &self.append))
            .collect()
    }
}

impl Label {
    /// Returns an entry; `None` for labels that start no kernel: modules of SYSLINUX, other menus,
    /// local disks.
    fn entry(
        self,
        files: &Files<'_>,
        is_default: bool,
        append_for_all: &[String],
    ) -> Option<MenuEntry> {
        let kernel = self.kernel?;
        let append = self.append.unwrap_or_else(|| append_for_all.to_vec());
        let mut initrds = self.initrds;
        let mut arguments = self.options;
        // The last `initrd=` counts; an `INITRD` line is equivalent and comes last.
        let mut in_append = Vec::new();
        for word in append {
            match word.strip_prefix("initrd=") {
                Some(files) => in_append = split_files(files),
                None => arguments.push(word),
            }
        }
        if initrds.is_empty() {
            initrds = in_append;
        }
        let folder = folder_of(&self.file);
        let locate = |path: &String| {
            let found = files.locate(path, folder);
            found.unwrap_or_else(|| medium_path(path))
        };
        let arguments = within_limit(arguments.into_iter());
        Some(MenuEntry {
            title: self.title.unwrap_or_else(|| self.name.clone()),
            id: self.name,
            program: Program::Linux,
            kernel: locate(&kernel),
            initrds: initrds.iter().map(locate).collect(),
            modules: Vec::new(),
            arguments,
            architecture: None,
            dialect: Dialect::Syslinux,
            line: self.line,
            file: self.file,
            is_default,
            is_shown: true,
        })
    }
}

/// Returns whether `KERNEL` starts a SYSLINUX module or a boot sector, judging by its suffix.
fn is_module(kernel: &str) -> bool {
    let suffix = kernel.rsplit_once('.').map(|(_, suffix)| suffix);
    let modules = ["c32", "com", "cbt", "0", "bin", "bs", "bss", "img"];
    suffix.is_some_and(|suffix| modules.iter().any(|m| suffix.eq_ignore_ascii_case(m)))
}

fn split_files(written: &str) -> Vec<String> {
    let files = written.split([',', ' ', '\t']).map(str::trim);
    let files = files.filter(|file| !file.is_empty());
    files.take(MAX_INITRDS).map(str::to_owned).collect()
}

/// Splits off the first word of a line; both parts are trimmed.
fn split_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word, rest.trim())
}
