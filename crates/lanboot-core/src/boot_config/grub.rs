//! Follows GRUB scripts as far as their menus need it: variables, conditions about the platform and
//! about files of the medium, functions, loops over words, and included files. A condition only a
//! running GRUB can decide is taken as true; entries of a false condition are listed as not shown.

use std::collections::HashMap;
use std::rc::Rc;

use super::files::{Files, find_file, folder_of, medium_path};
use super::grub_expand::expand;
use super::grub_parser::{Node, Word, parse};
use super::{
    Dialect, Limit, MAX_ENTRIES, MAX_FILES, MAX_INCLUDES, MAX_INITRDS, MAX_NESTING, MenuEntry,
    MenuModule, Program,
};

/// Most variables of one script.
const MAX_VARIABLES: usize = 1024;

/// Reads the menu at `path` and the menus it continues with, and appends their entries.
pub(super) fn read(files: &mut Files<'_>, path: &str, entries: &mut Vec<MenuEntry>) {
    let Some(path) = find_file(files.tree, path) else {
        return;
    };
    let mut menus = vec![path];
    while let Some(path) = menus.pop() {
        if files.was_read(&path) || entries.len() >= MAX_ENTRIES {
            continue;
        }
        let mut script = Script::new(files, &path);
        script.include(&path);
        script.finish(entries);
        let next = std::mem::take(&mut script.next_menus);
        menus.extend(next.into_iter().rev());
        if menus.len() > MAX_FILES {
            files.limit(Limit::TooManyFiles);
            // Those that would be read last.
            menus.drain(..menus.len() - MAX_FILES);
        }
    }
}

/// One menu with all it includes.
struct Script<'a, 'f> {
    files: &'f mut Files<'a>,
    variables: HashMap<String, String>,
    functions: HashMap<String, Rc<[Node]>>,
    /// Values to restore after commands that are not executed now, or only when an entry is chosen:
    /// for each such block the first value of every variable it changed.
    undo_log: Vec<HashMap<String, Option<String>>>,
    /// Number of enclosing blocks, calls and includes.
    depth: usize,
    including: Vec<String>,
    /// True inside an unmet condition.
    is_hidden: bool,
    /// Enclosing submenus, and the number of the next entry in each.
    menus: Vec<Rc<Place>>,
    counts: Vec<usize>,
    found: Vec<Found>,
    /// The entry whose commands are being followed.
    draft: Option<Draft>,
    next_menus: Vec<String>,
}

/// The names by which `default` can refer to an entry or a submenu.
#[derive(Debug)]
struct Place {
    number: Option<usize>,
    id: Option<String>,
    title: String,
}

/// An entry whose commands are followed once the script has set all its variables.
struct Found {
    path: Vec<Rc<Place>>,
    body: Rc<[Node]>,
    is_hidden: bool,
    file: String,
    line: usize,
}

#[derive(Default)]
struct Draft {
    kernel: Option<(Program, String)>,
    arguments: Vec<String>,
    initrds: Vec<String>,
    modules: Vec<MenuModule>,
}

impl<'a, 'f> Script<'a, 'f> {
    fn new(files: &'f mut Files<'a>, path: &str) -> Self {
        // An x86-64 machine with UEFI: media without SYSLINUX can start nothing else over the
        // network.
        let variables = [
            ("grub_platform", "efi"),
            ("grub_cpu", "x86_64"),
            ("root", "cd0"),
            ("prefix", &format!("/{}", folder_of(path))),
            ("config_file", &format!("/{path}")),
            ("config_directory", &format!("/{}", folder_of(path))),
            ("menuentry_id_option", "--id"),
            ("feature_menuentry_id", "y"),
            ("feature_platform_search_hint", "y"),
        ];
        Self {
            files,
            variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            functions: HashMap::new(),
            undo_log: Vec::new(),
            depth: 0,
            including: Vec::new(),
            is_hidden: false,
            menus: Vec::new(),
            counts: vec![0],
            found: Vec::new(),
            draft: None,
            next_menus: Vec::new(),
        }
    }

