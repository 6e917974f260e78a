//! Entries in, bytes of `marketplace.json` out.

use serde::Serialize;

use super::entry::{Author, Entry, clean};
use crate::names::TenantName;

/// The largest catalog that is served, in bytes. Source: Claude Code 2.1.329 refuses more.
pub const CATALOG_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Characters of a description where space is short.
const SHORT_DESCRIPTION_CHARS_MAX: usize = 100;

/// What stands above the entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The catalog's name.
    pub tenant: TenantName,
    /// The title that people read.
    pub title: String,
    /// One paragraph.
    pub description: String,
}

/// How much each entry says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detail {
    /// Everything.
    Full,
    /// Name, version, source and a short description.
    Short,
    /// Name, version and source.
    Bare,
}

/// A rendered catalog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Catalog {
    /// The JSON, one entry a line.
    pub bytes: Vec<u8>,
    /// How much the entries say: less than everything only where the whole would be too large.
    pub detail: Detail,
    /// Entries left out, the last by name, because not even bare ones fitted.
    pub omitted: usize,
}

/// Renders a catalog whose git addresses begin with `base` (`https://skills.example.com/t/acme`). `entries` come in the
/// order of their names; the same arguments give the same bytes.
pub fn render<'a>(head: &Head, base: &str, entries: impl Iterator<Item = &'a Entry> + Clone) -> Catalog {
    render_within(CATALOG_BYTES_MAX, head, base, entries)
}

fn render_within<'a>(
    bytes_max: usize,
    head: &Head,
    base: &str,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Catalog {
    for detail in [Detail::Full, Detail::Short] {
        let (bytes, omitted) = attempt(bytes_max, head, base, entries.clone(), detail);
        if omitted == 0 {
            return Catalog { bytes, detail, omitted };
        }
    }
    let (bytes, omitted) = attempt(bytes_max, head, base, entries, Detail::Bare);
    Catalog { bytes, detail: Detail::Bare, omitted }
}

const TAIL: &[u8] = b"\n]}\n";

/// The bytes, and how many entries found no room.
fn attempt<'a>(
    bytes_max: usize,
    head: &Head,
    base: &str,
    entries: impl Iterator<Item = &'a Entry>,
    detail: Detail,
) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let title = Some(clean(&head.title, 120)).filter(|title| !title.is_empty());
    let description = clean(&head.description, 1000);
    let top = Top {
        name: head.tenant.as_str(),
        owner: Owner { name: title.as_deref().unwrap_or(head.tenant.as_str()) },
        description: &description,
        metadata: Metadata { description: &description },
        plugins: [],
    };
    write_json(&mut out, &top);
    // The list stays open: `…"plugins":[` and then one entry a line.
    out.truncate(out.len() - 2);
    let mut omitted = 0;
    let mut first = true;
    for entry in entries {
        let before = out.len();
        out.extend_from_slice(if first { b"\n" } else { b",\n" });
        write_entry(&mut out, entry, base, detail);
        if out.len() + TAIL.len() > bytes_max {
            out.truncate(before);
            omitted += 1;
            if detail != Detail::Bare {
                return (out, omitted);
            }
            continue;
        }
        first = false;
    }
    out.extend_from_slice(TAIL);
    (out, omitted)
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry, base: &str, detail: Detail) {
    let full = detail == Detail::Full;
    let short;
    let description = match detail {
        Detail::Full => entry.description.as_str(),
        Detail::Short => {
            short = clean(&entry.description, SHORT_DESCRIPTION_CHARS_MAX);
            short.as_str()
        }
        Detail::Bare => "",
    };
    let version = entry.version.to_string();
    let json = EntryJson {
        name: entry.plugin.as_str(),
        description: Some(description).filter(|text| !text.is_empty()),
        version: &version,
        source: Source {
            source: "url",
            url: format!("{base}/git/plugins/{}.git", entry.plugin),
            r#ref: format!("{}--v{version}", entry.plugin),
            sha: entry.commit.to_string(),
        },
        author: entry.author.as_ref().filter(|_| full),
        homepage: entry.homepage.as_deref().filter(|_| full),
        license: entry.license.as_deref().filter(|_| full),
        keywords: if full { &entry.keywords } else { &[] },
        category: entry.category.as_deref().filter(|_| full),
        tags: if full { &entry.tags } else { &[] },
    };
    write_json(out, &json);
}

fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("plain structs of texts serialise, and memory takes them");
}

#[derive(Serialize)]
struct Top<'a> {
    name: &'a str,
    owner: Owner<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata<'a>,
    plugins: [u8; 0],
}

#[derive(Serialize)]
struct Owner<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Metadata<'a> {
    description: &'a str,
}

impl Metadata<'_> {
    fn is_empty(&self) -> bool {
        self.description.is_empty()
    }
}

#[derive(Serialize)]
struct EntryJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    version: &'a str,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a Author>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    keywords: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

#[derive(Serialize)]
struct Source {
    source: &'static str,
    url: String,
    r#ref: String,
    sha: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{PluginName, Version};
    use gix_hash::ObjectId;
    use proptest::prelude::*;
    use serde_json::Value;

    const BASE: &str = "https://skills.example.com/t/acme";

    fn head() -> Head {
        Head {
            tenant: TenantName::parse("acme").expect("a name"),
            title: "Acme tools".to_owned(),
            description: "What Acme's\nengineers share".to_owned(),
        }
    }

    fn entry(name: &str) -> Entry {
        let commit = ObjectId::from_hex(b"0123456789abcdef0123456789abcdef01234567").expect("hex");
        Entry::new(PluginName::parse(name).expect(name), Version::parse("1.2.0").expect("a version"), commit)
    }

