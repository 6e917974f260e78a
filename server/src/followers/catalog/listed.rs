//! One plugin as catalog and pages list it.

use skill_pool_domain::catalog::Entry;
use skill_pool_domain::plugin::capability::Class;
use skill_pool_domain::plugin::item::ItemKind;
use skill_pool_domain::plugin::summary::PluginSummary;
use skill_pool_domain::timestamp::Timestamp;

use crate::store::Release;

/// How many items of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Counts {
    /// Skills.
    pub skills: u32,
    /// Agents.
    pub agents: u32,
    /// Commands.
    pub commands: u32,
}

/// The release of a plugin that the catalog shows, without what only its own page needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// What the catalog says.
    pub entry: Entry,
    /// What is in it.
    pub counts: Counts,
    /// How far it reaches on a machine: the furthest of its capabilities.
    pub reach: Class,
    /// Characters that names and descriptions take in every session.
    pub listing_characters: u32,
    /// When it was released.
    pub at: Timestamp,
}

impl Listed {
    /// Reads a release.
    pub fn of(release: Release) -> Self {
        // A summary that does not parse was changed by hand; the plugin stays installable without its texts.
        let summary: PluginSummary = serde_json::from_value(release.summary).unwrap_or_default();
        let count =
            |kind| u32::try_from(summary.items.iter().filter(|item| item.kind == kind).count()).unwrap_or(u32::MAX);
        Self {
            entry: entry_of(&summary, Entry::new(release.plugin, release.version, release.commit)),
            counts: Counts {
                skills: count(ItemKind::Skill),
                agents: count(ItemKind::Agent),
                commands: count(ItemKind::Command),
            },
            reach: reach_of(&summary),
            listing_characters: summary.listing_characters,
            at: release.at,
        }
    }

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.entry.text_bytes() + 128
    }
}

/// Fills in what the summary says.
pub fn entry_of(summary: &PluginSummary, mut entry: Entry) -> Entry {
    if let Some(text) = &summary.description {
        entry = entry.description(text);
    }
    if let Some(author) = &summary.author {
        entry = entry.author(&author.name, author.url.as_deref());
    }
    if let Some(address) = &summary.homepage {
        entry = entry.homepage(address);
    }
    if let Some(text) = &summary.license {
        entry = entry.license(text);
    }
    entry.keywords(summary.keywords.iter().map(String::as_str))
}

/// The furthest reach of a plugin's capabilities.
pub fn reach_of(summary: &PluginSummary) -> Class {
    // In the order of the enum, what runs by itself comes first.
    summary.capabilities.iter().map(|capability| capability.class).min().unwrap_or(Class::Text)
}
