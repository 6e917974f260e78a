//! MCP servers: each has a type that the client knows and what that type needs.

use super::{Findings, Rule, Seen, field, hooks};
use crate::gate::policy::Level;
use crate::nearest;
use crate::plugin::MANIFEST_PATH;
use crate::plugin::components::{Part, Role};
use crate::plugin::node::{Entry, Node, Value};

const SERVER: Rule = Rule::refuse("mcp-server", "mcp", "an MCP server that the client drops");
const BOTH: Rule =
    Rule::warn("mcp-server-both", "mcp", "an MCP server with a command and an address, of which one is ignored");

pub(super) const RULES: &[&Rule] = &[&SERVER, &BOTH];

const REMOTE: &[&str] = &["http", "sse", "ws", "streamable-http"];
const EXAMPLE: &str = "write:  {\"mcpServers\": {\"name\": {\"command\": \"node\", \"args\": [\"…\"]}}}";

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let manifest = seen.plugin.manifest.as_ref();
    let declared: Vec<&str> = manifest
        .and_then(|manifest| manifest.get("userConfig"))
        .and_then(Node::map)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    for part in seen.plugin.components.of(Role::Mcp) {
        check_part(part, &declared, findings);
    }
    let field = manifest.and_then(|manifest| manifest.get("mcpServers"));
    if let Some(node) = field.filter(|node| !super::manifest_fields::is_place_or_map(node)) {
        let message = format!("`mcpServers` is {}, where a path or servers belong", node.kind());
        findings.add(&SERVER, MANIFEST_PATH, Some(node.at), message, EXAMPLE);
    }
}

fn check_part(part: &Part, declared: &[&str], findings: &mut Findings<'_>) {
    if part.node.map().is_none() {
        // `json-not-object` says so.
        return;
    }
    let Some(content) = part.content() else { return };
    let Some(servers) = content.map() else {
        let message = format!(
            "the servers are {}, where a map by name belongs; the client loads none and says nothing",
            content.kind()
        );
        return findings.add(&SERVER, &part.path, Some(content.at), message, EXAMPLE);
    };
    for server in servers {
        check_server(&part.path, server, declared, findings);
    }
}

fn check_server(path: &str, server: &Entry, declared: &[&str], findings: &mut Findings<'_>) {
    let name = &server.key;
    let node = &server.node;
    let mut refuse = |at, what: String, fix: &str| {
        findings.add(&SERVER, path, Some(at), format!("server `{name}`: {what}; the client drops it"), fix);
    };
    let Some(fields) = node.map() else {
        return refuse(node.at, format!("{} stands where an object belongs", node.kind()), EXAMPLE);
    };
    let kind = match node.get("type") {
        None => None,
        Some(kind) => match kind.text() {
            Some(text) if text == "stdio" || REMOTE.contains(&text) => Some(text),
            _ => {
                let shown = kind.scalar().unwrap_or_else(|| kind.kind().to_owned());
                let near = nearest::nearest(&shown, REMOTE.iter().copied().chain(["stdio"])).unwrap_or("stdio");
                return refuse(
                    kind.at,
                    format!("the type `{shown}` is unknown"),
                    &format!("write:  \"type\": \"{near}\""),
                );
            }
        },
    };
    let remote = kind.is_some_and(|kind| REMOTE.contains(&kind));
    let needed = if remote { "url" } else { "command" };
    match node.get(needed) {
        Some(value) if value.text().is_some_and(|text| !text.trim().is_empty()) => {}
        Some(value) => {
            refuse(
                value.at,
                format!("`{needed}` is {}, where text belongs", value.kind()),
                &format!("write:  \"{needed}\": \"…\""),
            );
        }
        None if !remote && node.get("url").is_some() => {
            refuse(node.at, "it has `url` and no `type`".into(), "write:  \"type\": \"http\"");
        }
        None => refuse(node.at, format!("it has no `{needed}`"), &format!("write:  \"{needed}\": \"…\"")),
    }
    for entry in fields {
        let value = &entry.node.value;
        let (fits, expected, example) = match entry.key.as_str() {
            "args" => (entry.node.list().is_some() && field::is_texts(&entry.node), "a list of texts", "[\"…\"]"),
            "env" | "headers" => (hooks::is_texts_by_key(&entry.node), "a map of texts", "{\"KEY\": \"…\"}"),
            "url" if remote => (entry.node.text().is_none_or(hooks::is_absolute), "an address", "\"https://…\""),
            "headersHelper" => (entry.node.text().is_some(), "text", "\"…\""),
            "timeout" => (matches!(value, Value::Number(_)), "a number", "30000"),
            "alwaysLoad" => (matches!(value, Value::Bool(_)), "true or false", "true"),
            "oauth" => (entry.node.map().is_some(), "a map", "{}"),
            _ => continue,
        };
        if !fits {
            let what = format!("`{}` is {}, where {expected} belongs", entry.key, entry.node.kind());
            refuse(entry.node.at, what, &format!("write:  \"{}\": {example}", entry.key));
        }
    }
    for (text, at) in node.texts() {
        for key in placeholders(text) {
            if !declared.contains(&key) {
                let what = format!("`${{user_config.{key}}}` names no `userConfig` of the manifest");
                let fix = format!(
                    "write in {MANIFEST_PATH}:  \"userConfig\": {{\"{key}\": {{\"type\": \"string\", \"title\": \"…\"}}}}"
                );
                refuse(at, what, &fix);
            }
        }
    }
    if !remote
        && node.get("command").is_some()
        && let Some(url) = node.get("url")
    {
        let message = format!("server `{name}` has a command and an address; the client runs the command");
        findings.add_as(
            Level::Warn,
            &BOTH,
            path,
            Some(url.at),
            message,
            "remove `url`, or write  \"type\": \"http\"  and remove `command`",
        );
    }
}

