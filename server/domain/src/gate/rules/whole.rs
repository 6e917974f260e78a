//! The plugin as a whole: something to install, and a listing that fits.

use super::{Findings, Rule, Seen};
use crate::plugin::MANIFEST_PATH;

const EMPTY: Rule = Rule::warn("plugin-empty", "plugin", "nothing that the client would load");
const BUDGET: Rule =
    Rule::warn("listing-budget", "plugin", "names and descriptions over the 8,000 characters that a client lists");

pub(super) const RULES: &[&Rule] = &[&EMPTY, &BUDGET];

/// Source: one per cent of a context of 200,000 tokens, at four characters each; what does not fit is listed by name only.
pub(super) const LISTING_CHARACTERS_MAX: usize = 8_000;

/// Manifest fields that make a plugin do something without any file.
const ACTIVE_FIELDS: &[&str] = &[
    "hooks",
    "mcpServers",
    "lspServers",
    "monitors",
    "settings",
    "dependencies",
    "channels",
    "binaries",
    "types",
    "experimental",
];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let components = &seen.plugin.components;
    let Some(manifest) = &seen.plugin.manifest else { return };
    if manifest.file.root().is_none_or(|root| root.map().is_none()) {
        return;
    }
    let files = [&components.output_styles, &components.themes, &components.workflows, &components.bin];
    let nothing = components.items.is_empty()
        && components.files.is_empty()
        && files.iter().all(|files| files.is_empty())
        && !ACTIVE_FIELDS.iter().any(|field| manifest.get(field).is_some());
    // A path that is no good has its own finding.
    if nothing && components.bad_paths.is_empty() {
        let message = "there is nothing to install: no skill, agent, command, hook or server";
        findings.add(&EMPTY, MANIFEST_PATH, None, message, "add skills/<name>/SKILL.md");
    }
    let listed = seen.plugin.listing_characters();
    if listed > LISTING_CHARACTERS_MAX {
        let message = format!(
            "names and descriptions have {listed} characters; a client lists {LISTING_CHARACTERS_MAX} of all plugins together, the rest by name only"
        );
        findings.add(&BUDGET, MANIFEST_PATH, None, message, "shorten the descriptions, the first words matter most");
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{plugin, rules_of, tree};

    #[test]
    fn a_plugin_holds_something() {
        assert_eq!(rules_of(&plugin(&[("README.md", "x")])), ["plugin-empty"]);
        for path in ["bin/run", "output-styles/a.md", "workflows/a.js", "themes/a.json"] {
            assert_eq!(rules_of(&plugin(&[(path, "x")])), [""; 0], "{path}");
        }
        let manifest = "{\"name\": \"sample\", \"version\": \"1.0.0\", \"dependencies\": [\"other\"]}";
        assert_eq!(rules_of(&tree(&[(".claude-plugin/plugin.json", manifest)])), [""; 0]);
    }

    #[test]
    fn the_listing_has_a_budget() {
        let skills: Vec<(String, String)> = (0..10)
            .map(|n| {
                (
                    format!("skills/s{n}/SKILL.md"),
                    format!("---\nname: s{n}\ndescription: {}\n---\nx\n", "d".repeat(900)),
                )
            })
            .collect();
        let files: Vec<(&str, &str)> = skills.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert_eq!(rules_of(&plugin(&files)), ["listing-budget"]);
        assert_eq!(rules_of(&plugin(&files[..8])), [""; 0]);
    }
}
