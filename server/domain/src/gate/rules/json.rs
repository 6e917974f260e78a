//! The JSON files of a plugin: readable, and the same for every reader.

use super::{Findings, Rule, Seen, text};
use crate::gate::policy::Level;
use crate::plugin::components::Role;
use crate::plugin::json::{JSON_BYTES_MAX, JSON_DEPTH_MAX, JsonProblem};
use crate::plugin::node::Position;
use crate::plugin::source::{JsonFile, JsonState};

const SYNTAX: Rule = Rule::refuse("json-syntax", "json", "a file that is not JSON");
const NOT_OBJECT: Rule = Rule::refuse("json-not-object", "json", "a list, text or number where an object belongs");
const DUPLICATE: Rule = Rule::refuse("json-duplicate-key", "json", "a key that occurs twice");
const SURROGATE: Rule = Rule::refuse("json-lone-surrogate", "json", "half a surrogate pair in an escape");
const DEEP: Rule = Rule::refuse("json-too-deep", "json", "nesting deeper than 32");
const LARGE: Rule = Rule::refuse("json-too-large", "json", "a file over 1 MiB");

pub(super) const RULES: &[&Rule] = &[&SYNTAX, &NOT_OBJECT, &DUPLICATE, &SURROGATE, &DEEP, &LARGE];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    if let Some(manifest) = &seen.plugin.manifest {
        check_file(&manifest.file, None, findings);
    }
    for (role, file) in &seen.plugin.components.files {
        check_file(file, Some(*role), findings);
    }
}

fn check_file(file: &JsonFile, role: Option<Role>, findings: &mut Findings<'_>) {
    let path = file.path.as_str();
    if file.bom {
        // The client reads a manifest with the mark, and breaks over hooks with it.
        let level = if role == Some(Role::Hooks) { Level::Refuse } else { Level::Warn };
        let message = if level == Level::Refuse {
            "the file begins with a byte order mark, over which the client drops the whole plugin"
        } else {
            "the file begins with a byte order mark, which some readers take for a syntax error"
        };
        findings.add_as(
            level,
            &text::BOM,
            path,
            Some(Position::START),
            message,
            format!("sed -i '1s/^\\xEF\\xBB\\xBF//' '{path}'"),
        );
    }
    let read = match &file.state {
        JsonState::Read(read) => read,
        JsonState::TooLarge => {
            let message = format!("over {JSON_BYTES_MAX} bytes; nobody reads a configuration of that size");
            return findings.add(&LARGE, path, None, message, "move the data out of it");
        }
        // The encoding is `not-utf8`'s, the kind of entry `symlink-item`'s and `not-a-file`'s.
        JsonState::NotUtf8(_) | JsonState::NotAFile => return,
    };
    for (problem, at) in &read.problems {
        let at = Some(*at);
        match problem {
            JsonProblem::Syntax(message) => {
                let message = format!("not JSON: {message}; the client loads nothing of the plugin");
                findings.add(&SYNTAX, path, at, message, format!("python3 -m json.tool '{path}' shows the place"));
            }
            JsonProblem::DuplicateKey(key) => {
                let message = format!("`{key}` occurs twice; readers differ on which one counts");
                findings.add(&DUPLICATE, path, at, message, "leave one of them");
            }
            JsonProblem::LoneSurrogate => {
                let message = "an escape is half of a surrogate pair, which is no character";
                findings.add(&SURROGATE, path, at, message, "write the character itself, or both halves");
            }
            JsonProblem::TooDeep => {
                let message = format!("lists and objects nested deeper than {JSON_DEPTH_MAX}");
                findings.add(&DEEP, path, at, message, "flatten it, or move the data to another file");
            }
        }
    }
    if let Some(root) = &read.root
        && root.map().is_none()
        && !(role == Some(Role::Monitors) && root.list().is_some())
    {
        let message = format!("the file holds {}, where an object belongs", root.kind());
        findings.add(&NOT_OBJECT, path, Some(root.at), message, "begin the file with `{` and end it with `}`");
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{judged, plugin, rules_of};

    fn mcp(text: &str) -> Vec<&'static str> {
        rules_of(&plugin(&[(".mcp.json", text)]))
    }

    #[test]
    fn files_of_the_client_are_json_for_every_reader() {
        assert_eq!(mcp("{\"s\": {\"command\": \"x\"}}"), [""; 0]);
        assert_eq!(mcp("{"), ["json-syntax"]);
        assert_eq!(mcp("[]"), ["json-not-object"]);
        assert_eq!(mcp("{\"s\": {\"command\": \"x\", \"command\": \"y\"}}"), ["json-duplicate-key"]);
        assert_eq!(mcp("{\"s\": {\"command\": \"\\ud800\"}}"), ["json-lone-surrogate"]);
        assert!(mcp(&format!("{{\"s\": {}1{}}}", "[".repeat(40), "]".repeat(40))).contains(&"json-too-deep"));
        assert_eq!(mcp(&" ".repeat(1_100_000)), ["json-too-large"]);
    }

    #[test]
    fn a_byte_order_mark_breaks_hooks_only() {
        let bom = |path, text: &str| {
            let text = format!("\u{feff}{text}");
            judged(&plugin(&[(path, &text)])).outcome.as_str()
        };
        assert_eq!(bom("hooks/hooks.json", "{\"hooks\": {}}"), "refuse");
        assert_eq!(bom(".mcp.json", "{\"s\": {\"command\": \"x\"}}"), "warn");
    }
}
