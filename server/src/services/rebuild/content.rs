//! What commits hold, as `rebuild` and `fsck` need it.

use gix::ObjectId;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::gate::{self, Context, Policy};
use skill_pool_domain::names::PluginName;
use skill_pool_domain::registry::Registry;
use skill_pool_domain::tree::{self, Tree};
use skill_pool_git::history::{self, Contents, HistoryError, TreeBounds};
use skill_pool_git::objects::Objects;

/// Bounds that anything that once passed the door is within.
const BOUNDS: TreeBounds =
    TreeBounds { files_max: 50_000, depth_max: 64, file_bytes_max: 50 << 20, bytes_max: 200 << 20 };

/// All files of a commit.
pub(crate) fn files(objects: &dyn Objects, commit: ObjectId) -> Result<Tree, HistoryError> {
    let root = history::root_tree_id(objects, &commit)?;
    history::read_tree(objects, &root, &BOUNDS, Contents::All)
}

/// The canonical digest of a commit's tree; `None` for what has none, such as a tag on a blob.
pub(crate) fn digest(objects: &dyn Objects, commit: ObjectId) -> Option<Sha256> {
    let root = history::root_tree_id(objects, &commit).ok()?;
    let mut buffer = Vec::new();
    let records =
        history::digest_records(objects, &root, &BOUNDS, |id| history::blob_digest(objects, id, &mut buffer)).ok()?;
    tree::digest_records(records).ok()
}

/// What catalog and pages need of a released commit.
pub(crate) fn summary(
    objects: &dyn Objects,
    plugin: &PluginName,
    commit: ObjectId,
) -> Result<serde_json::Value, String> {
    let files = files(objects, commit).map_err(|error| error.to_string())?;
    let policy = Policy::default();
    let verdict = gate::judge(&files, &Context { expected_name: Some(plugin), policy: &policy });
    serde_json::to_value(verdict.summary).map_err(|error| error.to_string())
}

/// What `registry.git` says at `commit`.
pub(crate) fn registry(objects: &dyn Objects, commit: ObjectId) -> Result<Registry, String> {
    let files = files(objects, commit).map_err(|error| error.to_string())?;
    Registry::read(&files).map_err(|findings| {
        let first = findings.first().map(|finding| format!("{}: {}", finding.path, finding.message));
        first.unwrap_or_else(|| "it cannot be read".to_owned())
    })
}
