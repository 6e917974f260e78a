//! Names of items: typed by people, shown in lists, and part of `/plugin:name`.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::{Findings, Rule, Seen, manifest::kebab};
use crate::names::ItemName;
use crate::plugin::ItemKind;
use crate::plugin::item::{Item, ItemState};
use crate::plugin::node::Position;

const MISSING: Rule = Rule::warn("name-missing", "name", "a skill or agent without a name in its front matter");
const PORTABLE: Rule = Rule::warn("name-not-portable", "name", "a name outside `a-z`, `0-9` and single `-`");
const LONG: Rule = Rule::warn("name-too-long", "name", "a name over 64 characters");
const FOLDER: Rule = Rule::warn("name-folder-mismatch", "name", "a skill whose name is not its folder's");
const RESERVED: Rule =
    Rule::warn("name-reserved-word", "name", "a name with `claude` or `anthropic`, which claude.ai refuses");
const DUPLICATE: Rule = Rule::warn("name-duplicate", "name", "two items of one name");
const UNSAFE: Rule =
    Rule::refuse("name-unsafe", "name", "a name with separators or control characters, or one that is a path");
const MIXED: Rule = Rule::refuse("name-mixed-script", "name", "a name that mixes letters which look alike");

pub(super) const RULES: &[&Rule] = &[&MISSING, &PORTABLE, &LONG, &FOLDER, &RESERVED, &DUPLICATE, &UNSAFE, &MIXED];

const NAME_CHARACTERS_MAX: usize = 64;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let items = &seen.plugin.components.items;
    for item in items {
        check_item(item, findings);
    }
    check_duplicates(items, findings);
}

fn check_item(item: &Item, findings: &mut Findings<'_>) {
    let node = item.front.get("name");
    let at = node.map(|node| node.at);
    let kind = item.kind.as_str();
    let suggestion = kebab(&item.place_name).unwrap_or_else(|| "tidy-up".to_owned());
    let fix = format!("write:  name: {suggestion}");
    if let Some(node) = node
        && node.text().is_none()
        && !node.is_null()
    {
        // `field-type` says so.
        return;
    }
    let Some(name) = node.and_then(|node| node.text()).filter(|name| !name.trim().is_empty()) else {
        if let Some(fields) = &item.front.fields
            && item.kind != ItemKind::Command
        {
            let message = format!("this {kind} has no name; the client takes `{}`, others drop it", item.place_name);
            findings.add(&MISSING, &item.path, Some(at.unwrap_or(fields.at)), message, fix);
        }
        if item.state != ItemState::NotAFile {
            check_letters(item, &item.place_name, None, findings);
        }
        return;
    };
    if let Some(why) = unsafe_because(name) {
        let message = format!("the name `{name}` {why}");
        let fix = format!("write:  name: {}", kebab(name).unwrap_or(suggestion));
        findings.add(&UNSAFE, &item.path, at, message, fix);
        return;
    }
    if !check_letters(item, name, at, findings) {
        return;
    }
    if item.kind == ItemKind::Skill && item.path != "SKILL.md" && !name.nfc().eq(item.place_name.nfc()) {
        let folder = &item.place_name;
        let message = format!("the skill calls itself `{name}`, but people type its folder: `/<plugin>:{folder}`");
        findings.add(&FOLDER, &item.path, at, message, rename(item, name));
    }
    let lower = name.to_ascii_lowercase();
    if let Some(word) = ["claude", "anthropic"].into_iter().find(|word| lower.contains(word)) {
        let message = format!("the name holds `{word}`; claude.ai refuses such uploads");
        findings.add(&RESERVED, &item.path, at, message, "leave the word out of the name");
    }
}

