//! Bytes of a tree in; a plugin, its items and its capabilities out.
//!
//! Nothing here refuses: readers report what they met, and the gate's rules say what that means.

pub mod capability;
pub mod components;
pub mod declared;
pub mod front_matter;
pub mod hidden;
pub mod item;
pub mod json;
pub mod manifest;
pub mod node;
pub mod prose;
pub mod regex;
pub mod source;
pub mod summary;
pub mod yaml;

pub use components::{Components, Role};
pub use item::{Item, ItemKind};
pub use manifest::{MANIFEST_PATH, Manifest};

use crate::tree::Tree;
use capability::Capability;
use summary::PluginSummary;

/// A plugin as it was read from a tree. It may be wrong in any way; the gate says how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plugin {
    /// The manifest, when there is one.
    pub manifest: Option<Manifest>,
    /// Everything that the client would load.
    pub components: Components,
}

impl Plugin {
    /// Reads the plugin whose root is the root of `tree`.
    pub fn read(tree: &Tree) -> Self {
        let manifest = Manifest::read(tree);
        let components = Components::read(tree, manifest.as_ref());
        Self { manifest, components }
    }

    /// What is kept with a release.
    pub fn summary(&self, tree: &Tree, capabilities: &[Capability], notes: &[Capability]) -> PluginSummary {
        let manifest = self.manifest.as_ref();
        let text = |key: &str| manifest.and_then(|manifest| manifest.text(key));
        let files = tree.files();
        PluginSummary {
            form: summary::SUMMARY_FORM,
            name: text("name").unwrap_or_default(),
            version: text("version"),
            display_name: text("displayName"),
            description: text("description"),
            author: manifest.and_then(Manifest::author),
            homepage: text("homepage").filter(|text| manifest::is_web_address(text)),
            repository: text("repository"),
            license: text("license"),
            keywords: manifest.map(Manifest::keywords).unwrap_or_default(),
            default_enabled: manifest.and_then(|m| m.get("defaultEnabled")).and_then(item::flag),
            dependencies: manifest.map(Manifest::dependencies).unwrap_or_default(),
            items: self.components.items.iter().map(Item::summary).collect(),
            capabilities: capabilities.to_vec(),
            notes: notes.to_vec(),
            readme: readme(tree),
            files: u32::try_from(files.len()).unwrap_or(u32::MAX),
            bytes: files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add),
            listing_characters: u32::try_from(self.listing_characters()).unwrap_or(u32::MAX),
        }
    }

    /// Characters that its items take of the model's context in every session.
    pub fn listing_characters(&self) -> usize {
        self.components.items.iter().map(Item::listing_characters).sum()
    }
}

/// The file at the root that introduces the plugin.
fn readme(tree: &Tree) -> Option<String> {
    let names = ["readme.md", "readme", "readme.txt", "readme.markdown"];
    let of = |wanted: &str| {
        let root = tree.files().iter().filter_map(|file| file.path_str()).filter(|path| !path.contains('/'));
        root.into_iter().find(|path| path.eq_ignore_ascii_case(wanted)).map(str::to_owned)
    };
    names.into_iter().find_map(of)
}
