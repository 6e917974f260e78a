//! The manifest's version, from which a release follows.

use super::{Findings, Rule, Seen};
use crate::plugin::MANIFEST_PATH;
use crate::plugin::node::Value;

const MISSING: Rule = Rule::warn("version-missing", "version", "no version, so no release can be made");
const SEMVER: Rule = Rule::refuse("version-not-semver", "version", "a version that is not semver");
const BUMPED: Rule = Rule::refuse(
    "version-not-bumped",
    "version",
    "content changed under a version that was released before (judged when main moves)",
)
.bending();

pub(super) const RULES: &[&Rule] = &[&MISSING, &SEMVER, &BUMPED];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let Some(manifest) = &seen.plugin.manifest else { return };
    let Some(root) = manifest.file.root() else { return };
    if root.map().is_none() {
        return;
    }
    let fix = "write:  \"version\": \"1.0.0\"";
    match root.get("version").map(|node| (node, &node.value)) {
        None => {
            let message = "no version: main moves, but nothing is released that could be installed";
            findings.add(&MISSING, MANIFEST_PATH, Some(root.at), message, fix);
        }
        // Build metadata is semver; that it cannot be released is said where a release is planned.
        Some((_, Value::Text(text))) if semver::Version::parse(text).is_ok() => {}
        Some((node, Value::Text(text))) => {
            let message = format!("`{text}` is not a semantic version such as 1.4.0");
            let fix =
                repaired(text).map_or_else(|| fix.to_owned(), |version| format!("write:  \"version\": \"{version}\""));
            findings.add(&SEMVER, MANIFEST_PATH, Some(node.at), message, fix);
        }
        Some((node, _)) => {
            let message = format!("the version is {}; the client wants text, and so no plugin loads", node.kind());
            findings.add(&SEMVER, MANIFEST_PATH, Some(node.at), message, fix);
        }
    }
}

/// What was probably meant: `v1.2` as `1.2.0`, `01.0.0` as `1.0.0`.
fn repaired(text: &str) -> Option<semver::Version> {
    let numbers: Option<Vec<u64>> =
        text.trim().trim_start_matches(['v', 'V']).split('.').map(|part| part.parse().ok()).collect();
    match numbers?.as_slice() {
        [major] => Some(semver::Version::new(*major, 0, 0)),
        [major, minor] => Some(semver::Version::new(*major, *minor, 0)),
        [major, minor, patch] => Some(semver::Version::new(*major, *minor, *patch)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{judged, rules_of, tree};

    fn manifest(version: &str) -> crate::tree::Tree {
        let text = format!("{{\"name\": \"sample\"{version}}}");
        tree(&[(".claude-plugin/plugin.json", &text), ("README.md", "x")])
    }

    #[test]
    fn versions_are_semver_or_absent() {
        for good in ["0.1.0", "1.0.0-rc.1", "1.0.0+build.7", "10.20.30"] {
            let rules = rules_of(&manifest(&format!(", \"version\": \"{good}\"")));
            assert!(!rules.iter().any(|rule| rule.starts_with("version")), "{good}");
        }
        assert!(rules_of(&manifest("")).contains(&"version-missing"));
        for bad in ["\"latest\"", "\"v1.0.0\"", "\"1.0\"", "\"01.0.0\"", "\"\"", "1", "null", "\"1.0.0 \""] {
            let rules = rules_of(&manifest(&format!(", \"version\": {bad}")));
            assert!(rules.contains(&"version-not-semver"), "{bad}");
        }
    }

    #[test]
    fn the_fix_is_the_version_that_was_meant() {
        let verdict = judged(&manifest(", \"version\": \"v1.2\""));
        let finding = verdict.findings.iter().find(|f| f.rule == "version-not-semver").expect("found");
        assert_eq!(finding.fix, "write:  \"version\": \"1.2.0\"");
        assert_eq!((finding.line, finding.column), (Some(1), Some(31)));
    }
}
