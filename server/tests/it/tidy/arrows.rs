//! Imports run one way. The table says which; every path in every file is held against it.

use super::source::{Source, sources};

/// One room of the server and the rooms that it may import from. Its own room is always allowed.
struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
}

/// The arrows inside the server crate. `domain` and `git` are crates of their own and stand here by their room's name.
/// `docs/ARCHITECTURE.md` draws the same table; change both, and say why in the commit.
const ARROWS: &[Room] = &[
    Room { name: "observe", may_import: &["domain"] },
    Room { name: "config", may_import: &["domain", "git"] },
    Room { name: "keys", may_import: &["domain", "observe"] },
    // Of the git crate only values and the seam `RefStore`, which the store implements.
    Room { name: "store", may_import: &["domain", "git", "observe"] },
    Room { name: "followers", may_import: &["domain", "git", "store", "keys", "observe"] },
    Room { name: "services", may_import: &["domain", "git", "store", "keys", "followers", "observe"] },
    // Of `keys` only fresh randomness for session ids: the secrets are in a value that `app` hands to services alone.
    Room { name: "web", may_import: &["domain", "services", "keys", "config", "observe"] },
    // Git over HTTP reads and writes the wire's own values as they pass.
    Room { name: "web/git", may_import: &["domain", "services", "web", "git", "observe"] },
    Room { name: "admin", may_import: &["domain", "services", "config", "observe"] },
    Room { name: "demo", may_import: &["domain", "services", "admin", "app", "config", "keys", "observe"] },
    Room {
        name: "app",
        may_import: &[
            "domain",
            "git",
            "store",
            "keys",
            "followers",
            "services",
            "web",
            "admin",
            "demo",
            "config",
            "observe",
        ],
    },
    Room {
        name: "main",
        may_import: &[
            "domain",
            "git",
            "store",
            "keys",
            "followers",
            "services",
            "web",
            "admin",
            "app",
            "demo",
            "config",
            "observe",
        ],
    },
];

/// What the other crates may name of the workspace's crates.
const CRATES: &[(&str, &[&str])] = &[
    ("server/domain/src", &[]),
    ("server/git/src", &["skill_pool_domain"]),
    ("cli/src", &["skill_pool_domain", "skill_pool"]),
];

