//! Walking trees.

use bstr::ByteSlice;
use gix_hash::ObjectId;
use gix_object::Kind;

use super::commits::{Commits, damaged, missing};
use super::fetch::FetchError;
use crate::objects::Objects;

/// What a walk of a tree meets. Entries that are commits of other repositories (submodules) are not met.
pub trait Visit {
    /// A tree; true: look into it.
    fn tree(&mut self, id: &ObjectId, depth: u64) -> Result<bool, FetchError>;
    /// A blob or a symbolic link.
    fn blob(&mut self, id: &ObjectId, depth: u64) -> Result<(), FetchError>;
}

/// Walks the tree `root`, which lies at `depth`, without recursion. `buffers` are reused from walk to walk.
///
/// # Errors
/// What the visitor says, and [`FetchError::Missing`] and [`FetchError::Store`] for trees that cannot be read.
pub fn walk(
    commits: &mut Commits<'_>,
    root: &ObjectId,
    depth: u64,
    buffers: &mut Buffers,
    visit: &mut impl Visit,
) -> Result<(), FetchError> {
    buffers.open.clear();
    if visit.tree(root, depth)? {
        buffers.open.push((*root, depth));
    }
    while let Some((id, depth)) = buffers.open.pop() {
        commits.deadline.step()?;
        let repo = commits.repo;
        let kind = repo.read(&id, &mut buffers.tree)?.ok_or_else(|| missing(repo, &id))?;
        if kind != Kind::Tree {
            return Err(damaged(repo, &id, "it is not a tree"));
        }
        let mut rest = buffers.tree.as_slice();
        while !rest.is_empty() {
            let (mode, entry, after) = next_entry(rest).ok_or_else(|| damaged(repo, &id, "it is not a tree"))?;
            rest = after;
            match mode {
                0o40000 => {
                    if visit.tree(&entry, depth + 1)? {
                        buffers.open.push((entry, depth + 1));
                    }
                }
                0o160000 => {}
                _ => visit.blob(&entry, depth + 1)?,
            }
        }
    }
    Ok(())
}

/// Memory that walks share.
#[derive(Default)]
pub struct Buffers {
    open: Vec<(ObjectId, u64)>,
    tree: Vec<u8>,
}

/// Mode and id of the entry at the start of `bytes`, and what follows it.
fn next_entry(bytes: &[u8]) -> Option<(u32, ObjectId, &[u8])> {
    let mut mode = 0u32;
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b' ' if at > 0 => break,
            digit @ b'0'..=b'7' if at < 7 => mode = mode * 8 + u32::from(digit - b'0'),
            _ => return None,
        }
        at += 1;
    }
    let name = at + 1;
    let id = name + bytes[name..].find_byte(0)? + 1;
    let end = id + 20;
    Some((mode, ObjectId::from_bytes_or_panic(bytes.get(id..end)?), &bytes[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_are_read_one_after_the_other() {
        let mut tree = b"100644 a b\0".to_vec();
        tree.extend_from_slice(&[1; 20]);
        tree.extend_from_slice(b"40000 c\0");
        tree.extend_from_slice(&[2; 20]);
        let (mode, id, rest) = next_entry(&tree).expect("an entry");
        assert_eq!((mode, id), (0o100644, ObjectId::Sha1([1; 20])));
        let (mode, id, rest) = next_entry(rest).expect("an entry");
        assert_eq!((mode, id, rest.len()), (0o40000, ObjectId::Sha1([2; 20]), 0));
        for cut in 1..31 {
            assert_eq!(next_entry(&tree[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = next_entry(&bytes);
        }
    }
}
