//! What is kept with a release: enough for catalog, pages and search without reading git again.

use serde::{Deserialize, Serialize};

use super::capability::Capability;
use super::item::ItemKind;

/// The form that [`PluginSummary`] has today. A reader of an older form fills what is missing with defaults.
pub const SUMMARY_FORM: u32 = 1;

/// The plugin of one release, as catalog, pages and API show it. Kept as JSON in the release's row; fields are only ever
/// added, each with a default, so that old rows stay readable.
///
/// Texts are as their authors wrote them: who shows them escapes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginSummary {
    /// [`SUMMARY_FORM`] of the writer.
    pub form: u32,
    /// `name` of the manifest.
    pub name: String,
    /// `version` of the manifest.
    pub version: Option<String>,
    /// `displayName`.
    pub display_name: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `author`; the catalog may carry it as it is.
    pub author: Option<Author>,
    /// `homepage`, an http or https address.
    pub homepage: Option<String>,
    /// `repository`.
    pub repository: Option<String>,
    /// `license`.
    pub license: Option<String>,
    /// `keywords`.
    pub keywords: Vec<String>,
    /// `defaultEnabled`.
    pub default_enabled: Option<bool>,
    /// `dependencies`.
    pub dependencies: Vec<Dependency>,
    /// Skills, agents and commands, sorted by path.
    pub items: Vec<ItemSummary>,
    /// What the plugin can do, in the order of the capability list.
    pub capabilities: Vec<Capability>,
    /// What is worth knowing besides (hosts, environment names, themes, …), in the same form and order.
    pub notes: Vec<Capability>,
    /// `README.md` or the like at the root.
    pub readme: Option<String>,
    /// How many files.
    pub files: u32,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Characters that stand in the model's context in every session: names and descriptions of what it may invoke.
    pub listing_characters: u32,
}

/// Who made it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Author {
    /// A person or team.
    pub name: String,
    /// `email`, unchecked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `url`, unchecked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Another plugin that is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dependency {
    /// Its name, possibly `name@marketplace`.
    pub name: String,
    /// A version range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One skill, agent or command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemSummary {
    /// Skill, agent or command.
    pub kind: ItemKind,
    /// Its file.
    pub path: String,
    /// `name` of its front matter, else the name of its folder or file.
    pub name: String,
    /// The name after `<plugin>:` under which the client lists it: from the folder or file.
    pub called: String,
    /// `description`, else the first paragraph.
    #[serde(default)]
    pub description: Option<String>,
    /// `when_to_use`.
    #[serde(default)]
    pub when_to_use: Option<String>,
    /// `argument-hint`.
    #[serde(default)]
    pub argument_hint: Option<String>,
    /// The model may invoke it by itself.
    #[serde(default)]
    pub model_invocable: bool,
    /// A person may invoke it by typing its name.
    #[serde(default)]
    pub user_invocable: bool,
    /// Size of its file in bytes.
    #[serde(default)]
    pub bytes: u64,
}
