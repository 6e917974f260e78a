//! The manifest as a file: there, readable, an object, and named.

use super::{Findings, Rule, Seen};
use crate::gate::Unit;
use crate::names::{LabelError, PluginName};
use crate::plugin::MANIFEST_PATH;
use crate::tree::Mode;

const MISSING: Rule = Rule::refuse("manifest-missing", "manifest", "no .claude-plugin/plugin.json");
const NAME: Rule =
    Rule::refuse("manifest-name", "manifest", "a plugin name that cannot be installed, or not this one's");

pub(super) const RULES: &[&Rule] = &[&MISSING, &NAME];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let Unit::Plugin { expected_name } = seen.unit else { return };
    let Some(manifest) = &seen.plugin.manifest else {
        // Where the manifest is a folder, `not-a-file` says so.
        if seen.tree.below(".claude-plugin/plugin.json/").next().is_none() {
            missing(seen, expected_name, findings);
        }
        return;
    };
    let Some(root) = manifest.file.root() else { return };
    if root.map().is_none() {
        return;
    }
    let expected = expected_name.map(PluginName::as_str);
    let mut say = |at, message: String, suggestion: Option<String>| {
        let name = expected.map(str::to_owned).or(suggestion).unwrap_or_else(|| "my-plugin".to_owned());
        findings.add(&NAME, MANIFEST_PATH, Some(at), message, format!("write:  \"name\": \"{name}\""));
    };
    let Some(node) = root.get("name") else {
        return say(root.at, "the manifest has no name".into(), None);
    };
    let Some(text) = node.text() else {
        return say(node.at, format!("the name is {}; the client wants text", node.kind()), None);
    };
    match PluginName::parse(text) {
        Err(error) => {
            let why = match error {
                LabelError::Empty { .. } => error.to_string(),
                _ => format!("{error}; it becomes an address, a folder and a tag"),
            };
            say(node.at, why, kebab(text));
        }
        Ok(_) if crate::names::is_reserved_catalog_name(text) => {
            let message = format!("`{text}` is a name that Claude Code keeps for its maker's own catalogs");
            say(node.at, message, Some(format!("{text}-team")));
        }
        Ok(name) => {
            if let Some(expected) = expected_name.filter(|expected| **expected != name) {
                let message = format!("the manifest calls the plugin `{name}`, but this repository is `{expected}`");
                say(node.at, message, None);
            }
        }
    }
}

fn missing(seen: &Seen<'_>, expected_name: Option<&PluginName>, findings: &mut Findings<'_>) {
    let elsewhere = seen.tree.files().iter().find_map(|file| {
        let path = file.path_str()?;
        let name = path.rsplit('/').next()?;
        (name.eq_ignore_ascii_case("plugin.json") && matches!(file.mode, Mode::File | Mode::Executable)).then_some(path)
    });
    let name = expected_name.map_or("my-plugin", PluginName::as_str);
    let fix = match elsewhere {
        Some(path) => format!("mkdir -p .claude-plugin && git mv '{path}' {MANIFEST_PATH}"),
        None => format!("write {MANIFEST_PATH}:  {{\"name\": \"{name}\", \"version\": \"0.1.0\"}}"),
    };
    findings.add(&MISSING, MANIFEST_PATH, None, "a plugin needs a manifest at this place", fix);
}

/// The nearest name of the allowed form.
pub(super) fn kebab(text: &str) -> Option<String> {
    let mut out = String::new();
    for c in text.chars().take(200) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() == 64 {
            break;
        }
    }
    let out = out.trim_end_matches('-');
    (!out.is_empty()).then(|| out.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::samples::{judged, rules_of, tree};
    use crate::gate::{Context, Policy, judge};

    fn named(name: &str) -> crate::tree::Tree {
        let text = format!("{{\"name\": {name}, \"version\": \"1.0.0\"}}");
        tree(&[(".claude-plugin/plugin.json", &text)])
    }

    #[test]
    fn a_name_is_kebab_case_and_free() {
        for good in ["\"tidy\"", "\"a1-b2\"", "\"claude-helpers\""] {
            assert!(!rules_of(&named(good)).contains(&"manifest-name"), "{good}");
        }
        for bad in [
            "\"My Plugin\"",
            "\"a/b\"",
            "\"..\"",
            "\"\"",
            "5",
            "null",
            "\"a@b\"",
            "\"Tidy\"",
            "\"a\\u202eb\"",
            "\"agent-skills\"",
            "\"anthropic-plugins\"",
        ] {
            assert!(rules_of(&named(bad)).contains(&"manifest-name"), "{bad}");
        }
        assert!(rules_of(&tree(&[(".claude-plugin/plugin.json", "{}")])).contains(&"manifest-name"));
        let fix = judged(&named("\"My Plugin\"")).findings[0].fix.clone();
        assert_eq!(fix, "write:  \"name\": \"my-plugin\"");
    }

    #[test]
    fn the_name_is_the_repositorys() {
        let expected = PluginName::parse("other").expect("a name");
        let policy = Policy::default();
        let verdict = judge(&named("\"tidy\""), &Context { expected_name: Some(&expected), policy: &policy });
        assert!(verdict.findings.iter().any(|f| f.rule == "manifest-name" && f.fix.contains("\"other\"")));
    }

    #[test]
    fn a_manifest_elsewhere_is_no_manifest() {
        let verdict = judged(&tree(&[("plugin.json", "{}")]));
        assert_eq!(verdict.findings[0].rule, "manifest-missing");
        assert!(verdict.findings[0].fix.contains("git mv 'plugin.json'"));
    }
}
