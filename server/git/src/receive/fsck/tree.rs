//! Trees: sorted, each name once on every file system, four modes, no ids of nothing.

use std::cmp::Ordering;
use std::collections::HashMap;

use gix_hash::{ObjectId, oid};

use super::Fault;
use super::names::{self, fold};
use crate::limits::ReceiveLimits;
use crate::receive::text::quote_bytes;

const REMEDY: &str = "write the folder again with stock git: git read-tree HEAD && git commit --amend";

/// What an entry of a sound tree can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryMode {
    /// 100644
    File,
    /// 100755
    Executable,
    /// 120000
    Link,
    /// 40000
    Folder,
}

impl EntryMode {
    /// The mode of these octal digits.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        Some(match digits {
            b"100644" => Self::File,
            b"100755" => Self::Executable,
            b"120000" => Self::Link,
            b"40000" => Self::Folder,
            _ => return None,
        })
    }

    /// The octal digits, as a tree holds them.
    pub fn digits(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Folder => "40000",
        }
    }
}

/// One entry as it stands in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// The digits of its mode.
    pub mode: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// What it names.
    pub id: &'a oid,
}

impl TreeEntry<'_> {
    /// Its mode, when it is one of the four.
    pub fn mode(&self) -> Option<EntryMode> {
        EntryMode::parse(self.mode)
    }

    /// True for a folder, however its mode is written.
    pub fn is_folder(&self) -> bool {
        self.mode == b"40000"
    }
}

/// The entries of a tree, in order. Ends with `Err` at bytes that are no entry.
#[derive(Clone, Debug)]
pub struct Entries<'a>(pub &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<TreeEntry<'a>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = split(self.0);
        self.0 = entry.map_or(&[], |(_, rest)| rest);
        Some(entry.map(|(entry, _)| entry).ok_or(()))
    }
}

fn split(bytes: &[u8]) -> Option<(TreeEntry<'_>, &[u8])> {
    // Modes have at most six digits; looking further would be slow on garbage.
    let blank = bytes.iter().take(32).position(|byte| *byte == b' ')?;
    let (mode, rest) = (&bytes[..blank], &bytes[blank + 1..]);
    let nul = rest.iter().position(|byte| *byte == 0)?;
    let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
    let (id, rest) = rest.split_at_checked(20)?;
    Some((TreeEntry { mode, name, id: oid::from_bytes_unchecked(id) }, rest))
}

/// Reports all that is wrong with a tree, each with the entry's name.
pub(super) fn check(content: &[u8], limits: &ReceiveLimits, mut report: impl FnMut(Option<&[u8]>, Fault)) {
    let mut previous: Option<TreeEntry<'_>> = None;
    let mut seen: HashMap<Vec<u8>, &[u8]> = HashMap::new();
    let mut count = 0;
    for entry in Entries(content) {
        let Ok(entry) = entry else {
            return report(None, Fault::new("bad-tree", "it is not a list of mode, name and id", REMEDY));
        };
        count += 1;
        if count > limits.tree_entries_max {
            let message = format!("this folder has more than {} entries", limits.tree_entries_max);
            return report(None, Fault::new("too-many-entries", message, "spread its files over several folders"));
        }
        let mut fault = |code, message: String, remedy| report(Some(entry.name), Fault::new(code, message, remedy));
        if let Some((code, message, remedy)) = check_mode(&entry) {
            fault(code, message, remedy);
        }
        if entry.id.is_null() {
            fault("null-sha1", format!("{} names no object", quote_bytes(entry.name)), REMEDY);
        }
        if let Some(wrong) = names::check(entry.name) {
            report(Some(entry.name), wrong);
        }
        let mut fault = |code, message: String, remedy| report(Some(entry.name), Fault::new(code, message, remedy));
        let repeated = match seen.insert(fold(entry.name), entry.name) {
            Some(twin) if twin == entry.name => {
                fault("duplicate-entries", format!("{} is there twice", quote_bytes(entry.name)), REMEDY);
                true
            }
            Some(twin) => {
                let pair = format!("{} and {}", quote_bytes(twin), quote_bytes(entry.name));
                let message = format!("{pair} are one name on file systems that fold case or compose letters");
                fault("twin-entries", message, "rename one of them: git mv");
                false
            }
            None => false,
        };
        if !repeated && previous.is_some_and(|previous| order(&previous, &entry) != Ordering::Less) {
            fault("tree-not-sorted", format!("{} is out of order", quote_bytes(entry.name)), REMEDY);
        }
        previous = Some(entry);
    }
}

fn check_mode(entry: &TreeEntry<'_>) -> Option<(&'static str, String, &'static str)> {
    if entry.mode().is_some() {
        return None;
    }
    let name = quote_bytes(entry.name);
    Some(match entry.mode {
        b"160000" => (
            "submodule",
            format!("{name} is a submodule; a plugin holds all of its files itself"),
            "put the files in place of the submodule: git rm --cached <path>, then git add <path>/",
        ),
        b"100664" => (
            "bad-filemode",
            format!("{name} has the mode 100664 of very old versions of git"),
            "write it again with mode 100644: git update-index --chmod=-x <path>",
        ),
        [b'0', ..] => ("zero-padded-filemode", format!("the mode of {name} begins with a zero"), REMEDY),
        mode => {
            let message = format!("{name} has mode {}; files, executables, links and folders exist", quote_bytes(mode));
            ("bad-filemode", message, REMEDY)
        }
    })
}

/// The order of entries in a tree: a folder's name counts as if it ended in `/`.
pub(in crate::receive) fn order(a: &TreeEntry<'_>, b: &TreeEntry<'_>) -> Ordering {
    order_names(a.name, a.is_folder(), b.name, b.is_folder())
}

