//! Hooks: events, groups with matchers, handlers. A broken shape breaks the whole plugin; a broken handler is left out,
//! except where it may be a guard.

use super::{Findings, Rule, Seen};
use crate::gate::policy::Level;
use crate::nearest;
use crate::plugin::components::{Part, Role};
use crate::plugin::node::{Entry, Node, Value};
use crate::plugin::{MANIFEST_PATH, regex};

const SHAPE: Rule = Rule::refuse("hooks-shape", "hooks", "hooks that are not events with groups of handlers");
const TYPE: Rule = Rule::warn("hook-type", "hooks", "a handler of an unknown type (refused where it may be a guard)");
const FIELD: Rule =
    Rule::warn("hook-field", "hooks", "a handler with a missing or mistyped field (refused where it may be a guard)");
const EVENT: Rule = Rule::warn("hook-event", "hooks", "an event that the client does not know");
const MATCHER: Rule =
    Rule::warn("hook-matcher", "hooks", "a matcher that is no regular expression, so that it never matches");

pub(super) const RULES: &[&Rule] = &[&SHAPE, &TYPE, &FIELD, &EVENT, &MATCHER];

/// Source: the hooks reference of Claude Code, 2.1.329.
const EVENTS: &[&str] = &[
    "SessionStart",
    "Setup",
    "UserPromptSubmit",
    "UserPromptExpansion",
    "PreToolUse",
    "PermissionRequest",
    "PermissionDenied",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "Notification",
    "MessageDisplay",
    "SubagentStart",
    "SubagentStop",
    "TaskCreated",
    "TaskCompleted",
    "Stop",
    "StopFailure",
    "TeammateIdle",
    "InstructionsLoaded",
    "ConfigChange",
    "CwdChanged",
    "DirectoryAdded",
    "FileChanged",
    "WorktreeCreate",
    "WorktreeRemove",
    "PreCompact",
    "PostCompact",
    "PreModelSwitch",
    "PostModelSwitch",
    "Elicitation",
    "ElicitationResult",
    "SessionEnd",
];

/// Events whose hooks may be guards: when one cannot be loaded, the client loads nothing of the plugin.
const GUARDS: &[&str] = &["PreToolUse", "PermissionRequest"];

const EXAMPLE: &str = "write:  {\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"…\"}]}]}}";

/// A handler's type with the text fields that it needs.
const TYPES: &[(&str, &[&str])] = &[
    ("command", &["command"]),
    ("http", &["url"]),
    ("prompt", &["prompt"]),
    ("agent", &["prompt"]),
    ("mcp_tool", &["server", "tool"]),
];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for part in seen.plugin.components.of(Role::Hooks) {
        check_part(part, findings);
        check_modules(seen, part, findings);
    }
    // The manifest's field must be a path, a list of paths and maps, or a map.
    let field = seen.plugin.manifest.as_ref().and_then(|manifest| manifest.get("hooks"));
    if let Some(node) = field.filter(|node| !super::manifest_fields::is_place_or_map(node)) {
        let message =
            format!("`hooks` is {}, where a path or hooks belong; the client loads nothing of the plugin", node.kind());
        findings.add(&SHAPE, MANIFEST_PATH, Some(node.at), message, EXAMPLE);
    }
}

fn check_part(part: &Part, findings: &mut Findings<'_>) {
    if part.node.map().is_none() {
        // `json-not-object` says so.
        return;
    }
    match part.content() {
        Some(events) => check_map(&part.path, events, Level::Warn, findings),
        None => {
            let message = "the level `hooks` is missing; the client loads nothing of the plugin";
            findings.add(&SHAPE, &part.path, Some(part.node.at), message, EXAMPLE);
        }
    }
    if let Some(node) = part.node.get("description").filter(|node| !part.inline && node.text().is_none()) {
        let message =
            format!("`description` is {}, where text belongs; the client loads nothing of the plugin", node.kind());
        findings.add(&SHAPE, &part.path, Some(node.at), message, "write:  \"description\": \"…\"");
    }
}

/// One module, by its path from the folder of the hooks file.
fn check_modules(seen: &Seen<'_>, part: &Part, findings: &mut Findings<'_>) {
    let Some(node) = part.node.get("modules").filter(|_| !part.inline) else { return };
    let fix = "write:  \"modules\": [\"./module.mjs\"]";
    let Some([module]) = node.list() else {
        let message = "`modules` is a list of one path; the client loads nothing of the plugin";
        return findings.add(&SHAPE, &part.path, Some(node.at), message, fix);
    };
    let folder = part.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = module.text().and_then(|text| text.strip_prefix("./")).map(|path| format!("{folder}/{path}"));
    if path.is_none_or(|path| seen.tree.get(path.trim_start_matches('/')).is_none()) {
        let shown = module.scalar().unwrap_or_default();
        let message = format!("no module `{shown}` in {folder}/; the client loads nothing of the plugin");
        findings.add(&SHAPE, &part.path, Some(module.at), message, fix);
    }
}

