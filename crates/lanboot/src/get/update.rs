//! `lanboot get --update`: newer versions of what is in the folder.

use std::process::ExitCode;

use anyhow::Context as _;
use lanboot_core::downloads::{NameMatch, newest};
use lanboot_core::text;

use super::failure::Failure;
use super::sources::Source;
use super::{Session, say_failure};

impl Session<'_> {
    /// Gets newer versions of the images in the folder whose names are those of sources, and returns
    /// the exit code of the first failure. An old image stays, and is removed in the end only if
    /// `--remove-old` says so.
    pub(super) fn update(&self, sources: &[Source]) -> anyhow::Result<ExitCode> {
        let names = self.names_here()?;
        let mut code = None;
        let mut seen = 0;
        for source in sources {
            let wanted = &self.flags.images;
            if !wanted.is_empty() && !wanted.contains(&source.name) {
                continue;
            }
            let pattern = source.local_name()?;
            let here = newest(&pattern, names.iter().map(String::as_str));
            if here.is_empty() {
                continue;
            }
            seen += 1;
            if let Err(failure) = self.update_one(source, &here) {
                say_failure(&source.name, &failure);
                code.get_or_insert_with(|| failure.kind.exit_code());
            }
        }
        for unknown in self.flags.images.iter() {
            self.named(sources, unknown)?;
        }
        if seen == 0 {
            eprintln!(
                "No image in {} has a name of those that 'lanboot get --list' shows.",
                text::path(&self.folder)
            );
        }
        Ok(code.unwrap_or(ExitCode::SUCCESS))
    }

    fn update_one(&self, source: &Source, here: &[NameMatch]) -> Result<(), Failure> {
        let found = self.finder().find(source)?;
        let pattern = source.local_name()?;
        let offered = pattern.matches(&found.name).and_then(|found| found.version);
        let own = here.first();
        if own.is_some_and(|own| own.name == found.name || own.version >= offered) {
            let name = own.map_or("", |own| own.name.as_str());
            println!("{}: {} is the newest", source.name, text::line(name));
            return Ok(());
        }
        self.fetch(source, &found)?.print();
        for old in here.iter().filter(|old| old.version < offered) {
            let path = self.folder.join(&old.name);
            let shown = text::path(&path);
            if self.flags.remove_old {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {shown}"))?;
                println!("{shown}: removed");
            } else {
                println!("{shown}: kept; --remove-old would have removed it");
            }
        }
        Ok(())
    }

    /// Returns the names of the files in the folder.
    fn names_here(&self) -> anyhow::Result<Vec<String>> {
        let shown = text::path(&self.folder);
        let cannot = || format!("cannot read the folder {shown}");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let is_file = std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file());
            names.extend(entry.file_name().into_string().ok().filter(|_| is_file));
        }
        Ok(names)
    }
}
