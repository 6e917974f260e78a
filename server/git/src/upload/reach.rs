//! What a reader may have: the objects that the refs of one state reach.
//!
//! Made when a request asks beyond the tips of refs, kept for the state, and grown from an earlier state of the same
//! repository when only new commits came, so that a push costs its own objects and not the whole history.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gix_hash::ObjectId;
use gix_object::Kind;
use parking_lot::Mutex;

use super::commits::{Commits, Peeled};
use super::fetch::FetchError;
use super::trees::{self, Buffers, Visit};
use crate::ids::IdSet;
use crate::lru::Lru;
use crate::refs::{RefSnapshot, StateKey};

/// More layers are merged into one.
const LAYERS_MAX: usize = 8;
/// Memory that one id in a set takes, by the growth of hash tables.
const ID_BYTES: usize = 40;
/// Earlier states of one repository that are tried as a start: readers who see different refs take turns.
const STARTS: usize = 4;

/// Sets of ids that share what they have in common with earlier ones.
#[derive(Clone, Default)]
struct Layers(Vec<Arc<IdSet>>);

impl Layers {
    fn contains(&self, id: &ObjectId) -> bool {
        self.0.iter().rev().any(|layer| layer.contains(id))
    }

    fn with(&self, top: Arc<IdSet>) -> Self {
        let mut layers = self.0.clone();
        if layers.len() + 1 >= LAYERS_MAX {
            let mut all = IdSet::clone(&top);
            for layer in &layers {
                all.extend(layer.iter().copied());
            }
            return Self(vec![Arc::new(all)]);
        }
        if !top.is_empty() {
            layers.push(top);
        }
        Self(layers)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|layer| layer.len()).sum()
    }
}

/// What the refs of one state reach.
pub struct Reach {
    /// What the refs point at, peeled: where commits begin.
    tips: Vec<ObjectId>,
    /// Commits and tags.
    commits: Layers,
    /// Trees and blobs that refs point at without a commit.
    roots: Vec<(ObjectId, Kind)>,
    /// Commits that no earlier state reached, with what trees and blobs that state reached.
    fresh: Arc<IdSet>,
    base: Option<Layers>,
    /// Trees and blobs, made when one is asked for.
    contents: OnceLock<Layers>,
}

impl Reach {
    /// True when `id` is a commit or a tag that the refs reach.
    pub fn has_commit(&self, id: &ObjectId) -> bool {
        self.commits.contains(id)
    }

    /// True when the refs reach `id`, whatever it is.
    ///
    /// # Errors
    /// [`FetchError`] when the trees cannot be walked in time or have more than `objects_max` objects.
    pub fn has(&self, id: &ObjectId, commits: &mut Commits<'_>, objects_max: usize) -> Result<bool, FetchError> {
        if self.has_commit(id) {
            return Ok(true);
        }
        if let Some(contents) = self.contents.get() {
            return Ok(contents.contains(id));
        }
        let mut collect = Collect { base: self.base.as_ref(), new: IdSet::default(), objects_max };
        let mut buffers = Buffers::default();
        let everything: Vec<&Arc<IdSet>> = match &self.base {
            Some(_) => vec![&self.fresh],
            None => self.commits.0.iter().collect(),
        };
        for commit in everything.into_iter().flat_map(|layer| layer.iter()) {
            // Tags are among them; they have no tree.
            if let Some(Peeled { tags, target, kind: Kind::Commit }) = commits.peel(commit)?
                && tags.is_empty()
            {
                let tree = commits.get(&target)?.tree;
                trees::walk(commits, &tree, 0, &mut buffers, &mut collect)?;
            }
        }
        for (root, kind) in &self.roots {
            match kind {
                Kind::Tree => trees::walk(commits, root, 0, &mut buffers, &mut collect)?,
                _ => collect.blob(root, 0)?,
            }
        }
        let made = self.base.clone().unwrap_or_default().with(Arc::new(collect.new));
        Ok(self.contents.get_or_init(|| made).contains(id))
    }

    /// True when trees and blobs were walked.
    pub fn is_whole(&self) -> bool {
        self.contents.get().is_some()
    }

    fn weight(&self) -> usize {
        // Trees and blobs come later; they are some times as many as commits.
        (self.commits.len() + self.tips.len() + self.contents.get().map_or(0, Layers::len)) * ID_BYTES + 1_024
    }
}

struct Collect<'a> {
    base: Option<&'a Layers>,
    new: IdSet,
    objects_max: usize,
}

impl Collect<'_> {
    fn add(&mut self, id: &ObjectId) -> Result<bool, FetchError> {
        if self.base.is_some_and(|base| base.contains(id)) {
            return Ok(false);
        }
        if self.new.len() >= self.objects_max {
            return Err(FetchError::Refused(format!(
                "this repository has more than {} objects: single objects cannot be asked for by id",
                self.objects_max
            )));
        }
        Ok(self.new.insert(*id))
    }
}