/// False when the letters alone refuse the name.
fn check_letters(item: &Item, name: &str, at: Option<Position>, findings: &mut Findings<'_>) -> bool {
    if let Some(scripts) = mixed_scripts(name) {
        let message = format!("the name `{name}` mixes {scripts}: it looks like another name and is none");
        findings.add(&MIXED, &item.path, at, message, "write all of it in one script");
        return false;
    }
    let length = name.chars().count();
    if length > NAME_CHARACTERS_MAX {
        let message = format!("the name has {length} characters; other clients skip items over {NAME_CHARACTERS_MAX}");
        findings.add(&LONG, &item.path, at, message, "shorten it");
    } else if let Err(error) = ItemName::parse(name) {
        let message = format!("{error}; Claude Code loads it, other clients rename or skip it");
        findings.add(&PORTABLE, &item.path, at, message, renamed_to(item, name));
    }
    true
}

fn renamed_to(item: &Item, name: &str) -> String {
    match kebab(name) {
        Some(better) if item.front.get("name").is_some() => format!("write:  name: {better}"),
        Some(better) if item.kind == ItemKind::Skill => format!("git mv it to a folder called {better}"),
        Some(better) => format!("git mv '{}' to {better}.md", item.path),
        None => "give it a name of a-z, 0-9 and single `-`".to_owned(),
    }
}

fn rename(item: &Item, name: &str) -> String {
    let folder = item.path.strip_suffix("/SKILL.md").unwrap_or(&item.path);
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    match ItemName::parse(name) {
        Ok(name) => format!("git mv '{folder}' '{parent}/{name}'"),
        Err(_) => format!("write:  name: {}", item.place_name),
    }
}

fn unsafe_because(name: &str) -> Option<&'static str> {
    if name.contains(['/', '\\']) {
        return Some("has a path separator; somebody's file lies elsewhere then");
    }
    if name.contains(':') {
        return Some("has a colon, which parts plugin and item; such agents do not load");
    }
    if matches!(name.trim(), "." | "..") {
        return Some("is a folder's short name");
    }
    name.chars().any(char::is_control).then_some("has a control character")
}

fn check_duplicates(items: &[Item], findings: &mut Findings<'_>) {
    // Skills and commands share one list of `/names`; agents have their own.
    let mut first: BTreeMap<(bool, String), &Item> = BTreeMap::new();
    for item in items {
        let own_list = item.kind == ItemKind::Agent;
        // A command's folders are part of its name, so that two files of one name differ.
        let mut names = vec![item.called.clone()];
        if let Some(name) = item.given_name().filter(|_| item.kind != ItemKind::Command) {
            names.push(name);
        }
        names.dedup();
        let mut told = false;
        for name in names {
            let key = name.nfc().flat_map(char::to_lowercase).collect();
            let known = first.entry((own_list, key)).or_insert(item);
            if !std::ptr::eq(*known, item) && !told {
                told = true;
                let message = format!("`{name}` is also the name of {}; only one of them can be called", known.path);
                let at = item.front.get("name").map(|node| node.at);
                findings.add(&DUPLICATE, &item.path, at, message, "give one of them another name");
            }
        }
    }
}

/// The scripts in words, when `name` mixes ones whose letters look alike.
///
/// Latin may stand beside Chinese, Japanese and Korean, as their names do. Letters that are forms of Latin ones
/// (full-width, mathematical) beside plain ones count as a mixture.
fn mixed_scripts(name: &str) -> Option<String> {
    let mut found: Vec<&'static str> = Vec::new();
    for c in name.nfc() {
        if let Some(script) = script(c)
            && !found.contains(&script)
        {
            found.push(script);
        }
    }
    if found.contains(&"styled Latin") {
        found.sort_unstable();
        return Some(format!("{} letters", found.join(" and ")));
    }
    let east_asian = |script: &&str| matches!(*script, "Latin" | "Han" | "Japanese" | "Korean");
    if found.len() < 2 || found.iter().all(east_asian) {
        return None;
    }
    found.sort_unstable();
    Some(format!("{} letters", found.join(" and ")))
}