    fn include(&mut self, path: &str) {
        if self.including.len() >= MAX_INCLUDES {
            return self.files.limit(Limit::TooDeep(path.to_owned()));
        }
        if self.including.iter().any(|other| other == path) {
            return;
        }
        let Some(text) = self.files.text(path) else {
            return;
        };
        let (nodes, is_too_deep) = parse(&text);
        if is_too_deep {
            self.files.limit(Limit::TooDeep(path.to_owned()));
        }
        self.including.push(path.to_owned());
        self.run(&nodes);
        self.including.pop();
    }

    /// Follows a block. Returns whether its last command succeeded, if known.
    fn run(&mut self, nodes: &[Node]) -> Option<bool> {
        if self.depth >= MAX_NESTING {
            let path = self.including.last().cloned().unwrap_or_default();
            self.files.limit(Limit::TooDeep(path));
            return None;
        }
        self.depth += 1;
        let mut status = Some(true);
        for node in nodes {
            if !self.files.step() {
                break;
            }
            status = self.node(node);
        }
        self.depth -= 1;
        status
    }

    fn node(&mut self, node: &Node) -> Option<bool> {
        match node {
            Node::Command { words } => {
                let words = self.expand(words);
                return self.command(words);
            }
            Node::Entry {
                is_submenu,
                words,
                body,
                line,
            } => self.entry(*is_submenu, words, body, *line),
            Node::If {
                branches,
                otherwise,
            } => self.condition(branches, otherwise),
            Node::For { name, words, body } => {
                for value in self.expand(words) {
                    self.set(name, value);
                    self.run(body);
                }
            }
            // Only a running GRUB knows how often.
            Node::Loop { body } => drop(self.run(body)),
            Node::Function { name, body } => {
                if self.functions.len() < MAX_VARIABLES {
                    self.functions.insert(name.clone(), Rc::clone(body));
                }
            }
        }
        None
    }

    /// Follows every branch, so that no entry is lost; only the branch taken has effects.
    fn condition(&mut self, branches: &[(Vec<Node>, Vec<Node>)], otherwise: &[Node]) {
        let mut met = None;
        for (at, (condition, _)) in branches.iter().enumerate() {
            if self.run(condition) != Some(false) {
                met = Some(at);
                break;
            }
        }
        let bodies = branches.iter().map(|(_, body)| &body[..]);
        let bodies: Vec<&[Node]> = bodies.chain([otherwise]).collect();
        let met = met.unwrap_or(branches.len());
        for (_, body) in bodies.iter().enumerate().filter(|(at, _)| *at != met) {
            let before = self.is_hidden;
            self.is_hidden = true;
            self.without_effect(|script| script.run(body));
            self.is_hidden = before;
        }
        if let Some(body) = bodies.get(met) {
            self.run(body);
        }
    }

