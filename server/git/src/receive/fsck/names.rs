//! Names in trees: what some file system, git itself or a person would take for something else.

use unicode_normalization::UnicodeNormalization;

use super::Fault;
use crate::receive::text::{is_invisible, quote_bytes};

/// The longest name that file systems hold.
const NAME_BYTES_MAX: usize = 255;
const RENAME: &str = "rename it in every commit that is new: git mv, then git commit --amend";

/// What is wrong with one name of a tree.
pub fn check(name: &[u8]) -> Option<Fault> {
    let fault = |code, what: &str| Some(Fault::new(code, format!("{} {what}", quote_bytes(name)), RENAME));
    match name {
        b"" => return Some(Fault::new("empty-name", "an entry has no name", RENAME)),
        b"." => return fault("has-dot", "stands for the folder itself"),
        b".." => return fault("has-dotdot", "leads out of the folder"),
        _ => {}
    }
    if name.contains(&b'/') {
        return fault("full-pathname", "has a slash in it; a name is one part of a path");
    }
    // Each part between backslashes, since Windows takes them for slashes.
    if name.split(|byte| *byte == b'\\').any(is_dotgit) {
        return fault("has-dotgit", "is `.git` to some file system; a clone would write into its own repository");
    }
    if is_disguised(name, "gitmodules", "gi7eba") {
        let message = format!("{} declares submodules; a plugin holds all of its files itself", quote_bytes(name));
        return Some(Fault::new("gitmodules", message, "remove it: git rm --cached .gitmodules"));
    }
    let Ok(text) = std::str::from_utf8(name) else {
        return fault("name-not-utf8", "is not UTF-8 text");
    };
    if name.len() > NAME_BYTES_MAX {
        return fault("name-too-long", "has more than 255 bytes");
    }
    if text.chars().any(char::is_control) {
        return fault("name-control", "has a control character in it");
    }
    if text.chars().any(|c| is_invisible(c) && !matches!(c, '\u{200c}' | '\u{200d}')) {
        return fault("name-invisible", "has a character in it that cannot be seen");
    }
    if name.contains(&b'\\') {
        return fault("name-backslash", "has a backslash in it, which Windows takes for a slash");
    }
    if text.contains([':', '*', '?', '"', '<', '>', '|']) {
        return fault("name-windows", "has one of `:*?\"<>|` in it, which Windows cannot hold");
    }
    if text.ends_with(['.', ' ']) {
        return fault("name-trailing", "ends in a dot or space, which Windows cuts off");
    }
    if is_device(text) {
        return fault("name-device", "is the name of a device on Windows");
    }
    None
}

/// True for `.git` in every spelling that a file system takes for it.
pub fn is_dotgit(name: &[u8]) -> bool {
    is_ntfs_dotgit(name) || is_hfs(name, ".git") || fold(name) == b".git"
}

/// True for a file that git gives a meaning and does not want to be a link: `.gitattributes`, `.gitignore`, `.mailmap`.
pub fn is_git_file(name: &[u8]) -> bool {
    is_gitattributes(name) || is_disguised(name, "gitignore", "gi250a") || is_disguised(name, "mailmap", "maba30")
}

/// True for `.gitattributes` in every spelling.
pub fn is_gitattributes(name: &[u8]) -> bool {
    is_disguised(name, "gitattributes", "gi7d29")
}

/// A name as the file systems compare it that fold case and normalise: two names with one fold cannot stand in one
/// folder there. Full case folding by way of upper case, canonical composition, ignorable characters left out.
pub fn fold(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let Ok(text) = std::str::from_utf8(name) else { return name.to_vec() };
    let visible = text.chars().filter(|c| !is_invisible(*c));
    let lower = visible.nfd().flat_map(char::to_lowercase);
    let folded = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // Folding can leave a string uncomposed that another spelling gives composed.
    folded.nfd().collect::<String>().nfc().collect::<String>().into_bytes()
}

/// Source: `is_ntfs_dotgit` of git 2.47: `.git` or its short name, then dots and blanks, then the end or a stream.
fn is_ntfs_dotgit(name: &[u8]) -> bool {
    let rest = [&b".git"[..], b"git~1"].iter().find_map(|start| {
        let (head, rest) = name.split_at_checked(start.len())?;
        head.eq_ignore_ascii_case(start).then_some(rest)
    });
    rest.is_some_and(ends_there)
}

/// True when NTFS ignores all of `rest`: dots and blanks, up to the colon of a stream.
fn ends_there(rest: &[u8]) -> bool {
    match rest.iter().find(|byte| !matches!(byte, b'.' | b' ')) {
        None => true,
        Some(byte) => matches!(byte, b':' | b'\\' | b'/'),
    }
}

/// True for `.` + `word` as HFS+ and NTFS know it, short names included. `hashed` is the beginning of the short name that
/// NTFS makes when the ordinary ones are taken.
///
/// Source: `is_ntfs_dot_generic` and `is_hfs_dot_generic` of git 2.47.
fn is_disguised(name: &[u8], word: &str, hashed: &str) -> bool {
    let dotted = format!(".{word}");
    if is_hfs(name, &dotted) || fold(name) == dotted.as_bytes() {
        return true;
    }
    if let Some((head, rest)) = name.split_at_checked(dotted.len())
        && head.eq_ignore_ascii_case(dotted.as_bytes())
    {
        return ends_there(rest);
    }
    let Some((head, rest)) = name.split_at_checked(8) else { return false };
    if head[..6].eq_ignore_ascii_case(&word.as_bytes()[..6]) && head[6] == b'~' && matches!(head[7], b'1'..=b'4') {
        return ends_there(rest);
    }
    let Some(tilde) = head.iter().position(|byte| *byte == b'~') else { return false };
    let digits = &head[tilde + 1..];
    tilde <= 6
        && head[..tilde].eq_ignore_ascii_case(&hashed.as_bytes()[..tilde])
        && digits.first().is_some_and(|digit| matches!(digit, b'1'..=b'9'))
        && digits.iter().all(u8::is_ascii_digit)
        && ends_there(rest)
}

