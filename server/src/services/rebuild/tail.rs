//! What had not yet reached `log.git` when the database was lost: found on disk, and given leaves of its own.
//!
//! Refs on disk are written before `log.git`, so that a value there which the journal never named is newer. A value that
//! the journal named before is an old copy, and the journal is right. A ref that the journal has and the disk lacks stays
//! as the journal says: bringing back a deleted branch harms less than losing one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::{Leaf, LeafError};
use skill_pool_domain::names::{
    LeafIndex, PluginName, RefName, RepositoryId, RepositoryName, TenantId, TenantName, Version,
};
use skill_pool_git::history;
use skill_pool_git::objects::{Kind, Objects};
use skill_pool_git::refs::RefEntry;
use skill_pool_git::repo::Repo;

use super::tenant::Rebuild;
use super::{RebuildError, content};
use crate::followers::read_disk_refs;
use crate::store::commit::{Committed, NewRelease, Proposal, RefUpdate, UpdateOutcome};
use crate::store::{PAGE_ROWS_MAX, release_of_tag};

/// Takes in what the folders of a tenant hold and its journal does not explain.
pub(super) fn take_in(
    rebuild: &Rebuild<'_>,
    name: &TenantName,
    tenant: TenantId,
    notes: &mut Vec<String>,
) -> Result<(), RebuildError> {
    let seen = Seen::read(rebuild, name, tenant)?;
    let mut tail = Tail { rebuild, name, tenant, seen, notes };
    // The rules first: everything after names the policy leaf in force.
    tail.repository(&RepositoryName::Registry)?;
    for plugin in plugin_folders(rebuild, name)? {
        tail.repository(&RepositoryName::Plugin(plugin))?;
    }
    Ok(())
}

/// Every value that the journal ever gave to a ref.
struct Seen(BTreeSet<(RepositoryId, RefName, ObjectId)>);

impl Seen {
    fn read(rebuild: &Rebuild<'_>, name: &TenantName, tenant: TenantId) -> Result<Self, RebuildError> {
        let mut seen = BTreeSet::new();
        let mut next = LeafIndex(0);
        loop {
            let page = rebuild.store.leaves(tenant, next, PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { return Ok(Self(seen)) };
            next = LeafIndex(last.index.0 + 1);
            for stored in &page {
                let leaf = stored.parse().map_err(|error: LeafError| RebuildError::Repository {
                    tenant: name.clone(),
                    repository: RepositoryName::Log.to_string(),
                    reason: error.to_string(),
                })?;
                seen.extend(value(&leaf));
            }
        }
    }
}

fn value(leaf: &Leaf) -> Option<(RepositoryId, RefName, ObjectId)> {
    Some((leaf.repo?, leaf.ref_name.clone()?, leaf.new?.object()?))
}

fn plugin_folders(rebuild: &Rebuild<'_>, tenant: &TenantName) -> Result<BTreeSet<PluginName>, RebuildError> {
    let path = rebuild.data.tenant(tenant).join("plugins");
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(RebuildError::Io { what: "list", path, source }),
    };
    let mut plugins = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(|source| RebuildError::Io { what: "list", path: path.clone(), source })?;
        let plugin = entry.file_name().to_str().and_then(|name| PluginName::parse(name.strip_suffix(".git")?).ok());
        plugins.extend(plugin);
    }
    Ok(plugins)
}

struct Tail<'a> {
    rebuild: &'a Rebuild<'a>,
    name: &'a TenantName,
    tenant: TenantId,
    seen: Seen,
    notes: &'a mut Vec<String>,
}

impl Tail<'_> {
    fn repository(&mut self, name: &RepositoryName) -> Result<(), RebuildError> {
        let Some(repo) = self.rebuild.open(self.name, name) else { return Ok(()) };
        let on_disk = read_disk_refs(repo.path()).map_err(|error| self.unreadable(name, error.to_string()))?;
        let Some(on_disk) = on_disk else { return Ok(()) };
        let known = self.rebuild.store.refs(self.tenant, name)?;
        let repository = known.as_ref().map_or_else(|| RepositoryId(uuid::Uuid::now_v7()), |known| known.repository);
        let mut refs: BTreeMap<RefName, ObjectId> =
            known.iter().flat_map(|known| &known.snapshot.refs).map(|entry| (entry.name.clone(), entry.id)).collect();
        let fresh: Vec<RefEntry> = on_disk
            .into_iter()
            .filter(|entry| refs.get(&entry.name) != Some(&entry.id))
            .filter(|entry| !self.seen.0.contains(&(repository, entry.name.clone(), entry.id)))
            .filter(|entry| {
                let there = repo.contains(&entry.id).unwrap_or(false);
                if !there {
                    self.notes.push(format!("{} of {name} names {}, which is missing", entry.name, entry.id));
                }
                there
            })
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let mut one = One { tail: self, name, repo: &repo, repository, refs: &mut refs };
        one.releases(&fresh)?;
        for entry in &fresh {
            one.plain(entry)?;
        }
        Ok(())
    }

    fn unreadable(&self, name: &RepositoryName, reason: String) -> RebuildError {
        RebuildError::Repository { tenant: self.name.clone(), repository: name.to_string(), reason }
    }
}

