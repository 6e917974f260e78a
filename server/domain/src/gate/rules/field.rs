//! Fields of front matter: each has the type and value that the client takes.

use super::{Findings, Rule, Seen, hooks};
use crate::gate::policy::Level;
use crate::nearest;
use crate::plugin::ItemKind;
use crate::plugin::item::{Item, ItemState, flag};
use crate::plugin::node::{Entry, Node, Value};

/// Also reported by the families of the manifest.
pub(super) const TYPE: Rule = Rule::warn("field-type", "field", "a value of a type that the client does not take");
pub(super) const VALUE: Rule = Rule::warn("field-value", "field", "a value that means nothing");
pub(super) const TYPO: Rule = Rule::warn("field-typo", "field", "an unknown field one or two letters off a known one");
pub(super) const CASE: Rule = Rule::warn("field-case", "field", "a known field in other capitals, which has no effect");
const IGNORED: Rule = Rule::warn("field-ignored-in-plugin", "field", "a field that the client ignores in plugins");
const LONG: Rule = Rule::warn("field-too-long", "field", "a text longer than the specification allows");
const BOOLEAN: Rule = Rule::warn("boolean-spelling", "field", "yes, no, on or off, which older clients do not know");

pub(super) const RULES: &[&Rule] = &[&TYPE, &VALUE, &TYPO, &CASE, &IGNORED, &LONG, &BOOLEAN];

/// What a field may hold, and what becomes of something else.
enum Shape {
    /// `name`: text, else refused.
    Name,
    /// `description`: text; a list or map is refused, another scalar warned about.
    Description,
    /// Text, else a warning.
    Text,
    /// Text or a list of texts; else refused, because the outcome is a grant that nobody sees.
    Tools,
    /// Text or a list of texts, else a warning.
    Texts,
    /// True or false; what is neither is refused, because the author meant a restriction.
    Boolean,
    /// The same, but what is neither is warned about: it restricts nothing.
    Switch,
    /// A number, else a warning.
    Number,
    /// One of these, else a warning.
    OneOf(&'static [&'static str]),
    /// One of these, else refused.
    OnlyOneOf(&'static [&'static str]),
    /// A map, else a warning.
    Map,
    /// Hooks.
    Hooks,
    /// Nothing: the client ignores it in plugins.
    Ignored,
}

const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];

const SKILL_FIELDS: &[(&str, Shape)] = &[
    ("name", Shape::Name),
    ("description", Shape::Description),
    ("when_to_use", Shape::Text),
    ("allowed-tools", Shape::Tools),
    ("disallowed-tools", Shape::Tools),
    ("disable-model-invocation", Shape::Boolean),
    ("user-invocable", Shape::Boolean),
    ("background", Shape::Boolean),
    ("argument-hint", Shape::Text),
    ("arguments", Shape::Texts),
    ("model", Shape::Text),
    ("agent", Shape::Text),
    ("effort", Shape::OneOf(EFFORTS)),
    ("context", Shape::OneOf(&["fork"])),
    ("hooks", Shape::Hooks),
    ("paths", Shape::Texts),
    ("shell", Shape::OnlyOneOf(&["bash", "powershell"])),
    ("license", Shape::Text),
    ("compatibility", Shape::Text),
    ("metadata", Shape::Map),
];

const AGENT_FIELDS: &[(&str, Shape)] = &[
    ("name", Shape::Name),
    ("description", Shape::Description),
    ("tools", Shape::Tools),
    ("disallowedTools", Shape::Tools),
    ("model", Shape::Text),
    ("permissionMode", Shape::Ignored),
    ("maxTurns", Shape::Number),
    ("skills", Shape::Texts),
    ("mcpServers", Shape::Ignored),
    ("hooks", Shape::Ignored),
    ("memory", Shape::OneOf(&["user", "project", "local"])),
    ("background", Shape::Switch),
    ("effort", Shape::OneOf(EFFORTS)),
    ("isolation", Shape::OneOf(&["worktree"])),
    ("color", Shape::OneOf(&["red", "blue", "green", "yellow", "purple", "orange", "pink", "cyan"])),
    ("initialPrompt", Shape::Text),
];

