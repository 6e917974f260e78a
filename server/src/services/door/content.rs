//! The trees that refs are to hold, read once under bounds, and their canonical digests.

use gix::ObjectId;
use parking_lot::Mutex;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::RepositoryName;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::tree::{self, Tree};
use skill_pool_git::history::{self, Contents, HistoryError, TreeBounds};
use skill_pool_git::lru::Lru;
use skill_pool_git::objects::{Kind, Objects};

use super::arrival::Arrival;
use super::judge::Stopped;
use super::{Door, words};

/// What one remembered digest weighs in memory, roughly, in bytes.
const DIGEST_WEIGHT: usize = 120;
/// Memory for remembered digests, in bytes.
const DIGESTS_BYTES_MAX: usize = 8 << 20;

/// A tree as the rules see it.
pub struct Content {
    /// Paths and modes; contents where the whole gate looks.
    pub tree: Tree,
    /// The canonical digest.
    pub digest: Sha256,
}

/// Digests of blobs, so that an update reads only what is new. Ids are within their repository: what one tenant pushed
/// must not be felt in another's timing.
pub struct BlobDigests(Mutex<Lru<(u128, ObjectId), (u64, Sha256)>>);

impl Default for BlobDigests {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(DIGESTS_BYTES_MAX)))
    }
}

fn bounds(door: &Door, arrival: &Arrival) -> TreeBounds {
    let gate = arrival.registry.as_ref().map(|registry| registry.gate.limits.clone()).unwrap_or_default();
    TreeBounds {
        // One more than the gate allows, so that it is the gate that says so, with the measured value.
        files_max: gate.files_max.min(door.limits.tree_files_max),
        depth_max: door.limits.tree_depth_max,
        file_bytes_max: gate.file_bytes_max,
        bytes_max: gate.tree_bytes_max,
    }
}

/// Reads what `commit` holds. `whole`: with all contents.
///
/// # Errors
/// A refusal when a bound is passed or the disk fails.
pub fn read(
    door: &Door,
    arrival: &Arrival,
    objects: &dyn Objects,
    commit: ObjectId,
    whole: bool,
) -> Result<Content, Refusal> {
    let bounds = bounds(door, arrival);
    let root = root(objects, commit)?;
    let contents = if whole { Contents::All } else { Contents::Links };
    let tree = history::read_tree(objects, &root, &bounds, contents).map_err(|error| refusal(&error))?;
    let digest = digest_of_tree(door, arrival, objects, root, &bounds)?;
    Ok(Content { tree, digest })
}

/// The canonical digest of what `commit` holds.
///
/// # Errors
/// As [`read`].
pub fn digest(door: &Door, arrival: &Arrival, objects: &dyn Objects, commit: ObjectId) -> Result<Sha256, Stopped> {
    let root = root(objects, commit)?;
    Ok(digest_of_tree(door, arrival, objects, root, &bounds(door, arrival))?)
}

/// The tree of a commit; a tree, which a tag may point at, is its own.
fn root(objects: &dyn Objects, id: ObjectId) -> Result<ObjectId, Refusal> {
    let kind = objects.header(&id).map_err(|error| words::internal("could not read the pushed tree", &error))?;
    match kind {
        Some((Kind::Tree, _)) => Ok(id),
        _ => history::root_tree_id(objects, &id).map_err(|error| refusal(&error)),
    }
}

fn digest_of_tree(
    door: &Door,
    arrival: &Arrival,
    objects: &dyn Objects,
    root: ObjectId,
    bounds: &TreeBounds,
) -> Result<Sha256, Refusal> {
    let repository = arrival.repository.map(|id| id.0.as_u128());
    let mut buffer = Vec::new();
    let remembered = &door.digests.0;
    let records = history::digest_records(objects, &root, bounds, |id| {
        let key = repository.map(|repository| (repository, id.to_owned()));
        if let Some(key) = &key
            && let Some(found) = remembered.lock().get(key)
        {
            return Ok(*found);
        }
        let made = history::blob_digest(objects, id, &mut buffer)?;
        if let Some(key) = key {
            remembered.lock().insert(key, made, DIGEST_WEIGHT);
        }
        Ok(made)
    });
    let records = records.map_err(|error| refusal(&error))?;
    tree::digest_records(records).map_err(|error| {
        let place = match &arrival.entrance.name {
            RepositoryName::Plugin(plugin) => plugin.to_string(),
            other => other.to_string(),
        };
        Refusal::new("tree-entry", error.to_string(), "git rm --cached <path> && git commit --amend").at(place)
    })
}

fn refusal(error: &HistoryError) -> Refusal {
    match error {
        HistoryError::OverLimit { what, limit, .. } => Refusal::new(
            "tree-too-large",
            format!("this tree has more than {limit} {what}"),
            "leave out what a reader of the plugin does not need, and push again",
        ),
        other => words::internal("could not read the pushed tree", other),
    }
}
