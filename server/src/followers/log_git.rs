//! `log.git`: leaves and what they name, as commits on main within a second of each push.
//!
//! Not disposable: with the plugins' repositories it is what `rebuild` makes the database from. Its own main says how
//! many leaves it holds, so that it needs no other position. Objects are synced first, then main moves in the database,
//! then on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gix::ObjectId;
use gix::objs::Kind;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, RepositoryId, RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::receive::fsck::EntryMode;
use skill_pool_git::receive::{Change, Identity, Quarantine, Reached, commit_bytes, edit_tree};
use skill_pool_git::repo::{Repo, RepoCache};

use super::log_tree::{LogCommit, Part, is_whole_tree, message, path_of, read_commit};
use super::{Follower, FollowerError, Progress, disk_refs};
use crate::store::{DataFolder, EvidenceKind, OutboxEntry, Store, TenantKey, TenantRecord};

/// Leaves in one commit at most.
const COMMIT_LEAVES_MAX: usize = 256;
/// Leaves and evidence of one commit, from which on it takes no more, in bytes.
const COMMIT_BYTES_MAX: usize = 8 << 20;

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

/// What main of a `log.git` holds.
#[derive(Default)]
struct Tip {
    /// `None`: nothing yet.
    main: Option<(ObjectId, LogCommit)>,
}

impl Tip {
    fn size(&self) -> u64 {
        self.main.map_or(0, |(_, commit)| commit.size)
    }
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
        let folder = self.data.repository(&tenant.name, &RepositoryName::Log);
        if !folder.join("HEAD").is_file() || !folder.join("objects/pack").is_dir() {
            // Makes the rest where a crash, or a person, left a part of it.
            Repo::init(&folder).map_err(FollowerError::at("make the folder", subject()))?;
        }
        let repo = self.repositories.get(&folder).map_err(FollowerError::at("open the folder", subject()))?;
        let refs = self.store.refs(tenant.tenant, &RepositoryName::Log);
        let refs = refs.map_err(FollowerError::at("read the refs", subject()))?;
        let main = refs.and_then(|refs| refs.snapshot.head_id());
        let mut tip = Tip { main: main.and_then(|id| Some((id, read_commit(&*repo, id)?))) };
        // The journal has it all, so that nothing is lost but the history of how it was written down.
        if (main.is_some() && tip.main.is_none()) || (look && !is_whole(&repo, &tip)) {
            tracing::warn!(tenant = %tenant.name, "log.git of {} is damaged; it begins anew from the journal", tenant.name);
            tip = Tip::default();
        }
        while tip.size() < size.unwrap_or(0) {
            tip = self.append(tenant, &repo, &tip)?;
        }
        disk_refs::apply(&self.store, &self.data, (&tenant.name, tenant.tenant), &RepositoryName::Log)
    }

    /// Appends one commit.
    fn append(&self, tenant: &TenantRecord, repo: &Repo, tip: &Tip) -> Result<Tip, FollowerError> {
        let subject = || format!("{} log.git", tenant.name);
        let (changes, size, time) = self.changes(tenant, tip.size())?;
        let mut quarantine = Quarantine::empty(&repo.path().join("objects/pack"));
        let before = tip.main.map(|(_, commit)| commit.tree);
        let tree = edit_tree(&mut quarantine, repo, before.as_deref(), &changes);
        let tree = tree.map_err(FollowerError::at("change the tree", subject()))?;
        let at = Timestamp::from_seconds(i64::try_from(time).unwrap_or(i64::MAX));
        let registry = Identity { name: "skill-pool", address: "registry@skill-pool.invalid", at };
        let parent = tip.main.map(|(id, _)| id);
        let parents: Vec<ObjectId> = parent.into_iter().collect();
        let text = commit_bytes(&tree, &parents, &registry, &registry, &message(tip.size(), size));
        let commit = quarantine.add(Kind::Commit, &text).map_err(FollowerError::at("make a commit", subject()))?;
        // Synced before main moves anywhere.
        quarantine.keep(&Reached::default(), repo).map_err(FollowerError::at("keep a commit", subject()))?;
        let repository = log_repository(tenant.tenant);
        self.store
            .set_generated_main(tenant.tenant, &RepositoryName::Log, repository, commit, at)
            .map_err(FollowerError::at("move main", subject()))?;
        Ok(Tip { main: Some((commit, LogCommit { tree, parent, size })) })
    }

    /// The files of the next commit, how many leaves the journal has with them, and the time of the last in seconds.
    fn changes(
        &self,
        tenant: &TenantRecord,
        first: u64,
    ) -> Result<(BTreeMap<String, Change>, u64, u64), FollowerError> {
        let subject = || format!("{} log.git", tenant.name);
        let leaves = self.store.leaves(tenant.tenant, LeafIndex(first), COMMIT_LEAVES_MAX);
        let leaves = leaves.map_err(FollowerError::at("read the journal", subject()))?;
        let mut changes = BTreeMap::new();
        let (mut bytes, mut size, mut time) = (0, first, 0);
        for stored in leaves {
            let leaf = stored.parse().map_err(FollowerError::at("read a leaf", subject()))?;
            let named = [
                (EvidenceKind::Certificate, leaf.cert),
                (EvidenceKind::Gate, leaf.gate.map(|gate| gate.report)),
                (EvidenceKind::Capabilities, leaf.caps),
            ];
            for (kind, digest) in named {
                let Some(digest) = digest else { continue };
                let found = self.store.evidence(tenant.tenant, kind, &digest);
                if let Some(content) = found.map_err(FollowerError::at("read evidence", subject()))? {
                    bytes += content.len();
                    let path = path_of(leaf.seq, Part::Evidence(kind));
                    changes.insert(path, Change::Put(EntryMode::File, content));
                }
            }
            bytes += stored.text.len();
            let path = path_of(leaf.seq, Part::Leaf);
            changes.insert(path, Change::Put(EntryMode::File, stored.text.into_bytes()));
            (size, time) = (leaf.seq.0 + 1, leaf.time);
            if bytes > COMMIT_BYTES_MAX {
                break;
            }
        }
        if size == first {
            return Err(FollowerError::at("read the journal", subject())("it ends before its size"));
        }
        Ok((changes, size, time))
    }
}

/// True when main, all commits before it and everything in its tree can be read.
fn is_whole(repo: &Repo, tip: &Tip) -> bool {
    let Some((_, commit)) = tip.main else { return true };
    let mut next = commit.parent;
    while let Some(id) = next {
        match read_commit(repo, id) {
            Some(commit) => next = commit.parent,
            None => return false,
        }
    }
    is_whole_tree(repo, commit.tree, 0)
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
