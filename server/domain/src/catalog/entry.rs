//! One plugin in the catalog: its texts cleaned, its odd values left out.

use gix_hash::ObjectId;

use crate::names::{PluginName, Version};

/// Characters of a description in full detail. A session shows every description to the model within 8,000 characters.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// Characters of any other text.
const TEXT_CHARS_MAX: usize = 120;
/// Keywords, and tags.
const WORDS_MAX: usize = 20;

/// What the catalog says of a plugin. Made by [`Entry::new`] and its setters, which leave out what the client's schema
/// would not take: one wrong type makes an entry uninstallable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub(super) plugin: PluginName,
    pub(super) version: Version,
    pub(super) commit: ObjectId,
    pub(super) description: String,
    pub(super) author: Option<Author>,
    pub(super) homepage: Option<String>,
    pub(super) license: Option<String>,
    pub(super) keywords: Vec<String>,
    pub(super) category: Option<String>,
    pub(super) tags: Vec<String>,
}

/// Who wrote a plugin. Mail addresses stay in `plugin.json`.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Author {
    /// The name; never empty.
    pub name: String,
    /// A page, if it is an http(s) address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Entry {
    /// The entry of one release. `commit` is the released commit, not the tag object: the client compares it with what it
    /// has checked out.
    pub fn new(plugin: PluginName, version: Version, commit: ObjectId) -> Self {
        Self {
            plugin,
            version,
            commit,
            description: String::new(),
            author: None,
            homepage: None,
            license: None,
            keywords: Vec::new(),
            category: None,
            tags: Vec::new(),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// The released commit.
    pub fn commit(&self) -> ObjectId {
        self.commit
    }

    /// The description; empty when there is none.
    pub fn description_text(&self) -> &str {
        &self.description
    }

    /// Bytes of its texts.
    pub fn text_bytes(&self) -> usize {
        let optional = [&self.homepage, &self.license, &self.category];
        let words = self.keywords.iter().chain(&self.tags).map(|word| word.len() + size_of::<String>());
        self.description.len()
            + self.plugin.as_str().len()
            + self.author.as_ref().map_or(0, |author| author.name.len() + author.url.as_ref().map_or(0, String::len))
            + optional.iter().filter_map(|text| text.as_ref().map(String::len)).sum::<usize>()
            + words.sum::<usize>()
    }

    /// The keywords.
    pub fn keyword_list(&self) -> &[String] {
        &self.keywords
    }

    /// The version that is shown.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Sets the description, on one line and cut at 500 characters.
    pub fn description(mut self, text: &str) -> Self {
        self.description = clean(text, DESCRIPTION_CHARS_MAX);
        self
    }

    /// Sets the author, unless the name is empty.
    pub fn author(mut self, name: &str, url: Option<&str>) -> Self {
        let name = clean(name, TEXT_CHARS_MAX);
        self.author = (!name.is_empty()).then(|| Author { name, url: url.and_then(web_address) });
        self
    }

    /// Sets the homepage if it is an http(s) address.
    pub fn homepage(mut self, address: &str) -> Self {
        self.homepage = web_address(address);
        self
    }

    /// Sets the licence.
    pub fn license(mut self, text: &str) -> Self {
        self.license = Some(clean(text, TEXT_CHARS_MAX)).filter(|text| !text.is_empty());
        self
    }

    /// Sets the keywords, at most 20.
    pub fn keywords<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.keywords = clean_words(words);
        self
    }

    /// Sets the category.
    pub fn category(mut self, text: &str) -> Self {
        self.category = Some(clean(text, TEXT_CHARS_MAX)).filter(|text| !text.is_empty());
        self
    }

    /// Sets the tags, at most 20.
    pub fn tags<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.tags = clean_words(words);
        self
    }
}

fn clean_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let words = words.into_iter().map(|word| clean(word, TEXT_CHARS_MAX)).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).collect()
}

/// One line of visible text: runs of white space become one space; control characters, direction marks and other invisible
/// characters go, since terminals obey them and readers cannot see them; what is longer ends in `…`.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            space = chars > 0;
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        let needed = if space { 2 } else { 1 };
        if chars + needed > chars_max {
            // Room for the mark: one character less.
            while chars >= chars_max {
                out.pop();
                chars -= 1;
            }
            out.push('…');
            return out;
        }
        if space {
            out.push(' ');
        }
        out.push(c);
        chars += needed;
        space = false;
    }
    out
}

/// Characters that change how others are shown, or that show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// An address that the client's schema takes as a URL and that a page may link to.
fn web_address(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let sound = text.len() <= 300
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
        // A user name before the host could be a credential that must not spread.
        && crate::address::Origin::parse(&format!("https://{host}")).is_ok();
    sound.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_one_visible_line() {
        for (text, expected) in [
            ("  a\n\tb  ", "a b"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("a\u{202e}b\u{200b}c\u{e0041}", "abc"),
            ("", ""),
            ("\u{7}", ""),
        ] {
            assert_eq!(clean(text, 20), expected);
        }
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abcde…");
        assert_eq!(clean("abcde fg", 6), "abcde…");
    }

    #[test]
    fn only_addresses_of_pages_are_kept() {
        for right in ["https://example.com", "http://example.com:8080/a?b#c", "https://[::1]/x"] {
            assert_eq!(web_address(right).as_deref(), Some(right));
        }
        for wrong in [
            "",
            "example.com",
            "javascript:alert(1)",
            "https://",
            "https://a b",
            "https://u:p@host/",
            "https://ü.example",
        ] {
            assert_eq!(web_address(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_bounds_and_is_stable(text in "\\PC{0,40}|.{0,40}", max in 1..30_usize) {
            let once = clean(&text, max);
            prop_assert!(once.chars().count() <= max);
            prop_assert!(!once.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(clean(&once, max), once);
        }
    }
}
