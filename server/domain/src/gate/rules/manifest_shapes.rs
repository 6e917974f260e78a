//! The shapes of the manifest's fields. Source: what Claude Code 2.1.329 loads and what its validator fails, tried.

use crate::gate::policy::Level;
use crate::plugin::node::{Entry, Node, Position, Value};

use super::field::is_texts;
use super::hooks::{is_absolute, is_texts_by_key};

/// What is wrong with a field.
pub(super) struct Wrong {
    /// Refuse where the client does not load the plugin, warn where it leaves the field out.
    pub level: Level,
    /// True for a right type with a wrong value.
    pub value: bool,
    /// Where.
    pub at: Position,
    /// What belongs there instead.
    pub expected: String,
    /// What to write.
    pub fix: String,
}

type Checked = Result<(), Wrong>;

const OPTION_TYPES: &[&str] = &["string", "number", "boolean", "directory", "file"];
const OPTION_KEYS: &[&str] =
    &["type", "title", "description", "required", "default", "multiple", "sensitive", "min", "max", "options"];

fn wrong(at: Position, expected: impl Into<String>, fix: impl Into<String>) -> Checked {
    Err(Wrong { level: Level::Refuse, value: false, at, expected: expected.into(), fix: fix.into() })
}

fn left_out(checked: Checked) -> Checked {
    checked.map_err(|wrong| Wrong { level: Level::Warn, ..wrong })
}

/// Checks one known field; `Ok` for those that other families look at (`name`, `version`, hooks and servers).
pub(super) fn check(entry: &Entry) -> Checked {
    let node = &entry.node;
    let key = entry.key.as_str();
    match key {
        "description" | "license" | "repository" | "displayName" | "$schema" | "types" => {
            let url = node.text_of("url").unwrap_or("…");
            need(node.text().is_some(), node, "text", format!("write:  \"{key}\": \"{url}\""))
        }
        "homepage" => homepage(node),
        "author" => author(node),
        "keywords" => {
            let words: Vec<String> =
                node.text().unwrap_or("…").split(',').map(|word| format!("\"{}\"", word.trim())).collect();
            let fix = format!("write:  \"keywords\": [{}]", words.join(", "));
            need(node.list().is_some() && is_texts(node), node, "a list of texts", fix)
        }
        "metadata" => left_out(object(key, node)),
        "experimental" => experimental(node),
        "engines" => engines(node),
        "network" => left_out(object(key, node)),
        "settings" => object(key, node),
        "defaultEnabled" => boolean(key, node),
        "dependencies" => dependencies(node),
        "userConfig" => options(node),
        "channels" => channels(node),
        "binaries" => left_out(binaries(node)),
        "skills" | "agents" | "workflows" | "outputStyles" | "themes" => paths(key, node),
        "commands" => commands(node),
        "monitors" => monitors(node),
        _ => Ok(()),
    }
}

fn need(fits: bool, node: &Node, expected: &str, fix: impl Into<String>) -> Checked {
    if fits { Ok(()) } else { wrong(node.at, expected, fix) }
}

fn object(key: &str, node: &Node) -> Checked {
    need(node.map().is_some(), node, "an object", format!("write:  \"{key}\": {{}}"))
}

fn boolean(key: &str, node: &Node) -> Checked {
    need(matches!(node.value, Value::Bool(_)), node, "true or false", format!("write:  \"{key}\": true"))
}

fn paths(key: &str, node: &Node) -> Checked {
    need(is_texts(node), node, "a path or a list of paths", format!("write:  \"{key}\": [\"./…\"]"))
}

/// `key` of an object, when it is there, is text.
fn optional_text(object: &Node, key: &str) -> Checked {
    match object.get(key) {
        Some(node) => need(node.text().is_some(), node, "text", format!("write:  \"{key}\": \"…\"")),
        None => Ok(()),
    }
}

/// `key` of an object is text and not empty.
fn required_text(object: &Node, key: &str) -> Checked {
    match object.get(key) {
        Some(node) if node.text().is_some_and(|text| !text.is_empty()) => Ok(()),
        node => wrong(node.unwrap_or(object).at, format!("the text `{key}`"), format!("write:  \"{key}\": \"…\"")),
    }
}

fn homepage(node: &Node) -> Checked {
    let fix = "write:  \"homepage\": \"https://…\"";
    let Some(text) = node.text() else { return wrong(node.at, "an address", fix) };
    // The client takes any address; these run code where somebody follows them.
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let runs = matches!(scheme.as_str(), "javascript" | "data" | "vbscript" | "file");
    if is_absolute(text) && !runs && !text.contains("${") {
        return Ok(());
    }
    wrong(node.at, "a web address", fix).map_err(|wrong| Wrong { value: true, ..wrong })
}