/// Checks the hooks of front matter. There the client checks nothing, so a shape that is none refuses.
pub(super) fn check_events(path: &str, events: &Node, findings: &mut Findings<'_>) {
    check_map(path, events, Level::Refuse, findings);
}

/// Checks a map of events. `shape_level` is what a broken event or group is that cannot be a guard: the client ignores
/// such an entry of a file or manifest.
fn check_map(path: &str, events: &Node, shape_level: Level, findings: &mut Findings<'_>) {
    let Some(entries) = events.map() else {
        let message = format!("the hooks are {}, where events belong", events.kind());
        return findings.add(&SHAPE, path, Some(events.at), message, EXAMPLE);
    };
    for event in entries {
        check_event(path, event, shape_level, findings);
    }
}

fn check_event(path: &str, event: &Entry, shape_level: Level, findings: &mut Findings<'_>) {
    let name = event.key.as_str();
    if !EVENTS.contains(&name) {
        let near = nearest::nearest(name, EVENTS.iter().copied());
        let fix = near.map_or_else(
            || "see the list of events in the hooks reference".to_owned(),
            |near| format!("write:  \"{near}\""),
        );
        findings.add(
            &EVENT,
            path,
            Some(event.key_at),
            format!("the client knows no event `{name}`; these hooks never run"),
            fix,
        );
    }
    let guard = GUARDS.contains(&name);
    let level = if guard { Level::Refuse } else { shape_level };
    let after = if guard { "a guard that cannot be loaded stops the whole plugin" } else { "it never runs" };
    let Some(groups) = event.node.list() else {
        let message = format!("`{name}` holds {}, where a list of groups belongs; {after}", event.node.kind());
        return findings.add_as(level, &SHAPE, path, Some(event.node.at), message, EXAMPLE);
    };
    for group in groups {
        let Some(handlers) = group.get("hooks").and_then(Node::list) else {
            let flat = group.get("type").is_some();
            let message = if flat {
                "a handler stands where a group belongs: the level with `hooks` is missing"
            } else {
                "a group has no list `hooks`"
            };
            findings.add_as(level, &SHAPE, path, Some(group.at), format!("{message}; {after}"), EXAMPLE);
            continue;
        };
        check_matcher(path, group, guard, findings);
        for handler in handlers {
            check_handler(path, handler, guard, findings);
        }
    }
}

fn check_matcher(path: &str, group: &Node, guard: bool, findings: &mut Findings<'_>) {
    let Some(matcher) = group.get("matcher") else { return };
    let Some(text) = matcher.text() else {
        let message = format!("`matcher` is {}, where text belongs", matcher.kind());
        let fix = "write:  \"matcher\": \"Edit|Write\"";
        return match guard {
            true => findings.add(
                &SHAPE,
                path,
                Some(matcher.at),
                format!("{message}; a guard that cannot be loaded stops the plugin"),
                fix,
            ),
            false => findings.add(&FIELD, path, Some(matcher.at), message, fix),
        };
    };
    // Letters, digits and these are exact names for the client.
    let names = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-,| *".contains(c));
    if !names && let Err(why) = regex::check(text) {
        let message = format!("the matcher is no regular expression ({why}), so these hooks never run");
        findings.add(&MATCHER, path, Some(matcher.at), message, "close its brackets, or write a backslash before them");
    }
}

