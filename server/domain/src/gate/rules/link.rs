//! Kinds of entries: links that stay inside, files where files belong, execute bits where they mean something.

use std::collections::HashMap;

use super::{Findings, Rule, Seen};
use crate::tree::{Mode, Shown, Tree, TreeFile};

const LINK: Rule = Rule::warn("symlink", "entry", "a symbolic link; some systems check it out as a text file");
const ESCAPE: Rule =
    Rule::refuse("symlink-escape", "entry", "a link that leaves the tree, points above itself or at itself");
const ITEM: Rule = Rule::refuse("symlink-item", "entry", "a link in the place of a file that the client reads");
const NOT_A_FILE: Rule = Rule::refuse("not-a-file", "entry", "a submodule, a device, or a folder where a file belongs");
const EXECUTABLE: Rule = Rule::warn("mode-executable", "entry", "an execute bit on a text or JSON file");

pub(super) const RULES: &[&Rule] = &[&LINK, &ESCAPE, &ITEM, &NOT_A_FILE, &EXECUTABLE];

/// More links in a row are taken for a cycle, as Linux does.
const LINKS_IN_A_ROW_MAX: usize = 40;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let links: HashMap<&[u8], &[u8]> = seen
        .tree
        .files()
        .iter()
        .filter(|file| file.mode == Mode::Link)
        .map(|file| (file.path.as_slice(), file.content.as_deref().unwrap_or_default()))
        .collect();
    let mut folder_told = None;
    for file in seen.tree.files() {
        let path = Shown(&file.path).to_string();
        match file.mode {
            Mode::Link => check_link(seen.tree, file, &path, &links, findings),
            Mode::Other(mode) => check_other(mode, &path, findings),
            Mode::Executable if is_data(&path) => {
                let message = "the execute bit means nothing on this file, and makes it look like a program";
                findings.add(&EXECUTABLE, &path, None, message, format!("git update-index --chmod=-x '{path}'"));
            }
            Mode::File | Mode::Executable => {}
        }
        // A folder in the place of a file shows by the entries below it.
        if let Some(folder) = folder_for_a_file(&path)
            && folder_told.as_deref() != Some(folder)
        {
            folder_told = Some(folder.to_owned());
            let message = "a folder stands where the client reads a file";
            findings.add(&NOT_A_FILE, folder, None, message, format!("git mv '{folder}' to another name"));
        }
    }
}

fn check_other(mode: u32, path: &str, findings: &mut Findings<'_>) {
    let (message, fix) = match mode {
        0o160000 => (
            "a submodule: its content is not in this repository".to_owned(),
            format!("git rm --cached '{path}', and commit its files"),
        ),
        // Git keeps no empty folders; on disk one matters only where a file belongs.
        0o40000 if reads_file(path) => {
            ("a folder stands where the client reads a file".to_owned(), format!("rmdir '{path}'"))
        }
        0o40000 => return,
        0o100664 => (
            "an entry of mode 100664, which only old versions of git wrote".to_owned(),
            format!("git update-index --chmod=-x '{path}'"),
        ),
        mode => (format!("an entry of mode {mode:o}: neither file nor link"), format!("git rm --cached '{path}'")),
    };
    findings.add(&NOT_A_FILE, path, None, message, fix);
}

fn check_link(tree: &Tree, file: &TreeFile, path: &str, links: &HashMap<&[u8], &[u8]>, findings: &mut Findings<'_>) {
    let target = file.content.as_deref().unwrap_or_default();
    let shown = Shown(target).to_string();
    let fix = format!("replace it by the file:  rm '{path}' && cp <the file> '{path}' && git add '{path}'");
    match resolve(tree, &file.path, links) {
        Err(why) => findings.add(&ESCAPE, path, None, format!("the link to `{shown}` {why}"), fix),
        Ok(_) if reads_file(path) => {
            let message = format!("the client reads no link here, and this one leads to `{shown}`");
            findings.add(&ITEM, path, None, message, fix);
        }
        Ok(there) => {
            let missing = if there { "" } else { ", where nothing is" };
            let message = format!("a link to `{shown}`{missing}; systems without links check out a text file");
            findings.add(&LINK, path, None, message, fix);
        }
    }
}