/// Fields of other tools that are common, and near one of ours without being meant for it.
const FOREIGN_FIELDS: &[&str] = &[
    "version",
    "author",
    "authors",
    "tags",
    "tag",
    "source",
    "dependencies",
    "triggers",
    "trigger",
    "risk",
    "homepage",
    "tools",
    "category",
    "categories",
    "keywords",
    "mode",
    "type",
    "title",
    "id",
    "icon",
    "emoji",
    "path",
    "globs",
    "alwaysApply",
    "url",
    "created",
    "updated",
    "date",
    "date_added",
    "repository",
    "scope",
    "role",
    "roles",
    "agents",
    "commands",
    "prompt",
];

const COMPATIBILITY_CHARACTERS_MAX: usize = 500;
/// After so many unknown fields of one item no more are compared with known ones.
const UNKNOWN_MAX: usize = 40;

fn known(kind: ItemKind) -> &'static [(&'static str, Shape)] {
    match kind {
        ItemKind::Skill | ItemKind::Command => SKILL_FIELDS,
        ItemKind::Agent => AGENT_FIELDS,
    }
}

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for item in seen.plugin.components.items.iter().filter(|item| item.state == ItemState::Read) {
        let mut unknown = 0;
        for entry in item.front.fields.as_ref().and_then(Node::map).unwrap_or_default() {
            match known(item.kind).iter().find(|(key, _)| *key == entry.key) {
                Some((_, shape)) => check_field(item, entry, shape, findings),
                None if unknown < UNKNOWN_MAX => {
                    unknown += 1;
                    check_unknown(item, entry, findings);
                }
                None => {}
            }
        }
    }
}

fn check_field(item: &Item, entry: &Entry, shape: &Shape, findings: &mut Findings<'_>) {
    let node = &entry.node;
    let key = &entry.key;
    // A field without a value is a field that is not there.
    if node.is_null() {
        return;
    }
    let mut say = |level: Level, rule: &'static Rule, message: String, fix: String| {
        findings.add_as(level, rule, &item.path, Some(node.at), message, fix);
    };
    let mut mistyped = |level: Level, expected: &str, fix: String| {
        let consequence = if level == Level::Refuse {
            "the client loads none of the fields as meant"
        } else {
            "the client leaves it out"
        };
        say(level, &TYPE, format!("`{key}` is {}, where {expected} belongs; {consequence}", node.kind()), fix);
    };
    let quoted = || match node.scalar() {
        Some(text) => format!("write:  {key}: \"{text}\""),
        None => format!("write:  {key}: \"…\""),
    };
    match shape {
        Shape::Name => {
            if node.text().is_none() {
                mistyped(Level::Refuse, "text", quoted());
            }
        }
        Shape::Description => match node.value {
            Value::Text(_) => {}
            Value::List(_) | Value::Map(_) => mistyped(Level::Refuse, "text", quoted()),
            _ => mistyped(Level::Warn, "text", quoted()),
        },
        Shape::Text => match node.text() {
            None => {
                let brackets = matches!(node.value, Value::List(_)) && key == "argument-hint";
                let fix = if brackets { format!("put it in quotes, as in  {key}: \"[file]\"") } else { quoted() };
                mistyped(Level::Warn, "text", fix);
            }
            Some(text) if key == "compatibility" && text.chars().count() > COMPATIBILITY_CHARACTERS_MAX => {
                let message = format!(
                    "`{key}` has {} characters; the specification allows {COMPATIBILITY_CHARACTERS_MAX}",
                    text.chars().count()
                );
                say(Level::Warn, &LONG, message, "shorten it".to_owned());
            }
            Some(_) => {}
        },
        Shape::Tools => {
            if !is_texts(node) {
                mistyped(Level::Refuse, "text or a list of texts", format!("write:  {key}: Read, Grep"));
            }
        }
        Shape::Texts => {
            if !is_texts(node) {
                mistyped(Level::Warn, "text or a list of texts", format!("write:  {key}: [\"…\"]"));
            }
        }
        Shape::Boolean => check_boolean(Level::Refuse, entry, &mut say),
        Shape::Switch => check_boolean(Level::Warn, entry, &mut say),
        Shape::Number => {
            if !matches!(node.value, Value::Number(_)) {
                mistyped(Level::Warn, "a number", format!("write:  {key}: 10"));
            }
        }
        Shape::OneOf(values) => check_one_of(Level::Warn, entry, values, &mut say),
        Shape::OnlyOneOf(values) => {
            // The client takes other capitals too, older ones do not.
            let near = node.text().is_some_and(|text| values.iter().any(|value| value.eq_ignore_ascii_case(text)));
            check_one_of(if near { Level::Warn } else { Level::Refuse }, entry, values, &mut say);
        }
        Shape::Map => {
            if node.map().is_none() {
                mistyped(Level::Warn, "a map", format!("write:  {key}: {{team: \"…\"}}"));
            }
        }
        Shape::Hooks => hooks::check_events(&item.path, node, findings),
        Shape::Ignored => {
            let message = format!("the client ignores `{key}` of agents that come from a plugin");
            say(Level::Warn, &IGNORED, message, format!("remove `{key}`, or tell people to set it themselves"));
        }
    }
}

