//! Names in a page that lists a folder, as web servers and download pages write them.

use super::url::decoded;

/// Most names taken from one page.
const MAX_NAMES: usize = 20_000;

/// Returns the names of files and folders that the links of an HTML page lead to: the last part of each
/// path, percent-decoded, without the slash of a folder. Every other part of the path is a name, too,
/// because a download page links to files deep below.
pub fn names_in_page(page: &str) -> Vec<String> {
    let mut names = Vec::new();
    for link in links(page) {
        let path = link.split(['?', '#']).next().unwrap_or_default();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if names.len() >= MAX_NAMES {
                return names;
            }
            names.extend(decoded(part));
        }
    }
    names
}

/// Returns the values of all `href` attributes, quoted in any way or not at all.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let lower = page.to_ascii_lowercase();
    let places: Vec<usize> = lower.match_indices("href").map(|(at, _)| at).collect();
    places.into_iter().filter_map(|at| {
        let value = page.get(at + "href".len()..)?.trim_start();
        let value = value.strip_prefix('=')?.trim_start();
        let quote = value.chars().next()?;
        let (value, end) = match quote {
            '"' | '\'' => (&value[1..], value[1..].find(quote)?),
            _ => (value, value.find(|c: char| c.is_whitespace() || c == '>')?),
        };
        value.get(..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_found_in_pages_of_several_servers() {
        // Apache, nginx, lighttpd, a download page, and a page that is none.
        let page = r##"<a href="?C=N;O=D">Name</a> <A HREF='a-1.2.iso'>a-1.2..&gt;</A>
            <a href="13.1/">13.1/</a><a class=x href=b%2B1.iso>b</a>
            <a href="https://cdn.example/releases/12.03/c-12.03.iso?mirror=1#now">get</a>
            <a href="">self</a><a href="unfinished"##;
        let names = names_in_page(page);
        for name in ["a-1.2.iso", "13.1", "b+1.iso", "12.03", "c-12.03.iso"] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
        assert!(
            !names.iter().any(|name| name.contains(['?', '/'])),
            "{names:?}"
        );
        assert!(names_in_page("<p>href is a word</p>").is_empty());
    }

    proptest! {
        #[test]
        fn any_page_is_read_without_a_panic(page in ".*") {
            names_in_page(&page);
        }
    }
}