/// Follows the link at `path` through other links, as a file system would.
///
/// # Errors
/// Why it is refused. Else whether something is at its end.
fn resolve(tree: &Tree, path: &[u8], links: &HashMap<&[u8], &[u8]>) -> Result<bool, &'static str> {
    let mut here: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    let own_folders = here.len() - 1;
    let start: Vec<&[u8]> = here[..own_folders].to_vec();
    let Some(target) = links.get(path) else { return Err("has no target") };
    here.pop();
    let mut followed = 1;
    // The parts still to walk, the next one last.
    let mut ahead: Vec<&[u8]> = Vec::new();
    let push = |target: &'_ [u8]| -> Result<(), &'static str> {
        match target.first() {
            None => Err("is empty"),
            Some(b'/') => Err("is absolute"),
            Some(_) if target.contains(&b'\\') => Err("has a backslash"),
            Some(_) if target.contains(&0) => Err("has a NUL byte"),
            Some(_) => Ok(()),
        }
    };
    push(target)?;
    ahead.extend(target.split(|b| *b == b'/').rev());
    while let Some(part) = ahead.pop() {
        match part {
            b"" | b"." => continue,
            b".." => {
                if here.pop().is_none() {
                    return Err("leaves the repository");
                }
                continue;
            }
            part => here.push(part),
        }
        let joined = here.join(&b'/');
        if let Some(target) = links.get(joined.as_slice()) {
            followed += 1;
            if followed > LINKS_IN_A_ROW_MAX {
                return Err("leads in a circle");
            }
            push(target)?;
            here.pop();
            ahead.extend(target.split(|b| *b == b'/').rev());
        }
    }
    if start.starts_with(&here) {
        return Err("points at a folder above itself");
    }
    let joined = here.join(&b'/');
    let text = String::from_utf8_lossy(&joined);
    Ok(tree.get(&text).is_some() || tree.below(&format!("{text}/")).next().is_some())
}

/// True for places where the client reads a file as configuration or as an item.
fn reads_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let fixed = [
        ".claude-plugin/plugin.json",
        "hooks/hooks.json",
        ".mcp.json",
        ".lsp.json",
        "monitors/monitors.json",
        "settings.json",
    ];
    let markdown = name.ends_with(".md") && (path.starts_with("agents/") || path.starts_with("commands/"));
    name == "SKILL.md" || fixed.contains(&path) || markdown || path.starts_with("bin/")
}

/// The part of `path` that is a folder where a file belongs.
fn folder_for_a_file(path: &str) -> Option<&str> {
    for end in path.match_indices('/').map(|(at, _)| at) {
        let folder = &path[..end];
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let manifest = matches!(
            folder,
            ".claude-plugin/plugin.json" | "hooks/hooks.json" | ".mcp.json" | ".lsp.json" | "monitors/monitors.json"
        );
        if name == "SKILL.md" || manifest {
            return Some(folder);
        }
    }
    None
}

fn is_data(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    matches!(extension.as_str(), "md" | "json" | "markdown" | "txt" | "toml" | "yaml" | "yml")
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{file, rules_of_tree};
    use crate::tree::{Mode, Tree};

    fn links(links: &[(&str, &str)]) -> Vec<&'static str> {
        let mut files = vec![file("docs/real.md", Mode::File, "x"), file("skills/a/notes.md", Mode::File, "x")];
        files.extend(links.iter().map(|(path, target)| file(path, Mode::Link, *target)));
        rules_of_tree(&Tree::new(files))
    }

    #[test]
    fn links_that_stay_inside_are_told() {
        for target in ["../../docs/real.md", "notes.md", "./notes.md", "../../docs", "nothing.md"] {
            assert_eq!(links(&[("skills/a/link.md", target)]), ["symlink"], "{target}");
        }
        assert_eq!(links(&[("a", "docs"), ("b", "a/real.md")]), ["symlink"]);
    }

    #[test]
    fn links_that_lead_astray_are_refused() {
        for target in [
            "/etc/passwd",
            "../../../x",
            "../../../../.ssh/id",
            "..",
            "../..",
            ".",
            "a\\b",
            "",
            "link.md",
            "../../docs/../..",
        ] {
            assert_eq!(links(&[("skills/a/link.md", target)]), ["symlink-escape"], "{target}");
        }
        // Through other links: a circle, and a way out that only the file system sees.
        assert_eq!(links(&[("a", "b"), ("b", "a")]), ["symlink-escape"]);
        assert_eq!(links(&[("x/y/deep", "../../docs"), ("out", "x/y/deep/../../z")]), ["symlink", "symlink-escape"]);
        assert_eq!(links(&[("skills/b/SKILL.md", "../a/notes.md")]), ["symlink-item"]);
        assert_eq!(links(&[(".claude-plugin/plugin.json", "../docs/real.md")]), ["symlink-item"]);
    }

    #[test]
    fn entries_are_files() {
        let one = |path: &str, mode| rules_of_tree(&Tree::new(vec![file(path, mode, "x")]));
        assert_eq!(one("lib", Mode::Other(0o160000)), ["not-a-file"]);
        assert_eq!(one("lib", Mode::Other(0o100664)), ["not-a-file"]);
        assert_eq!(one("pipe", Mode::Other(0o10000)), ["not-a-file"]);
        assert_eq!(one("empty", Mode::Other(0o40000)), [""; 0]);
        assert_eq!(one("skills/a/SKILL.md", Mode::Other(0o40000)), ["not-a-file"]);
        assert_eq!(one("skills/a/SKILL.md/x", Mode::File), ["not-a-file"]);
        assert_eq!(one(".claude-plugin/plugin.json/x", Mode::File), ["not-a-file"]);
        assert_eq!(one("skills/a/SKILL.md", Mode::Executable), ["mode-executable"]);
        assert_eq!(one("bin/run", Mode::Executable), [""; 0]);
    }
}
