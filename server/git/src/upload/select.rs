//! Which objects an answer holds: what the wants reach, less what the client has.

use std::collections::BinaryHeap;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::commits::{Commits, missing};
use super::fetch::FetchError;
use super::filter::Filter;
use super::request::FetchRequest;
use super::shallow::Cut;
use super::trees::{self, Buffers, Visit};
use crate::ids::{IdMap, IdSet};
use crate::objects::Objects;
use crate::refs::RefSnapshot;

/// The objects of one answer.
#[derive(Debug, Default)]
pub struct Selection {
    /// Each once: commits from new to old, tags, then trees and blobs.
    pub objects: Vec<ObjectId>,
    /// Trees and blobs that the client surely has: of commits that it named or that lie just below those sent.
    pub at_client: IdSet,
}

/// Chooses the objects for `request`.
///
/// `wants` are visible to the reader, and so are `common`, which the client has.
///
/// # Errors
/// [`FetchError`]; [`FetchError::Refused`] beyond `objects_max`.
pub fn select(
    request: &FetchRequest,
    wants: &[ObjectId],
    common: &[ObjectId],
    cut: &Cut,
    refs: &RefSnapshot,
    commits: &mut Commits<'_>,
    objects_max: usize,
) -> Result<Selection, FetchError> {
    let no_filter = Filter::default();
    let filter = request.filter.as_ref().unwrap_or(&no_filter);
    let mut history = History::new(cut);
    let mut tags = Vec::new();
    let mut roots = Vec::new();
    let at_client: IdSet = common.iter().copied().collect();
    for have in common {
        if let Some(peeled) = commits.peel(have)?
            && peeled.kind == Kind::Commit
        {
            history.add(peeled.target, HAVE, commits)?;
        }
    }
    for want in wants {
        let peeled = commits.peel(want)?.ok_or_else(|| missing(commits.repo, want))?;
        // A want is sent whatever the filter says, and what it finally points at.
        tags.extend(peeled.tags);
        match peeled.kind {
            Kind::Commit => {
                history.add(peeled.target, WANT, commits)?;
                history.explicit.insert(peeled.target);
            }
            kind => roots.push((peeled.target, kind)),
        }
    }
    history.walk(commits)?;

    let mut chosen = Chosen {
        out: Selection { objects: Vec::new(), at_client },
        depths: IdMap::default(),
        filter,
        only: None,
        objects_max,
        sizes: filter.blob_bytes_limit.filter(|limit| *limit > 0),
        repo: commits.repo,
    };
    let new: Vec<ObjectId> = history.new_commits();
    for id in &new {
        if !filter.skips_kind(Kind::Commit) || history.explicit.contains(id) {
            chosen.push(id)?;
        }
    }
    let sent: IdSet = if request.include_tag { new.iter().copied().collect() } else { IdSet::default() };
    // A tag may be wanted by itself and be met again on the way from another one.
    let mut sent_tags = IdSet::default();
    for tag in &tags {
        if sent_tags.insert(*tag) {
            chosen.push(tag)?;
        }
    }

    // Trees and blobs of the client's side of the border first, so that what is met there is not sent.
    let mut buffers = Buffers::default();
    if !filter.skips_trees() {
        for id in history.border(&new, commits)? {
            let tree = commits.get(&id)?.tree;
            trees::walk(commits, &tree, 0, &mut buffers, &mut AtClient(&mut chosen.out.at_client))?;
        }
    }
    for id in &new {
        if filter.skips_trees() {
            break;
        }
        let tree = commits.get(id)?.tree;
        trees::walk(commits, &tree, 0, &mut buffers, &mut chosen)?;
    }
    // Who asks for a tree or a blob by its id lacks it, though it has a commit that holds it: a partial clone.
    let held = std::mem::take(&mut chosen.out.at_client);
    for (root, kind) in &roots {
        chosen.only = Some(*root);
        match kind {
            Kind::Tree => trees::walk(commits, root, 0, &mut buffers, &mut chosen)?,
            _ => chosen.blob(root, 0)?,
        }
    }
    chosen.only = None;
    chosen.out.at_client = held;
    if request.include_tag {
        for entry in &refs.refs {
            let Some(target) = entry.peeled else { continue };
            if (sent.contains(&target) || chosen.depths.contains_key(&target)) && !sent_tags.contains(&entry.id) {
                let peeled = commits.peel(&entry.id)?.map(|peeled| peeled.tags).unwrap_or_default();
                for tag in peeled.iter().filter(|tag| sent_tags.insert(**tag)) {
                    chosen.push(tag)?;
                }
            }
        }
    }
    Ok(chosen.out)
}

const WANT: u8 = 1;
const HAVE: u8 = 2;

/// Commits and on which side they were seen, walked from new to old.
struct History<'a> {
    cut: &'a Cut,
    /// Sides, and sides that the parents know of.
    seen: IdMap<(u8, u8)>,
    queue: BinaryHeap<(i64, ObjectId)>,
    /// Commits in the order in which they were first taken from the queue.
    order: Vec<ObjectId>,
    /// How many in the queue are wanted and not had.
    wanted: usize,
    explicit: IdSet,
}

impl<'a> History<'a> {
    fn new(cut: &'a Cut) -> Self {
        Self {
            cut,
            seen: IdMap::default(),
            queue: BinaryHeap::new(),
            order: Vec::new(),
            wanted: 0,
            explicit: IdSet::default(),
        }
    }

