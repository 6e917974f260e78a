//! One tenant: its journal from `log.git`, and what that explains.

use std::collections::HashMap;
use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::journal::{Fold, Kind, Leaf};
use skill_pool_domain::names::{PluginName, RefName, RepositoryId, RepositoryName, TenantId, TenantName, Version};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::history;
use skill_pool_git::repo::{Repo, RepoCache};

use super::{RebuildError, RebuiltTenant, content, tail};
use crate::followers::log_git::log_repository;
use crate::followers::log_tree::{LogReader, read_commit};
use crate::followers::read_disk_refs;
use crate::store::{DataFolder, EvidenceKind, ImportedLeaf, ImportedState, RegistryState, Release, Store, Yanked};

/// Leaves that are written to the database at once.
const CHUNK_LEAVES: usize = 256;

/// What a rebuild works with.
pub(super) struct Rebuild<'a> {
    pub(super) data: &'a DataFolder,
    pub(super) store: &'a Store,
    pub(super) repositories: &'a Arc<RepoCache>,
    pub(super) now: Timestamp,
}

/// What was read of a journal.
#[derive(Default)]
struct Read {
    fold: Option<Fold>,
    created: HashMap<RepositoryId, Timestamp>,
    releases: Vec<Leaf>,
    yanked: HashMap<(RepositoryId, Version), Timestamp>,
    policy: Option<Leaf>,
    /// The commit of `log.git` that holds exactly the leaves that were read.
    log: Option<ObjectId>,
}

