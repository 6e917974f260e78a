//! Descriptions: what the model chooses by, and what people read in lists.

use unicode_normalization::char::is_combining_mark;

use super::{Findings, Rule, Seen};
use crate::plugin::ItemKind;
use crate::plugin::item::{Item, ItemState};
use crate::plugin::source::{Text, text};

const MISSING: Rule = Rule::warn("description-missing", "description", "a skill or agent without a description");
const LONG: Rule =
    Rule::warn("description-too-long", "description", "over 1,024 characters, or over 1,536 with when_to_use");
const MARKUP: Rule =
    Rule::warn("description-markup", "description", "tags in a skill's description, which claude.ai refuses");
const COMMENT: Rule = Rule::warn("description-comment", "description", "a description that a blank and `#` cut off");
const TEXT: Rule = Rule::warn("description-text", "description", "a description that nobody can read");

pub(super) const RULES: &[&Rule] = &[&MISSING, &LONG, &MARKUP, &COMMENT, &TEXT];

/// What the specification allows; other clients skip items above it.
const DESCRIPTION_CHARACTERS_MAX: usize = 1_024;
/// Where Claude Code cuts description and when_to_use together.
const LISTED_CHARACTERS_MAX: usize = 1_536;
/// No script stacks so many marks on one letter.
const MARKS_MAX: usize = 6;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for item in seen.plugin.components.items.iter().filter(|item| item.state == ItemState::Read) {
        check_item(seen, item, findings);
    }
}

fn check_item(seen: &Seen<'_>, item: &Item, findings: &mut Findings<'_>) {
    let Some(fields) = &item.front.fields else { return };
    let node = item.front.get("description");
    let at = node.map_or(fields.at, |node| node.at);
    let Some(description) = item.given_description() else {
        // A list or map is `field-type`'s; a command's first paragraph serves as well.
        let absent = node.is_none_or(|node| node.is_null() || node.text().is_some());
        if absent && item.kind != ItemKind::Command {
            let kind = item.kind.as_str();
            let message = format!("without a description the model does not know when to use this {kind}");
            findings.add(&MISSING, &item.path, Some(at), message, "write:  description: \"What it does. Use when …\"");
        }
        return;
    };
    let length = description.chars().count();
    let more = item.text("when_to_use").map_or(0, |text| text.chars().count());
    if length > DESCRIPTION_CHARACTERS_MAX {
        let message = format!("{length} characters; other clients skip items over {DESCRIPTION_CHARACTERS_MAX}");
        findings.add(
            &LONG,
            &item.path,
            Some(at),
            message,
            "keep what it does and when to use it; move the rest to the body",
        );
    } else if length + more > LISTED_CHARACTERS_MAX {
        let message = format!(
            "description and when_to_use have {} characters; the client cuts them at {LISTED_CHARACTERS_MAX}",
            length + more
        );
        findings.add(&LONG, &item.path, Some(at), message, "shorten when_to_use");
    }
    if item.kind == ItemKind::Skill
        && let Some(tag) = markup(&description)
    {
        let message = format!("the description holds the tag `{tag}`; claude.ai refuses such uploads");
        findings.add(&MARKUP, &item.path, Some(at), message, "describe it without angle brackets");
    }
    if description.contains('\u{fffd}') || stacked_marks(&description) {
        let message = "the description cannot be read: stacked marks or replacement characters";
        findings.add(&TEXT, &item.path, Some(at), message, "write it in plain letters");
    }
    if let Some(lost) = node.and_then(|node| cut_by_comment(seen, item, node.at.line, node.at.column)) {
        let message = format!("a blank and `#` begin a comment: `{lost}` is lost");
        let fix =
            format!("write:  description: {}", crate::plugin::front_matter::quote(&format!("{description} {lost}")));
        findings.add(&COMMENT, &item.path, Some(at), message, fix);
    }
}

/// The first thing that looks like a tag.
fn markup(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at..];
        let inner = tag[1..].strip_prefix('/').unwrap_or(&tag[1..]);
        if inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let end = tag[1..].find(['<', '>', '\n']).map(|end| end + 1);
            if let Some(end) = end.filter(|end| tag[*end..].starts_with('>')) {
                return Some(&tag[..=end]);
            }
        }
        rest = &tag[1..];
    }
    None
}

fn stacked_marks(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = if is_combining_mark(c) { run + 1 } else { 0 };
        run > MARKS_MAX
    })
}

/// What a comment cuts off a description that stands without quotes on one line.
fn cut_by_comment(seen: &Seen<'_>, item: &Item, line: u32, column: u32) -> Option<String> {
    let Text::Read { text, .. } = text(seen.tree.get(&item.path)?) else { return None };
    let line = text.lines().nth(line as usize - 1)?;
    let value: String = line.chars().skip(column as usize - 1).collect();
    if value.starts_with(['"', '\'', '|', '>', '[', '{', '#']) {
        return None;
    }
    let at = value.find(" #")?;
    let lost = value[at..].trim();
    // Where the value was recovered as text to the end of its line, nothing is lost.
    let whole = item.given_description()?;
    (!whole.contains(lost)).then(|| lost.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::samples::{judged, plugin, rules_of, skill};

    fn described(line: &str) -> Vec<&'static str> {
        rules_of(&skill(&format!("---\nname: tidy\n{line}\n---\nBody\n")))
    }

    #[test]
    fn descriptions_are_there_and_fit() {
        assert_eq!(described("description: Tidies up."), [""; 0]);
        assert_eq!(described(&format!("description: {}", "\u{1f4a1}".repeat(1024))), [""; 0]);
        assert_eq!(described(&format!("description: {}", "a".repeat(1025))), ["description-too-long"]);
        let two = format!("description: {}\nwhen_to_use: {}", "a".repeat(1000), "b".repeat(600));
        assert_eq!(described(&two), ["description-too-long"]);
        for blank in ["x-other: y", "description:", "description: \"  \""] {
            assert_eq!(described(blank), ["description-missing"], "{blank}");
        }
        assert_eq!(rules_of(&plugin(&[("commands/a.md", "---\nmodel: opus\n---\nDo it.\n")])), [""; 0]);
    }

    #[test]
    fn descriptions_are_text() {
        assert_eq!(described("description: Tidies <system>all</system> of it"), ["description-markup"]);
        assert_eq!(described("description: \"a < b and c > d\""), [""; 0]);
        assert_eq!(described(&format!("description: \"Z{}\"", "\u{301}".repeat(50))), ["description-text"]);
        assert_eq!(described("description: caf\u{e9} cafe\u{301}"), [""; 0]);
        let agent = "---\nname: a\ndescription: \"Helps. <example>x</example>\"\n---\nBody\n";
        assert_eq!(rules_of(&plugin(&[("agents/a.md", agent)])), [""; 0]);
    }

    #[test]
    fn what_a_comment_cuts_off_is_told() {
        assert_eq!(described("description: Fixes issue #12 and C# code"), ["description-comment"]);
        assert_eq!(described("description: \"Fixes issue #12\""), [""; 0]);
        assert_eq!(described("description: Writes C#"), [""; 0]);
        let verdict = judged(&skill("---\nname: tidy\ndescription: Fixes issue #12.\n---\nx\n"));
        assert_eq!(verdict.findings[0].fix, "write:  description: \"Fixes issue #12.\"");
        assert_eq!(markup("a <b c"), None);
    }
}