type Say<'a> = dyn FnMut(Level, &'static Rule, String, String) + 'a;

fn check_boolean(level: Level, entry: &Entry, say: &mut Say<'_>) {
    let key = &entry.key;
    match (&entry.node.value, flag(&entry.node)) {
        (Value::Bool(_), _) => {}
        (Value::List(_) | Value::Map(_), _) => {
            let message = format!("`{key}` is {}, where true or false belongs", entry.node.kind());
            say(level, &TYPE, message, format!("write:  {key}: true"));
        }
        (_, Some(value)) => {
            let message = format!("clients before 2.1.218 know only true and false for `{key}`");
            say(Level::Warn, &BOOLEAN, message, format!("write:  {key}: {value}"));
        }
        (_, None) => {
            let shown = entry.node.scalar().unwrap_or_default();
            let message = format!("`{key}: {shown}` is neither true nor false; the client silently takes false");
            say(level, &VALUE, message, format!("write:  {key}: true"));
        }
    }
}

fn check_one_of(level: Level, entry: &Entry, values: &[&str], say: &mut Say<'_>) {
    let key = &entry.key;
    let list = values.join(", ");
    let shown = entry.node.scalar().unwrap_or_else(|| entry.node.kind().to_owned());
    if entry.node.text().is_some_and(|text| values.contains(&text)) {
        return;
    }
    let best = nearest::nearest(&shown, values.iter().copied()).or(values.first().copied()).unwrap_or_default();
    let rule = if matches!(entry.node.value, Value::List(_) | Value::Map(_)) { &TYPE } else { &VALUE };
    say(
        level,
        rule,
        format!("`{key}: {shown}` means nothing; the client knows {list}"),
        format!("write:  {key}: {best}"),
    );
}

fn check_unknown(item: &Item, entry: &Entry, findings: &mut Findings<'_>) {
    let key = entry.key.as_str();
    let fields = || known(item.kind).iter().map(|(known, _)| *known);
    if FOREIGN_FIELDS.contains(&key) {
        return;
    }
    if let Some(right) = fields().find(|known| known.eq_ignore_ascii_case(key)) {
        let message = format!("`{key}` has no effect: fields are case-sensitive");
        findings.add(&CASE, &item.path, Some(entry.key_at), message, format!("write:  {right}:"));
        return;
    }
    let already = |known: &str| item.front.get(known).is_some();
    if let Some(near) = nearest::nearest(key, fields()).filter(|near| nearest::edits(key, near, 2).is_some()) {
        let known_too = if already(near) { ", which is there too" } else { "" };
        let message = format!("`{key}` is no field and has no effect; did you mean `{near}`{known_too}?");
        findings.add(&TYPO, &item.path, Some(entry.key_at), message, format!("write:  {near}:  or remove the line"));
    }
}

/// Text, or a list of nothing but texts.
pub(super) fn is_texts(node: &Node) -> bool {
    node.text().is_some() || node.list().is_some_and(|nodes| nodes.iter().all(|node| node.text().is_some()))
}

#[cfg(test)]
mod tests {
    use crate::gate::Outcome;
    use crate::gate::samples::{judged, plugin, skill};

