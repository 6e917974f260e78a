//! Sizes: of files, of the tree, of what a model reads.

use super::{Findings, Rule, Seen};
use crate::plugin::item::ItemState;
use crate::plugin::prose;
use crate::tree::{Mode, Shown};

const FILES: Rule = Rule::refuse("too-many-files", "size", "more files than the policy allows");
const TREE: Rule = Rule::refuse("tree-too-large", "size", "more bytes in all than the policy allows");
const FILE: Rule = Rule::refuse("file-too-large", "size", "one file larger than the policy allows");
const PROSE: Rule = Rule::refuse("text-too-large", "size", "a Markdown or text file over 1 MiB");
const ITEM: Rule =
    Rule::refuse("item-too-large", "size", "a skill, agent or command over 1 MiB, which the client does not validate");
const ITEM_WARN: Rule = Rule::warn("item-large", "size", "a skill, agent or command over 64 KiB");
const EMPTY: Rule = Rule::warn("item-empty", "size", "a skill, agent or command without any text");

pub(super) const RULES: &[&Rule] = &[&FILES, &TREE, &FILE, &PROSE, &ITEM, &ITEM_WARN, &EMPTY];

/// Above this the client's validator reads no item, in bytes.
const ITEM_BYTES_MAX: u64 = 1 << 20;

pub(super) fn check_tree(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let limits = &seen.policy.limits;
    let files = seen.tree.files();
    if files.len() as u64 > limits.files_max {
        let message = format!("{} files; this registry takes {} in one plugin", files.len(), limits.files_max);
        findings.add(&FILES, "", None, message, "split the plugin, or fetch data when it is needed");
    }
    let total = files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add);
    if total > limits.tree_bytes_max {
        let message =
            format!("{} in all; this registry takes {} in one plugin", bytes(total), bytes(limits.tree_bytes_max));
        findings.add(&TREE, "", None, message, "split the plugin, or fetch data when it is needed");
    }
    for file in files.iter().filter(|file| file.mode != Mode::Link) {
        if file.size_bytes > limits.file_bytes_max {
            let path = Shown(&file.path).to_string();
            let message =
                format!("{}; this registry takes {} in one file", bytes(file.size_bytes), bytes(limits.file_bytes_max));
            findings.add(&FILE, &path, None, message, "split it, or fetch it when it is needed");
        }
    }
}

pub(super) fn check_plugin(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let limits = &seen.policy.limits;
    let items = &seen.plugin.components.items;
    for item in items {
        let kind = item.kind.as_str();
        if item.bytes > ITEM_BYTES_MAX {
            let message =
                format!("this {kind} has {}; the client reads none over {}", bytes(item.bytes), bytes(ITEM_BYTES_MAX));
            findings.add(&ITEM, &item.path, None, message, "move parts of it to files that it names");
        } else if item.bytes > limits.item_bytes_warn {
            let message =
                format!("this {kind} has {}, all of which stays in the context once it is loaded", bytes(item.bytes));
            findings.add(&ITEM_WARN, &item.path, None, message, "move parts of it to files that it names");
        }
        if item.state == ItemState::Empty {
            let message = format!("this {kind} is empty; it is listed and does nothing");
            findings.add(&EMPTY, &item.path, None, message, "write what it does, or remove the file");
        }
    }
    for file in
        seen.tree.files().iter().filter(|file| file.size_bytes > limits.text_bytes_max && file.mode != Mode::Link)
    {
        let path = Shown(&file.path).to_string();
        if prose::is_prose(&path) && !items.iter().any(|item| item.path == path) {
            let message = format!(
                "{} of text; no context holds it, and a model that opens it loses its task",
                bytes(file.size_bytes)
            );
            findings.add(&PROSE, &path, None, message, "split it into parts that are read one at a time");
        }
    }
}

/// `3.1 MiB`, as people read sizes.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = count.saturating_mul(10);
    let mut unit = "bytes";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    match (unit, tenths % 10) {
        ("bytes", _) => format!("{count} bytes"),
        (_, 0) => format!("{} {unit}", tenths / 10),
        (_, tenth) => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::samples::{file, judged, plugin, rules_of, rules_of_tree, skill};
    use crate::gate::{Context, Policy, judge};
    use crate::tree::{Tree, TreeFile};

    #[test]
    fn sizes_read_well() {
        for (count, text) in [
            (7, "7 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (65_537, "64 KiB"),
            (5 << 20, "5 MiB"),
            (3_250_000, "3 MiB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
        assert_eq!(bytes(1_600_000), "1.5 MiB");
    }

    #[test]
    fn items_have_a_warning_and_a_bound() {
        let sized = |bytes: usize| {
            let head = "---\nname: tidy\ndescription: Tidies.\n---\n";
            rules_of(&skill(&format!("{head}{}", "x".repeat(bytes - head.len()))))
        };
        assert_eq!(sized(65_536), [""; 0]);
        assert_eq!(sized(65_537), ["item-large"]);
        assert_eq!(sized((1 << 20) + 1), ["item-too-large"]);
        assert_eq!(rules_of(&skill(" \n")), ["item-empty"]);
        assert_eq!(rules_of(&skill("")), ["item-empty"]);
    }

    #[test]
    fn a_reference_is_read_one_at_a_time() {
        let mut files = skill("---\nname: tidy\ndescription: Tidies.\n---\nx\n").files().to_vec();
        files.push(file("skills/tidy/all.md", Mode::File, "Line. ".repeat(400_000)));
        assert_eq!(rules_of(&Tree::new(files)), ["text-too-large"]);
    }

    #[test]
    fn trees_are_bounded_by_policy() {
        let big = TreeFile { path: b"big.bin".to_vec(), mode: Mode::File, size_bytes: 6 << 20, content: None };
        assert_eq!(rules_of_tree(&Tree::new(vec![big])), ["file-too-large"]);
        let names: Vec<String> = (0..30).map(|n| format!("f{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "xxxx")).collect();
        let policy = Policy::parse("[limits]\nfiles_max = 20\ntree_bytes_max = 100\n").expect("a policy");
        let verdict = judge(&plugin(&many), &Context { expected_name: None, policy: &policy });
        let rules: Vec<_> = verdict.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["too-many-files", "tree-too-large", "plugin-empty"]);
        assert!(judged(&plugin(&many)).findings.iter().all(|finding| !finding.refuses()));
    }
}