fn author(node: &Node) -> Checked {
    let name = node.text().or(node.text_of("name")).unwrap_or("…");
    let fix = format!("write:  \"author\": {{\"name\": \"{name}\"}}");
    need(node.text_of("name").is_some_and(|name| !name.is_empty()), node, "an object with a name", fix)?;
    optional_text(node, "email")?;
    optional_text(node, "url")
}

fn experimental(node: &Node) -> Checked {
    left_out(object("experimental", node))?;
    if let Some(themes) = node.get("themes") {
        paths("themes", themes)?;
    }
    node.get("monitors").map_or(Ok(()), monitors)
}

fn engines(node: &Node) -> Checked {
    left_out(object("engines", node))?;
    let Some(range) = node.get("claude-code") else { return Ok(()) };
    let digits = |text: &str| text.bytes().any(|b| b.is_ascii_digit()) || matches!(text.trim(), "*" | "x");
    let signs = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b" .<>=^~*|-+".contains(&b));
    let word = |text: &str| text.trim_start().starts_with(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'v' | 'x'));
    let fits = range.text().is_some_and(|text| digits(text) && signs(text) && !word(text));
    need(fits, range, "a range of versions", "write:  \"claude-code\": \">=2.1.0\"")
}

/// `name` or `name@marketplace`, each of the form that the client installs.
fn is_plugin_id(text: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let mut parts = text.split('@');
    parts.next().is_some_and(part) && parts.next().is_none_or(part) && parts.next().is_none()
}

fn dependencies(node: &Node) -> Checked {
    let fix = "write:  \"dependencies\": [\"name\", {\"name\": \"other\", \"version\": \"~1.2.0\"}]";
    let expected = "a list of plugin names, or of objects with a name";
    let Some(nodes) = node.list() else { return wrong(node.at, expected, fix) };
    for node in nodes {
        let name = node.text().or(node.text_of("name"));
        need(name.is_some_and(is_plugin_id), node, expected, fix)?;
        optional_text(node, "version")?;
    }
    Ok(())
}

fn options(node: &Node) -> Checked {
    let fix = "write:  \"userConfig\": {\"api_key\": {\"type\": \"string\", \"title\": \"…\", \"description\": \"…\", \"sensitive\": true}}";
    let Some(entries) = node.map() else { return wrong(node.at, "a map of options", fix) };
    for entry in entries {
        let key = entry.key.as_str();
        let identifier = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !identifier {
            let expected = "option names of letters, digits and `_` that do not begin with a digit";
            return wrong(entry.key_at, expected, fix);
        }
        option(&entry.node, fix)?;
    }
    Ok(())
}

fn option(node: &Node, fix: &str) -> Checked {
    need(node.map().is_some(), node, "an option with type, title and description", fix)?;
    let typed = node.text_of("type").is_some_and(|text| OPTION_TYPES.contains(&text));
    need(typed, node.get("type").unwrap_or(node), &format!("a type of {}", OPTION_TYPES.join(", ")), fix)?;
    for key in ["title", "description"] {
        let text = node.get(key).filter(|node| node.text().is_some());
        need(text.is_some(), node.get(key).unwrap_or(node), &format!("the text `{key}`"), fix)?;
    }
    for entry in node.map().unwrap_or_default() {
        let key = entry.key.as_str();
        if !OPTION_KEYS.contains(&key) {
            return wrong(
                entry.key_at,
                format!("nothing but {} in an option", OPTION_KEYS.join(", ")),
                format!("remove `{key}`"),
            );
        }
        match key {
            "required" | "multiple" | "sensitive" => boolean(key, &entry.node)?,
            "min" | "max" => {
                let number = matches!(entry.node.value, Value::Number(_));
                need(number, &entry.node, "a number", format!("write:  \"{key}\": 1"))?;
            }
            _ => {}
        }
    }
    let Some(choices) = node.get("options") else { return Ok(()) };
    let Some(list) = choices.list() else {
        return wrong(choices.at, "a list of choices", "write:  \"options\": [\"…\"]");
    };
    let default = node.get("default");
    let chosen = default.is_some_and(|default| list.iter().any(|choice| choice.value == default.value));
    let required = matches!(node.get("required").map(|node| &node.value), Some(Value::Bool(true)));
    need(chosen || required, choices, "a default among the options, or required: true", "write:  \"required\": true")
}

