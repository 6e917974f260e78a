//! What a text file may consist of: UTF-8, and nothing that a reader does not see.

use std::collections::HashSet;

use super::{Findings, Rule, Seen};
use crate::plugin::hidden::{self, HiddenKind};
use crate::plugin::item::ItemState;
use crate::plugin::node::{Node, Position};
use crate::plugin::source::{JsonState, Positions, Text, text};
use crate::tree::{Shown, TreeFile};

const NOT_UTF8: Rule = Rule::refuse("not-utf8", "text", "a file for people or the client that is not UTF-8");
const NUL: Rule = Rule::refuse("nul-byte", "text", "a NUL byte in such a file");
const CONTROL: Rule =
    Rule::refuse("control-character", "text", "a control character in Markdown, front matter or the manifest");
const BIDI: Rule = Rule::refuse(
    "bidi-control",
    "text",
    "a character that turns the direction of text, so that it reads otherwise than it runs",
);
const INVISIBLE: Rule = Rule::refuse(
    "invisible-character",
    "text",
    "a character that shows nothing, outside emoji and scripts that spell with it",
);
/// Reported by the families of JSON and front matter, which know what it breaks.
pub(super) const BOM: Rule = Rule::warn("bom", "text", "a byte order mark at the start (in hooks it refuses)");

pub(super) const RULES: &[&Rule] = &[&NOT_UTF8, &NUL, &CONTROL, &BIDI, &INVISIBLE, &BOM];

/// So many places of one kind are reported per file.
const PLACES_MAX: usize = 5;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let read_by_client: HashSet<&str> = seen
        .plugin
        .components
        .items
        .iter()
        .map(|item| item.path.as_str())
        .chain(seen.plugin.components.files.iter().map(|(_, file)| file.path.as_str()))
        .chain(seen.plugin.manifest.iter().map(|manifest| manifest.file.path.as_str()))
        .collect();
    let mut clean = HashSet::new();
    for file in seen.tree.files() {
        let path = Shown(&file.path).to_string();
        let by_client = read_by_client.contains(path.as_str());
        if check_file(file, &path, by_client, findings) {
            clean.insert(path);
        }
    }
    check_values(seen, &clean, findings);
}

/// True when the bytes of the file hide nothing, so that only escapes in its values still could.
fn check_file(file: &TreeFile, path: &str, by_client: bool, findings: &mut Findings<'_>) -> bool {
    let content = match text(file) {
        Text::Read { text, .. } => text,
        Text::NotUtf8(at) => {
            if by_client {
                let message = "from here on the file is not UTF-8; the client would show other characters";
                let fix = format!("iconv -f latin1 -t utf-8 '{path}' > fixed && mv fixed '{path}'");
                findings.add(&NOT_UTF8, path, Some(at), message, fix);
            }
            return false;
        }
        Text::NotAFile | Text::TooLarge => return false,
    };
    let nul = content.find('\0');
    if let Some(at) = nul {
        if by_client {
            let at = Positions::new(content).of(at);
            findings.add(&NUL, path, Some(at), "a NUL byte, at which some readers stop", "delete it");
        }
        // With a NUL byte it is no text for anybody.
        return false;
    }
    let markdown = crate::plugin::prose::is_prose(path);
    let mut clean = true;
    if by_client || markdown {
        let mut positions = Positions::new(content);
        let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t') && (by_client || c != '\u{c}');
        for (at, c) in content.char_indices().filter(|(_, c)| bad(*c)).take(PLACES_MAX) {
            clean = false;
            let message = format!(
                "the control character U+{:04X}, which a terminal obeys and a page does not show",
                u32::from(c)
            );
            findings.add(&CONTROL, path, Some(positions.of(at)), message, "delete it");
        }
    }
    let mut positions = Positions::new(content);
    let mut counts = [0; 2];
    for hidden in hidden::scan(content) {
        clean = false;
        let count = &mut counts[usize::from(hidden.kind == HiddenKind::Bidi)];
        *count += 1;
        if *count <= PLACES_MAX {
            let (rule, message, fix) = words(hidden.kind, hidden.character);
            findings.add(rule, path, Some(positions.of(hidden.at)), message, fix);
        }
        if counts.iter().all(|count| *count > PLACES_MAX) {
            break;
        }
    }
    clean
}

fn words(kind: HiddenKind, c: char) -> (&'static Rule, String, &'static str) {
    let code = u32::from(c);
    match kind {
        HiddenKind::Bidi => (
            &BIDI,
            format!("U+{code:04X} turns the direction of text: the line reads otherwise than it runs"),
            "delete it",
        ),
        HiddenKind::Invisible if (0xe0000..=0xe007f).contains(&code) => (
            &INVISIBLE,
            format!("U+{code:04X} is a tag character: invisible text that a model reads"),
            "delete it and those behind it",
        ),
        HiddenKind::Invisible => {
            (&INVISIBLE, format!("U+{code:04X} shows nothing: a model reads it, a person does not"), "delete it")
        }
    }
}

