//! Reads Rust text roughly: code and string literals apart, comments gone, lines kept.
//!
//! Good enough for house rules, and no parser to build: what a rule looks for is a path or a word, never a type.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file of the workspace.
pub struct Source {
    /// Path from the workspace's root, with `/`.
    pub path: String,
    /// The text as it is.
    pub text: String,
    /// Code: comments and the insides of literals are blanks.
    pub code: String,
    /// Insides of string literals: all else is blank.
    pub strings: String,
    /// Number of the line, from 1, where the tests of this file begin; `usize::MAX` when it has none.
    pub tests_from_line: usize,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let path = path.strip_prefix(root).expect("found below the root").to_str().expect("our names are text");
        Self::new(path, text)
    }

    /// A source from its text.
    pub fn new(path: &str, text: String) -> Self {
        let path = path.replace('\\', "/");
        let (code, strings) = split(&text);
        let is_test_file = is_test_file(&path);
        // Tests come last in a file, so everything behind their attribute is test code.
        let mark = code.lines().zip(code.lines().skip(1)).position(|(attribute, module)| {
            attribute.trim() == "#[cfg(test)]" && module.trim_start().starts_with("mod ") && module.contains('{')
        });
        let tests_from_line = if is_test_file { 1 } else { mark.map_or(usize::MAX, |index| index + 1) };
        Self { path, text, code, strings, tests_from_line }
    }

    /// The lines of code with their numbers, from 1, tests left out.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.code).take_while(|(line, _)| *line < self.tests_from_line)
    }

    /// The insides of string literals by line, tests left out.
    pub fn string_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.strings).take_while(|(line, _)| *line < self.tests_from_line)
    }
}

/// True for files that hold nothing but tests.
pub fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the server lies in the workspace").to_owned()
}

/// All Rust files below folders of the workspace, sorted by path.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no Rust files below {folders:?}");
    paths.iter().map(|path| Source::read(&root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed to its end").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Splits Rust text into its code and its string literals, both with the lines of the original.
fn split(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut strings) = (vec![b' '; bytes.len()], vec![b' '; bytes.len()]);
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            code[index] = b'\n';
            strings[index] = b'\n';
        }
    }
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = at + literal_or_comment(rest, at.checked_sub(1).map(|before| bytes[before]));
        if end == at {
            code[at] = bytes[at];
            at += 1;
            continue;
        }
        if matches!(rest[0], b'"' | b'r' | b'b') {
            strings[at..end].copy_from_slice(&bytes[at..end]);
            // The quotation marks stay visible in the code, so that a rule can see that a literal stands here.
            code[at] = b'"';
            code[end - 1] = b'"';
        }
        at = end;
    }
    (String::from_utf8_lossy(&code).into_owned(), String::from_utf8_lossy(&strings).into_owned())
}

/// Length of the comment, string or character literal that begins here, 0 when none does.
fn literal_or_comment(rest: &[u8], before: Option<u8>) -> usize {
    let until = |needle: &[u8], from: usize| {
        rest[from..].windows(needle.len()).position(|window| window == needle).map_or(rest.len(), |at| from + at)
    };
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => until(b"\n", 0),
        [b'/', b'*', ..] => (until(b"*/", 2) + 2).min(rest.len()),
        [b'"', ..] => quoted(rest, 1),
        [b'b', b'"', ..] if !in_word => quoted(rest, 2),
        [b'r', b'"' | b'#', ..] | [b'b', b'r', b'"' | b'#', ..] if !in_word => {
            let start = if rest[0] == b'b' { 2 } else { 1 };
            let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(start + hashes) != Some(&b'"') {
                return 0; // A raw identifier.
            }
            let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            (until(&close, start + hashes + 1) + close.len()).min(rest.len())
        }
        [b'\'', b'\\', ..] => (until(b"'", 3) + 1).min(rest.len()),
        // A character, not a lifetime: the mark closes within four bytes.
        [b'\'', _, ..] => {
            let close = rest[2..].iter().take(4).position(|byte| *byte == b'\'');
            match close {
                Some(distance) if distance == 0 || rest[1] >= 0x80 => distance + 3,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// Length of a string literal with escapes whose inside begins at `from`.
fn quoted(rest: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[test]
fn literals_and_comments_are_no_code() {
    let text = "a(\"use x\\\" \", b'c', r#\"q\"z\"#) // use y\n/* use\nz */ let l: &'static str = '\"'; use w;";
    let source = Source::new("x.rs", text.to_owned());
    assert_eq!(source.code.lines().count(), text.lines().count());
    let words: Vec<&str> = source.code.split_whitespace().filter(|word| *word == "use").collect();
    assert_eq!(words.len(), 1, "{}", source.code);
    assert!(source.code.contains("&'static str"), "{}", source.code);
    assert!(source.strings.contains("q\"z"), "{}", source.strings);
    assert!(!source.strings.contains("let"), "{}", source.strings);
}

#[test]
fn tests_at_the_end_of_a_file_are_left_out() {
    let source = Source::new("a/src/x.rs", "use a;\n#[cfg(test)]\nmod tests {\n use b;\n}\n".to_owned());
    assert_eq!(source.code_lines().count(), 1);
    assert_eq!(Source::new("a/tests/x.rs", "use a;".to_owned()).code_lines().count(), 0);
}
