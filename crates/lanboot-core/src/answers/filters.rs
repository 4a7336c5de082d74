//! Filters that quote a value for the language it is written into.

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

/// Every filter of lanboot's own with its description, in the order of the documentation.
pub const FILTERS: &[(&str, &str)] = &[
    ("shell", "quotes for a POSIX shell, as one word"),
    ("xml", "escapes for XML, in text and attributes"),
    (
        "yaml",
        "writes a YAML value: a text in double quotes, a list or a map in one line",
    ),
    ("json", "writes a JSON value"),
    (
        "preseed",
        "takes a text as the value of a preseed line, and refuses one with a line break",
    ),
    (
        "argument",
        "writes a word of a kernel command line, and refuses a line break or a double quote",
    ),
    (
        "crypt",
        "hashes a password: `crypt` or `crypt(\"sha512\")` as `$6$…`, `crypt(\"yescrypt\")` as `$y$…`",
    ),
];

/// Adds the filters that need nothing but their value.
pub(super) fn add(env: &mut Environment<'_>) {
    env.add_filter("shell", |value: &Value| {
        text(value).and_then(|text| shell(&text))
    });
    env.add_filter("xml", |value: &Value| {
        text(value).and_then(|text| xml(&text))
    });
    env.add_filter("yaml", yaml);
    env.add_filter("json", json);
    env.add_filter("preseed", |value: &Value| {
        text(value).and_then(|text| preseed(&text))
    });
    env.add_filter("argument", |value: &Value| {
        text(value).and_then(|text| argument(&text))
    });
}

/// Makes the error of a value that cannot be quoted. The value itself is in no error: it may be secret.
pub(super) fn refuse(sentence: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, sentence.into())
}

/// Returns a text or a number as text.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    use minijinja::value::ValueKind;
    match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        _ => Err(refuse(
            "this filter takes a text or a number, not a list or a map",
        )),
    }
}

fn shell(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(refuse("a shell word cannot contain a NUL character"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

fn xml(text: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // As they are, a parser makes spaces of them in an attribute.
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            // XML 1.0 §2.2 has no other control characters, not even escaped.
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                return Err(refuse("XML cannot contain this control character"));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Writes a YAML value in one line.
fn yaml(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(yaml_text(text)),
        None => json(value).map(|json| yaml_text_of_json(&json)),
    }
}

/// Writes a double-quoted scalar (YAML 1.2 §7.3.1), which YAML 1.1 reads alike.
fn yaml_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                if !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') =>
            {
                out.push(c);
            }
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Rewrites the escapes of JSON that YAML readers take for others: half of a surrogate pair.
fn yaml_text_of_json(json: &str) -> String {
    let escape = |c: char| match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{7f}'..='\u{9f}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        // Beyond the 16 bits PyYAML takes them as they are.
        c => c.to_string(),
    };
    json.chars().map(escape).collect()
}

fn json(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    serde_json::to_string(value).map_err(|_| refuse("this value cannot be written as JSON"))
}

fn preseed(text: &str) -> Result<String, Error> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(refuse(
            "a preseed value is one line: debconf has no way to write a line break",
        ));
    }
    if text.ends_with('\\') {
        return Err(refuse(
            "a preseed value cannot end in a backslash, which joins it with the next line",
        ));
    }
    if text.starts_with([' ', '\t']) {
        return Err(refuse(
            "a preseed value cannot begin with a space, which debconf removes",
        ));
    }
    Ok(text.to_owned())
}

fn argument(text: &str) -> Result<String, Error> {
    if text.chars().any(char::is_control) {
        return Err(refuse(
            "a kernel argument cannot contain a line break or another control character",
        ));
    }
    if text.contains('"') {
        return Err(refuse("a kernel argument cannot contain a double quote"));
    }
    if text.is_empty() || text.contains(' ') {
        return Ok(format!("\"{text}\""));
    }
    Ok(text.to_owned())
}
