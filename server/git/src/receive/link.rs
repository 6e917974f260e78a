//! Symbolic links: they stay inside the tree, whatever stands there.

use super::fsck::Fault;
use super::fsck::names::is_dotgit;
use super::text::quote_bytes;

pub(super) const REMEDY: &str =
    "put the file itself there, or make the link relative to its own folder: ln -s ../shared/x.md x.md";

/// Checks where a link points. Gives how many folders it goes up from the one that it lies in.
///
/// `..` may only stand in front: behind a name it would depend on what that name is, which may be a link itself.
pub fn check(target: &[u8], target_bytes_max: usize) -> Result<usize, Fault> {
    let fault = |code, what: &str| Err(Fault::new(code, format!("the link to {} {what}", quote_bytes(target)), REMEDY));
    if target.is_empty() {
        return Err(Fault::new("link-empty", "the link points nowhere", REMEDY));
    }
    if target.len() > target_bytes_max {
        return Err(Fault::new("link-too-long", format!("the link's target has {} bytes", target.len()), REMEDY));
    }
    let Ok(text) = std::str::from_utf8(target) else { return fault("link-not-utf8", "is not UTF-8 text") };
    if text.chars().any(char::is_control) {
        return fault("link-control", "has a control character in it");
    }
    if text.starts_with('/') || text.contains('\\') || text.chars().nth(1) == Some(':') {
        return fault("link-absolute", "is absolute; it would lead somewhere else on every machine");
    }
    let (mut up, mut down) = (0, 0);
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if down > 0 => return fault("link-escapes", "goes down and up again"),
            ".." => up += 1,
            part if is_dotgit(part.as_bytes()) => {
                return fault("link-to-git", "leads into the repository of its clone");
            }
            _ => down += 1,
        }
    }
    Ok(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(target: &str) -> Result<usize, &'static str> {
        check(target.as_bytes(), 400).map_err(|fault| fault.code)
    }

    #[test]
    fn links_stay_inside() {
        assert_eq!(code("a"), Ok(0));
        assert_eq!(code("a/b.md"), Ok(0));
        assert_eq!(code("./a//b/"), Ok(0));
        assert_eq!(code("../../a"), Ok(2));
        assert_eq!(code(".."), Ok(1));
        for (target, expected) in [
            ("", "link-empty"),
            ("/etc/passwd", "link-absolute"),
            ("c:\\x", "link-absolute"),
            ("C:/x", "link-absolute"),
            ("\\\\server\\share", "link-absolute"),
            ("a\\..\\..\\b", "link-absolute"),
            ("a/../../b", "link-escapes"),
            ("../a/..", "link-escapes"),
            (".git/config", "link-to-git"),
            ("../.GIT/hooks", "link-to-git"),
            ("a/git~1", "link-to-git"),
            ("a\nb", "link-control"),
            ("a\0", "link-control"),
        ] {
            assert_eq!(code(target), Err(expected), "{target:?}");
        }
        assert_eq!(code(&"x".repeat(401)), Err("link-too-long"));
        assert_eq!(check(b"\xff", 9).map_err(|fault| fault.code), Err("link-not-utf8"));
    }
}