fn channels(node: &Node) -> Checked {
    let fix = "write:  \"channels\": [{\"server\": \"…\"}]";
    let Some(nodes) = node.list() else { return wrong(node.at, "a list of objects with `server`", fix) };
    for node in nodes {
        required_text(node, "server")?;
        optional_text(node, "displayName")?;
        if let Some(nested) = node.get("userConfig") {
            options(nested)?;
        }
    }
    Ok(())
}

fn binaries(node: &Node) -> Checked {
    let fix = "write:  \"binaries\": {\"tool\": {\"sha256\": \"<64 hexadecimal digits>\"}}";
    let Some(entries) = node.map() else { return wrong(node.at, "a map of programs to digests", fix) };
    for entry in entries {
        let digest = entry.node.text_of("sha256");
        let fits = digest.is_some_and(|hex| hex.len() == 64 && crate::digest::unhex(hex).is_some());
        need(fits, &entry.node, "a digest of 64 hexadecimal digits", fix)?;
    }
    Ok(())
}

fn commands(node: &Node) -> Checked {
    let Some(entries) = node.map() else {
        let fits = is_texts(node);
        return need(
            fits,
            node,
            "a path, a list of paths, or a map of names to commands",
            "write:  \"commands\": [\"./…\"]",
        );
    };
    for entry in entries {
        let node = &entry.node;
        let fix = "write:  {\"source\": \"./…\"}  or  {\"content\": \"…\"}";
        let one = node.get("source").is_some() != node.get("content").is_some();
        need(node.map().is_some() && one, node, "a command with either `source` or `content`", fix)?;
        for key in ["source", "content", "description", "argumentHint", "model"] {
            optional_text(node, key)?;
        }
        if let Some(tools) = node.get("allowedTools") {
            let fits = tools.list().is_some() && is_texts(tools);
            need(fits, tools, "a list of tools", "write:  \"allowedTools\": [\"Read\"]")?;
        }
    }
    Ok(())
}

fn monitors(node: &Node) -> Checked {
    if node.text().is_some() {
        return Ok(());
    }
    let fix = "write:  \"monitors\": [{\"name\": \"…\", \"command\": \"…\", \"description\": \"…\"}]";
    let Some(nodes) = node.list() else { return wrong(node.at, "a path or a list of monitors", fix) };
    let mut names = Vec::new();
    for node in nodes {
        // A list may also name files.
        if node.text().is_some() {
            continue;
        }
        for key in ["name", "command", "description"] {
            required_text(node, key)?;
        }
        if let Some(when) = node.get("when") {
            let skill = |text: &str| text.strip_prefix("on-skill-invoke:").is_some_and(|skill| !skill.is_empty());
            let fits = when.text().is_some_and(|text| text == "always" || skill(text));
            need(fits, when, "always or on-skill-invoke:<skill>", "write:  \"when\": \"always\"")?;
        }
        let name = node.text_of("name").unwrap_or_default();
        need(!names.contains(&name), node, "monitors of different names", "give it another name")?;
        if names.len() < 200 {
            names.push(name);
        }
    }
    Ok(())
}