impl Rebuild<'_> {
    pub(super) fn tenant(&self, name: &TenantName) -> Result<RebuiltTenant, RebuildError> {
        let mut notes = Vec::new();
        let mut read = self.journal(name, &mut notes)?;
        let tenant = match &read.fold {
            Some(fold) => fold.tenant,
            None => self.without_log(name, &mut notes)?,
        };
        let leaves_read = read.fold.as_ref().map_or(0, |fold| fold.size);
        if let Some(fold) = read.fold.take() {
            self.take_in(name, fold, &read, &mut notes)?;
        }
        if let Some(commit) = read.log {
            let (log, id) = (RepositoryName::Log, log_repository(tenant));
            self.store.set_generated_main(tenant, &log, id, commit, self.now)?;
        }
        tail::take_in(self, name, tenant, &mut notes)?;
        let leaves = self.store.journal_size(tenant)?.unwrap_or(0);
        let mut releases = 0;
        let mut repositories = 0;
        let mut after = None;
        loop {
            let page = self.store.repositories_by_name(tenant, after.as_ref(), crate::store::PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for record in page.iter().filter(|record| !record.name.is_generated()) {
                repositories += 1;
                if let RepositoryName::Plugin(plugin) = &record.name {
                    releases += self.store.released_versions(tenant, plugin)?.len();
                }
            }
        }
        let leaves_remade = leaves - leaves_read;
        Ok(RebuiltTenant { name: name.clone(), tenant, leaves_read, leaves_remade, repositories, releases, notes })
    }

    /// Opens a repository of a tenant; `None` when its folder holds none.
    pub(super) fn open(&self, tenant: &TenantName, name: &RepositoryName) -> Option<Arc<Repo>> {
        self.repositories.get(&self.data.repository(tenant, name)).ok()
    }

    /// Reads `log.git` into the database, as far as it can be read.
    fn journal(&self, name: &TenantName, notes: &mut Vec<String>) -> Result<Read, RebuildError> {
        let mut read = Read::default();
        let Some(repo) = self.open(name, &RepositoryName::Log) else {
            notes.push("log.git is missing".to_owned());
            return Ok(read);
        };
        let failed = |reason: String| RebuildError::Repository {
            tenant: name.clone(),
            repository: RepositoryName::Log.to_string(),
            reason,
        };
        let refs = read_disk_refs(repo.path()).map_err(|error| failed(error.to_string()))?.unwrap_or_default();
        let main = refs.iter().find(|entry| entry.name == RefName::main()).map(|entry| entry.id);
        let Some((main, commit)) = main.and_then(|main| Some((main, read_commit(&*repo, main)?))) else {
            notes.push("log.git has no main that can be read".to_owned());
            return Ok(read);
        };
        let mut reader = LogReader::new(&*repo, commit);
        let mut chunk = Vec::new();
        let whole = loop {
            let next = match reader.next_leaf() {
                Ok(Some(next)) => next,
                Ok(None) => break true,
                Err(error) => {
                    notes.push(format!("log.git ends before its time: {error}"));
                    break false;
                }
            };
            let index = next.index;
            let leaf = match Leaf::parse(&next.text) {
                Ok(leaf) => leaf,
                Err(error) => {
                    notes.push(format!("leaf {index} in log.git is none: {error}"));
                    break false;
                }
            };
            if let Err(error) = read.follow(&leaf) {
                notes.push(format!("log.git is of no use from leaf {index} on: {error}"));
                break false;
            }
            if index.0 == 0 {
                let at = Timestamp::from_seconds(i64::try_from(leaf.time).unwrap_or(0));
                self.store.import_tenant(name, leaf.tenant, at)?;
            }
            chunk.push(imported(&leaf, next.evidence));
            if chunk.len() == CHUNK_LEAVES {
                self.store.import_leaves(leaf.tenant, std::mem::take(&mut chunk))?;
            }
        };
        if let Some(fold) = &read.fold {
            self.store.import_leaves(fold.tenant, chunk)?;
            // A damaged log begins anew; a whole one goes on.
            read.log = whole.then_some(main);
        }
        Ok(read)
    }

    /// The id of a tenant whose `log.git` says nothing: from `registry.toml`. Its journal begins anew.
    fn without_log(&self, name: &TenantName, notes: &mut Vec<String>) -> Result<TenantId, RebuildError> {
        let failed = |reason: String| RebuildError::Repository {
            tenant: name.clone(),
            repository: RepositoryName::Registry.to_string(),
            reason,
        };
        let repo = self.open(name, &RepositoryName::Registry);
        let repo = repo.ok_or_else(|| failed("without log.git it has to be there".to_owned()))?;
        let refs = read_disk_refs(repo.path()).map_err(|error| failed(error.to_string()))?.unwrap_or_default();
        let main = refs.iter().find(|entry| entry.name == RefName::main());
        let main = main.ok_or_else(|| failed("without log.git its main has to be there".to_owned()))?;
        let registry = content::registry(&*repo, main.id).map_err(failed)?;
        self.store.create_tenant(name, registry.tenant, self.now)?;
        notes.push("the journal begins anew: who pushed what before is lost, and yanks keep no history".to_owned());
        Ok(registry.tenant)
    }

    /// Writes what the leaves explain.
    fn take_in(&self, name: &TenantName, fold: Fold, read: &Read, notes: &mut Vec<String>) -> Result<(), RebuildError> {
        let registry = self.registry(name, &fold, read, notes);
        let mut peeled = HashMap::new();
        for repository in fold.repositories.values().filter(|repository| !repository.deleted) {
            let Some(repo) = self.open(name, &repository.name) else { continue };
            for state in repository.refs.values() {
                let Some(id) = state.value.object() else { continue };
                if let Ok((target, _)) = history::peel(&*repo, &id)
                    && target != id
                {
                    peeled.insert(id, target);
                }
            }
        }
        let mut releases = Vec::new();
        for leaf in &read.releases {
            if let Some(release) = self.release(name, &fold, leaf, registry.as_ref(), notes) {
                let yanked = leaf.repo.zip(leaf.version.clone()).and_then(|key| read.yanked.get(&key).copied());
                releases.push((release, yanked));
            }
        }
        let state = ImportedState { fold, peeled, created: read.created.clone(), releases, registry };
        Ok(self.store.import_state(state)?)
    }

    fn registry(&self, name: &TenantName, fold: &Fold, read: &Read, notes: &mut Vec<String>) -> Option<RegistryState> {
        let leaf = read.policy.as_ref()?;
        let (_, repository) = fold.by_name(&RepositoryName::Registry)?;
        let commit = repository.refs.get(&RefName::main())?.value.object()?;
        let repo = self.open(name, &RepositoryName::Registry);
        let registry = match repo.map(|repo| content::registry(&*repo, commit)) {
            Some(Ok(registry)) => registry,
            Some(Err(reason)) => {
                notes.push(format!("registry.git cannot be read at {commit}: {reason}"));
                return None;
            }
            None => {
                notes.push("registry.git is missing: nobody is a member until it is restored".to_owned());
                return None;
            }
        };
        let at = Timestamp::from_seconds(i64::try_from(leaf.time).unwrap_or(0));
        Some(RegistryState { leaf: leaf.seq, commit, at, registry: Arc::new(registry) })
    }

    /// The row of a release, from its leaf and the released commit.
    fn release(
        &self,
        name: &TenantName,
        fold: &Fold,
        leaf: &Leaf,
        registry: Option<&RegistryState>,
        notes: &mut Vec<String>,
    ) -> Option<Release> {
        let (repository, version) = (leaf.repo?, leaf.version.clone()?);
        let state = fold.repositories.get(&repository)?;
        let RepositoryName::Plugin(plugin) = &state.name else { return None };
        let (commit, tree) = (leaf.new?.object()?, leaf.tree?);
        let tag_name = format!("refs/tags/{}--v{version}", leaf.name.as_ref()?);
        let tag = RefName::parse(tag_name.as_bytes()).ok().and_then(|tag| state.refs.get(&tag)?.value.object());
        let summary = match self.open(name, &state.name).map(|repo| content::summary(&*repo, plugin, commit)) {
            Some(Ok(summary)) => summary,
            Some(Err(reason)) => {
                notes.push(format!("{plugin} {version} cannot be read at {commit}: {reason}"));
                serde_json::Value::Null
            }
            None => {
                notes.push(format!("{} is missing: {version} cannot be served", state.name));
                serde_json::Value::Null
            }
        };
        let yanked = state.releases.get(&version).and_then(|release| release.yanked.clone());
        let yanked = yanked.map(|(leaf, reason)| Yanked {
            leaf,
            reason: whole_reason(registry, plugin, &version, reason),
            at: self.now,
        });
        Some(Release {
            plugin: plugin.clone(),
            version,
            repository,
            commit,
            // A release whose tag is gone from the journal keeps its commit; fsck says what is missing.
            tag: tag.unwrap_or(commit),
            tree,
            leaf: leaf.seq,
            at: Timestamp::from_seconds(i64::try_from(leaf.time).unwrap_or(0)),
            actor: leaf.actor.clone(),
            signer: leaf.signer.map(|signer| signer.to_string()),
            certificate: leaf.cert,
            summary,
            archive: None,
            yanked,
        })
    }
}

