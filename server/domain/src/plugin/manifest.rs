//! `.claude-plugin/plugin.json`: the fields that are what the client's schema says. What is not is left out here and
//! reported by the gate.

use super::node::{Node, Position};
use super::source::{JsonFile, json_file};
use super::summary::{Author, Dependency};
use crate::tree::Tree;

/// Where a manifest lies.
pub const MANIFEST_PATH: &str = ".claude-plugin/plugin.json";

/// A manifest as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The file, with its problems.
    pub file: JsonFile,
    /// `name`, whatever it says.
    pub name: Option<String>,
    /// `version`, whatever it says.
    pub version: Option<String>,
    /// Where the version's value stands.
    pub version_at: Option<Position>,
}

impl Manifest {
    /// Reads the manifest of `tree`; `None` when there is none.
    pub fn read(tree: &Tree) -> Option<Self> {
        let file = json_file(tree, MANIFEST_PATH)?;
        let root = file.root();
        let text = |key: &str| root.and_then(|root| root.text_of(key)).map(str::to_owned);
        let (name, version) = (text("name"), text("version"));
        let version_at = root.and_then(|root| root.get("version")).map(|node| node.at);
        Some(Self { name, version, version_at, file })
    }

    /// What `key` holds.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.file.root()?.get(key)
    }

    /// The text that `key` holds.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    /// `author`, when it is an object with a name.
    pub fn author(&self) -> Option<Author> {
        let node = self.get("author")?;
        let name = node.text_of("name").filter(|name| !name.is_empty())?.to_owned();
        let text = |key: &str| node.text_of(key).map(str::to_owned);
        Some(Author { name, email: text("email"), url: text("url") })
    }

    /// `keywords`, when it is a list of texts.
    pub fn keywords(&self) -> Vec<String> {
        let list = self.get("keywords").and_then(Node::list).unwrap_or_default();
        let all: Option<Vec<String>> = list.iter().map(|node| node.text().map(str::to_owned)).collect();
        all.unwrap_or_default()
    }

    /// `dependencies`: names, or maps with `name` and `version`.
    pub fn dependencies(&self) -> Vec<Dependency> {
        let list = self.get("dependencies").and_then(Node::list).unwrap_or_default();
        let one = |node: &Node| match node.text() {
            Some(name) => Some(Dependency { name: name.to_owned(), version: None }),
            None => {
                let name = node.text_of("name")?.to_owned();
                Some(Dependency { name, version: node.text_of("version").map(str::to_owned) })
            }
        };
        list.iter().filter_map(one).collect()
    }
}

/// True for an address that the client takes as a homepage and a page may link to.
pub fn is_web_address(text: &str) -> bool {
    let rest = text
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"));
    rest.is_some_and(|(_, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
    })
}
