//! Names of files: what no checkout may contain, on any system.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::{Findings, Rule, Seen};
use crate::plugin::hidden;
use crate::tree::Shown;

/// Also reported for paths that a manifest names.
pub(super) const ESCAPE: Rule = Rule::refuse("path-escape", "path", "a path that is absolute or climbs with `..`");
/// The same.
pub(super) const INVALID: Rule = Rule::refuse(
    "path-invalid",
    "path",
    "a path with control characters, backslashes, empty parts or bytes that are not UTF-8",
);
const PORTABLE: Rule = Rule::refuse("path-not-portable", "path", "a name that Windows cannot hold");
const GIT: Rule = Rule::refuse("path-git", "path", "`.git` or `.gitmodules` in any spelling");
const COLLISION: Rule = Rule::refuse("path-collision", "path", "two names that are one on some file systems");
const DEEP: Rule = Rule::refuse("path-too-deep", "path", "too many folders in each other");
const LONG: Rule = Rule::refuse("path-too-long", "path", "a name over 255 bytes, or a path over the limit");

pub(super) const RULES: &[&Rule] = &[&ESCAPE, &INVALID, &PORTABLE, &GIT, &COLLISION, &DEEP, &LONG];

/// The longest name that common file systems hold, in bytes.
const NAME_BYTES_MAX: usize = 255;

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let limits = &seen.policy.limits;
    let mut folded = Collisions::default();
    for file in seen.tree.files() {
        let shown = || Shown(&file.path).to_string();
        let mut sound = true;
        let mut say = |rule: &'static Rule, message: String, fix: &str| {
            sound = false;
            findings.add(rule, &shown(), None, message, fix);
        };
        if file.path.first() == Some(&b'/') || file.path.split(|b| *b == b'/').any(|part| part == b"..") {
            say(&ESCAPE, "this path leads out of the repository".into(), "remove the entry from the tree");
        }
        if file.path.len() as u64 > limits.path_bytes_max {
            let message =
                format!("this path has {} bytes; at most {} are allowed", file.path.len(), limits.path_bytes_max);
            say(&LONG, message, "shorten the names of its folders");
        }
        let parts: Vec<&[u8]> = file.path.split(|b| *b == b'/').collect();
        if parts.len() as u64 > limits.path_depth_max {
            let message = format!("{} names in one path; at most {} are allowed", parts.len(), limits.path_depth_max);
            say(&DEEP, message, "move the file further up");
        }
        for part in &parts {
            if part.len() > NAME_BYTES_MAX {
                let message = format!("a name of {} bytes; file systems hold {NAME_BYTES_MAX}", part.len());
                say(&LONG, message, "shorten the name");
            }
            if let Some(message) = invalid(part) {
                say(&INVALID, message, "git mv it to a name of letters, digits, `-`, `_` and `.`");
                continue;
            }
            let name = String::from_utf8_lossy(part);
            if is_git(&name) {
                say(&GIT, format!("git reads `{}` as its own", Shown(part)), "git rm -r --cached it, and push again");
            } else if let Some(message) = unportable(&name) {
                say(&PORTABLE, message, "git mv it to a name of letters, digits, `-`, `_` and `.`");
            }
        }
        if sound
            && let Some(path) = file.path_str()
            && let Some(other) = folded.add(path)
        {
            let message = format!(
                "`{}` and `{}` are one name on systems that ignore case",
                Shown(other.0.as_bytes()),
                Shown(other.1.as_bytes())
            );
            findings.add(&COLLISION, &shown(), None, message, "git mv one of them to another name");
        }
    }
}

fn invalid(part: &[u8]) -> Option<String> {
    let Ok(name) = std::str::from_utf8(part) else {
        return Some("the name is not UTF-8".into());
    };
    match name {
        "" => return Some("a part of the path is empty".into()),
        "." => return Some("a part of the path is `.`".into()),
        _ => {}
    }
    if let Some(c) = name.chars().find(|c| c.is_control() || *c == '\\') {
        return Some(match c {
            '\\' => "the name has a backslash, which Windows reads as a folder".into(),
            '\n' => "the name has a line break".into(),
            c => format!("the name has the control character U+{:04X}", u32::from(c)),
        });
    }
    let found = hidden::scan(name).next()?;
    Some(format!("the name has the invisible character U+{:04X}", u32::from(found.character)))
}

