//! `log.git`: leaves and what they name, as commits on main within a second of each push.
//!
//! Not disposable: with the plugins' repositories it is what `rebuild` makes the database from. Its own main says how
//! many leaves it holds (the last line of each commit's message), so that it needs no other position. Objects are synced
//! first, then main moves in the database, then on disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gix::ObjectId;
use gix::objs::{CommitRefIter, Kind};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::Leaf;
use skill_pool_domain::names::{LeafIndex, RepositoryId, RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::objects::Objects;
use skill_pool_git::receive::write_objects;
use skill_pool_git::repo::{Repo, RepoCache};

use super::log_tree::{Folder, NewObjects, Part, id_of, path_of};
use super::{Follower, FollowerError, Progress, disk_refs};
use crate::store::{DataFolder, EvidenceKind, OutboxEntry, Store, StoredLeaf, TenantKey, TenantRecord};

/// Leaves in one commit at most.
const COMMIT_LEAVES_MAX: usize = 256;
/// Evidence in one commit, from which on it takes no more leaves, in bytes.
const COMMIT_BYTES_MAX: usize = 8 << 20;
/// The last line of a commit's message.
const SIZE_LINE: &str = "Journal-size: ";

/// Appends what was committed to each tenant's `log.git`.
pub struct LogGit {
    store: Store,
    data: DataFolder,
    repositories: Arc<RepoCache>,
    checked: Option<TenantRecord>,
}

/// The id of a tenant's `log.git`: the same for ever, also when the database is rebuilt.
pub fn log_repository(tenant: TenantId) -> RepositoryId {
    let digest = Sha256::of(&[tenant.0.as_bytes(), &b" log.git"[..]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    RepositoryId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// What a `log.git` holds at one commit.
struct Tip {
    commit: Option<ObjectId>,
    root: Folder,
    /// Leaves in it.
    size: u64,
}

impl LogGit {
    /// For the tenants of `data`, whose repositories are opened through `repositories`.
    pub fn new(store: Store, data: DataFolder, repositories: Arc<RepoCache>) -> Self {
        Self { store, data, repositories, checked: None }
    }

    /// The one function: appends what a tenant's `log.git` lacks. With `look`, it is first looked at whole, and begun
    /// anew when something of it is gone.
    fn apply(&self, tenant: &TenantRecord, look: bool) -> Result<(), FollowerError> {
        let subject = || format!("{} log.git", tenant.name);
        let size = self.store.journal_size(tenant.tenant).map_err(FollowerError::at("read the journal", subject()))?;
        let folder = self.folder(tenant);
        // Makes the rest where a crash, or a person, left a part of it.
        Repo::init(&folder).map_err(FollowerError::at("make the folder", subject()))?;
        let repo = self.repositories.get(&folder).map_err(FollowerError::at("open the folder", subject()))?;
        let mut tip = self.tip(tenant, &repo)?;
        if look && tip.commit.is_some() && !is_whole(&repo, &tip) {
            tracing::warn!(tenant = %tenant.name, "log.git of {} is damaged; it begins anew from the journal", tenant.name);
            tip = Tip { commit: None, root: Folder::default(), size: 0 };
        }
        while tip.size < size.unwrap_or(0) {
            tip = self.append(tenant, &repo, tip)?;
        }
        disk_refs::apply(&self.store, &self.data, (&tenant.name, tenant.tenant), &RepositoryName::Log)
    }

    fn folder(&self, tenant: &TenantRecord) -> PathBuf {
        self.data.repository(&tenant.name, &RepositoryName::Log)
    }

    /// What main holds. A main that cannot be read counts as none: the journal has it all.
    fn tip(&self, tenant: &TenantRecord, repo: &Repo) -> Result<Tip, FollowerError> {
        let refs = self.store.refs(tenant.tenant, &RepositoryName::Log);
        let refs = refs.map_err(FollowerError::at("read the refs", format!("{} log.git", tenant.name)))?;
        let main = refs.and_then(|refs| refs.snapshot.head_id());
        let read = main.and_then(|commit| {
            let (tree, _, size) = read_commit(repo, commit)?;
            let root = Folder::read(repo, tree).ok()?;
            Some(Tip { commit: Some(commit), root, size })
        });
        if main.is_some() && read.is_none() {
            tracing::warn!(tenant = %tenant.name, "main of log.git of {} cannot be read; it begins anew", tenant.name);
        }
        Ok(read.unwrap_or(Tip { commit: None, root: Folder::default(), size: 0 }))
    }

    /// Appends one commit.
    fn append(&self, tenant: &TenantRecord, repo: &Repo, tip: Tip) -> Result<Tip, FollowerError> {
        let subject = || format!("{} log.git", tenant.name);
        let Tip { commit: parent, mut root, size } = tip;
        let leaves = self.store.leaves(tenant.tenant, LeafIndex(size), COMMIT_LEAVES_MAX);
        let leaves = leaves.map_err(FollowerError::at("read the journal", subject()))?;
        let mut new = NewObjects::new();
        let mut bytes = 0;
        let mut last: Option<Leaf> = None;
        for stored in leaves {
            let leaf = stored.parse().map_err(FollowerError::at("read a leaf", subject()))?;
            bytes += self.put(tenant, repo, &mut root, (&leaf, stored), &mut new)?;
            last = Some(leaf);
            if bytes > COMMIT_BYTES_MAX {
                break;
            }
        }
        let Some(last) = last else {
            return Err(FollowerError::at("read the journal", subject())("it ends too early"));
        };
        let tree = root.write(&mut new).map_err(FollowerError::at("write the tree", subject()))?;
        let text = commit_text(tree, parent, size, last.seq.0 + 1, last.time);
        let commit = id_of(Kind::Commit, text.as_bytes()).map_err(FollowerError::at("write the commit", subject()))?;
        new.push((Kind::Commit, text.into_bytes()));
        let objects: Vec<(Kind, &[u8])> = new.iter().map(|(kind, content)| (*kind, content.as_slice())).collect();
        // Synced before main moves anywhere.
        write_objects(repo, &objects).map_err(FollowerError::at("write the objects", subject()))?;
        let at = Timestamp::from_seconds(i64::try_from(last.time).unwrap_or(i64::MAX));
        let repository = log_repository(tenant.tenant);
        self.store
            .set_generated_main(tenant.tenant, &RepositoryName::Log, repository, commit, at)
            .map_err(FollowerError::at("move main", subject()))?;
        Ok(Tip { commit: Some(commit), root, size: last.seq.0 + 1 })
    }

    /// Puts a leaf and what it names into the tree; gives how many bytes that were.
    fn put(
        &self,
        tenant: &TenantRecord,
        repo: &Repo,
        root: &mut Folder,
        (leaf, stored): (&Leaf, StoredLeaf),
        new: &mut NewObjects,
    ) -> Result<usize, FollowerError> {
        let subject = || format!("{} log.git", tenant.name);
        let mut bytes = stored.text.len();
        let mut parts = vec![(Part::Leaf, stored.text.into_bytes())];
        let named = [
            (Part::Certificate, EvidenceKind::Certificate, leaf.cert),
            (Part::Gate, EvidenceKind::Gate, leaf.gate.map(|gate| gate.report)),
            (Part::Capabilities, EvidenceKind::Capabilities, leaf.caps),
        ];
        for (part, kind, digest) in named {
            let Some(digest) = digest else { continue };
            let found = self.store.evidence(tenant.tenant, kind, &digest);
            if let Some(content) = found.map_err(FollowerError::at("read evidence", subject()))? {
                bytes += content.len();
                parts.push((part, content));
            }
        }
        for (part, content) in parts {
            root.put(repo, &path_of(leaf.seq, part), content, new)
                .map_err(FollowerError::at("change the tree", subject()))?;
        }
        Ok(bytes)
    }
}

/// True when main, all commits before it and everything in its tree can be read.
fn is_whole(repo: &Repo, tip: &Tip) -> bool {
    let tree_is_whole = tip.root.missing(repo).is_ok_and(|missing| missing.is_none());
    let mut next = tip.commit;
    while let Some(commit) = next {
        match read_commit(repo, commit) {
            Some((_, parent, _)) => next = parent,
            None => return false,
        }
    }
    tree_is_whole
}

/// Tree, parent and journal size of a commit of `log.git`; `None` when it is none.
pub(crate) fn read_commit(objects: &dyn Objects, id: ObjectId) -> Option<(ObjectId, Option<ObjectId>, u64)> {
    let mut bytes = Vec::new();
    if objects.read(&id, &mut bytes).ok()? != Some(Kind::Commit) {
        return None;
    }
    let tree = CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1).tree_id().ok()?;
    let parent = CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1).parent_ids().next();
    let text = std::str::from_utf8(&bytes).ok()?;
    let size = text.trim_end().rsplit('\n').next()?.strip_prefix(SIZE_LINE)?.parse().ok()?;
    Some((tree, parent, size))
}

fn commit_text(tree: ObjectId, parent: Option<ObjectId>, first: u64, size: u64, time: u64) -> String {
    let parent = parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
    let who = format!("skill-pool <registry@skill-pool.invalid> {time} +0000");
    let last = size - 1;
    let leaves = if first == last { format!("leaf {first}") } else { format!("leaves {first} to {last}") };
    format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{leaves}\n\n{SIZE_LINE}{size}\n")
}

impl Follower for LogGit {
    fn name(&self) -> &'static str {
        "log-git"
    }

    fn gathering(&self) -> Duration {
        // Within a second of the commit; longer than the refs on disk, which people look at first.
        Duration::from_millis(500)
    }

    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        let tenants: BTreeSet<TenantId> = entries.iter().map(|entry| entry.tenant).collect();
        let mut first = Ok(());
        for id in tenants {
            let tenant = self.store.tenant(&TenantKey::Id(id));
            let tenant = tenant.map_err(FollowerError::at("look the tenant up", id.to_string()))?;
            let Some(tenant) = tenant else { continue };
            let done = self.apply(&tenant, false);
            if first.is_ok() {
                first = done;
            }
        }
        first
    }

    fn check(&mut self) -> Result<Progress, FollowerError> {
        let after = self.checked.as_ref().map(|tenant| &tenant.name);
        let next = self.store.tenants_by_name(after, 1);
        let next = next.map_err(FollowerError::at("list the tenants", "this server"))?;
        let Some(tenant) = next.into_iter().next() else {
            self.checked = None;
            return Ok(Progress::Done);
        };
        self.apply(&tenant, true)?;
        self.checked = Some(tenant);
        Ok(Progress::More)
    }
}