    fn add(&mut self, id: ObjectId, side: u8, commits: &mut Commits<'_>) -> Result<(), FetchError> {
        let (sides, told) = self.seen.entry(id).or_insert((0, 0));
        let before = *sides;
        *sides |= side;
        if *sides == before {
            return Ok(());
        }
        // Queued are those with sides that their parents do not know of.
        let was_queued = before & !*told != 0;
        let after = *sides;
        if !was_queued {
            self.queue.push((commits.get(&id)?.time, id));
        }
        self.wanted -= usize::from(was_queued && before == WANT);
        self.wanted += usize::from(after == WANT);
        Ok(())
    }

    fn walk(&mut self, commits: &mut Commits<'_>) -> Result<(), FetchError> {
        // A client with a whole history has everything behind what it has: nothing is left to find once all that is
        // queued is had. One whose history is cut may want what lies behind.
        let whole = self.cut.client.is_empty();
        while let Some((_, id)) = self.queue.pop() {
            if whole && self.wanted == 0 {
                break;
            }
            let Some((sides, told)) = self.seen.get_mut(&id) else { continue };
            let (sides, new, first) = (*sides, *sides & !*told, *told == 0);
            *told = sides;
            if first {
                self.order.push(id);
                self.wanted -= usize::from(sides == WANT);
            }
            let mut pass_on = 0;
            if new & HAVE != 0 && !self.cut.client.contains(&id) {
                pass_on |= HAVE;
            }
            if new & WANT != 0 && !self.cut.ends.contains(&id) && !(whole && sides & HAVE != 0) {
                pass_on |= WANT;
            }
            if pass_on != 0 {
                let commit = commits.get(&id)?;
                for parent in &commit.parents {
                    self.add(*parent, pass_on, commits)?;
                }
            }
        }
        Ok(())
    }

    fn new_commits(&self) -> Vec<ObjectId> {
        let wanted = |id: &&ObjectId| self.seen.get(*id).is_some_and(|(sides, _)| *sides == WANT);
        self.order.iter().filter(wanted).copied().collect()
    }

    fn is_had(&self, id: &ObjectId) -> bool {
        self.seen.get(id).is_some_and(|(sides, _)| sides & HAVE != 0)
    }

    /// Commits of the client that are parents of new ones, or whose parents are new.
    fn border(&self, new: &[ObjectId], commits: &mut Commits<'_>) -> Result<Vec<ObjectId>, FetchError> {
        let mut border = Vec::new();
        let mut known = IdSet::default();
        for id in new {
            let commit = commits.get(id)?;
            border.extend(commit.parents.iter().filter(|parent| self.is_had(parent) && known.insert(**parent)));
        }
        if !self.cut.client.is_empty() {
            let new: IdSet = new.iter().copied().collect();
            for id in self.cut.client.iter().filter(|id| self.is_had(id)) {
                let commit = commits.get(id)?;
                if commit.parents.iter().any(|parent| new.contains(parent)) && known.insert(*id) {
                    border.push(*id);
                }
            }
        }
        Ok(border)
    }
}

/// Collects what the client has.
struct AtClient<'a>(&'a mut IdSet);

impl Visit for AtClient<'_> {
    fn tree(&mut self, id: &ObjectId, _depth: u64) -> Result<bool, FetchError> {
        Ok(self.0.insert(*id))
    }

    fn blob(&mut self, id: &ObjectId, _depth: u64) -> Result<(), FetchError> {
        self.0.insert(*id);
        Ok(())
    }
}

/// Collects what is sent.
struct Chosen<'a> {
    out: Selection,
    /// The least depth at which each tree and blob was met.
    depths: IdMap<u64>,
    filter: &'a Filter,
    /// An object that is sent whatever the filter says.
    only: Option<ObjectId>,
    objects_max: usize,
    /// Blobs of this size or more are left out.
    sizes: Option<u64>,
    repo: &'a crate::repo::Repo,
}

impl Chosen<'_> {
    fn push(&mut self, id: &ObjectId) -> Result<(), FetchError> {
        if self.out.at_client.contains(id) {
            return Ok(());
        }
        if self.out.objects.len() >= self.objects_max {
            return Err(FetchError::Refused(format!(
                "this fetch has more than {} objects; ask for less, such as with --depth or --filter",
                self.objects_max
            )));
        }
        self.out.objects.push(*id);
        Ok(())
    }
}

impl Visit for Chosen<'_> {
    fn tree(&mut self, id: &ObjectId, depth: u64) -> Result<bool, FetchError> {
        if self.out.at_client.contains(id) {
            return Ok(false);
        }
        let explicit = self.only == Some(*id);
        if self.filter.skips_depth(depth) && !explicit {
            return Ok(false);
        }
        match self.depths.insert(*id, depth) {
            None if explicit || !self.filter.skips_kind(Kind::Tree) => self.push(id)?,
            None => {}
            // Met before: again only where a depth is asked and this is the shorter way.
            Some(before) => {
                let shorter = self.filter.tree_depth.is_some() && depth < before;
                if !shorter {
                    self.depths.insert(*id, before);
                }
                return Ok(shorter);
            }
        }
        Ok(true)
    }

    fn blob(&mut self, id: &ObjectId, depth: u64) -> Result<(), FetchError> {
        if self.depths.contains_key(id) || self.out.at_client.contains(id) {
            return Ok(());
        }
        if self.only != Some(*id) {
            if self.filter.skips_depth(depth) || self.filter.skips_kind(Kind::Blob) {
                return Ok(());
            }
            if let Some(limit) = self.sizes {
                let header = self.repo.header(id)?.ok_or_else(|| missing(self.repo, id))?;
                if header.1 >= limit {
                    return Ok(());
                }
            }
        }
        self.depths.insert(*id, depth);
        self.push(id)
    }
}