/// The keys of `${user_config.KEY}` in `text`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${user_config.").skip(1).filter_map(|rest| rest.split_once('}').map(|(key, _)| key))
}

#[cfg(test)]
mod tests {
    use crate::gate::Outcome;
    use crate::gate::samples::{judged, plugin, tree};

    fn server(text: &str) -> (Vec<&'static str>, Outcome) {
        let verdict = judged(&plugin(&[(".mcp.json", &format!("{{\"mcpServers\": {{\"s\": {text}}}}}"))]));
        (verdict.findings.iter().map(|finding| finding.rule).collect(), verdict.outcome)
    }

    #[test]
    fn servers_of_every_type_are_taken() {
        for text in [
            "{\"command\": \"x\"}",
            "{\"type\": \"stdio\", \"command\": \"x\", \"args\": [\"a\"], \"env\": {\"A\": \"${A}\"}}",
            "{\"type\": \"http\", \"url\": \"https://example.com\", \"headers\": {\"A\": \"b\"}, \"timeout\": 5}",
            "{\"type\": \"sse\", \"url\": \"https://example.com\"}",
            "{\"type\": \"ws\", \"url\": \"wss://example.com\"}",
            "{\"type\": \"streamable-http\", \"url\": \"https://example.com\", \"headersHelper\": \"x\"}",
            "{\"command\": \"x\", \"description\": \"y\", \"category\": \"z\"}",
        ] {
            assert_eq!(server(text), (vec![], Outcome::Accept), "{text}");
        }
        assert_eq!(judged(&plugin(&[(".mcp.json", "{\"s\": {\"command\": \"x\"}}")])).outcome, Outcome::Accept);
    }

    #[test]
    fn servers_that_the_client_drops_are_refused() {
        for text in [
            "{}",
            "5",
            "{\"url\": \"https://example.com\"}",
            "{\"type\": \"pigeon\", \"url\": \"x\"}",
            "{\"command\": 5}",
            "{\"command\": \"\"}",
            "{\"command\": \"x\", \"args\": \"y\"}",
            "{\"command\": \"x\", \"args\": [1]}",
            "{\"command\": \"x\", \"env\": {\"A\": 1}}",
            "{\"type\": \"http\", \"url\": \"no address\"}",
            "{\"type\": \"http\"}",
            "{\"type\": 5, \"command\": \"x\"}",
            "{\"command\": \"x\", \"env\": {\"K\": \"${user_config.k}\"}}",
        ] {
            assert_eq!(server(text), (vec!["mcp-server"], Outcome::Refuse), "{text}");
        }
        assert_eq!(judged(&plugin(&[(".mcp.json", "{\"mcpServers\": []}")])).outcome, Outcome::Refuse);
        assert_eq!(
            server("{\"command\": \"x\", \"url\": \"https://example.com\"}"),
            (vec!["mcp-server-both"], Outcome::Warn)
        );
    }

    #[test]
    fn declared_placeholders_are_taken() {
        let manifest = "{\"name\": \"sample\", \"version\": \"1.0.0\", \"userConfig\": {\"k\": {\"type\": \"string\", \"title\": \"K\", \"description\": \"A key\"}}}";
        let mcp = "{\"s\": {\"command\": \"x\", \"env\": {\"K\": \"${user_config.k}\"}}}";
        assert_eq!(
            judged(&tree(&[(".claude-plugin/plugin.json", manifest), (".mcp.json", mcp)])).outcome,
            Outcome::Accept
        );
    }
}