/// A leaf as `log.git` holds it, with what it names.
pub(crate) struct LoggedLeaf {
    /// The leaf's text.
    pub(crate) text: Vec<u8>,
    /// What lies beside it.
    pub(crate) evidence: Vec<(EvidenceKind, Vec<u8>)>,
}

/// Reads the leaves of a `log.git` at `commit`, oldest first, each handed to `each`. Ends at the first that is not
/// there; gives how many there were.
///
/// # Errors
/// What `each` returns, and a text when objects cannot be read.
pub(crate) fn read_log<E: From<String>>(
    objects: &dyn Objects,
    commit: ObjectId,
    mut each: impl FnMut(LeafIndex, LoggedLeaf) -> Result<(), E>,
) -> Result<u64, E> {
    let damaged = |error: &dyn std::fmt::Display| E::from(format!("log.git cannot be read at {commit}: {error}"));
    let (tree, _, size) =
        read_commit(objects, commit).ok_or_else(|| damaged(&"main is not a commit of this server's"))?;
    let mut folder_path = Vec::new();
    let mut folder: Option<Folder> = None;
    for index in 0..size {
        let path = path_of(LeafIndex(index), Part::Leaf);
        if folder_path != path[..4] || folder.is_none() {
            // One folder of sixteen leaves at a time, so that memory does not grow with the log.
            folder_path = path[..4].to_vec();
            let mut root = Folder::read(objects, tree).map_err(|e| damaged(&e))?;
            folder = match root.open(objects, &folder_path).map_err(|e| damaged(&e))? {
                Some(found) => Some(std::mem::take(found)),
                None => return Ok(index),
            };
        }
        let Some(folder) = &folder else { return Ok(index) };
        let mut logged = LoggedLeaf { text: Vec::new(), evidence: Vec::new() };
        for part in Part::ALL {
            let name = &path_of(LeafIndex(index), part)[4..];
            let Some(id) = folder.blob(objects, name).map_err(|e| damaged(&e))? else { continue };
            let mut content = Vec::new();
            if objects.read(&id, &mut content).map_err(|e| damaged(&e))? != Some(Kind::Blob) {
                return Err(damaged(&format!("{id} is missing")));
            }
            match part {
                Part::Leaf => logged.text = content,
                Part::Certificate => logged.evidence.push((EvidenceKind::Certificate, content)),
                Part::Gate => logged.evidence.push((EvidenceKind::Gate, content)),
                Part::Capabilities => logged.evidence.push((EvidenceKind::Capabilities, content)),
            }
        }
        if logged.text.is_empty() {
            return Ok(index);
        }
        each(LeafIndex(index), logged)?;
    }
    Ok(size)
}