    /// The client's own schema (Claude Code 2.1.329), as far as a catalog of ours can break it.
    fn assert_schema(bytes: &[u8]) -> Value {
        let value: Value = serde_json::from_slice(bytes).expect("JSON");
        let string = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let strings = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(&string));
        let top = value.as_object().expect("an object");
        for (key, value) in top {
            let sound = match key.as_str() {
                "name" => string(value),
                "owner" => value.as_object().is_some_and(|o| o.len() == 1 && o.get("name").is_some_and(string)),
                "description" => string(value),
                "metadata" => value.as_object().is_some_and(|o| o.values().all(string)),
                "plugins" => value.is_array(),
                _ => false,
            };
            assert!(sound, "{key}: {value}");
        }
        assert!(["name", "owner", "plugins"].iter().all(|key| top.contains_key(*key)));
        let mut names = std::collections::BTreeSet::new();
        for entry in value["plugins"].as_array().expect("a list") {
            for (key, value) in entry.as_object().expect("an object") {
                let sound = match key.as_str() {
                    "name" => value.as_str().is_some_and(|name| names.insert(name)),
                    "description" | "version" | "license" | "category" => string(value),
                    "homepage" => value.as_str().is_some_and(|text| text.starts_with("http")),
                    "keywords" | "tags" => strings(value),
                    "author" => value.get("name").is_some_and(string) && value.get("url").is_none_or(string),
                    "source" => {
                        let sha = value["sha"].as_str().unwrap_or("");
                        value["source"] == "url"
                            && value["url"].as_str().is_some_and(|url| url.ends_with(".git") && !url.contains('@'))
                            && string(&value["ref"])
                            && sha.len() == 40
                            && sha.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                    }
                    _ => false,
                };
                assert!(sound, "{key}: {value}");
            }
            assert!(["name", "source", "version"].iter().all(|key| entry.get(key).is_some()));
        }
        value
    }

    #[test]
    fn a_catalog_has_these_bytes() {
        let full = entry("lint")
            .description("Finds what\nreviewers would")
            .author("Mia", Some("https://mia.example"))
            .homepage("https://lint.example")
            .license("Apache-2.0")
            .keywords(["lint", "review"])
            .category("quality")
            .tags(["fast"]);
        let catalog = render(&head(), BASE, [full, entry("sql")].iter());
        assert_schema(&catalog.bytes);
        insta::assert_snapshot!(String::from_utf8(catalog.bytes).expect("UTF-8"), @r#"
        {"name":"acme","owner":{"name":"Acme tools"},"description":"What Acme's engineers share","metadata":{"description":"What Acme's engineers share"},"plugins":[
        {"name":"lint","description":"Finds what reviewers would","version":"1.2.0","source":{"source":"url","url":"https://skills.example.com/t/acme/git/plugins/lint.git","ref":"lint--v1.2.0","sha":"0123456789abcdef0123456789abcdef01234567"},"author":{"name":"Mia","url":"https://mia.example"},"homepage":"https://lint.example","license":"Apache-2.0","keywords":["lint","review"],"category":"quality","tags":["fast"]},
        {"name":"sql","version":"1.2.0","source":{"source":"url","url":"https://skills.example.com/t/acme/git/plugins/sql.git","ref":"sql--v1.2.0","sha":"0123456789abcdef0123456789abcdef01234567"}}
        ]}
        "#);
    }

    #[test]
    fn an_empty_catalog_is_a_catalog_still() {
        let bare = Head { title: " ".to_owned(), description: String::new(), ..head() };
        let value = assert_schema(&render(&bare, BASE, [].iter()).bytes);
        assert_eq!(value["owner"]["name"], "acme");
        assert_eq!(value["plugins"], serde_json::json!([]));
    }

    #[test]
    fn odd_values_are_left_out_so_that_the_entry_stays_installable() {
        let odd = entry("odd")
            .description(" \u{200b} ")
            .author("", Some("https://a.example"))
            .homepage("see the README")
            .license("\n")
            .keywords(["", "\u{7}", "ok"])
            .category("");
        let value = assert_schema(&render(&head(), BASE, [odd].iter()).bytes);
        assert_eq!(value["plugins"][0]["keywords"], serde_json::json!(["ok"]));
        assert_eq!(value["plugins"][0].as_object().map(serde_json::Map::len), Some(4));
    }

    #[test]
    fn a_catalog_that_grows_too_large_says_less_of_each_before_it_leaves_any_out() {
        let entries: Vec<Entry> =
            (0..40).map(|n| entry(&format!("plugin-{n:02}")).description(&"long ".repeat(90))).collect();
        let mut last = (Detail::Full, 0);
        for bytes_max in (2_000..40_000).rev().step_by(500) {
            let catalog = render_within(bytes_max, &head(), BASE, entries.iter());
            assert!(catalog.bytes.len() <= bytes_max);
            let value = assert_schema(&catalog.bytes);
            assert_eq!(value["plugins"].as_array().map_or(0, Vec::len) + catalog.omitted, 40);
            assert!((catalog.detail, catalog.omitted) >= last, "a smaller limit never says more");
            last = (catalog.detail, catalog.omitted);
        }
        assert!(last.1 > 0);
        assert_eq!(render(&head(), BASE, entries.iter()).detail, Detail::Full);
    }

    proptest! {
        #[test]
        fn whatever_a_manifest_says_the_schema_holds(
            texts in prop::collection::vec(".{0,30}", 8), words in prop::collection::vec(".{0,10}", 0..30)
        ) {
            let entry = entry("any")
                .description(&texts[0])
                .author(&texts[1], Some(&texts[2]))
                .homepage(&texts[3])
                .license(&texts[4])
                .keywords(words.iter().map(String::as_str))
                .category(&texts[5])
                .tags(words.iter().map(String::as_str));
            let head = Head { title: texts[6].clone(), description: texts[7].clone(), ..head() };
            assert_schema(&render(&head, BASE, [entry].iter()).bytes);
        }
    }
}
