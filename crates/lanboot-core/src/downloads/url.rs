//! Addresses of files on web servers (RFC 3986, as far as downloads need it).

use std::fmt;

/// Longest address, in bytes.
const MAX_URL_BYTES: usize = 4096;
/// Longest name of a file that a download gets, in bytes; what is kept beside it has a longer one.
const MAX_NAME_BYTES: usize = 200;

/// Protocol of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without protection on the way.
    Http,
    /// With TLS.
    Https,
}

/// An address of a file or folder: scheme, host and path are valid, and it has no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// Everything between `//` and the path: host, port and perhaps a user with a password.
    authority: String,
    /// Path and query, beginning with `/`.
    path: String,
}

/// The reason why a text is no usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("it begins with neither http:// nor https://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
    /// A control character, a blank or a letter that has to be written as `%` with two digits.
    #[error("it has characters that must be percent-encoded")]
    Characters,
    /// Longer than any real one.
    #[error("it is too long")]
    Length,
}

impl Url {
    /// Parses an absolute address.
    ///
    /// # Errors
    /// It is not one of `http` or `https`, or is malformed.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['"', '<', '>', '\\'])
        {
            return Err(UrlError::Characters);
        }
        let (scheme, rest) = scheme_of(text).ok_or(UrlError::Scheme)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let url = Self {
            scheme,
            authority: authority.to_owned(),
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            },
        };
        match url.host().is_empty() {
            true => Err(UrlError::Host),
            false => Ok(url),
        }
    }

    /// Resolves a reference in a page or a `Location` field against this address.
    ///
    /// # Errors
    /// The result is no usable address.
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.split('#').next().unwrap_or_default();
        let scheme = self.scheme.prefix();
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        let authority = &self.authority;
        let joined = match reference {
            "" => self.to_string(),
            absolute if scheme_of(absolute).is_some() => absolute.to_owned(),
            // Another scheme, such as `mailto:`.
            other if has_scheme(other) => return Err(UrlError::Scheme),
            below if below.starts_with("//") => format!("{}{below}", &scheme[..scheme.len() - 2]),
            rooted if rooted.starts_with('/') => format!("{scheme}{authority}{rooted}"),
            query if query.starts_with('?') => format!("{scheme}{authority}{path}{query}"),
            relative => format!("{scheme}{authority}{folder}{relative}"),
        };
        let mut url = Self::parse(&joined)?;
        url.path = without_dots(&url.path);
        Ok(url)
    }

    /// Returns the protocol.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host, without port, user and brackets.
    pub fn host(&self) -> &str {
        let host = self.authority.rsplit('@').next().unwrap_or_default();
        match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        }
    }

    /// Returns the last part of the path, percent-decoded; `None` if there is none that can be a file's
    /// name.
    pub fn file_name(&self) -> Option<String> {
        let path = self.path.split('?').next()?;
        let name = decoded(path.rsplit('/').next()?)?;
        is_safe_file_name(&name).then_some(name)
    }

    /// Returns the address without a user and password, as it may be shown.
    pub fn shown(&self) -> String {
        let host = self.authority.rsplit('@').next().unwrap_or_default();
        format!("{}{host}{}", self.scheme.prefix(), self.path)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scheme,
            authority,
            path,
        } = self;
        write!(out, "{}{authority}{path}", scheme.prefix())
    }
}

impl Scheme {
    fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }
}

/// Tests whether a name can be that of a downloaded file: one file in a folder, not hidden, printable.
pub fn is_safe_file_name(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | '\u{202a}'..='\u{202e}');
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with(['.', '-'])
        && name.chars().all(is_plain)
}

fn scheme_of(text: &str) -> Option<(Scheme, &str)> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find_map(|scheme| {
            let prefix = scheme.prefix();
            let head = text.get(..prefix.len())?;
            let is_it = head.eq_ignore_ascii_case(prefix);
            is_it.then(|| (scheme, &text[prefix.len()..]))
        })
}

/// Tests whether a reference begins with a scheme.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Removes `.` and `..` from a path (RFC 3986, section 5.2.4); the query stays.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path, String::new()),
    };
    let mut parts: Vec<&str> = Vec::new();
    let ends_in_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if ends_in_folder && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}{query}", parts.join("/"))
}

/// Decodes `%41`; `None` if that is malformed or no UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = after.get(..2)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn addresses_have_a_scheme_a_host_and_a_path() {
        let full = url("https://user:pw@mirror.example:8443/a/b%2Bc.iso?x=1#top");
        assert_eq!(full.scheme(), Scheme::Https);
        assert_eq!(full.host(), "mirror.example");
        assert_eq!(full.file_name().as_deref(), Some("b+c.iso"));
        assert_eq!(full.shown(), "https://mirror.example:8443/a/b%2Bc.iso?x=1");
        assert_eq!(url("http://[fe80::1]:80/").host(), "fe80::1");
        assert_eq!(url("HTTP://h").to_string(), "http://h/");
        for (text, error) in [
            ("ftp://h/a", UrlError::Scheme),
            ("a.iso", UrlError::Scheme),
            ("https:///a", UrlError::Host),
            ("https://@/a", UrlError::Host),
            ("https://h/a b", UrlError::Characters),
            ("https://h/\u{e9}", UrlError::Characters),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
        let long = format!("https://h/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(Url::parse(&long), Err(UrlError::Length));
    }

    #[test]
    fn references_are_resolved_like_in_a_browser() {
        let page = url("https://h:8443/a/b/index.html?C=M");
        for (reference, expected) in [
            ("c.iso", "https://h:8443/a/b/c.iso"),
            ("./c.iso", "https://h:8443/a/b/c.iso"),
            ("../c/", "https://h:8443/a/c/"),
            ("/c.iso?x=../y", "https://h:8443/c.iso?x=../y"),
            ("//other/c", "https://other/c"),
            ("http://other/c", "http://other/c"),
            ("?C=N", "https://h:8443/a/b/index.html?C=N"),
            ("../../../../etc/passwd", "https://h:8443/etc/passwd"),
            ("", "https://h:8443/a/b/index.html?C=M"),
        ] {
            let joined = page.join(reference).unwrap();
            assert_eq!(joined.to_string(), expected, "{reference}");
        }
        assert_eq!(page.join("mailto:a@b"), Err(UrlError::Scheme));
        assert_eq!(page.join("file:///etc/passwd"), Err(UrlError::Scheme));
    }

    #[test]
    fn names_that_leave_the_folder_or_hide_are_refused() {
        for bad in [
            "https://h/a/",
            "https://h/..",
            "https://h/.ssh",
            "https://h/..%2fetc",
            "https://h/a%00b",
            "https://h/a%0ab",
            "https://h/%ff",
            "https://h/%4",
            "https://h/-rf",
        ] {
            assert_eq!(url(bad).file_name(), None, "{bad}");
        }
        assert!(!is_safe_file_name(&"a".repeat(MAX_NAME_BYTES + 1)));
        assert!(is_safe_file_name("Größe 1.iso"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_and_joined_without_a_panic(text in ".*", reference in ".*") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                let _ = url.file_name();
            }
            let page = url("https://h/a/b");
            if let Ok(joined) = page.join(&reference) {
                prop_assert!(!joined.path.split('?').next().unwrap().contains("/../"));
            }
        }
    }
}