/// True for what git, on some file system, takes for `.git` or `.gitmodules`.
///
/// Source: `is_ntfs_dotgit` and `is_hfs_dotgit` of git 2.51, and the short names that NTFS makes.
fn is_git(name: &str) -> bool {
    // HFS+ ignores these inside names.
    let ignorable = |c: &char| !matches!(*c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let plain: String =
        name.chars().filter(ignorable).collect::<String>().nfkc().flat_map(char::to_lowercase).collect();
    // NTFS ignores trailing dots and blanks, and what follows a colon names a stream.
    let base = plain.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    if matches!(base, ".git" | ".gitmodules" | "git~1") {
        return true;
    }
    // Short names of `.gitmodules`: `gitmod~N`, or a hash of the name once those are taken.
    let short = |prefix: &str| {
        base.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('~'))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    short("gitmod") || (2..=6).any(|n| "gi7eba".get(..n).is_some_and(short))
}

fn unportable(name: &str) -> Option<String> {
    if name.ends_with(['.', ' ']) {
        return Some("the name ends in a dot or a blank, which Windows drops".into());
    }
    if name.starts_with(' ') {
        return Some("the name begins with a blank".into());
    }
    if let Some(c) = name.chars().find(|c| ":*?\"<>|".contains(*c)) {
        return Some(format!("Windows has no `{c}` in names"));
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| matches!(n, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"))
    };
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$");
    (device || numbered("com") || numbered("lpt")).then(|| format!("Windows keeps the name `{stem}` for a device"))
}

/// Finds paths, and folders of paths, that differ but fold to the same name.
#[derive(Default)]
struct Collisions<'a> {
    /// Folded path of a file or folder to how it was written first.
    seen: HashMap<String, &'a str>,
    last: &'a str,
}

impl<'a> Collisions<'a> {
    /// Takes paths in their order. The two spellings, when this one or a folder of it collides with an earlier one.
    fn add(&mut self, path: &'a str) -> Option<(&'a str, &'a str)> {
        // Folders shared with the path before are known already.
        let shared = self.last.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        let repeated = self.last == path;
        self.last = path;
        if repeated {
            return Some((path, path));
        }
        let ends = path.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(at, _)| at).chain([path.len()]);
        let mut found = None;
        for end in ends.filter(|end| *end >= shared) {
            let prefix = &path[..end];
            let first = *self.seen.entry(fold(prefix)).or_insert(prefix);
            // A file and a folder of one name cannot both come from git, but can from a hostile tree.
            if first != prefix && found.is_none() {
                found = Some((first, prefix));
            }
        }
        found
    }
}

/// Equal for texts that some file system takes for one name: canonical decomposition and full case folding.
fn fold(text: &str) -> String {
    text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{rules_of_tree, tree};

    fn rules(path: &str) -> Vec<&'static str> {
        rules_of_tree(&tree(&[(path, "x")]))
    }

    #[test]
    fn ordinary_names_pass() {
        for path in [
            "a.md",
            "skills/a-b/SKILL.md",
            ".gitignore",
            ".gitattributes",
            "x/.github/y",
            "com10.txt",
            "git~x",
            "日本語/ü.md",
            "console.md",
            "gitmod.md",
        ] {
            assert_eq!(rules(path), [""; 0], "{path}");
        }
    }

    #[test]
    fn paths_that_climb_or_cannot_be_written_are_refused() {
        let check = |path: &str, rule: &str| assert!(rules(path).contains(&rule), "{path}: {:?}", rules(path));
        for path in ["/etc/x", "a/../../x", "..", "../x"] {
            check(path, "path-escape");
        }
        for path in ["a//b", "a/./b", "a\\b", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\u{200b}b", "a/"] {
            check(path, "path-invalid");
        }
        for path in ["a/aux.md", "NUL", "lpt1", "COM9.tar.gz", "a.", "a ", "a:b", "a?", "x/con/y", " a", "com¹"] {
            check(path, "path-not-portable");
        }
        for path in [
            ".git/config",
            "x/.GIT/hooks/y",
            "GIT~1",
            ".git. ",
            ".gitmodules",
            "GITMOD~1",
            "gi7eba~1",
            ".git::$INDEX_ALLOCATION",
            "．git/x",
        ] {
            check(path, "path-git");
        }
        check(".g\u{200c}it/x", "path-invalid");
        check(&"d/".repeat(16).chars().chain("f".chars()).collect::<String>(), "path-too-deep");
        check(&"n".repeat(256), "path-too-long");
        check(&format!("{}/x", vec!["n".repeat(90); 5].join("/")), "path-too-long");
    }

    #[test]
    fn names_that_fold_to_one_collide_in_folders_too() {
        let pair = |a: &str, b: &str| rules_of_tree(&tree(&[(a, "x"), (b, "y")]));
        for (a, b) in [
            ("skills/x/README.md", "skills/x/readme.md"),
            ("A/x", "a/y"),
            ("caf\u{e9}/x", "cafe\u{301}/x"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3c3}", "\u{3c2}"),
            ("a", "A/b"),
            ("x/k", "x/\u{212a}"),
            ("a", "a"),
        ] {
            assert_eq!(pair(a, b), ["path-collision"], "{a} {b}");
        }
        assert_eq!(pair("a/b", "a-b"), [""; 0]);
        assert_eq!(pair("a/b/c", "a/b/d"), [""; 0]);
    }
}