    /// Runs `what` and restores the variables.
    fn without_effect<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        self.undo_log.push(HashMap::new());
        let result = what(self);
        for (name, value) in self.undo_log.pop().unwrap_or_default() {
            match value {
                Some(value) => drop(self.variables.insert(name, value)),
                None => drop(self.variables.remove(&name)),
            }
        }
        result
    }

    /// Remembers the value a variable had before it was changed.
    fn log_undo(&mut self, name: &str, before: Option<String>) {
        if let Some(log) = self.undo_log.last_mut()
            && !log.contains_key(name)
        {
            log.insert(name.to_owned(), before);
        }
    }

    fn set(&mut self, name: &str, value: String) {
        let is_new = !self.variables.contains_key(name);
        if is_new && self.variables.len() >= MAX_VARIABLES {
            return;
        }
        let before = self.variables.insert(name.to_owned(), value);
        self.log_undo(name, before);
    }

    fn unset(&mut self, name: &str) {
        let before = self.variables.remove(name);
        if before.is_some() {
            self.log_undo(name, before);
        }
    }

    fn expand(&mut self, words: &[Word]) -> Vec<String> {
        expand(words, &self.variables, self.files)
    }

    fn command(&mut self, words: Vec<String>) -> Option<bool> {
        let mut words = words.into_iter();
        let name = words.next()?;
        let arguments: Vec<String> = words.collect();
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        match name.as_str() {
            "[" | "test" => return super::grub_test::evaluate(&arguments, self.files.tree),
            "true" => return Some(true),
            "false" => return Some(false),
            "set" | "export" => {
                if let Some((name, value)) = first.split_once('=') {
                    self.set(name, value.to_owned());
                }
            }
            "unset" => self.unset(first),
            "source" | "." => {
                let from = self.including.last().cloned().unwrap_or_default();
                if let Some(path) = self.files.locate(first, folder_of(&from)) {
                    self.include(&path);
                }
            }
            "configfile" | "normal" => {
                let from = self.including.last().cloned().unwrap_or_default();
                let path = self.files.locate(first, folder_of(&from));
                let path = path.filter(|path| !self.next_menus.contains(path));
                // One more than is read, so that this is noticed.
                self.next_menus
                    .extend(path.filter(|_| self.next_menus.len() <= MAX_FILES));
            }
            "search" => return self.search(&arguments),
            "linux" | "linuxefi" | "linux16" | "chainloader" | "multiboot" | "multiboot2" => {
                self.program(&name, arguments);
            }
            "module" | "module2" => self.module(arguments),
            "initrd" | "initrdefi" | "initrd16" => {
                if let Some(draft) = &mut self.draft {
                    let files = arguments.iter().filter(|file| !file.starts_with('-'));
                    draft.initrds = files.map(|file| medium_path(file)).collect();
                    draft.initrds.truncate(MAX_INITRDS);
                }
            }
            name => match name.split_once('=') {
                Some((name, value)) if arguments.is_empty() && is_name(name) => {
                    self.set(name, value.to_owned());
                }
                _ => return self.call(name, arguments),
            },
        }
        Some(true)
    }

    fn call(&mut self, name: &str, arguments: Vec<String>) -> Option<bool> {
        let body = Rc::clone(self.functions.get(name)?);
        self.set("#", arguments.len().to_string());
        self.set("@", arguments.join(" "));
        for (at, argument) in arguments.into_iter().take(9).enumerate() {
            self.set(&(at + 1).to_string(), argument);
        }
        self.run(&body)
    }

    /// Handles `search --set=NAME --file PATH`; the medium is the only device.
    fn search(&mut self, arguments: &[String]) -> Option<bool> {
        let mut variable = None;
        let (mut is_file, mut is_named) = (false, false);
        let mut others: Vec<&str> = Vec::new();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--file" | "-f" => is_file = true,
                // The variable's name may follow as a later word.
                "--set" | "-s" => (variable, is_named) = (Some("root"), true),
                word if word.starts_with("--set=") => variable = word.strip_prefix("--set="),
                "--hint" => drop(words.next()),
                word if word.starts_with('-') => {}
                word => others.push(word),
            }
        }
        let wanted = others.pop();
        if let Some(name) = others.first().filter(|_| is_named) {
            variable = Some(name);
        }
        if is_file && find_file(self.files.tree, &medium_path(wanted?)).is_none() {
            return Some(false);
        }
        if let Some(variable) = variable {
            self.set(variable, "cd0".into());
        }
        Some(true)
    }

    fn program(&mut self, command: &str, arguments: Vec<String>) {
        let Some(draft) = &mut self.draft else {
            return;
        };
        let mut words = arguments
            .into_iter()
            .skip_while(|word| word.starts_with("--"));
        let Some(path) = words.next().map(|path| medium_path(&path)) else {
            return;
        };
        let program = match command {
            "chainloader" if path.to_ascii_lowercase().ends_with(".efi") => Program::Efi,
            // A boot sector.
            "chainloader" => return,
            "multiboot" => Program::Multiboot,
            "multiboot2" => Program::Multiboot2,
            _ => Program::Linux,
        };
        draft.kernel = Some((program, path));
        draft.arguments = words.collect();
    }

    fn module(&mut self, arguments: Vec<String>) {
        let mut words = arguments
            .into_iter()
            .skip_while(|word| word.starts_with("--"));
        let Some((draft, path)) = self.draft.as_mut().zip(words.next()) else {
            return;
        };
        if draft.modules.len() < MAX_INITRDS {
            draft.modules.push(MenuModule {
                path: medium_path(&path),
                arguments: super::within_limit(words),
            });
        }
    }

    fn entry(&mut self, is_submenu: bool, words: &[Word], body: &Rc<[Node]>, line: usize) {
        if self.found.len() >= MAX_ENTRIES {
            return self.files.limit(Limit::TooManyEntries);
        }
        let (title, id) = title_and_id(self.expand(words));
        // Entries that are not shown have no number.
        let number = self.counts.last_mut().filter(|_| !self.is_hidden);
        let number = number.map(|count| {
            *count += 1;
            *count - 1
        });
        let place = Rc::new(Place { number, id, title });
        if is_submenu {
            self.menus.push(place);
            self.counts.push(0);
            self.without_effect(|script| script.run(body));
            self.counts.pop();
            self.menus.pop();
            return;
        }
        self.found.push(Found {
            path: [&self.menus[..], &[place]].concat(),
            body: Rc::clone(body),
            is_hidden: self.is_hidden,
            file: self.including.last().cloned().unwrap_or_default(),
            line,
        });
    }

    /// Follows the commands of every entry, with the variables as the script left them.
    fn finish(&mut self, entries: &mut Vec<MenuEntry>) {
        let default = self.variables.get("default").cloned();
        let default = default.filter(|default| !default.is_empty());
        let default = default.unwrap_or_else(|| "0".into());
        for found in std::mem::take(&mut self.found) {
            self.including = vec![found.file.clone()];
            self.draft = Some(Draft::default());
            self.without_effect(|script| script.run(&found.body));
            let Some(Draft {
                kernel: Some((program, kernel)),
                arguments,
                initrds,
                modules,
            }) = self.draft.take()
            else {
                continue;
            };
            let is_default = !found.is_hidden && is_meant(&default, &found.path);
            let place = found.path.last();
            let (title, id) = place
                .map(|place| (place.title.clone(), place.id.clone()))
                .unwrap_or_default();
            entries.push(MenuEntry {
                id: id.unwrap_or_else(|| title.clone()),
                title,
                program,
                kernel,
                initrds,
                modules,
                arguments,
                architecture: None,
                dialect: Dialect::Grub,
                file: found.file,
                line: found.line,
                is_default,
                is_shown: !found.is_hidden,
            });
        }
    }
}