fn check_handler(path: &str, handler: &Node, guard: bool, findings: &mut Findings<'_>) {
    let level = if guard { Level::Refuse } else { Level::Warn };
    let after = if guard { "a guard that cannot be loaded stops the whole plugin" } else { "the client leaves it out" };
    if handler.map().is_none() {
        let message = format!("a handler is {}; {after}", handler.kind());
        return findings.add_as(level, &FIELD, path, Some(handler.at), message, EXAMPLE);
    }
    let types = || TYPES.iter().map(|(name, _)| *name);
    let kind = handler.text_of("type").unwrap_or_default();
    let Some((_, needed)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        let at = handler.get("type").map_or(handler.at, |node| node.at);
        let message = match handler.get("type").map(Node::scalar) {
            None => format!("a handler without a type; {after}"),
            Some(shown) => format!("the client knows no handler type `{}`; {after}", shown.unwrap_or_default()),
        };
        let fix = format!("write:  \"type\": \"{}\"", nearest::nearest(kind, types()).unwrap_or("command"));
        return findings.add_as(level, &TYPE, path, Some(at), message, fix);
    };
    let mut say = |at, message: String, fix: String| {
        findings.add_as(level, &FIELD, path, Some(at), format!("{message}; {after}"), fix);
    };
    for field in *needed {
        if handler.text_of(field).is_none_or(|text| text.trim().is_empty()) {
            let at = handler.get(field).map_or(handler.at, |node| node.at);
            say(at, format!("a {kind} handler needs the text `{field}`"), format!("write:  \"{field}\": \"…\""));
        }
    }
    for entry in handler.map().unwrap_or_default() {
        let value = &entry.node.value;
        let (fits, expected, example) = match entry.key.as_str() {
            "timeout" => (is_positive(value), "a number of seconds above 0", "10"),
            "onFailure" => (matches!(entry.node.text(), Some("continue" | "block")), "continue or block", "\"block\""),
            "url" => (entry.node.text().is_none_or(is_absolute), "an address", "\"https://…\""),
            "async" | "asyncRewake" | "once" => (matches!(value, Value::Bool(_)), "true or false", "true"),
            "if" | "statusMessage" | "model" => (entry.node.text().is_some(), "text", "\"…\""),
            "shell" => (matches!(entry.node.text(), Some("bash" | "powershell")), "bash or powershell", "\"bash\""),
            "args" | "allowedEnvVars" => {
                (entry.node.list().is_some() && super::field::is_texts(&entry.node), "a list of texts", "[\"…\"]")
            }
            "headers" => (is_texts_by_key(&entry.node), "a map of texts", "{\"X-Key\": \"…\"}"),
            "input" => (entry.node.map().is_some(), "a map", "{}"),
            _ => continue,
        };
        if !fits {
            let message = format!("`{}` is {}, where {expected} belongs", entry.key, entry.node.kind());
            say(entry.node.at, message, format!("write:  \"{}\": {example}", entry.key));
        }
    }
}

fn is_positive(value: &Value) -> bool {
    matches!(value, Value::Number(text) if text.parse::<f64>().is_ok_and(|number| number > 0.0))
}

/// True for an address with a scheme, as far as the client looks.
pub(super) fn is_absolute(text: &str) -> bool {
    let scheme = text.split(':').next().unwrap_or_default();
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let sound = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let rest = text[scheme.len()..].strip_prefix(':').unwrap_or_default();
    let rest = rest.trim_start_matches('/');
    // A variable stands for what nobody knows here.
    text.contains("${")
        || (begins && scheme.chars().all(sound) && !rest.is_empty() && !text.contains(char::is_whitespace))
}

/// A map whose values are texts.
pub(super) fn is_texts_by_key(node: &Node) -> bool {
    node.map().is_some_and(|entries| entries.iter().all(|entry| entry.node.text().is_some()))
}

#[cfg(test)]
mod tests {
    use crate::gate::Outcome;
    use crate::gate::samples::{judged, plugin};

    fn check(text: &str, rule: Option<&str>, outcome: Outcome) {
        let verdict = judged(&plugin(&[("hooks/hooks.json", text)]));
        let found: Vec<_> = verdict.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!((found, verdict.outcome), (rule.into_iter().collect(), outcome), "{text}");
    }

    fn handler(event: &str, handler: &str) -> String {
        format!("{{\"hooks\": {{\"{event}\": [{{\"hooks\": [{handler}]}}]}}}}")
    }

    #[test]
    fn every_type_of_handler_is_taken() {
        for sound in [
            "{\"type\": \"command\", \"command\": \"x\", \"args\": [\"a\"], \"timeout\": 5, \"async\": true, \"shell\": \"bash\", \"if\": \"Bash(git *)\"}",
            "{\"type\": \"http\", \"url\": \"https://example.com\", \"headers\": {\"A\": \"b\"}, \"allowedEnvVars\": [\"T\"]}",
            "{\"type\": \"prompt\", \"prompt\": \"Done?\"}",
            "{\"type\": \"agent\", \"prompt\": \"Check it.\"}",
            "{\"type\": \"mcp_tool\", \"server\": \"s\", \"tool\": \"t\", \"input\": {}}",
        ] {
            check(&handler("Stop", sound), None, Outcome::Accept);
            check(&handler("PreToolUse", sound), None, Outcome::Accept);
        }
    }