/// True when `name` is `word` to HFS+, which leaves some characters out and folds case.
fn is_hfs(name: &[u8], word: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(word.as_bytes());
    }
    let Ok(text) = std::str::from_utf8(name) else { return false };
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    text.chars().filter(|c| !ignored(c)).map(|c| c.to_ascii_lowercase()).eq(word.chars())
}

/// True for a device of Windows, with any ending.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end_matches(' ');
    let stem = stem.to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::ByteSlice;
    use gix_validate::path::component;
    use proptest::prelude::*;

    fn code(name: impl AsRef<[u8]>) -> Option<&'static str> {
        check(name.as_ref()).map(|fault| fault.code)
    }

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "a",
            "SKILL.md",
            ".gitignore",
            ".gitattributes",
            ".github",
            ".gitkeep",
            "git",
            "gitmodules",
            "com10",
            "console",
            "auxiliary.md",
            "nul-file",
            "ü",
            "日本",
            "a b",
            ".a",
            "...a",
            "-rf",
            "@",
            "gi7eb~1",
            "a\u{200d}b",
        ] {
            assert_eq!(code(name), None, "{name}");
        }
        assert_eq!(code("x".repeat(255)), None);
    }

    #[test]
    fn git_folders_are_seen_in_every_disguise() {
        for name in [
            ".git",
            ".GIT",
            ".GiT",
            "git~1",
            "GIT~1",
            ".git.",
            ".git....",
            ".git ",
            ".git . . ",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".git .:y",
            "git~1.",
            ".git\\config",
            "a\\.git\\hooks",
            "a\\git~1",
            ".g\u{200c}it",
            ".gi\u{200d}t",
            "\u{200e}.git",
            ".git\u{feff}",
            ".\u{206f}GIT",
            ".g\u{202a}\u{202e}it",
        ] {
            assert_eq!(code(name), Some("has-dotgit"), "{name:?}");
        }
        for name in [
            ".gitmodules",
            ".GITMODULES",
            ".gitmodules ",
            ".gitmodules.",
            ".gitmodules:x",
            "gitmod~1",
            "GITMOD~4",
            "gi7eba~1",
            "GI7EB~10",
            "gi7eba~9.",
            "g~123456",
            ".git\u{200c}modules",
        ] {
            assert_eq!(code(name), Some("gitmodules"), "{name:?}");
        }
        assert!(
            is_gitattributes(b".gitattributes") && is_gitattributes(b"GITATT~1") && !is_gitattributes(b".gitignore")
        );
        assert!(is_git_file(b".mailmap") && is_git_file(b"MAILMA~1") && is_git_file(b".GitIgnore"));
    }

    #[test]
    fn what_a_file_system_cannot_hold_is_refused() {
        for (name, expected) in [
            (".", "has-dot"),
            ("..", "has-dotdot"),
            ("a/b", "full-pathname"),
            ("/etc", "full-pathname"),
            ("..\\..\\evil", "name-backslash"),
            ("a\nb", "name-control"),
            ("a\u{7f}", "name-control"),
            ("a\u{85}", "name-control"),
            ("a\u{202e}b", "name-invisible"),
            ("a\u{e0041}", "name-invisible"),
            ("a:b", "name-windows"),
            ("what?", "name-windows"),
            ("a.", "name-trailing"),
            ("a ", "name-trailing"),
            ("aux", "name-device"),
            ("Con.md", "name-device"),
            ("nul .txt", "name-device"),
            ("com9.tar.gz", "name-device"),
            ("LPT\u{b9}", "name-device"),
        ] {
            assert_eq!(code(name), Some(expected), "{name:?}");
        }
        assert_eq!(code(b"a\xff"), Some("name-not-utf8"));
        assert_eq!(code("x".repeat(256)), Some("name-too-long"));
    }

    #[test]
    fn folds_meet_where_file_systems_do() {
        for (a, b) in [
            ("README", "readme"),
            ("Straße", "STRASSE"),
            ("\u{fc}", "u\u{308}"),
            ("\u{dc}", "u\u{308}"),
            ("\u{3c3}", "\u{3c2}"),
            ("\u{212a}", "k"),
            ("\u{1e9e}", "ss"),
            ("a\u{200d}b", "ab"),
            ("\u{345}", "\u{3b9}"),
        ] {
            assert_eq!(fold(a.as_bytes()), fold(b.as_bytes()), "{a} {b}");
        }
        for (a, b) in [("a", "b"), ("u", "\u{fc}"), ("o", "\u{f8}")] {
            assert_ne!(fold(a.as_bytes()), fold(b.as_bytes()), "{a} {b}");
        }
    }

    proptest! {
        /// Whatever another implementation of git's rules refuses is refused here too.
        #[test]
        fn nothing_passes_that_gitoxide_refuses(name in "[.gGiItT~1 ModulesMODULES:7ebaEBA\u{200c}\\\\cCoOnN]{0,12}") {
            if code(&name).is_none() {
                let bytes = name.as_bytes();
                let link = Some(component::Mode::Symlink);
                prop_assert!(gix_validate::path::component(bytes.as_bstr(), link, component::Options::default()).is_ok());
            }
        }

        #[test]
        fn folding_is_stable(name in "\\PC{0,8}") {
            let once = fold(name.as_bytes());
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn no_bytes_make_it_panic(name in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = check(&name);
            let _ = fold(&name);
        }
    }
}
