//! What the roots reach, with the names of files: alike names make good deltas.

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::MaintainError;
use crate::ids::IdSet;
use crate::objects::Objects;
use crate::receive::fsck::{Entries, EntryMode, commit_links, tag_links};

/// One reached object.
pub(super) struct Reached {
    pub id: ObjectId,
    /// The name under which it was found first; empty for commits, tags and root trees.
    pub name: Vec<u8>,
}

/// Everything that `roots` reach, commits newest first, then trees and blobs as they are met.
pub(super) fn reached(objects: &dyn Objects, roots: &[ObjectId]) -> Result<Vec<Reached>, MaintainError> {
    let mut seen = IdSet::default();
    let mut out = Vec::new();
    let mut history: std::collections::BinaryHeap<(u64, ObjectId)> = std::collections::BinaryHeap::new();
    let mut trees: Vec<(ObjectId, Vec<u8>)> = Vec::new();
    let mut content = Vec::new();
    for id in roots {
        if seen.insert(*id) {
            history.push((u64::MAX, *id));
        }
    }
    while let Some((_, id)) = history.pop() {
        match read(objects, &id, &mut content)? {
            Kind::Commit => {
                out.push(Reached { id, name: Vec::new() });
                let links = commit_links(&content).ok_or(MaintainError::Missing(id))?;
                if seen.insert(links.tree) {
                    trees.push((links.tree, Vec::new()));
                }
                for parent in links.parents.into_iter().filter(|parent| seen.insert(*parent)) {
                    history.push((links.seconds, parent));
                }
            }
            Kind::Tag => {
                out.push(Reached { id, name: Vec::new() });
                let links = tag_links(&content).ok_or(MaintainError::Missing(id))?;
                if seen.insert(links.target) {
                    history.push((u64::MAX, links.target));
                }
            }
            Kind::Tree => trees.push((id, Vec::new())),
            Kind::Blob => out.push(Reached { id, name: Vec::new() }),
        }
    }
    while let Some((id, name)) = trees.pop() {
        if read(objects, &id, &mut content)? != Kind::Tree {
            return Err(MaintainError::Missing(id));
        }
        out.push(Reached { id, name });
        for entry in Entries(&content).flatten() {
            let child = entry.id.to_owned();
            // What a submodule names is not here.
            if entry.mode == b"160000" || !seen.insert(child) {
                continue;
            }
            if entry.mode() == Some(EntryMode::Folder) {
                trees.push((child, entry.name.to_vec()));
            } else {
                if !objects.contains(&child)? {
                    return Err(MaintainError::Missing(child));
                }
                out.push(Reached { id: child, name: entry.name.to_vec() });
            }
        }
    }
    Ok(out)
}

fn read(objects: &dyn Objects, id: &oid, content: &mut Vec<u8>) -> Result<Kind, MaintainError> {
    objects.read(id, content)?.ok_or_else(|| MaintainError::Missing(id.to_owned()))
}