/// A leaf holds the beginning of a long reason; `registry.git` has the rest.
fn whole_reason(registry: Option<&RegistryState>, plugin: &PluginName, version: &Version, reason: String) -> String {
    let said = registry.and_then(|state| state.registry.yanks.get(plugin)?.get(&version.to_string()));
    said.filter(|said| said.starts_with(&reason)).cloned().unwrap_or(reason)
}

impl Read {
    fn follow(&mut self, leaf: &Leaf) -> Result<(), skill_pool_domain::journal::FoldError> {
        match &mut self.fold {
            Some(fold) => fold.push(leaf)?,
            None => self.fold = Some(Fold::begin(leaf)?),
        }
        let at = Timestamp::from_seconds(i64::try_from(leaf.time).unwrap_or(0));
        match (leaf.kind, leaf.repo, &leaf.version) {
            (Kind::RepoCreate, Some(repo), _) => drop(self.created.insert(repo, at)),
            (Kind::Release, ..) => self.releases.push(leaf.clone()),
            (Kind::Policy, ..) => self.policy = Some(leaf.clone()),
            (Kind::Yank, Some(repo), Some(version)) => drop(self.yanked.insert((repo, version.clone()), at)),
            _ => {}
        }
        Ok(())
    }
}

fn imported(leaf: &Leaf, evidence: Vec<(EvidenceKind, Vec<u8>)>) -> ImportedLeaf {
    let digest = |kind| match kind {
        EvidenceKind::Certificate => leaf.cert,
        EvidenceKind::Gate => leaf.gate.map(|gate| gate.report),
        EvidenceKind::Capabilities => leaf.caps,
    };
    let named = evidence.into_iter().filter_map(|(kind, bytes)| Some((kind, digest(kind)?, bytes)));
    ImportedLeaf { index: leaf.seq, text: leaf.text(), evidence: named.collect() }
}