/// What an inline language server must be; the client loads nothing of a plugin with another one.
pub(super) fn language_server(node: &Node) -> Checked {
    let fix = "write:  {\"go\": {\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}}}";
    need(node.map().is_some(), node, "an object", fix)?;
    required_text(node, "command")?;
    let command = node.text_of("command").unwrap_or_default();
    let one_word = !command.contains(' ') || command.starts_with('/');
    need(one_word, node.get("command").unwrap_or(node), "a command without blanks; arguments go to `args`", fix)?;
    let Some(languages) = node.get("extensionToLanguage") else {
        return wrong(node.at, "`extensionToLanguage`", fix);
    };
    let ending = |entry: &Entry| {
        entry.key.len() > 1 && entry.key.starts_with('.') && entry.node.text().is_some_and(|text| !text.is_empty())
    };
    let fits = languages.map().is_some_and(|entries| !entries.is_empty() && entries.iter().all(ending));
    need(fits, languages, "name endings such as `.go`, each with a language", fix)?;
    for entry in node.map().unwrap_or_default() {
        let (key, node) = (entry.key.as_str(), &entry.node);
        let number = matches!(&node.value, Value::Number(text) if text.parse::<f64>().is_ok_and(|n| n >= 0.0));
        match key {
            "command" | "extensionToLanguage" | "initializationOptions" | "settings" => {}
            "args" => {
                need(node.list().is_some() && is_texts(node), node, "a list of texts", "write:  \"args\": [\"…\"]")?
            }
            "env" => need(is_texts_by_key(node), node, "a map of texts", "write:  \"env\": {\"KEY\": \"…\"}")?,
            "transport" => {
                let known = matches!(node.text(), Some("stdio" | "socket"));
                need(known, node, "stdio or socket", "write:  \"transport\": \"stdio\"")?;
            }
            "workspaceFolder" => need(node.text().is_some(), node, "text", "write:  \"workspaceFolder\": \"…\"")?,
            "startupTimeout" | "shutdownTimeout" | "maxRestarts" => {
                need(number, node, "a number that is not negative", format!("write:  \"{key}\": 10"))?;
            }
            "restartOnCrash" | "diagnostics" => boolean(key, node)?,
            _ => return wrong(entry.key_at, "nothing but the fields of a language server", format!("remove `{key}`")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::json;

    fn fits(field: &str, value: &str) -> bool {
        let text = format!("{{\"{field}\": {value}}}");
        let root = json::read(&text).root.unwrap_or_else(|| panic!("no JSON: {text}"));
        check(&root.map().expect("a map")[0]).is_ok()
    }

    #[test]
    fn values_of_the_right_shape_fit() {
        for (field, value) in [
            ("homepage", "\"https://example.com\""),
            ("homepage", "\"mailto:team@example.com\""),
            ("dependencies", "[\"a\", \"a.b@market\", {\"name\": \"c\", \"version\": \"~1\"}]"),
            ("commands", "{\"a\": {\"source\": \"./a.md\", \"description\": \"d\", \"allowedTools\": [\"Read\"]}}"),
            ("engines", "{\"claude-code\": \">=2.1.0 <3\"}"),
            ("engines", "{\"claude-code\": \"^2 || 3.x\"}"),
            (
                "monitors",
                "[{\"name\": \"a\", \"command\": \"x\", \"description\": \"d\", \"when\": \"on-skill-invoke:b\"}]",
            ),
            ("experimental", "{\"themes\": \"./t\", \"other\": 5}"),
            (
                "userConfig",
                "{\"a\": {\"type\": \"string\", \"title\": \"t\", \"description\": \"d\", \"options\": [\"x\"], \"default\": \"x\"}}",
            ),
            ("channels", "[{\"server\": \"s\", \"displayName\": \"S\"}]"),
        ] {
            assert!(fits(field, value), "{field}: {value}");
        }
    }

    #[test]
    fn values_of_another_shape_do_not() {
        for (field, value) in [
            ("homepage", "\"javascript:alert(1)\""),
            ("homepage", "\"example.com\""),
            ("author", "{\"name\": \"x\", \"email\": 5}"),
            ("dependencies", "[\"A b\"]"),
            ("dependencies", "[\"\"]"),
            ("commands", "{\"a\": {\"source\": \"./a.md\", \"content\": \"x\"}}"),
            ("commands", "{\"a\": {}}"),
            ("commands", "{\"a\": {\"content\": \"x\", \"allowedTools\": \"Bash\"}}"),
            ("engines", "{\"claude-code\": \"zzz\"}"),
            ("engines", "{\"claude-code\": 5}"),
            ("types", "5"),
            ("monitors", "[{\"name\": \"a\", \"command\": \"x\"}]"),
            ("monitors", "[{\"name\": \"a\", \"command\": \"x\", \"description\": \"d\", \"when\": \"sometimes\"}]"),
            ("experimental", "{\"themes\": 5}"),
            ("experimental", "{\"monitors\": [{\"name\": \"a\"}]}"),
            ("userConfig", "{\"a\": {\"type\": \"string\", \"title\": \"t\"}}"),
            ("userConfig", "{\"a\": {\"type\": \"string\", \"title\": \"t\", \"description\": \"d\", \"colour\": 1}}"),
            (
                "userConfig",
                "{\"a\": {\"type\": \"string\", \"title\": \"t\", \"description\": \"d\", \"options\": [\"x\"]}}",
            ),
            ("channels", "[{\"server\": \"\"}]"),
        ] {
            assert!(!fits(field, value), "{field}: {value}");
        }
    }

    #[test]
    fn language_servers_are_checked_as_the_client_does() {
        let sound = |text: &str| language_server(&json::read(text).root.expect("JSON")).is_ok();
        assert!(sound(
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}, \"transport\": \"stdio\", \"maxRestarts\": 3}"
        ));
        for broken in [
            "{\"command\": \"gopls serve\", \"extensionToLanguage\": {\".go\": \"go\"}}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {}}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\"go\": \"go\"}}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"\"}}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}, \"transport\": \"pipe\"}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}, \"maxRestarts\": -1}",
            "{\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}, \"colour\": 1}",
        ] {
            assert!(!sound(broken), "{broken}");
        }
    }
}
