//! Skills, agents and commands: their files, names and descriptions.

use serde::{Deserialize, Serialize};

use super::front_matter::FrontMatter;
use super::node::{Node, Position, Value};
use super::source::{self, Text};
use super::summary::ItemSummary;
use crate::tree::{Tree, TreeFile};

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// `skills/<folder>/SKILL.md`.
    Skill,
    /// `agents/<name>.md`.
    Agent,
    /// `commands/<name>.md`.
    Command,
}

impl ItemKind {
    /// `skill`, `agent` or `command`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Agent => "agent",
            Self::Command => "command",
        }
    }
}

/// What became of reading an item's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemState {
    /// Read.
    Read,
    /// Nothing but blanks in it.
    Empty,
    /// Not UTF-8 from here on.
    NotUtf8(Position),
    /// A link or another entry that is no file.
    NotAFile,
    /// Larger than the reader of the tree reads.
    TooLarge,
}

/// A skill, agent or command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its kind.
    pub kind: ItemKind,
    /// Its file. For a command that the manifest holds in itself, the manifest.
    pub path: String,
    /// The name behind `<plugin>:` under which the client lists it: the folder of a skill, the file of an agent or command
    /// with the folders above it and `:` between.
    pub called: String,
    /// The name that its folder or file gives it, without folders above.
    pub place_name: String,
    /// What its file is.
    pub state: ItemState,
    /// Its file has a byte order mark.
    pub bom: bool,
    /// Size of its file in bytes.
    pub bytes: u64,
    /// What its front matter says.
    pub front: FrontMatter,
    /// The first paragraph of its body, at most [`PARAGRAPH_CHARACTERS_MAX`] characters: what the client shows where a
    /// description is missing.
    pub first_paragraph: Option<String>,
    /// What the manifest says about it, where a command stands in a map of the manifest.
    pub declared: Option<Node>,
}

/// See [`Item::first_paragraph`].
const PARAGRAPH_CHARACTERS_MAX: usize = 1_024;

impl Item {
    /// Reads the item in `file`.
    pub fn read(kind: ItemKind, file: &TreeFile, called: String) -> Self {
        let place_name = called.rsplit(':').next().unwrap_or_default().to_owned();
        let mut item = Self {
            kind,
            path: crate::tree::Shown(&file.path).to_string(),
            called,
            place_name,
            state: ItemState::Read,
            bom: false,
            bytes: file.size_bytes,
            front: FrontMatter::default(),
            first_paragraph: None,
            declared: None,
        };
        match source::text(file) {
            Text::Read { text, bom } => {
                item.bom = bom;
                if text.trim().is_empty() {
                    item.state = ItemState::Empty;
                } else {
                    item.front = FrontMatter::read(text);
                    item.first_paragraph = first_paragraph(&text[item.front.body..]);
                }
            }
            Text::NotUtf8(at) => item.state = ItemState::NotUtf8(at),
            Text::NotAFile => item.state = ItemState::NotAFile,
            Text::TooLarge => item.state = ItemState::TooLarge,
        }
        item
    }

    /// The same file under another name.
    pub fn called_otherwise(&self, called: String) -> Self {
        let place_name = called.rsplit(':').next().unwrap_or_default().to_owned();
        Self { called, place_name, ..self.clone() }
    }

    /// `name` of the front matter, where it is a scalar that is not blank.
    pub fn given_name(&self) -> Option<String> {
        self.front.get("name")?.scalar().filter(|name| !name.trim().is_empty())
    }

    /// The name that people read: the given one, else that of its folder or file.
    pub fn name(&self) -> String {
        self.given_name().unwrap_or_else(|| self.place_name.clone())
    }

    /// `description` of the front matter (or of the manifest's map), where it is a scalar that is not blank.
    pub fn given_description(&self) -> Option<String> {
        let text = |node: &Node| node.scalar().filter(|text| !text.trim().is_empty());
        let declared = self.declared.as_ref().and_then(|node| node.get("description")).and_then(text);
        declared.or_else(|| self.front.get("description").and_then(text))
    }

    /// What people read about it: the given description, else the first paragraph.
    pub fn description(&self) -> Option<String> {
        self.given_description().or_else(|| self.first_paragraph.clone())
    }