impl Visit for Collect<'_> {
    fn tree(&mut self, id: &ObjectId, _depth: u64) -> Result<bool, FetchError> {
        self.add(id)
    }

    fn blob(&mut self, id: &ObjectId, _depth: u64) -> Result<(), FetchError> {
        self.add(id).map(|_| ())
    }
}

/// Sets of states, bounded by memory.
pub struct ReachCache {
    bytes_max: usize,
    states: Mutex<Lru<StateKey, Arc<Reach>>>,
    latest: Mutex<Lru<PathBuf, Vec<StateKey>>>,
}

impl ReachCache {
    /// Keeps sets of about `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, states: Mutex::new(Lru::new(bytes_max)), latest: Mutex::new(Lru::new(1_024)) }
    }

    /// What `refs` reach in the repository of `commits`.
    ///
    /// # Errors
    /// [`FetchError`] when history cannot be walked in time or has more than `objects_max` commits.
    pub fn get(
        &self,
        commits: &mut Commits<'_>,
        refs: &RefSnapshot,
        objects_max: usize,
    ) -> Result<Arc<Reach>, FetchError> {
        if let Some(known) = self.states.lock().get(&refs.state) {
            return Ok(Arc::clone(known));
        }
        let path = commits.repo.path().to_owned();
        let made = Arc::new(self.make(commits, refs, &path, objects_max)?);
        self.keep(refs.state, &made);
        let mut latest = self.latest.lock();
        let mut states = latest.remove(&path).unwrap_or_default();
        states.retain(|state| *state != refs.state);
        states.truncate(STARTS - 1);
        states.insert(0, refs.state);
        latest.insert(path, states, 1);
        Ok(made)
    }

    /// Weighs `reach` again after its trees and blobs were walked.
    pub fn keep(&self, state: StateKey, reach: &Arc<Reach>) {
        // A set that is larger than the whole bound takes all of it: made anew for each request, it would cost more.
        self.states.lock().insert(state, Arc::clone(reach), reach.weight().min(self.bytes_max));
    }

    fn make(
        &self,
        commits: &mut Commits<'_>,
        refs: &RefSnapshot,
        path: &Path,
        objects_max: usize,
    ) -> Result<Reach, FetchError> {
        let starts = self.latest.lock().get(&path.to_owned()).cloned().unwrap_or_default();
        for state in starts {
            let start = self.states.lock().get(&state).cloned();
            if let Some(start) = start
                && let Some(grown) = grow(commits, refs, Some(&start), objects_max)?
            {
                return Ok(grown);
            }
        }
        let whole = grow(commits, refs, None, objects_max)?;
        // Without a start there is nothing that could be unreachable.
        whole.ok_or_else(|| FetchError::Refused("the refs of this repository cannot be walked".to_owned()))
    }
}

/// Walks from the refs down to what `start` reaches. `None` when a tip of `start` was not met on the way: then the
/// refs may have moved back, and `start` may reach what they no longer do.
fn grow(
    commits: &mut Commits<'_>,
    refs: &RefSnapshot,
    start: Option<&Reach>,
    objects_max: usize,
) -> Result<Option<Reach>, FetchError> {
    let known = |id: &ObjectId| start.is_some_and(|start| start.commits.contains(id));
    let mut fresh = IdSet::default();
    let mut met = IdSet::default();
    let mut tips = Vec::new();
    let mut roots = Vec::new();
    let mut open = Vec::new();
    let ids = refs.refs.iter().map(|entry| entry.id).chain(refs.head_id());
    let mut seen = IdSet::default();
    for id in ids.filter(|id| seen.insert(*id)) {
        let Some(peeled) = commits.peel(&id)? else {
            // A ref to nothing is the repository's trouble, reported by fsck; it lends nobody anything.
            continue;
        };
        for tag in &peeled.tags {
            if known(tag) {
                met.insert(*tag)
            } else {
                fresh.insert(*tag)
            };
        }
        tips.push(id);
        match peeled.kind {
            Kind::Commit => open.push(peeled.target),
            kind => roots.push((peeled.target, kind)),
        }
    }
    while let Some(id) = open.pop() {
        if known(&id) {
            met.insert(id);
            continue;
        }
        if !fresh.insert(id) {
            continue;
        }
        if fresh.len() > objects_max {
            return Err(FetchError::Refused(format!("this repository has more than {objects_max} commits")));
        }
        open.extend(commits.get(&id)?.parents.iter().copied());
    }
    let base = match start {
        Some(start) => {
            // Everything that `start` reached must still be reached: each of its tips was met or is a tip again. Its
            // tips without a commit must be the same.
            let held = start.tips.iter().all(|tip| met.contains(tip) || seen.contains(tip));
            if !held || start.roots.iter().any(|root| !roots.contains(root)) {
                return Ok(None);
            }
            start.contents.get().cloned()
        }
        None => None,
    };
    let layers = start.map(|start| start.commits.clone()).unwrap_or_default();
    let fresh = Arc::new(fresh);
    let commits = layers.with(Arc::clone(&fresh));
    let fresh = if base.is_some() { fresh } else { Arc::default() };
    Ok(Some(Reach { tips, commits, roots, fresh, base, contents: OnceLock::new() }))
}
