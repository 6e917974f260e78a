//! The manifest's fields, by the client's own schema: what it fails on refuses.

use super::{Findings, Rule, Seen, field, manifest_shapes};
use crate::gate::policy::Level;
use crate::nearest;
use crate::plugin::MANIFEST_PATH;
use crate::plugin::components::Role;
use crate::plugin::declared::PathProblem;
use crate::plugin::node::{Entry, Node, Value};

const UNKNOWN: Rule = Rule::warn("unknown-field", "manifest", "a manifest field that the client ignores");
const MISSING: Rule = Rule::refuse("path-missing", "manifest", "a manifest path where nothing is");
const REPLACED: Rule =
    Rule::warn("default-folder-ignored", "manifest", "a default folder that a manifest field replaces");
const CHANNEL: Rule = Rule::warn("channel-server", "manifest", "a channel that names no MCP server of the plugin");

pub(super) const RULES: &[&Rule] = &[&UNKNOWN, &MISSING, &REPLACED, &CHANNEL];

/// Every field that the client knows.
const KNOWN: &[&str] = &[
    "$schema",
    "name",
    "version",
    "description",
    "author",
    "homepage",
    "repository",
    "license",
    "keywords",
    "displayName",
    "metadata",
    "experimental",
    "defaultEnabled",
    "dependencies",
    "userConfig",
    "channels",
    "skills",
    "commands",
    "agents",
    "workflows",
    "outputStyles",
    "hooks",
    "mcpServers",
    "lspServers",
    "monitors",
    "themes",
    "settings",
    "binaries",
    "engines",
    "network",
    "types",
    "evals",
];
/// After so many unknown fields the rest is not reported.
const UNKNOWN_MAX: usize = 60;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let Some(manifest) = &seen.plugin.manifest else { return };
    let mut unknown = 0;
    for entry in manifest.file.root().and_then(Node::map).unwrap_or_default() {
        if KNOWN.contains(&entry.key.as_str()) {
            check_field(entry, findings);
        } else if unknown < UNKNOWN_MAX {
            unknown += 1;
            check_unknown(entry, findings);
        }
    }
    check_paths(seen, findings);
    check_channels(seen, findings);
}

fn check_unknown(entry: &Entry, findings: &mut Findings<'_>) {
    let key = entry.key.as_str();
    let at = Some(entry.key_at);
    if let Some(right) = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(key)) {
        let message = format!("`{key}` has no effect: fields are case-sensitive");
        findings.add(&field::CASE, MANIFEST_PATH, at, message, format!("write:  \"{right}\""));
    } else if let Some(near) =
        nearest::nearest(key, KNOWN.iter().copied()).filter(|near| nearest::edits(key, near, 2).is_some())
    {
        let message = format!("`{key}` is no field and has no effect; did you mean `{near}`?");
        findings.add(&field::TYPO, MANIFEST_PATH, at, message, format!("write:  \"{near}\""));
    } else {
        let message = format!("the client ignores the field `{key}`");
        findings.add(&UNKNOWN, MANIFEST_PATH, at, message, "move it into `metadata`, which may hold anything");
    }
}

fn check_field(entry: &Entry, findings: &mut Findings<'_>) {
    let Err(wrong) = manifest_shapes::check(entry) else { return };
    let key = &entry.key;
    let after = match wrong.level {
        Level::Refuse => "the client does not load the plugin",
        Level::Warn | Level::Off => "the client leaves it out",
    };
    let (rule, found) = if wrong.value {
        (&field::VALUE, format!("`{}`", entry.node.scalar().unwrap_or_default()))
    } else if wrong.at == entry.node.at {
        (&field::TYPE, entry.node.kind().to_owned())
    } else {
        (&field::TYPE, "something else".to_owned())
    };
    let message = format!("`{key}`: expected {}, found {found}; {after}", wrong.expected);
    findings.add_as(wrong.level, rule, MANIFEST_PATH, Some(wrong.at), message, wrong.fix);
}

