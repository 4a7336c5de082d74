//! The paths in a module's code: `use` declarations and paths written out.

/// A name that a module brings in, or a path it writes out.
pub(super) struct Import {
    /// The name it has there; `None` for a path that was written out.
    pub(super) name: Option<String>,
    /// Its meaning, from the root of the crate.
    pub(super) path: Vec<String>,
    /// True if the module itself uses it: not a mere re-export.
    pub(super) is_used: bool,
}

/// Returns the modules that code declares in files of their own.
pub(super) fn child_modules(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let is_child = |w: &&[&str]| w[0] == "mod" && w[2] == ";";
    tokens
        .windows(3)
        .filter(is_child)
        .map(|w| w[1].to_owned())
        .collect()
}

/// Returns what code at `here` brings in from its own crate. `is_module` knows every module.
pub(super) fn imports(
    code: &str,
    here: &[String],
    is_module: impl Fn(&[String]) -> bool,
) -> Vec<Import> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    // Names in code outside of declarations.
    let mut words = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // `use<'a>` is part of a type.
        if tokens[at] == "use" && tokens.get(at + 1) != Some(&"<") {
            let end = at
                + tokens[at..]
                    .iter()
                    .position(|token| *token == ";")
                    .unwrap_or(0);
            let is_public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
            for (path, name) in expand(&tokens[at + 1..end]) {
                let path = absolute(&path, here, &is_module);
                let Some(path) = path else { continue };
                found.push(Import {
                    name: Some(name),
                    path,
                    is_used: !is_public,
                });
            }
            at = end + 1;
            continue;
        }
        // A declaration is no use.
        if tokens[at] == "mod" {
            at += 2;
            continue;
        }
        // A function or module of that name, or a type; not a variable.
        let is_item = matches!(tokens.get(at + 1), Some(&("(" | "::")));
        if is_item || tokens[at].starts_with(char::is_uppercase) {
            words.push(tokens[at]);
        }
        let mut path = vec![tokens[at]];
        while is_name(tokens[at])
            && tokens.get(at + 1) == Some(&"::")
            && tokens.get(at + 2).is_some_and(|next| is_name(next))
        {
            at += 2;
            path.push(tokens[at]);
        }
        if path.len() > 1
            && let Some(path) = absolute(&path, here, &is_module)
        {
            found.push(Import {
                name: None,
                path,
                is_used: true,
            });
        }
        at += 1;
    }
    for import in &mut found {
        let is_word = |name: &String| words.contains(&name.as_str());
        import.is_used |= import.name.as_ref().is_some_and(is_word);
    }
    found
}

/// Returns the path from the crate's root; `None` when it leads to another crate.
fn absolute(
    path: &[&str],
    here: &[String],
    is_module: impl Fn(&[String]) -> bool,
) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|part| **part == "super").count();
    let (base, rest) = match path.first()? {
        &"crate" => (Vec::new(), &path[1..]),
        &"self" => (here.to_vec(), &path[1..]),
        _ if supers > 0 => (
            here[..here.len().checked_sub(supers)?].to_vec(),
            &path[supers..],
        ),
        first => {
            let child: Vec<String> = here.iter().cloned().chain([(*first).to_owned()]).collect();
            if !is_module(&child) {
                return None;
            }
            (here.to_vec(), path)
        }
    };
    let rest = rest.iter().map(|part| (*part).to_owned());
    Some(base.into_iter().chain(rest).collect())
}

/// Returns the paths of a `use` declaration, each with the name it brings in.
fn expand<'a>(tokens: &[&'a str]) -> Vec<(Vec<&'a str>, String)> {
    let mut prefix = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "::" => {}
            "{" => {
                let inside = &tokens[at + 1..tokens.len() - 1];
                let paths = split(inside).into_iter().flat_map(expand);
                let whole = paths.map(|(path, name)| {
                    let path: Vec<&str> = prefix.iter().copied().chain(path).collect();
                    match path.split_last() {
                        // `a::{self}` brings in `a`.
                        Some((&"self", front)) if !front.is_empty() => {
                            (front.to_vec(), front.last().unwrap_or(&"").to_string())
                        }
                        _ => (path, name),
                    }
                });
                return whole.collect();
            }
            "as" => return vec![(prefix, tokens[at + 1].to_owned())],
            part => prefix.push(part),
        }
        at += 1;
    }
    let name = prefix
        .last()
        .map_or(String::new(), |name| (*name).to_owned());
    vec![(prefix, name)]
}

/// Splits at the commas that are in no inner braces.
fn split<'a, 'b>(tokens: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        *token == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Splits code into names, `::` and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    tokens
}
