//! Files and functions stay short, and tests wait for facts.

use std::fs;
use std::path::{Path, PathBuf};

use super::code::{functions, without_comments};
use super::modules;

/// Most lines of a file, its tests left out.
const MAX_FILE_LINES: usize = 500;
/// Most lines of a function.
const MAX_FUNCTION_LINES: usize = 70;
/// Functions that are longer, each with the reason.
const LONGER: [(&str, &str, &str); 1] = [(
    "events::log_line",
    "log_line",
    "a table: the line of each event",
)];
/// Tests that sleep, with how often and the reason.
const SLEEPS: [(&str, usize, &str); 8] = [
    (
        "crates/lanboot/tests/http.rs",
        4,
        "paces a reader; lets an idle limit run; twice: tries again until a deadline",
    ),
    (
        "crates/lanboot/tests/nbd.rs",
        2,
        "lets a limit pass that must not apply",
    ),
    (
        "crates/lanboot/tests/nfs.rs",
        2,
        "lets a limit pass that must not apply",
    ),
    ("tests/boot/run", 1, "the monitor's own period"),
    (
        "tests/clients/cases/endings.sh",
        1,
        "keeps a pipe open for a client that never ends",
    ),
    (
        "tests/images/initramfs/medium.sh",
        1,
        "runs in a booted machine",
    ),
    (
        "tests/images/initramfs/stages.sh",
        1,
        "stands for a slow machine",
    ),
    (
        "tests/images/initramfs/net.sh",
        1,
        "runs in a booted machine",
    ),
];

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for module in ["lanboot-core", "lanboot"].into_iter().flat_map(modules) {
        let lines = module.text.lines().count();
        if lines > MAX_FILE_LINES {
            long.push(format!("{}: {lines} lines", module.file.display()));
        }
    }
    assert!(
        long.is_empty(),
        "split by what they do:\n{}",
        long.join("\n")
    );
}

#[test]
fn functions_stay_readable() {
    let mut wrong = Vec::new();
    let mut longer = Vec::new();
    for module in ["lanboot-core", "lanboot"].into_iter().flat_map(modules) {
        let path = module.path.join("::");
        for function in functions(&module.code) {
            let (name, lines) = (function.name, function.lines);
            if lines <= MAX_FUNCTION_LINES {
                continue;
            }
            longer.push((path.clone(), name.clone()));
            if !LONGER
                .iter()
                .any(|known| (known.0, known.1) == (&path, &name))
            {
                let (file, line) = (module.file.display(), function.line);
                wrong.push(format!("{file}:{line}: {name} has {lines} lines"));
            }
        }
    }
    for (path, name, _) in LONGER {
        if !longer.contains(&(path.into(), name.into())) {
            wrong.push(format!("{path}::{name} is short: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_test_sleeps() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for folder in ["crates/lanboot-core/tests", "crates/lanboot/tests", "tests"] {
        for file in files(&root.join(folder)) {
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            let is_rust = file.extension().is_some_and(|extension| extension == "rs");
            let code = if is_rust {
                without_comments(&text)
            } else {
                text
            };
            let lines = code.lines().enumerate();
            let found: Vec<String> = lines
                .filter(|(_, line)| sleeps(line, is_rust))
                .map(|(n, line)| format!("{}:{}: {}", file.display(), n + 1, line.trim()))
                .collect();
            let mut known = SLEEPS.iter().filter(|known| file.ends_with(known.0));
            if found.len() != known.next().map_or(0, |known| known.1) {
                wrong.extend(found);
            }
        }
    }
    assert!(wrong.is_empty(), "wait for a fact:\n{}", wrong.join("\n"));
}

/// Returns whether a line waits for a time. Programs that pace what they send have a reason beside
/// it: `# paced: …`.
fn sleeps(line: &str, is_rust: bool) -> bool {
    let is_comment = line.trim_start().starts_with('#');
    match is_rust {
        true => line.contains("sleep("),
        false => line.contains("sleep ") && !is_comment && !line.contains("# paced"),
    }
}

/// Returns the files of a folder and of those inside it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found
}