/// One repository whose folder holds more than the journal says.
struct One<'a, 'b> {
    tail: &'a mut Tail<'b>,
    name: &'a RepositoryName,
    repo: &'a Arc<Repo>,
    repository: RepositoryId,
    /// As the journal says so far.
    refs: &'a mut BTreeMap<RefName, ObjectId>,
}

impl One<'_, '_> {
    /// Releases whose tags are on disk, oldest first: each moved main.
    fn releases(&mut self, fresh: &[RefEntry]) -> Result<(), RebuildError> {
        let RepositoryName::Plugin(plugin) = self.name else { return Ok(()) };
        let mut found: Vec<(Version, ObjectId, ObjectId)> = fresh
            .iter()
            .filter_map(|entry| {
                let version = release_of_tag(plugin, entry.name.tag()?)?;
                let (commit, kind) = history::peel(&**self.repo, &entry.id).ok()?;
                (kind == Kind::Commit && commit != entry.id).then_some((version, entry.id, commit))
            })
            .collect();
        // By history where it decides, else by version.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by_key(|(_, _, commit)| {
            let before = fresh.iter().filter(|other| other.name.tag().is_some());
            before.filter(|other| self.is_before(other.id, *commit)).count()
        });
        for (version, tag, commit) in found {
            let summary = content::summary(&**self.repo, plugin, commit);
            let summary = summary.map_err(|reason| self.tail.unreadable(self.name, reason))?;
            let tree = content::digest(&**self.repo, commit).unwrap_or(Sha256([0; 32]));
            let release = NewRelease { plugin: plugin.clone(), version: version.clone(), commit, tag, tree, summary };
            self.move_ref(RefName::main(), commit, None, Some(release))?;
            let tag_name = format!("refs/tags/{plugin}--v{version}");
            if let Ok(tag_name) = RefName::parse(tag_name.as_bytes()) {
                self.refs.insert(tag_name, tag);
            }
        }
        Ok(())
    }

    fn is_before(&self, tag: ObjectId, commit: ObjectId) -> bool {
        let Ok((other, Kind::Commit)) = history::peel(&**self.repo, &tag) else { return false };
        other != commit && history::is_ancestor(&**self.repo, &other, &commit, 100_000).unwrap_or(false)
    }

    /// A ref as it is, unless a release has brought it there.
    fn plain(&mut self, entry: &RefEntry) -> Result<(), RebuildError> {
        if self.refs.get(&entry.name) == Some(&entry.id) {
            return Ok(());
        }
        self.move_ref(entry.name.clone(), entry.id, entry.peeled, None)
    }

    fn move_ref(
        &mut self,
        name: RefName,
        id: ObjectId,
        peeled: Option<ObjectId>,
        release: Option<NewRelease>,
    ) -> Result<(), RebuildError> {
        let rebuild = self.tail.rebuild;
        let registry = if *self.name == RepositoryName::Registry && name == RefName::main() {
            let registry = content::registry(&**self.repo, id);
            Some(Arc::new(registry.map_err(|reason| self.tail.unreadable(self.name, reason))?))
        } else {
            None
        };
        let old = self.refs.get(&name).copied();
        let what = match &release {
            Some(release) => format!("release {} of {}", release.version, self.name),
            None => format!("{name} of {} at {id}", self.name),
        };
        let update = RefUpdate {
            name: name.clone(),
            old,
            new: Some(id),
            peeled,
            tree: content::digest(&**self.repo, peeled.unwrap_or(id)),
            gate: None,
            capabilities: None,
        };
        let policy = rebuild.store.registry(self.tail.tenant)?.map(|state| state.leaf);
        let proposal = Proposal {
            tenant: self.tail.tenant,
            name: self.name.clone(),
            repository: self.repository,
            actor: None,
            at: rebuild.now,
            updates: vec![update],
            atomic: true,
            certificate: None,
            nonce: None,
            policy,
            release,
            registry,
        };
        let done = rebuild.store.commit_rebuilt(proposal).map_err(|source| RebuildError::Tail {
            tenant: self.tail.name.clone(),
            repository: self.name.to_string(),
            source,
        })?;
        self.moved(name, id, &what, &done);
        Ok(())
    }

    fn moved(&mut self, name: RefName, id: ObjectId, what: &str, done: &Committed) {
        if done.updates == [UpdateOutcome::Moved] {
            self.refs.insert(name, id);
            self.tail.notes.push(format!("{what} had no leaf in log.git and got one that says so"));
        } else {
            self.tail.notes.push(format!("{what} could not be taken in"));
        }
    }
}
