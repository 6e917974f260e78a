//! Paths that a manifest names, resolved within the tree.

use crate::tree::Tree;

/// What stands at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// An entry that is no folder; its path in the tree.
    File(String),
    /// A folder; its path with a final `/`, empty for the root.
    Folder(String),
}

/// Why a path is none that the client loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathProblem {
    /// It leads out of the plugin.
    Escape,
    /// Not of the form `./folder/file`; the words say what is wrong.
    Form(&'static str),
    /// Nothing is there.
    Missing,
}

/// Resolves `text` as the client does: it begins with `./`, has no `..`, and something is there.
///
/// # Errors
/// [`PathProblem`].
pub fn resolve(tree: &Tree, text: &str) -> Result<Target, PathProblem> {
    if text.contains("://") {
        return Err(PathProblem::Form("an address stands where a path of the plugin belongs"));
    }
    let drive = text.len() > 1 && text.as_bytes()[1] == b':' && text.as_bytes()[0].is_ascii_alphabetic();
    let climbs = text.split(['/', '\\']).any(|part| part == "..");
    if text.starts_with(['/', '~']) || drive || climbs {
        return Err(PathProblem::Escape);
    }
    if text.contains('\\') {
        return Err(PathProblem::Form("it has a backslash; write `/`"));
    }
    if text.chars().any(char::is_control) {
        return Err(PathProblem::Form("it has a control character"));
    }
    let encoded = |bytes: &[u8]| bytes[0] == b'%' && bytes[1].is_ascii_hexdigit() && bytes[2].is_ascii_hexdigit();
    if text.as_bytes().windows(3).any(encoded) {
        return Err(PathProblem::Form("it has `%` escapes, which are no part of a path"));
    }
    let Some(rest) = (if text == "." { Some("") } else { text.strip_prefix("./") }) else {
        return Err(PathProblem::Form("it must begin with `./`"));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Target::Folder(String::new()));
    }
    let parts: Vec<&str> = rest.split('/').filter(|part| *part != ".").collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(PathProblem::Form("a part of it is empty"));
    }
    let path = parts.join("/");
    if path.is_empty() {
        return Ok(Target::Folder(String::new()));
    }
    if tree.get(&path).is_some() {
        return Ok(Target::File(path));
    }
    let folder = format!("{path}/");
    if tree.below(&folder).next().is_some() { Ok(Target::Folder(folder)) } else { Err(PathProblem::Missing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::samples::tree;

    #[test]
    fn paths_stay_inside_and_lead_to_something() {
        let tree = tree(&[("a/b.md", "x"), ("c.json", "{}")]);
        let folder = |path: &str| Ok(Target::Folder(path.to_owned()));
        assert_eq!(resolve(&tree, "./a/b.md"), Ok(Target::File("a/b.md".into())));
        assert_eq!(resolve(&tree, "././a/./b.md"), Ok(Target::File("a/b.md".into())));
        assert_eq!(resolve(&tree, "./a/"), folder("a/"));
        assert_eq!(resolve(&tree, "./a"), folder("a/"));
        assert_eq!(resolve(&tree, "."), folder(""));
        assert_eq!(resolve(&tree, "./"), folder(""));
        for text in ["../x", "/a", "./a/../b", "~/a", "C:/x", "..\\x", "~root"] {
            assert_eq!(resolve(&tree, text), Err(PathProblem::Escape), "{text}");
        }
        for text in ["a/b.md", "", ".\\a", "./%2e%2e/x", "https://example.com/x.json", "./a//b.md", "./a\n", "$HOME/x"]
        {
            assert!(matches!(resolve(&tree, text), Err(PathProblem::Form(_))), "{text}");
        }
        assert_eq!(resolve(&tree, "./nothing"), Err(PathProblem::Missing));
    }
}