/// Escapes in YAML and JSON can hold what the bytes do not show.
fn check_values(seen: &Seen<'_>, clean: &HashSet<String>, findings: &mut Findings<'_>) {
    for item in &seen.plugin.components.items {
        if item.state == ItemState::Read
            && clean.contains(&item.path)
            && let Some(fields) = &item.front.fields
        {
            check_node(fields, &item.path, true, findings);
        }
    }
    let manifest = seen.plugin.manifest.iter().map(|manifest| (&manifest.file, true));
    let others = seen.plugin.components.files.iter().map(|(_, file)| (file, false));
    for (file, shown_to_people) in manifest.chain(others) {
        if let (JsonState::Read(_), true, Some(root)) = (&file.state, clean.contains(&file.path), file.root()) {
            check_node(root, &file.path, shown_to_people, findings);
        }
    }
}

fn check_node(node: &Node, path: &str, shown_to_people: bool, findings: &mut Findings<'_>) {
    let mut places = 0;
    for (text, at) in node.texts().into_iter().chain(keys(node)) {
        if places >= PLACES_MAX {
            return;
        }
        if let Some(hidden) = hidden::scan(text).next() {
            let (rule, message, fix) = words(hidden.kind, hidden.character);
            findings.add(rule, path, Some(at), message, fix);
            places += 1;
        }
        let bad = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if shown_to_people && let Some(c) = text.chars().find(bad) {
            let message =
                format!("the value holds the control character U+{:04X}, which a terminal obeys", u32::from(c));
            findings.add(&CONTROL, path, Some(at), message, "remove the escape");
            places += 1;
        }
    }
}

fn keys(node: &Node) -> Vec<(&str, Position)> {
    let mut out = Vec::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        for entry in node.map().unwrap_or_default() {
            out.push((entry.key.as_str(), entry.key_at));
            stack.push(&entry.node);
        }
        stack.extend(node.list().unwrap_or_default());
    }
    out.sort_by_key(|(_, at)| *at);
    out
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{file, judged, plugin, rules_of, skill};
    use crate::tree::{Mode, Tree};

    fn skill_rules(text: &str) -> Vec<&'static str> {
        rules_of(&skill(&format!("---\nname: tidy\ndescription: Tidies.\n---\n{text}\n")))
    }

    #[test]
    fn hidden_characters_are_refused_in_every_text_file() {
        assert_eq!(skill_rules("Run `rm \u{202e}txt.x`"), ["bidi-control"]);
        assert_eq!(skill_rules("a\u{200b}b"), ["invisible-character"]);
        assert_eq!(skill_rules("a\u{1b}[0m"), ["control-character"]);
        assert_eq!(skill_rules("tab\tand\r\nlines \u{1f468}\u{200d}\u{1f469}"), [""; 0]);
        assert_eq!(rules_of(&plugin(&[("lib/a.js", "let x = 1; // \u{2066}")])), ["bidi-control", "plugin-empty"]);
        assert_eq!(rules_of(&plugin(&[("LICENSE.txt", "page\u{c}break")])), ["plugin-empty"]);
    }

    #[test]
    fn escapes_hide_nothing() {
        let front = |value: &str| rules_of(&skill(&format!("---\nname: tidy\ndescription: \"{value}\"\n---\nx\n")));
        assert_eq!(front("a\\u202Eb"), ["bidi-control"]);
        assert_eq!(front("a\\u200Bb"), ["invisible-character"]);
        assert_eq!(front("a\\eb"), ["control-character"]);
        let mcp = "{\"s\": {\"command\": \"a\\u202eb\"}}";
        assert_eq!(rules_of(&plugin(&[(".mcp.json", mcp)])), ["bidi-control"]);
        let mcp = "{\"s\\u200b\": {\"command\": \"a\"}}";
        assert_eq!(rules_of(&plugin(&[(".mcp.json", mcp)])), ["invisible-character"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_where_the_client_reads() {
        let with = |path: &str, content: &[u8]| {
            let mut files =
                plugin(&[("skills/a/SKILL.md", "---\nname: a\ndescription: A.\n---\nx\n")]).files().to_vec();
            files.retain(|file| file.path != path.as_bytes());
            files.push(file(path, Mode::File, content));
            rules_of(&Tree::new(files))
        };
        assert_eq!(with("skills/a/SKILL.md", b"---\nname: a\ndescription: pr\xfcft\n---\n"), ["not-utf8"]);
        assert_eq!(with("skills/a/SKILL.md", b"---\nname: a\ndescription: b\n---\nx\0y\n"), ["nul-byte"]);
        assert_eq!(with("skills/a/picture.png", b"\x89PNG\0\xff"), [""; 0]);
    }

    #[test]
    fn many_places_are_bounded() {
        let verdict =
            judged(&skill(&format!("---\nname: tidy\ndescription: T.\n---\n{}", "\u{200b}\n".repeat(100_000))));
        let invisible = verdict.findings.iter().filter(|finding| finding.rule == "invisible-character");
        assert_eq!(invisible.count(), super::PLACES_MAX);
    }
}