/// Returns whether `default` refers to the entry at `path`: `1`, `id`, `Title` or `Submenu>entry`,
/// in any mix.
fn is_meant(default: &str, path: &[Rc<Place>]) -> bool {
    let parts: Vec<&str> = default.split('>').map(str::trim).collect();
    let fits = |(part, place): (&&str, &Rc<Place>)| {
        let number = part.parse().ok();
        (number.is_some() && number == place.number)
            || place.id.as_deref() == Some(part)
            || place.title == **part
    };
    parts.len() == path.len() && parts.iter().zip(path).all(fits)
        // A title may contain `>`.
        || path.len() == 1 && path.iter().any(|place| place.title == default)
}

/// Returns the first word that is neither an option nor an option's value, and the value of `--id`.
fn title_and_id(words: Vec<String>) -> (String, Option<String>) {
    let (mut title, mut id) = (None, None);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--id" => id = words.next(),
            "--unrestricted" => {}
            "--class" | "--users" | "--hotkey" | "--source" => drop(words.next()),
            option if option.starts_with("--") => {
                if let Some(value) = option.strip_prefix("--id=") {
                    id = Some(value.to_owned());
                }
            }
            _ => drop(title.get_or_insert(word)),
        }
    }
    (title.unwrap_or_default(), id)
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