/// A path, a list of paths and objects, or an object.
pub(super) fn is_place_or_map(node: &Node) -> bool {
    match &node.value {
        Value::Text(_) | Value::Map(_) => true,
        Value::List(nodes) => nodes.iter().all(|node| matches!(node.value, Value::Text(_) | Value::Map(_))),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_paths(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for bad in &seen.plugin.components.bad_paths {
        let (field, text) = (bad.field, &bad.text);
        let at = Some(bad.at);
        match bad.problem {
            PathProblem::Escape => {
                let message = format!("`{field}`: `{text}` leads out of the plugin");
                findings.add(
                    &super::path::ESCAPE,
                    MANIFEST_PATH,
                    at,
                    message,
                    "copy the file into the plugin, and name it with `./`",
                );
            }
            PathProblem::Form(why) => {
                let message = format!("`{field}`: `{text}` is no path that the client loads: {why}");
                let better = text.trim_start_matches("./").replace('\\', "/");
                findings.add(&super::path::INVALID, MANIFEST_PATH, at, message, format!("write:  \"./{better}\""));
            }
            PathProblem::Missing => {
                let message = format!("`{field}`: nothing is at `{text}`; the client reports a load failure");
                findings.add(
                    &MISSING,
                    MANIFEST_PATH,
                    at,
                    message,
                    format!("git add '{text}', or remove it from `{field}`"),
                );
            }
        }
    }
    for replaced in &seen.plugin.components.replaced {
        let (field, folder) = (replaced.field, replaced.folder);
        let message = format!("`{field}` replaces the default, so nothing in `{folder}` is loaded");
        findings.add(
            &REPLACED,
            MANIFEST_PATH,
            Some(replaced.at),
            message,
            format!("name `./{folder}` in `{field}` too, or remove the folder"),
        );
    }
}

fn check_channels(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let manifest = seen.plugin.manifest.as_ref();
    let channels = manifest.and_then(|manifest| manifest.get("channels")).and_then(Node::list).unwrap_or_default();
    let servers: Vec<&str> = seen
        .plugin
        .components
        .of(Role::Mcp)
        .filter_map(|part| part.content()?.map())
        .flatten()
        .map(|entry| entry.key.as_str())
        .collect();
    for channel in channels.iter().take(UNKNOWN_MAX) {
        if let Some(server) = channel.text_of("server").filter(|server| !servers.contains(server)) {
            let message = format!("the channel names the server `{server}`, which the plugin does not have");
            findings.add(
                &CHANNEL,
                MANIFEST_PATH,
                Some(channel.at),
                message,
                "add the server to .mcp.json, or correct its name",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::Outcome;
    use crate::gate::samples::{judged, tree};

    /// Rules met by a manifest with `fields`, and the outcome; the tree has a skill, an agent and a command folder.
    fn manifest(fields: &str) -> (Vec<&'static str>, Outcome) {
        let text = format!("{{\"name\": \"sample\", \"version\": \"1.0.0\", {fields}}}");
        let skill = "---\nname: tidy\ndescription: Tidies.\n---\nx\n";
        let verdict = judged(&tree(&[
            (".claude-plugin/plugin.json", &text),
            ("skills/tidy/SKILL.md", skill),
            ("own/do.md", "---\ndescription: Does.\n---\nx\n"),
            ("h.json", "{\"hooks\": {}}"),
        ]));
        (verdict.findings.iter().map(|finding| finding.rule).collect(), verdict.outcome)
    }

    #[test]
    fn every_known_field_is_taken() {
        for fields in [
            "\"$schema\": \"x\", \"displayName\": \"Sample\", \"description\": \"d\", \"license\": \"MIT\"",
            "\"author\": {\"name\": \"T\", \"email\": \"x\"}, \"homepage\": \"https://example.com/a?b#c\", \"repository\": \"x\"",
            "\"keywords\": [\"a\"], \"metadata\": {\"x\": [1]}, \"defaultEnabled\": false, \"experimental\": {}",
            "\"dependencies\": [\"a\", {\"name\": \"b\", \"version\": \"~1.0\"}]",
            "\"userConfig\": {\"a_b\": {\"type\": \"string\", \"title\": \"t\", \"description\": \"d\", \"sensitive\": true, \"min\": 1}}",
            "\"commands\": \"./own\", \"skills\": [\"./skills/\"], \"hooks\": \"./h.json\"",
            "\"commands\": {\"do\": {\"source\": \"./own/do.md\", \"description\": \"x\"}, \"say\": {\"content\": \"Say it.\"}}",
            "\"agents\": [\"./own/do.md\"], \"engines\": {\"claude-code\": \">=2\"}",
            "\"mcpServers\": {\"s\": {\"command\": \"x\"}}, \"channels\": [{\"server\": \"s\"}]",
        ] {
            let (rules, outcome) = manifest(fields);
            // The agent's file has no name.
            assert!(rules.iter().all(|rule| *rule == "name-missing"), "{fields}: {rules:?}");
            assert!(outcome != Outcome::Refuse, "{fields}");
        }
    }

    #[test]
    fn what_the_client_does_not_load_is_refused() {
        for (fields, rule) in [
            ("\"author\": \"Bob\"", "field-type"),
            ("\"author\": {\"email\": \"x\"}", "field-type"),
            ("\"description\": 5", "field-type"),
            ("\"keywords\": \"a,b\"", "field-type"),
            ("\"keywords\": [1]", "field-type"),
            ("\"repository\": {\"url\": \"x\"}", "field-type"),
            ("\"homepage\": \"see wiki\"", "field-value"),
            ("\"homepage\": 5", "field-type"),
            ("\"homepage\": \"javascript:x\"", "field-value"),
            ("\"defaultEnabled\": \"yes\"", "field-type"),
            ("\"dependencies\": {\"a\": 1}", "field-type"),
            ("\"userConfig\": []", "field-type"),
            ("\"userConfig\": {\"1a\": {\"type\": \"string\"}}", "field-type"),
            ("\"userConfig\": {\"a\": {\"type\": \"text\"}}", "field-type"),
            ("\"channels\": {}", "field-type"),
            ("\"skills\": 5", "field-type"),
            ("\"commands\": [5]", "field-type"),
            ("\"license\": null", "field-type"),
            ("\"commands\": \"../x\"", "path-escape"),
            ("\"hooks\": \"/x.json\"", "path-escape"),
            ("\"skills\": \"~/x\"", "path-escape"),
            ("\"skills\": \"skills/\"", "path-invalid"),
            ("\"agents\": \"./own/\"", "path-invalid"),
            ("\"hooks\": \"https://example.com/h.json\"", "path-invalid"),
            ("\"commands\": \"./nothing\"", "path-missing"),
            ("\"mcpServers\": [\"./x.json\"]", "path-missing"),
            ("\"types\": \"./x.d.ts\"", "path-missing"),
        ] {
            assert_eq!(manifest(fields), (vec![rule], Outcome::Refuse), "{fields}");
        }
    }

    #[test]
    fn what_has_no_effect_is_warned_about() {
        for (fields, rule) in [
            ("\"icon\": \"x.png\"", "unknown-field"),
            ("\"descripton\": \"x\"", "field-typo"),
            ("\"Description\": \"x\"", "field-case"),
            ("\"metadata\": \"x\"", "field-type"),
            ("\"channels\": [{\"server\": \"nobody\"}]", "channel-server"),
        ] {
            assert_eq!(manifest(fields), (vec![rule], Outcome::Warn), "{fields}");
        }
        let text = "{\"name\": \"sample\", \"version\": \"1.0.0\", \"commands\": \"./own/\"}";
        let command = "---\ndescription: x\n---\nx\n";
        let verdict =
            judged(&tree(&[(".claude-plugin/plugin.json", text), ("commands/a.md", command), ("own/b.md", command)]));
        assert_eq!(verdict.findings[0].rule, "default-folder-ignored");
        assert_eq!(verdict.plugin.components.items.len(), 1);
    }
}