const WORKSPACE: &[&str] = &["skill_pool_domain", "skill_pool_git", "skill_pool_server", "skill_pool"];

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for source in sources(&["server/src"]) {
        wrong.extend(against_arrows(&source));
    }
    for (folder, allowed) in CRATES {
        for source in sources(&[folder]) {
            for (line, path) in paths(&source) {
                if WORKSPACE.contains(&path[0].as_str()) && !allowed.contains(&path[0].as_str()) {
                    wrong.push(format!("{}:{line} names {}; {folder} may name {allowed:?} only", source.path, path[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nMove the code to the room that owns it, or pass a value in.", wrong.join("\n"));
}

/// What one file of the server imports against the table.
fn against_arrows(source: &Source) -> Vec<String> {
    let here = room_of(&source.path);
    let Some(room) = ARROWS.iter().find(|room| room.name == here) else {
        return if here == "lib" { Vec::new() } else { vec![format!("{} is in no room of the table", source.path)] };
    };
    let mut wrong: Vec<String> = paths(source)
        .into_iter()
        .filter_map(|(line, path)| {
            let there = match path[0].as_str() {
                "crate" | "skill_pool_server" => path.get(1)?.as_str(),
                "skill_pool_domain" => "domain",
                "skill_pool_git" => "git",
                "skill_pool" => "the command line",
                _ => return None,
            };
            let known = there == "domain"
                || there == "git"
                || there == "the command line"
                || ARROWS.iter().any(|room| room.name == there);
            // A macro or an item of the crate's root is no arrow.
            if !known || there == here || room.may_import.contains(&there) {
                return None;
            }
            let path = path.join("::");
            Some(format!(
                "{}:{line} imports {path}; {here} may import {} only.",
                source.path,
                room.may_import.join(", ")
            ))
        })
        .collect();
    wrong.dedup();
    wrong
}

/// The room of a file of the server: its first folder, else its stem.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix("server/src/").unwrap_or(path);
    if inside.starts_with("web/git/") {
        return "web/git";
    }
    inside.split('/').next().map_or(inside, |first| first.strip_suffix(".rs").unwrap_or(first))
}

/// Every path in the code of a file with its line, as segments: written out in `use` trees, inline elsewhere.
/// `self` and `super` are resolved to `crate::…`, so that no arrow hides behind them.
pub fn paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let module = module_of(&source.path);
    let mut code = String::new();
    let mut starts = Vec::new();
    for (line, text) in source.code_lines() {
        starts.push((code.len(), line));
        code.push_str(text);
        code.push('\n');
    }
    let line_of = |at: usize| starts[starts.partition_point(|(start, _)| *start <= at) - 1].1;
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        let word = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if word == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        if &rest[..word] == "use" && rest[word..].starts_with(char::is_whitespace) {
            let end = rest.find(';').unwrap_or(rest.len());
            expand(&rest[word..end], &[], &mut |path| found.push((line_of(at), path)));
            at += end;
        } else if rest[word..].starts_with("::") {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let path = rest[..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            found.push((line_of(at), path));
            at += end;
        } else {
            at += word;
        }
    }
    for (_, path) in &mut found {
        resolve(path, &module);
    }
    found.retain(|(_, path)| !path.is_empty());
    found
}

/// Writes out a `use` tree.
fn expand(tree: &str, before: &[String], each: &mut impl FnMut(Vec<String>)) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree);
        let rest = name.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
        return each(before.iter().cloned().chain(rest).collect());
    };
    let mut prefix = before.to_vec();
    prefix.extend(tree[..open].split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()));
    let inside = tree[open + 1..].rsplit_once('}').map_or(&tree[open + 1..], |(inside, _)| inside);
    let (mut depth, mut start) = (0, 0);
    for (index, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&inside[start..index], &prefix, each);
                start = index + 1;
            }
            _ => {}
        }
    }
    if !inside[start..].trim().is_empty() {
        expand(&inside[start..], &prefix, each);
    }
}

/// The module path of a file below `src`, without the crate.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.rsplit_once("src/").map_or(path, |(_, inside)| inside);
    let mut parts: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// Turns `self::…` and `super::…` into `crate::…`.
fn resolve(path: &mut Vec<String>, module: &[String]) {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let is_self = path.first().is_some_and(|part| part == "self");
    if supers == 0 && !is_self {
        return;
    }
    let kept = module.len().saturating_sub(supers);
    let rest = path.split_off(if is_self { 1 } else { supers });
    path.clear();
    path.push("crate".to_owned());
    path.extend_from_slice(&module[..kept]);
    path.extend(rest);
}

#[test]
fn a_backward_arrow_is_found_however_it_is_written() {
    let check = |path: &str, text: &str| against_arrows(&Source::new(path, text.to_owned()));
    for text in [
        "use crate::web::problem;",
        "use crate::{store::x, web::{problem, git}};",
        "use super::super::web::problem;",
        "fn f() { crate::web::problem::answer(); }",
        "use skill_pool_server::web;",
        "pub use crate :: web;",
    ] {
        let wrong = check("server/src/store/journal.rs", text);
        assert_eq!(wrong.len(), if text.contains("git}") { 2 } else { 1 }, "{text}: {wrong:?}");
        assert!(
            wrong[0].starts_with("server/src/store/journal.rs:1 imports crate::web") || text.contains("skill_pool")
        );
    }
    assert!(check("server/src/store/journal.rs", "use super::commit; use crate::observe::log;").is_empty());
    assert!(check("server/src/store/journal.rs", "// use crate::web;\nlet x = \"crate::web::y\";").is_empty());
    assert!(check("server/src/store/mod.rs", "use self::commit::Commit; mod commit;").is_empty());
    assert_eq!(check("server/src/store/mod.rs", "use super::web;").len(), 1);
    assert_eq!(check("server/src/cupboard.rs", "").len(), 1, "a new room needs its line in the table");
}