    /// The text that `key` of the front matter holds, trimmed; `None` when there is none.
    pub fn text(&self, key: &str) -> Option<String> {
        self.front.get(key)?.text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// True when the model may invoke it by itself.
    pub fn model_invocable(&self) -> bool {
        self.front.get("disable-model-invocation").is_none_or(|node| flag(node) != Some(true))
    }

    /// True when a person may invoke it by typing its name. Agents are called through the model.
    pub fn user_invocable(&self) -> bool {
        self.kind != ItemKind::Agent && self.front.get("user-invocable").is_none_or(|node| flag(node) != Some(false))
    }

    /// Characters that it takes of the model's context in every session; 0 when it is not listed there.
    pub fn listing_characters(&self) -> usize {
        if !self.model_invocable() {
            return 0;
        }
        let text = |text: Option<String>| text.map_or(0, |text| text.chars().count());
        let description = text(self.description()) + text(self.text("when_to_use"));
        // Source: the client cuts description and when_to_use together here.
        self.called.chars().count() + description.min(1_536)
    }

    /// What is kept of it with a release.
    pub fn summary(&self) -> ItemSummary {
        ItemSummary {
            kind: self.kind,
            path: self.path.clone(),
            name: self.name(),
            called: self.called.clone(),
            description: self.description(),
            when_to_use: self.text("when_to_use"),
            argument_hint: self.text("argument-hint"),
            model_invocable: self.model_invocable(),
            user_invocable: self.user_invocable(),
            bytes: self.bytes,
        }
    }

    /// The body of the item in the tree that it was read from, and its byte offset; `None` where it is no text.
    pub fn body<'t>(&self, tree: &'t Tree) -> Option<(&'t str, usize)> {
        if !matches!(self.state, ItemState::Read) {
            return None;
        }
        match source::text(tree.get(&self.path)?) {
            Text::Read { text, .. } => text.get(self.front.body..).map(|body| (body, self.front.body)),
            _ => None,
        }
    }
}

/// What a boolean field says, in every spelling that the newest client takes; `None` for anything else.
pub fn flag(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        Value::Text(text) | Value::Number(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn first_paragraph(body: &str) -> Option<String> {
    let skipped = |line: &&str| line.is_empty() || line.starts_with('#') || line.starts_with("<!--");
    let lines = body.lines().map(str::trim).skip_while(skipped);
    let mut out = String::new();
    let mut left = PARAGRAPH_CHARACTERS_MAX;
    for line in lines.take_while(|line| !line.is_empty()) {
        if !out.is_empty() && left > 0 {
            out.push(' ');
            left -= 1;
        }
        for c in line.chars().take(left) {
            out.push(c);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Mode;

    fn skill(text: &str) -> Item {
        let content = Some(text.as_bytes().to_vec());
        let path = b"skills/tidy/SKILL.md".to_vec();
        let file = TreeFile { path, mode: Mode::File, size_bytes: text.len() as u64, content };
        Item::read(ItemKind::Skill, &file, "tidy".into())
    }

    #[test]
    fn names_and_descriptions_fall_back_to_place_and_body() {
        let item = skill("---\nname: Tidy Up\ndescription: Cleans.\nwhen_to_use: After work.\n---\n");
        assert_eq!((item.name().as_str(), item.description().as_deref()), ("Tidy Up", Some("Cleans.")));
        assert_eq!(item.listing_characters(), 4 + 7 + 11);
        let item = skill("# Title\n\nFinds dust\nand more.\n\nRest.\n");
        assert_eq!((item.name().as_str(), item.description().as_deref()), ("tidy", Some("Finds dust and more.")));
        assert_eq!(skill("\u{feff} \n").state, ItemState::Empty);
        assert_eq!(skill(&"x".repeat(5_000)).first_paragraph.map(|p| p.len()), Some(PARAGRAPH_CHARACTERS_MAX));
    }

    #[test]
    fn restrictions_are_read_in_every_spelling() {
        for value in ["true", "yes", "\"on\"", "1", "TRUE"] {
            let item = skill(&format!("---\ndisable-model-invocation: {value}\n---\n"));
            assert!(!item.model_invocable(), "{value}");
            assert_eq!(item.listing_characters(), 0);
        }
        assert!(skill("---\ndisable-model-invocation: maybe\n---\n").model_invocable());
        assert!(!skill("---\nuser-invocable: no\n---\n").user_invocable());
    }
}