    #[test]
    fn a_broken_handler_matters_most_where_it_guards() {
        for (broken, rule) in [
            ("{\"type\": \"banana\"}", "hook-type"),
            ("{\"command\": \"x\"}", "hook-type"),
            ("{\"type\": \"command\"}", "hook-field"),
            ("{\"type\": \"command\", \"command\": \" \"}", "hook-field"),
            ("{\"type\": \"command\", \"command\": \"x\", \"timeout\": \"5\"}", "hook-field"),
            ("{\"type\": \"command\", \"command\": \"x\", \"timeout\": 0}", "hook-field"),
            ("{\"type\": \"command\", \"command\": \"x\", \"onFailure\": \"cry\"}", "hook-field"),
            ("{\"type\": \"http\", \"url\": \"no address\"}", "hook-field"),
            ("{\"type\": \"http\", \"command\": \"x\"}", "hook-field"),
            ("\"x\"", "hook-field"),
        ] {
            check(&handler("Stop", broken), Some(rule), Outcome::Warn);
            check(&handler("PermissionRequest", broken), Some(rule), Outcome::Refuse);
        }
    }

    #[test]
    fn a_broken_shape_breaks_the_plugin() {
        for text in [
            "{\"Stop\": []}",
            "{\"hooks\": []}",
            "{\"hooks\": {\"PreToolUse\": {}}}",
            "{\"hooks\": {\"PreToolUse\": [{\"type\": \"command\", \"command\": \"x\"}]}}",
            "{\"hooks\": {\"PreToolUse\": [{\"matcher\": \"x\"}]}}",
            "{\"hooks\": {}, \"description\": 5}",
            "{\"hooks\": {}, \"modules\": \"./x.mjs\"}",
            "{\"hooks\": {}, \"modules\": [\"./x.mjs\"]}",
            "{\"hooks\": {\"PreToolUse\": [{\"matcher\": {\"a\": 1}, \"hooks\": []}]}}",
        ] {
            check(text, Some("hooks-shape"), Outcome::Refuse);
        }
        check("{\"hooks\": {}, \"description\": \"x\", \"version\": 1}", None, Outcome::Accept);
        // What cannot be a guard is left out by the client, and no more.
        for text in [
            "{\"hooks\": {\"Stop\": {}}}",
            "{\"hooks\": {\"Stop\": [{\"type\": \"command\", \"command\": \"x\"}]}}",
            "{\"hooks\": {\"Stop\": [{\"matcher\": \"x\"}]}}",
        ] {
            check(text, Some("hooks-shape"), Outcome::Warn);
        }
        let module = judged(&plugin(&[
            ("hooks/hooks.json", "{\"hooks\": {}, \"modules\": [\"./x.mjs\"]}"),
            ("hooks/x.mjs", "export default {}"),
        ]));
        assert_eq!(module.outcome, Outcome::Accept, "{:?}", module.findings);
    }

    #[test]
    fn events_and_matchers_that_never_match_are_told() {
        let good = "{\"type\": \"command\", \"command\": \"x\"}";
        for event in ["OnSave", "sessionStart", "posttooluse"] {
            check(&handler(event, good), Some("hook-event"), Outcome::Warn);
        }
        let matcher = |matcher: &str| {
            format!("{{\"hooks\": {{\"Stop\": [{{\"matcher\": \"{matcher}\", \"hooks\": [{good}]}}]}}}}")
        };
        for sound in ["", "*", "Edit|Write", "mcp__.*__write.*", "^Bash$", "Notebook(Edit|Read)"] {
            check(&matcher(sound), None, Outcome::Accept);
        }
        for broken in ["(", "Edit[", "+x"] {
            check(&matcher(broken), Some("hook-matcher"), Outcome::Warn);
        }
    }

    #[test]
    fn hooks_in_the_manifest_are_checked_alike() {
        let manifest = |hooks: &str| {
            let text = format!("{{\"name\": \"sample\", \"version\": \"1.0.0\", \"hooks\": {hooks}}}");
            judged(&crate::gate::samples::tree(&[(".claude-plugin/plugin.json", &text)])).outcome
        };
        assert_eq!(
            manifest("{\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}]}"),
            Outcome::Accept
        );
        assert_eq!(manifest("{\"PreToolUse\": 5}"), Outcome::Refuse);
        assert_eq!(manifest("{\"Stop\": 5}"), Outcome::Warn);
        assert_eq!(manifest("5"), Outcome::Refuse);
        assert_eq!(manifest("[5]"), Outcome::Refuse);
    }
}
