//! The rules, one family per file. Each file has its `RULES` and one `check`, with good and bad samples below it.
//!
//! To add a rule: write `rules/<family>.rs` beside its siblings and add it to the list `FAMILIES` below. The order of the list
//! decides nothing: findings are sorted before anybody sees them.
//!
//! Heuristics (layer L2) will be families here too; they take the same [`Seen`] and report with `Layer::L2`.

mod archive;
mod description;
mod field;
mod front_matter;
mod hooks;
mod json;
mod link;
mod lsp;
mod manifest;
mod manifest_fields;
mod manifest_shapes;
mod mcp;
mod name;
mod path;
mod place;
mod size;
mod text;
mod version;
mod whole;

use super::finding::Severity;
use super::policy::Level;
use super::{Findings, Seen};

/// What a rule is. Its id is stable: policies, waivers and documentation name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Kebab case, unique.
    pub id: &'static str,
    /// What it belongs to.
    pub family: &'static str,
    /// What a finding does where policy says nothing.
    pub level: Level,
    /// A policy may loosen it although it refuses.
    pub bends: bool,
    /// How much a warning of it matters: info or low. A refusal is always high.
    pub severity: Severity,
    /// One line for the documentation: what it finds.
    pub says: &'static str,
}

impl Rule {
    /// A rule that always refuses.
    const fn refuse(id: &'static str, family: &'static str, says: &'static str) -> Self {
        Self { id, family, level: Level::Refuse, bends: false, severity: Severity::Low, says }
    }

    /// A rule that warns; policy may make it refuse, or silence it.
    const fn warn(id: &'static str, family: &'static str, says: &'static str) -> Self {
        Self { id, family, level: Level::Warn, bends: false, severity: Severity::Low, says }
    }

    /// The same, but policy may loosen it.
    const fn bending(mut self) -> Self {
        self.bends = true;
        self
    }
}

/// A family: its rules, and what looks for them.
struct Family {
    rules: &'static [&'static Rule],
    /// Looks at the paths and modes of any tree.
    format: Option<fn(&Seen<'_>, &mut Findings<'_>)>,
    /// Looks at a plugin as a whole.
    plugin: Option<fn(&Seen<'_>, &mut Findings<'_>)>,
}

const FAMILIES: &[Family] = &[
    Family { rules: path::RULES, format: Some(path::check), plugin: None },
    Family { rules: link::RULES, format: Some(link::check), plugin: None },
    Family { rules: archive::RULES, format: Some(archive::check), plugin: None },
    Family { rules: size::RULES, format: Some(size::check_tree), plugin: Some(size::check_plugin) },
    Family { rules: text::RULES, format: None, plugin: Some(text::check) },
    Family { rules: json::RULES, format: None, plugin: Some(json::check) },
    Family { rules: manifest::RULES, format: None, plugin: Some(manifest::check) },
    Family { rules: manifest_fields::RULES, format: None, plugin: Some(manifest_fields::check) },
    Family { rules: version::RULES, format: None, plugin: Some(version::check) },
    Family { rules: front_matter::RULES, format: None, plugin: Some(front_matter::check) },
    Family { rules: field::RULES, format: None, plugin: Some(field::check) },
    Family { rules: name::RULES, format: None, plugin: Some(name::check) },
    Family { rules: description::RULES, format: None, plugin: Some(description::check) },
    Family { rules: hooks::RULES, format: None, plugin: Some(hooks::check) },
    Family { rules: mcp::RULES, format: None, plugin: Some(mcp::check) },
    Family { rules: lsp::RULES, format: None, plugin: Some(lsp::check) },
    Family { rules: place::RULES, format: None, plugin: Some(place::check) },
    Family { rules: whole::RULES, format: None, plugin: Some(whole::check) },
];

/// Every rule, in no particular order.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.rules.iter().copied())
}

/// The rule called `id`.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// Runs what may be said of any tree.
pub(super) fn check_format(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for check in FAMILIES.iter().filter_map(|family| family.format) {
        check(seen, findings);
    }
}

/// Runs what may be said of a plugin only.
pub(super) fn check_plugin(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for check in FAMILIES.iter().filter_map(|family| family.plugin) {
        check(seen, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_ids_are_unique_and_in_kebab_case() {
        let mut ids: Vec<&str> = all().map(|rule| rule.id).collect();
        let kebab = |id: &&str| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(ids.iter().all(kebab));
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
