//! Language servers and monitors: what the client needs of them.

use super::{Findings, Rule, Seen, manifest_shapes};
use crate::gate::policy::Level;
use crate::plugin::MANIFEST_PATH;
use crate::plugin::components::{Part, Role};
use crate::plugin::node::Node;

const SERVER: Rule = Rule::warn(
    "lsp-server",
    "lsp",
    "a language server that the client skips (refused in the manifest, where it is an error)",
);
const MONITOR: Rule = Rule::warn("monitor-field", "lsp", "a monitor without name or command, which the client skips");

pub(super) const RULES: &[&Rule] = &[&SERVER, &MONITOR];

const EXAMPLE: &str = "write:  {\"go\": {\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}}}";

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for part in seen.plugin.components.of(Role::Lsp) {
        check_servers(part, findings);
    }
    // Those in the manifest are checked as its field.
    for part in seen.plugin.components.of(Role::Monitors).filter(|part| !part.inline) {
        check_monitors(part, findings);
    }
    let field = seen.plugin.manifest.as_ref().and_then(|manifest| manifest.get("lspServers"));
    if let Some(node) = field.filter(|node| !super::manifest_fields::is_place_or_map(node)) {
        let message = format!(
            "`lspServers` is {}, where a path or servers belong; the client loads nothing of the plugin",
            node.kind()
        );
        findings.add_as(Level::Refuse, &SERVER, MANIFEST_PATH, Some(node.at), message, EXAMPLE);
    }
}

fn check_servers(part: &Part, findings: &mut Findings<'_>) {
    // A file's server that is no good is skipped; one in the manifest stops the plugin.
    let (level, after) = match part.inline {
        true => (Level::Refuse, "the client loads nothing of the plugin"),
        false => (Level::Warn, "the client skips it silently"),
    };
    for server in part.node.map().unwrap_or_default() {
        if let Err(wrong) = manifest_shapes::language_server(&server.node) {
            let message = format!("language server `{}`: expected {}; {after}", server.key, wrong.expected);
            findings.add_as(level, &SERVER, &part.path, Some(wrong.at), message, wrong.fix);
        }
    }
}

fn check_monitors(part: &Part, findings: &mut Findings<'_>) {
    let fix = "write:  [{\"name\": \"…\", \"command\": \"…\", \"description\": \"…\"}]";
    // The form in the manifest is a list; a file may hold the list under `monitors`.
    let list = part.node.list().or_else(|| part.node.get("monitors").and_then(Node::list));
    let Some(list) = list else {
        let message = format!("the monitors are {}, where a list belongs; the client starts none", part.node.kind());
        return findings.add(&MONITOR, &part.path, Some(part.node.at), message, fix);
    };
    for node in list {
        for key in ["name", "command"] {
            if node.text_of(key).is_none_or(|text| text.trim().is_empty()) {
                let message = format!("a monitor needs the text `{key}`; the client skips it");
                findings.add(&MONITOR, &part.path, Some(node.at), message, fix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::Outcome;
    use crate::gate::samples::{judged, plugin, tree};

    #[test]
    fn a_server_needs_a_command_and_its_languages() {
        let file = |text: &str| judged(&plugin(&[(".lsp.json", text)])).outcome;
        let inline = |text: &str| {
            let text = format!("{{\"name\": \"sample\", \"version\": \"1.0.0\", \"lspServers\": {text}}}");
            judged(&tree(&[(".claude-plugin/plugin.json", &text)])).outcome
        };
        let sound =
            "{\"go\": {\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}, \"args\": [\"serve\"]}}";
        assert_eq!((file(sound), inline(sound)), (Outcome::Accept, Outcome::Accept));
        for broken in [
            "{\"go\": {\"command\": \"gopls\"}}",
            "{\"go\": 5}",
            "{\"go\": {\"command\": \"x\", \"extensionToLanguage\": []}}",
        ] {
            assert_eq!((file(broken), inline(broken)), (Outcome::Warn, Outcome::Refuse), "{broken}");
        }
        assert_eq!(inline("5"), Outcome::Refuse);
    }

    #[test]
    fn a_monitor_needs_a_name_and_a_command() {
        let file = |text: &str| judged(&plugin(&[("monitors/monitors.json", text)])).outcome;
        assert_eq!(file("[{\"name\": \"a\", \"command\": \"tail -f x\"}]"), Outcome::Accept);
        assert_eq!(file("[{\"name\": \"a\"}]"), Outcome::Warn);
        assert_eq!(file("{}"), Outcome::Warn);
    }
}