    /// The one rule that a field of a skill meets, and the outcome.
    fn field(line: &str) -> (Option<&'static str>, Outcome) {
        let verdict = judged(&skill(&format!("---\nname: tidy\ndescription: Tidies.\n{line}\n---\nBody\n")));
        assert!(verdict.findings.len() < 2, "{line}: {:?}", verdict.findings);
        (verdict.findings.first().map(|finding| finding.rule), verdict.outcome)
    }

    fn agent(line: &str) -> (Option<&'static str>, Outcome) {
        let text = format!("---\nname: a\ndescription: Helps.\n{line}\n---\nBody\n");
        let verdict = judged(&plugin(&[("agents/a.md", &text)]));
        (verdict.findings.first().map(|finding| finding.rule), verdict.outcome)
    }

    #[test]
    fn every_documented_field_is_taken() {
        for line in [
            "allowed-tools: Read, Bash(git diff *)",
            "allowed-tools: [Read, Grep]",
            "disable-model-invocation: true",
            "background: false",
            "argument-hint: \"[a] [b]\"",
            "arguments: [a, b]",
            "effort: high",
            "context: fork",
            "paths: \"*.rs, *.toml\"",
            "shell: bash",
            "license: MIT",
            "metadata: {a: 1}",
            "model: opus",
            "version: 1.0",
            "tags: [a]",
            "x-own: y",
            "allowed-tools:",
            "hooks: {Stop: [{hooks: [{type: command, command: x}]}]}",
        ] {
            assert_eq!(field(line), (None, Outcome::Accept), "{line}");
        }
        for line in [
            "tools: Read",
            "tools: [Read]",
            "color: cyan",
            "maxTurns: 5",
            "memory: project",
            "isolation: worktree",
            "skills: [a]",
        ] {
            assert_eq!(agent(line), (None, Outcome::Accept), "{line}");
        }
    }

    #[test]
    fn what_the_client_drops_is_warned_about() {
        for (line, rule) in [
            ("argument-hint: [file]", "field-type"),
            ("metadata: text", "field-type"),
            ("paths: 5", "field-type"),
            ("model: 5", "field-type"),
            ("effort: enormous", "field-value"),
            ("context: inherit", "field-value"),
            ("disable-model-invocation: yes", "boolean-spelling"),
            ("user-invocable: \"false\"", "boolean-spelling"),
            ("Allowed-Tools: Read", "field-case"),
            ("allowed_tools: Read", "field-typo"),
            ("licence: MIT", "field-typo"),
            ("argument-hnit: x", "field-typo"),
        ] {
            assert_eq!(field(line), (Some(rule), Outcome::Warn), "{line}");
        }
        let long = format!("compatibility: {}", "x".repeat(501));
        assert_eq!(field(&long), (Some("field-too-long"), Outcome::Warn));
        for (line, rule) in [
            ("maxTurns: ten", "field-type"),
            ("color: mauve", "field-value"),
            ("permissionMode: plan", "field-ignored-in-plugin"),
            ("hooks: {}", "field-ignored-in-plugin"),
        ] {
            assert_eq!(agent(line), (Some(rule), Outcome::Warn), "{line}");
        }
    }

    #[test]
    fn what_loses_a_restriction_is_refused() {
        for (line, rule) in [
            ("allowed-tools: {Read: true}", "field-type"),
            ("allowed-tools: 5", "field-type"),
            ("allowed-tools: [Read, 5]", "field-type"),
            ("disallowed-tools: true", "field-type"),
            ("disable-model-invocation: maybe", "field-value"),
            ("user-invocable: [no]", "field-type"),
            ("shell: zsh", "field-value"),
            ("hooks: run.sh", "hooks-shape"),
            ("hooks: [a]", "hooks-shape"),
        ] {
            assert_eq!(field(line), (Some(rule), Outcome::Refuse), "{line}");
        }
        assert_eq!(agent("tools: {Read: true}"), (Some("field-type"), Outcome::Refuse));
        let named = |value: &str| judged(&skill(&format!("---\nname: {value}\ndescription: T.\n---\nx\n"))).outcome;
        for value in ["42", "true", "[a]", "{a: b}", "1.5"] {
            assert_eq!(named(value), Outcome::Refuse, "{value}");
        }
    }
}