fn script(c: char) -> Option<&'static str> {
    let code = u32::from(c);
    Some(match code {
        0x41..=0x5a | 0x61..=0x7a | 0xaa | 0xba | 0xc0..=0x24f if c.is_alphabetic() => "Latin",
        0x250..=0x2af | 0x1e00..=0x1eff | 0x2c60..=0x2c7f | 0xa720..=0xa7ff => "Latin",
        0x370..=0x3ff | 0x1f00..=0x1fff if c.is_alphabetic() => "Greek",
        0x400..=0x52f | 0x1c80..=0x1c8f | 0x2de0..=0x2dff | 0xa640..=0xa69f => "Cyrillic",
        0x530..=0x58f => "Armenian",
        0x590..=0x5ff => "Hebrew",
        0x600..=0x6ff | 0x750..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfeff if c.is_alphabetic() => {
            "Arabic"
        }
        0x900..=0xdff if c.is_alphabetic() => "Indic",
        0xe00..=0xeff if c.is_alphabetic() => "Thai or Lao",
        0x10a0..=0x10ff | 0x1c90..=0x1cbf | 0x2d00..=0x2d2f => "Georgian",
        0x1200..=0x139f => "Ethiopic",
        0x13a0..=0x13ff | 0xab70..=0xabbf => "Cherokee",
        0x2c80..=0x2cff => "Coptic",
        0xa4d0..=0xa4ff => "Lisu",
        0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff66..=0xff9f => "Japanese",
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7ff => "Korean",
        0x2e80..=0x2fdf | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff => "Han",
        0x2100..=0x214f | 0x24b6..=0x24e9 | 0xff21..=0xff3a | 0xff41..=0xff5a | 0x1d400..=0x1d7ff
            if c.nfkc().all(|c| c.is_ascii_alphanumeric()) =>
        {
            "styled Latin"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{judged, plugin, rules_of, skill};

    fn named(name: &str) -> Vec<&'static str> {
        rules_of(&skill(&format!("---\nname: {name}\ndescription: Tidies.\n---\nx\n")))
    }

    #[test]
    fn names_that_only_some_clients_take_are_warned_about() {
        assert_eq!(named("tidy"), [""; 0]);
        assert_eq!(named("other"), ["name-folder-mismatch"]);
        assert!(named("Tidy Up").contains(&"name-not-portable"));
        assert!(named("\u{1f680}").contains(&"name-not-portable"));
        assert!(named("日本語スキル").contains(&"name-not-portable"));
        assert!(named(&"x".repeat(65)).contains(&"name-too-long"));
        assert!(named("claude-tidy").contains(&"name-reserved-word"));
        for blank in ["", "\"\"", "\" \"", "null"] {
            assert_eq!(named(blank), ["name-missing"], "{blank}");
        }
    }

    #[test]
    fn names_that_deceive_are_refused() {
        for name in ["a/b", "..", "\"a:b\"", "'a\\b'", "\"a\\tb\""] {
            assert_eq!(named(name), ["name-unsafe"], "{name}");
        }
        for name in ["t\u{456}dy", "tid\u{443}", "\u{3c4}idy", "\u{ff54}idy", "\u{1d42d}idy", "прив\u{3b5}т"] {
            assert_eq!(named(name), ["name-mixed-script"], "{name}");
        }
        assert!(!named("привет").contains(&"name-mixed-script"));
    }

    #[test]
    fn two_items_of_one_name_are_told() {
        let text = |name: &str| format!("---\nname: {name}\ndescription: T.\n---\nx\n");
        let (a, b) = (text("a"), text("b"));
        let rules = |files: &[(&str, &str)]| rules_of(&plugin(files));
        assert!(rules(&[("skills/a/SKILL.md", &a), ("skills/b/SKILL.md", &a)]).contains(&"name-duplicate"));
        assert!(rules(&[("skills/a/SKILL.md", &a), ("commands/a.md", &b)]).contains(&"name-duplicate"));
        assert_eq!(rules(&[("skills/a/SKILL.md", &a), ("agents/a.md", &a)]), [""; 0]);
        assert_eq!(rules(&[("commands/x/a.md", &b), ("commands/y/a.md", &b)]), [""; 0]);
        let verdict = judged(&plugin(&[("skills/a/SKILL.md", &a), ("skills/b/SKILL.md", &a)]));
        let finding = verdict.findings.iter().find(|f| f.rule == "name-duplicate").expect("found");
        assert_eq!(finding.path, "skills/b/SKILL.md");
    }
}
