//! House rules as tests: arrows, purity of the domain, one place per kind of thing, files that can be read at a sitting.
//!
//! Each message says the file, the line, the rule and the remedy.

mod arrows;
mod source;

use std::fs;

use self::source::{Source, is_test_file, root, sources};

/// A file longer than this is a folder that was not made yet.
const LINES_MAX: usize = 600;

/// Fails with all findings and the remedy.
fn none(findings: Vec<String>, remedy: &str) {
    assert!(findings.is_empty(), "{}\n{remedy}", findings.join("\n"));
}

/// Every line of code, tests left out, that holds one of the words as a whole word or path.
fn lines_with(source: &Source, words: &[&str]) -> Vec<String> {
    let bare = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let holds = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let bytes = line.as_bytes();
            bare(at.checked_sub(1).and_then(|before| bytes.get(before))) && bare(bytes.get(at + word.len()))
        })
    };
    source
        .code_lines()
        .flat_map(|(number, line)| words.iter().filter(move |word| holds(line, word)).map(move |word| (number, word)))
        .map(|(number, word)| format!("{}:{number} uses `{word}`", source.path))
        .collect()
}

#[test]
fn the_domain_is_pure() {
    let mut wrong = Vec::new();
    for source in sources(&["server/domain/src"]) {
        for (line, path) in arrows::paths(&source) {
            let path = path.join("::");
            let outside = ["std::fs", "std::net", "std::process", "std::env", "std::thread", "std::io::stdin"];
            let io = ["tokio", "std::io::stdout", "std::io::stderr", "std::time::SystemTime", "std::time::Instant"];
            // The address types of std::net are plain values.
            let value = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"].iter().any(|name| path.contains(name));
            if !value && outside.iter().chain(&io).any(|start| path.starts_with(start)) {
                wrong.push(format!("{}:{line} names `{path}`", source.path));
            }
        }
        let clocks = ["async", "await", "SystemTime::now", "Instant::now", "SystemRandom", "thread_rng", "now_v7"];
        wrong.extend(lines_with(&source, &clocks));
    }
    none(
        wrong,
        "The domain takes values and gives values: let the caller read, wait, look at the clock and throw dice.",
    );
}

#[test]
fn git_knows_repositories_and_never_tenants() {
    let mut wrong = Vec::new();
    for source in sources(&["server/git/src"]) {
        wrong.extend(lines_with(&source, &["Tenant", "TenantId", "TenantName", "MemberId", "Role", "Registry"]));
    }
    none(wrong, "The git crate serves whoever it is given; decide who that is in server/src/services.");
}

#[test]
fn sql_lives_in_the_store() {
    let mut wrong = Vec::new();
    for source in sources(&["server/src", "server/git/src", "server/domain/src", "cli/src"]) {
        if source.path.starts_with("server/src/store/") {
            continue;
        }
        wrong.extend(lines_with(&source, &["rusqlite"]));
        for (line, text) in source.string_lines() {
            let sql = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];
            if sql.iter().any(|word| text.contains(word)) {
                wrong.push(format!("{}:{line} has SQL", source.path));
            }
        }
    }
    none(wrong, "Ask the store: one function per question, in server/src/store.");
}

#[test]
fn pages_are_templates() {
    let mut wrong = Vec::new();
    for source in sources(&["server/src", "server/domain/src"]) {
        // The one place where text that people wrote becomes markup, cleaned.
        if source.path == "server/src/web/portal/markdown.rs" {
            continue;
        }
        for (line, text) in source.string_lines() {
            if ["</", "<div", "<p>", "<html", "<!doctype", "<table"].iter().any(|mark| text.contains(mark)) {
                wrong.push(format!("{}:{line} builds HTML", source.path));
            }
        }
    }
    none(wrong, "Markup belongs to templates/; hand the template a view with strings that are ready.");
}

#[test]
fn nothing_is_left_half_done() {
    let mut wrong = Vec::new();
    let folders = ["server/src", "server/domain/src", "server/git/src", "cli/src", "server/tests"];
    for source in sources(&folders) {
        for (number, line) in source.code.lines().enumerate() {
            let words = ["todo!", "unimplemented!", "dbg!", "#[ignore", "#[should_panic"];
            for word in words.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{} has `{word}`", source.path, number + 1));
            }
            if source.path.contains("/tests/") && line.contains("thread::sleep") && !source.path.ends_with("/world.rs")
            {
                wrong.push(format!("{}:{} sleeps; wait for a state with world::wait_until", source.path, number + 1));
            }
        }
    }
    none(wrong, "Finish it, remove it, or let the test assert what happens today and say that it is wrong.");
}

#[test]
fn files_can_be_read_at_a_sitting() {
    let mut wrong = Vec::new();
    for source in sources(&["server", "cli/src"]) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{} has {lines} lines", source.path));
        }
    }
    none(wrong, &format!("At most {LINES_MAX}: make it a folder, its seam is where you scroll."));
}

#[test]
fn rooms_open_with_their_purpose() {
    let mut wrong = Vec::new();
    for source in sources(&["server/src", "server/domain/src", "server/git/src", "cli/src"]) {
        if !source.text.starts_with("//!") && !is_test_file(&source.path) {
            wrong.push(format!("{} does not begin with `//!`", source.path));
        }
    }
    none(wrong, "Say in the first line what the file is for.");
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = root().join("server/tests/it");
    let declared = fs::read_to_string(folder.join("main.rs")).expect("this binary has a main file");
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(&folder).expect("this folder exists") {
        let name =
            entry.expect("a folder can be listed to its end").file_name().into_string().expect("our names are text");
        let module = name.trim_end_matches(".rs");
        let is_code = name.ends_with(".rs") || folder.join(&name).join("mod.rs").exists();
        if is_code && module != "main" && !declared.lines().any(|line| line.trim() == format!("mod {module};")) {
            forgotten.push(format!("server/tests/it/{name} is not compiled"));
        }
    }
    none(forgotten, "Add `mod <name>;` to server/tests/it/main.rs.");
}

#[test]
fn words_are_found_whole() {
    let source = Source::new("x.rs", "use a::Tenant; // Tenant\nfn tenant_Tenant() {}\nTenantName".to_owned());
    assert_eq!(lines_with(&source, &["Tenant"]), ["x.rs:1 uses `Tenant`"]);
}
