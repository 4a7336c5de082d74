//! Permitted uses between modules: the tables of `docs/architecture.md`, held against the sources.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

mod sources;

use sources::{Module, circles, modules, uses};

/// The crates, each with the heading of its table.
const CRATES: [(&str, &str); 2] = [
    ("lanboot-core", "## Modules of the core"),
    ("lanboot", "## Modules of the shell"),
];

#[test]
fn every_module_uses_what_its_row_in_the_architecture_says() {
    let mut wrong = Vec::new();
    for (name, heading) in CRATES {
        let table = table(heading);
        let used = used_by_top_level(name);
        for (module, used) in &used {
            let used: Vec<&str> = used.iter().map(String::as_str).collect();
            let cell = if used.is_empty() {
                "–".into()
            } else {
                used.join(", ")
            };
            match table.get(module) {
                Some(row) if *row == used => {}
                Some(_) => wrong.push(format!("{name}: '{module}' uses {cell}")),
                None => wrong.push(format!("{name}: '{module}' has no row; it uses {cell}")),
            }
        }
        let gone = table.keys().filter(|module| !used.contains_key(*module));
        wrong.extend(gone.map(|module| format!("{name}: there is no '{module}'")));
    }
    let hint = "docs/architecture.md says otherwise; is the new arrow wanted?";
    assert!(wrong.is_empty(), "{hint}\n{}", wrong.join("\n"));
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (name, _) in CRATES {
        let modules = modules(name);
        let uses = uses(&modules);
        let path = |number: usize| modules[number].path.join("::");
        for circle in circles(&uses) {
            wrong.push(format!("{name}: a circle of {} modules", circle.len()));
            for &from in &circle {
                for (to, items) in uses[from].iter().filter(|(to, _)| circle.contains(to)) {
                    let items: Vec<&str> = items.iter().map(String::as_str).collect();
                    let (from, to) = (path(from), path(*to));
                    wrong.push(format!("  {from} uses {} of {to}", items.join(", ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_top_level_modules_use_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (name, _) in CRATES {
        let used = used_by_top_level(name);
        let names: Vec<&String> = used.keys().collect();
        let number = |module: &String| names.binary_search(&module).unwrap();
        let uses: Vec<BTreeMap<usize, BTreeSet<String>>> = used
            .values()
            .map(|row| {
                let row = row.iter().map(|other| (number(other), BTreeSet::new()));
                row.collect()
            })
            .collect();
        for circle in circles(&uses) {
            let circle: Vec<&str> = circle.iter().map(|n| names[*n].as_str()).collect();
            wrong.push(format!("{name}: {}", circle.join(", ")));
        }
    }
    let hint = "each of these uses, through the others, each other one:";
    assert!(wrong.is_empty(), "{hint}\n{}", wrong.join("\n"));
}

#[test]
fn the_core_names_no_clock_file_or_socket() {
    const FORBIDDEN: [&str; 10] = [
        "std::fs",
        "std::process",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant::now",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "tokio",
    ];
    let mut wrong = Vec::new();
    for module in modules("lanboot-core") {
        for word in FORBIDDEN
            .into_iter()
            .filter(|word| module.code.contains(word))
        {
            wrong.push(format!("{}: {word}", module.file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn in_the_shell_some_things_belong_to_one_module() {
    const OWNERS: [(&str, &[&str]); 6] = [
        ("std::env::args", &[""]),
        ("std::env::var", &["config"]),
        ("config::read(", &[""]),
        ("Catalog::new", &["images"]),
        ("iso::read(", &["images"]),
        ("unsafe ", &["net", "clock"]),
    ];
    let mut wrong = Vec::new();
    for module in modules("lanboot") {
        for (word, owners) in OWNERS {
            if module.code.contains(word) && !owners.contains(&module.top()) {
                let owners = owners.join(", ");
                wrong.push(format!(
                    "{}: {word} belongs to {owners}",
                    module.file.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the top-level modules of a crate with those each uses, itself and the crate's root left
/// out.
fn used_by_top_level(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules(name);
    let uses = uses(&modules);
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, uses) in modules.iter().zip(&uses) {
        if module.top().is_empty() {
            continue;
        }
        let others = uses.keys().map(|number| Module::top(&modules[*number]));
        let others = others.filter(|other| !other.is_empty() && *other != module.top());
        let row = table.entry(module.top().to_owned()).or_default();
        row.extend(others.map(str::to_owned));
    }
    table
}

/// Reads a table of the architecture: the modules in the first column and those they may use in the
/// last one, in alphabetical order.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let text = fs::read_to_string(file).unwrap();
    let section = text.split(heading).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.flat_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        let used = last
            .split(", ")
            .filter(|name| *name != "–")
            .map(str::to_owned);
        let used: Vec<String> = used.collect();
        let names = cells[0].split(", ");
        let names = names.map(|name| name.trim_matches('`').to_owned());
        names
            .map(move |name| (name, used.clone()))
            .collect::<Vec<_>>()
    });
    rows.collect()
}
