//! `lanboot get --list`: what can be asked for by name.

use lanboot_core::text;
use serde::Serialize;

use super::sources::{Source, Verification};

/// A row, as printed by `--json`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    title: &'a str,
    size: Option<&'a str>,
    verification: Verification,
    keys: &'a [String],
}

/// Returns the table of sources.
pub(super) fn table(sources: &[Source]) -> String {
    const TITLES: [&str; 4] = ["NAME", "TITLE", "SIZE", "VERIFIED BY"];
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(sources.iter().map(|source| {
        [
            source.name.clone(),
            text::line(&source.title),
            text::line(source.size.as_deref().unwrap_or("-")),
            source.verification().words().to_owned(),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Returns the sources as JSON.
pub(super) fn json(sources: &[Source]) -> anyhow::Result<String> {
    let rows: Vec<Row<'_>> = sources
        .iter()
        .map(|source| Row {
            name: &source.name,
            title: &source.title,
            size: source.size.as_deref(),
            verification: source.verification(),
            keys: &source.keys,
        })
        .collect();
    Ok(text::json(&serde_json::to_string_pretty(&rows)?) + "\n")
}