/// [`order`] of names alone.
pub(in crate::receive) fn order_names(a: &[u8], a_folder: bool, b: &[u8], b_folder: bool) -> Ordering {
    let common = a.len().min(b.len());
    a[..common].cmp(&b[..common]).then_with(|| {
        let end = |name: &[u8], folder: bool| match name.get(common) {
            Some(byte) => u16::from(*byte) + 1,
            None if folder => u16::from(b'/') + 1,
            None => 0,
        };
        end(a, a_folder).cmp(&end(b, b_folder))
    })
}

/// Writes a tree of entries in any order. Names are each there once.
pub fn write_tree(mut entries: Vec<(Vec<u8>, EntryMode, ObjectId)>) -> Vec<u8> {
    entries.sort_by(|a, b| order_names(&a.0, a.1 == EntryMode::Folder, &b.0, b.1 == EntryMode::Folder));
    let mut out = Vec::with_capacity(entries.iter().map(|(name, _, _)| name.len() + 28).sum());
    for (name, mode, id) in entries {
        out.extend_from_slice(mode.digits().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&name);
        out.push(0);
        out.extend_from_slice(id.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (mode, name) in entries {
            out.extend_from_slice(mode.as_bytes());
            out.push(b' ');
            out.extend_from_slice(name);
            out.push(0);
            out.extend_from_slice(&[7; 20]);
        }
        out
    }

    fn codes(content: &[u8]) -> Vec<&'static str> {
        let mut out = Vec::new();
        check(content, &ReceiveLimits::default(), |_, fault| out.push(fault.code));
        out
    }

    fn named(name: &[u8]) -> Vec<&'static str> {
        codes(&raw(&[("100644", name)]))
    }

    #[test]
    fn an_ordinary_tree_passes() {
        let tree = raw(&[
            ("100644", b"a"),
            ("100755", b"a-b"),
            ("40000", b"a.b"),
            ("120000", b"a0"),
            ("100644", "ü.md".as_bytes()),
        ]);
        assert_eq!(codes(&tree), [""; 0]);
        assert_eq!(codes(b""), [""; 0]);
        assert_eq!(codes(&raw(&[("100644", b"a.b"), ("40000", b"a")])), [""; 0]);
    }

    #[test]
    fn order_and_uniqueness_are_gits() {
        assert_eq!(codes(&raw(&[("100644", b"b"), ("100644", b"a")])), ["tree-not-sorted"]);
        assert_eq!(codes(&raw(&[("40000", b"a"), ("100644", b"a.b")])), ["tree-not-sorted"]);
        assert_eq!(codes(&raw(&[("100644", b"a"), ("100644", b"a")])), ["duplicate-entries"]);
        assert_eq!(codes(&raw(&[("100644", b"a"), ("100644", b"a.b"), ("40000", b"a")])), ["duplicate-entries"]);
        assert_eq!(codes(&raw(&[("100644", b"README"), ("100644", b"readme")])), ["twin-entries"]);
        let composed = raw(&[("100644", "u\u{308}".as_bytes()), ("100644", "\u{fc}".as_bytes())]);
        assert_eq!(codes(&composed), ["twin-entries"]);
        assert_eq!(codes(&raw(&[("40000", b"A"), ("120000", b"a")])), ["twin-entries"]);
    }

    #[test]
    fn modes_are_four() {
        for (mode, code) in [
            ("040000", "zero-padded-filemode"),
            ("0100644", "zero-padded-filemode"),
            ("160000", "submodule"),
            ("100664", "bad-filemode"),
            ("100666", "bad-filemode"),
            ("104755", "bad-filemode"),
            ("0", "zero-padded-filemode"),
            ("1", "bad-filemode"),
            ("", "bad-filemode"),
            ("-100644", "bad-filemode"),
            ("0x1ff", "zero-padded-filemode"),
            ("140000", "bad-filemode"),
            ("777777777777777777777777", "bad-filemode"),
        ] {
            assert_eq!(codes(&raw(&[(mode, b"x")])), [code], "{mode}");
        }
    }

    #[test]
    fn what_is_no_tree_is_no_tree() {
        let whole = raw(&[("100644", b"x")]);
        for cut in 1..whole.len() {
            assert_eq!(codes(&whole[..cut]), ["bad-tree"], "{cut}");
        }
        assert_eq!(codes(&[&whole[..], b"garbage"].concat()), ["bad-tree"]);
        let mut null = whole;
        null.truncate(9);
        null.extend_from_slice(&[0; 20]);
        assert_eq!(codes(&null), ["null-sha1"]);
        let many: Vec<(&str, Vec<u8>)> = (0..2001).map(|n| ("100644", format!("f{n:05}").into_bytes())).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(mode, name)| (*mode, name.as_slice())).collect();
        assert_eq!(codes(&raw(&many)), ["too-many-entries"]);
        assert_eq!(codes(&raw(&many[..2000])), [""; 0]);
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(named(b""), ["empty-name"]);
        assert_eq!(named(b".git"), ["has-dotgit"]);
        assert_eq!(named(b"a/b"), ["full-pathname"]);
    }

    #[test]
    fn a_written_tree_is_sound() {
        let id = ObjectId::Sha1([7; 20]);
        let entry = |name: &str, mode| (name.as_bytes().to_vec(), mode, id);
        let tree = write_tree(vec![
            entry("a", EntryMode::Folder),
            entry("a.b", EntryMode::File),
            entry("a0", EntryMode::Link),
            entry("a-", EntryMode::Executable),
        ]);
        assert_eq!(codes(&tree), [""; 0]);
        let names: Vec<_> = Entries(&tree).map(|entry| entry.expect("sound").name.to_vec()).collect();
        assert_eq!(names, [&b"a-"[..], b"a.b", b"a", b"a0"]);
    }
}
