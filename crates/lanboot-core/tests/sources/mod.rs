//! Reads the sources of a crate: its modules, their code without comments, texts and tests, and
//! which module imports which.

mod code;
mod paths;
mod sizes;

use code::{without_comments, without_tests};

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use paths::{Import, imports};

/// One file of a crate: a module.
pub(super) struct Module {
    /// Its path in the crate: `dhcp::wire`; empty for the root.
    pub(super) path: Vec<String>,
    /// The file.
    pub(super) file: PathBuf,
    /// Its code as written, without its tests.
    pub(super) text: String,
    /// The same without comments and with all texts empty.
    pub(super) code: String,
}

impl Module {
    /// Returns the top-level module it belongs to; empty for the root of the crate.
    pub(super) fn top(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// Reads the modules of the crate in `crates/NAME`, those that are only compiled for tests left out.
pub(super) fn modules(name: &str) -> Vec<Module> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src");
    let mut found = Vec::new();
    let root = ["lib.rs", "main.rs"].map(|root| source.join(root));
    let root = root.into_iter().find(|root| root.exists()).unwrap();
    read_module(&root, &source, Vec::new(), &mut found);
    assert!(found.len() > 20, "no sources under {}", source.display());
    found
}

fn read_module(file: &Path, folder: &Path, path: Vec<String>, found: &mut Vec<Module>) {
    let written = fs::read_to_string(file).unwrap();
    let text = without_tests(&written);
    let code = without_comments(&text);
    for child in paths::child_modules(&code) {
        let inside = folder.join(&child);
        let files = [folder.join(format!("{child}.rs")), inside.join("mod.rs")];
        let Some(child_file) = files.iter().find(|file| file.exists()) else {
            continue;
        };
        let path = path.iter().cloned().chain([child]).collect();
        read_module(child_file, &inside, path, found);
    }
    found.push(Module {
        path,
        file: file.to_owned(),
        text,
        code,
    });
}

/// Returns for each module the modules whose items it uses, by their numbers in `modules`, each with
/// the names of the items. A re-export is followed to the module that defines the item; a
/// re-export alone is no use.
pub(super) fn uses(modules: &[Module]) -> Vec<BTreeMap<usize, BTreeSet<String>>> {
    let numbers = modules.iter().enumerate();
    let by_path: BTreeMap<&[String], usize> = numbers
        .map(|(number, module)| (&module.path[..], number))
        .collect();
    let imports: Vec<Vec<Import>> = modules
        .iter()
        .map(|module| {
            imports(&module.code, &module.path, |path| {
                by_path.contains_key(path)
            })
        })
        .collect();
    let crate_ = Crate { by_path, imports };
    let used = crate_.imports.iter().enumerate().map(|(number, imports)| {
        let mut used: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for import in imports.iter().filter(|import| import.is_used) {
            if let Some((at, item)) = crate_.definition(&import.path, 0)
                && at != number
            {
                used.entry(at).or_default().insert(item);
            }
        }
        used
    });
    used.collect()
}

struct Crate<'a> {
    by_path: BTreeMap<&'a [String], usize>,
    imports: Vec<Vec<Import>>,
}

impl Crate<'_> {
    /// Finds the module that defines what `path` names, and the name there; `None` for what another
    /// crate defines.
    fn definition(&self, path: &[String], depth: u32) -> Option<(usize, String)> {
        // The longest part of it that is a module; behind it stands an item, or nothing.
        let len = (0..=path.len())
            .rev()
            .find(|len| self.by_path.contains_key(&path[..*len]))?;
        let number = self.by_path[&path[..len]];
        let Some(item) = path.get(len) else {
            return Some((number, "self".into()));
        };
        let mut imports = self.imports[number].iter();
        match imports.find(|import| import.name.as_ref() == Some(item)) {
            Some(import) if depth < 8 => self.definition(&import.path, depth + 1),
            // A name from another crate, or an item of this module.
            _ => Some((number, item.clone())),
        }
    }
}

/// Returns every circle: groups of modules of which each uses, through others, each other one.
pub(super) fn circles(uses: &[BTreeMap<usize, BTreeSet<String>>]) -> Vec<Vec<usize>> {
    let reached: Vec<BTreeSet<usize>> = (0..uses.len()).map(|from| reachable(uses, from)).collect();
    let mut circles: Vec<Vec<usize>> = (0..uses.len())
        .filter(|module| reached[*module].contains(module))
        .map(|module| {
            let back = |other: &usize| reached[*other].contains(&module);
            reached[module].iter().copied().filter(back).collect()
        })
        .collect();
    circles.sort();
    circles.dedup();
    circles
}

fn reachable(uses: &[BTreeMap<usize, BTreeSet<String>>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(module) = pending.pop() {
        pending.extend(
            uses[module]
                .keys()
                .copied()
                .filter(|next| reached.insert(*next)),
        );
    }
    reached
}
