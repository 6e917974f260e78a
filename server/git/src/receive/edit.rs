//! Commits that the server makes itself: files put into a tree or taken out of it.

use std::collections::BTreeMap;

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use skill_pool_domain::timestamp::Timestamp;

use super::fsck::{Entries, EntryMode, names, write_tree};
use super::pack::ReceiveError;
use super::quarantine::Quarantine;
use crate::objects::{ObjectError, Objects, Overlay};

/// What becomes of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file gets this mode and content, whether it was there or not. The mode is no folder's.
    Put(EntryMode, Vec<u8>),
    /// The file gets this mode and an object that is there already.
    PutObject(EntryMode, ObjectId),
    /// The file, or the whole folder, goes. It need not have been there.
    Remove,
}

/// Why a tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A path that no tree can hold.
    #[error("{path}: {why}")]
    Path {
        /// The path, safe to print.
        path: String,
        /// The rule that it breaks.
        why: String,
    },
    /// A tree is missing or damaged.
    #[error("tree {0} cannot be read")]
    Tree(ObjectId),
    /// The repository could not be read.
    #[error("an object could not be read")]
    Store(#[from] ObjectError),
    /// An object could not be added.
    #[error("an object could not be added")]
    Add(#[from] ReceiveError),
}

/// Makes the tree that `root` (`None`: the empty one) becomes by `changes`, adding what is new to `quarantine`. Folders
/// without files vanish. A file in the place of a folder, or the other way round, takes that place.
///
/// # Errors
/// [`EditError`].
pub fn edit_tree(
    quarantine: &mut Quarantine,
    base: &dyn Objects,
    root: Option<&oid>,
    changes: &BTreeMap<String, Change>,
) -> Result<ObjectId, EditError> {
    let mut node = Node::default();
    for (path, change) in changes {
        let parts: Vec<&str> = path.split('/').collect();
        for part in &parts {
            if let Some(fault) = names::check(part.as_bytes()) {
                return Err(EditError::Path { path: super::text::printable(path), why: fault.message });
            }
        }
        node.put(&parts, change);
    }
    match write(quarantine, base, root, &node)? {
        Some(id) => Ok(id),
        None => Ok(quarantine.add(Kind::Tree, b"")?),
    }
}

/// The changes of one folder.
#[derive(Default)]
struct Node<'a> {
    here: Option<&'a Change>,
    below: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    fn put(&mut self, parts: &[&'a str], change: &'a Change) {
        match parts.split_first() {
            Some((first, rest)) => self.below.entry(first).or_default().put(rest, change),
            None => self.here = Some(change),
        }
    }
}

fn write(
    quarantine: &mut Quarantine,
    base: &dyn Objects,
    tree: Option<&oid>,
    node: &Node<'_>,
) -> Result<Option<ObjectId>, EditError> {
    let mut entries: BTreeMap<Vec<u8>, (EntryMode, ObjectId)> = BTreeMap::new();
    if let Some(id) = tree {
        let damaged = || EditError::Tree(id.to_owned());
        let mut content = Vec::new();
        let both = Overlay { first: &*quarantine, second: base };
        if both.read(id, &mut content)? != Some(Kind::Tree) {
            return Err(damaged());
        }
        for entry in Entries(&content) {
            let entry = entry.map_err(|()| damaged())?;
            entries.insert(entry.name.to_vec(), (entry.mode().ok_or_else(damaged)?, entry.id.to_owned()));
        }
    }
    for (name, child) in &node.below {
        let name = name.as_bytes().to_vec();
        match child.here {
            Some(Change::Put(mode, content)) => {
                let id = quarantine.add(Kind::Blob, content)?;
                entries.insert(name.clone(), (*mode, id));
            }
            Some(Change::PutObject(mode, id)) => drop(entries.insert(name.clone(), (*mode, *id))),
            Some(Change::Remove) => drop(entries.remove(&name)),
            None => {}
        }
        if child.below.is_empty() {
            continue;
        }
        let folder = entries.get(&name).filter(|(mode, _)| *mode == EntryMode::Folder).map(|(_, id)| *id);
        match write(quarantine, base, folder.as_deref(), child)? {
            Some(id) => drop(entries.insert(name, (EntryMode::Folder, id))),
            None if folder.is_some() => drop(entries.remove(&name)),
            None => {}
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let list = entries.into_iter().map(|(name, (mode, id))| (name, mode, id)).collect();
    Ok(Some(quarantine.add(Kind::Tree, &write_tree(list))?))
}

/// Who made a commit, and when. Name and address lose what git does not allow in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The person, or the registry itself.
    pub name: &'a str,
    /// A mail address, or something like one.
    pub address: &'a str,
    /// When, to the second; the zone is UTC.
    pub at: Timestamp,
}

impl Identity<'_> {
    fn line(&self) -> String {
        let clean = |text: &str| -> String {
            text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect::<String>().trim().to_owned()
        };
        let (name, address) = (clean(self.name), clean(self.address));
        let name = if name.is_empty() { "unknown" } else { name.as_str() };
        format!("{name} <{address}> {} +0000", self.at.seconds().max(0))
    }
}

/// The bytes of a commit. `message` ends in one line feed, whatever it ends in.
pub fn commit_bytes(
    tree: &oid,
    parents: &[ObjectId],
    author: &Identity<'_>,
    committer: &Identity<'_>,
    message: &str,
) -> Vec<u8> {
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let message: String = message.chars().filter(|c| *c != '\0').collect();
    let (author, committer) = (author.line(), committer.line());
    format!("tree {tree}\n{parents}author {author}\ncommitter {committer}\n\n{}\n", message.trim_end()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(content: &str) -> Change {
        Change::Put(EntryMode::File, content.into())
    }

    fn paths(quarantine: &Quarantine, id: &oid, prefix: &str, out: &mut Vec<String>) {
        let mut content = Vec::new();
        quarantine.read(id, &mut content).expect("readable");
        for entry in Entries(&content) {
            let entry = entry.expect("sound");
            let path = format!("{prefix}{}", String::from_utf8_lossy(entry.name));
            match entry.mode().expect("a mode") {
                EntryMode::Folder => paths(quarantine, entry.id, &format!("{path}/"), out),
                mode => out.push(format!("{path} {}", mode.digits())),
            }
        }
    }

    #[test]
    fn files_come_and_go_and_folders_with_them() {
        let folder = tempfile::tempdir().expect("folder");
        let mut quarantine = Quarantine::empty(folder.path());
        let nothing = Quarantine::empty(folder.path());
        let mut edit = |root: Option<ObjectId>, changes: &[(&str, Change)]| {
            let changes = changes.iter().map(|(path, change)| ((*path).to_owned(), change.clone())).collect();
            let id = edit_tree(&mut quarantine, &nothing, root.as_deref(), &changes).expect("a tree");
            let mut out = Vec::new();
            paths(&quarantine, &id, "", &mut out);
            (id, out)
        };
        let run = Change::Put(EntryMode::Executable, b"#!/bin/sh\n".to_vec());
        let (first, files) = edit(None, &[("a/b/c.md", put("c")), ("a/x.md", put("x")), ("bin/run", run)]);
        assert_eq!(files, ["a/b/c.md 100644", "a/x.md 100644", "bin/run 100755"]);
        let (_, files) = edit(Some(first), &[("a/b/c.md", Change::Remove), ("no/such", Change::Remove)]);
        assert_eq!(files, ["a/x.md 100644", "bin/run 100755"]);
        let (_, files) = edit(Some(first), &[("a", put("a file now")), ("bin/run/deeper", put("a folder now"))]);
        assert_eq!(files, ["a 100644", "bin/run/deeper 100644"]);
        let (same, _) = edit(Some(first), &[("a/x.md", put("x"))]);
        assert_eq!(same, first);
        let (empty, files) = edit(Some(first), &[("a", Change::Remove), ("bin", Change::Remove)]);
        assert_eq!((empty.to_string().as_str(), files.len()), ("4b825dc642cb6eb9a060e54bf8d69288fbee4904", 0));
        for wrong in ["", "a//b", "/a", "../a", "a/.git/x", "a/"] {
            let changes = BTreeMap::from([(wrong.to_owned(), put(""))]);
            let error = edit_tree(&mut quarantine, &nothing, None, &changes).expect_err(wrong);
            assert!(matches!(error, EditError::Path { .. }));
        }
    }

    #[test]
    fn names_of_strangers_do_not_break_a_commit() {
        let at = Timestamp::from_seconds(1_700_000_000);
        let strange = Identity { name: " <evil>\nparent x ", address: "a@b> 1 +0000\n", at };
        let nobody = Identity { name: "\n", address: "", at };
        let tree = ObjectId::Sha1([1; 20]);
        let bytes = commit_bytes(&tree, &[tree], &strange, &nobody, "message\0\n\n");
        assert_eq!(
            String::from_utf8(bytes.clone()).expect("text"),
            format!(
                "tree {tree}\nparent {tree}\nauthor evilparent x <a@b 1 +0000> 1700000000 +0000\n\
                 committer unknown <> 1700000000 +0000\n\nmessage\n"
            )
        );
        let limits = crate::limits::ReceiveLimits::default();
        let mut inspector = super::super::fsck::Inspector::new(&limits);
        inspector.inspect(&tree, Kind::Commit, &bytes);
        assert_eq!(inspector.finish(), []);
    }
}
