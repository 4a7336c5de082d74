//! Makes sentences about wrong values, each naming its flag or its key.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::value::WrongValue;

/// Returns the sentence about the value of a flag that its parser rejects; `None` for any other error.
pub(super) fn in_flag(error: &clap::Error) -> Option<anyhow::Error> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.split(' ').next().unwrap_or_default(),
        _ => return None,
    };
    let source = error.source()?;
    Some(match source.downcast_ref() {
        Some(WrongValue::Several(parts)) => {
            let repeated = parts.iter().map(|part| format!("{flag} {part}"));
            let repeated = repeated.collect::<Vec<_>>().join(" ");
            anyhow::anyhow!("{flag} takes one value; repeat the flag: {repeated}")
        }
        _ => anyhow::anyhow!("{flag}: {source}"),
    })
}

/// Returns the sentence about the value of a key that its parser rejects.
pub(super) fn in_file(key: &str, error: &clap::Error) -> String {
    match error.source() {
        Some(source) => match source.downcast_ref() {
            Some(WrongValue::Several(parts)) => {
                let list = parts.join("', '");
                format!("{key} takes one value or a list; write {key} = ['{list}']")
            }
            _ => format!("{key}: {source}"),
        },
        None => format!("{key}: {}", error.kind()),
    }
}
