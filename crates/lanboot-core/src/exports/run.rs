//! The command that serves what a fragment points to.

/// Longest command written out, in bytes: dnsmasq reads 1024 bytes as a line, and the comment says
/// more than the command.
const MAX_COMMAND: usize = 900;

/// The command line, with these flags quoted for a shell. A comment is one line of ASCII; flags that
/// cannot stand there are only spoken of.
pub(super) fn command(flags: &[String]) -> String {
    let mut out = String::from("lanboot serve --dhcp off ");
    for flag in flags {
        out.push_str(&quoted(flag));
        out.push(' ');
    }
    out.push_str("IMAGE");
    let is_fit = out.len() <= MAX_COMMAND && out.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if is_fit {
        out
    } else {
        "lanboot serve --dhcp off FLAGS IMAGE, with the FLAGS this was made with".into()
    }
}

/// A word as a shell reads it back. Neither `${`, which iPXE expands in comments too, nor a `\` at
/// the end of a word is left in it.
fn quoted(word: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.into();
    }
    let inside = word.replace('\'', "'\\''").replace("${", "$''{");
    format!("'{inside}'")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use super::*;
    use std::process::Command;

    /// The words a shell makes of a command.
    fn words(command: &str) -> Vec<String> {
        let script = format!("printf '%s\\n' {command}");
        let run = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        let text = String::from_utf8(run.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_reads_back_every_flag() {
        let flags = [
            "--append",
            "a='b c' \"d\" $(e) `f` ; g | h & {i} #j ~ * ? \\ || ${net0/mac} '${x}' \\",
            "--boot",
            "",
            "--http-port",
            "8080",
            "--append=-x y",
            "it's",
        ]
        .map(str::to_owned);
        let command = command(&flags);
        assert!(!command.contains("${"), "{command}");
        let mut expected: Vec<String> =
            ["lanboot", "serve", "--dhcp", "off"].map(Into::into).into();
        expected.extend(flags);
        expected.push("IMAGE".into());
        assert_eq!(words(&command), expected);
    }

    #[test]
    fn what_is_no_line_is_only_spoken_of() {
        for odd in ["a\nb", "\u{fc}", "\u{1b}[2J", "\r"] {
            let said = command(&[odd.to_owned()]);
            assert!(said.ends_with("this was made with"), "{said}");
        }
        let long = command(&["--append".into(), "x".repeat(MAX_COMMAND)]);
        assert!(long.len() < 100, "{long}");
    }
}
