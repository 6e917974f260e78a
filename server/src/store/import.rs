//! Taking in what was read from elsewhere: a tenant's journal and what it explains, for `rebuild`.

use std::collections::HashMap;
use std::path::Path;

use gix::ObjectId;
use rusqlite::params;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::Fold;
use skill_pool_domain::names::{LeafIndex, PluginName, RepositoryId, TenantId, TenantName, Version};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::refs::RefEntry;

use super::apply::{self, Origin};
use super::commit::{Committed, NotCommitted, Proposal};
use super::error::is_taken;
use super::writer::{Batch, Work};
use super::{
    DataFolder, EvidenceKind, RegistryState, Release, Store, StoreError, StoreOptions, evidence, projections, refs,
    releases, repositories, sql,
};

/// A leaf that was read from `log.git`.
#[derive(Clone, Debug)]
pub struct ImportedLeaf {
    /// Its place.
    pub index: LeafIndex,
    /// Its text.
    pub text: String,
    /// What it names, by the digests that stand in it.
    pub evidence: Vec<(EvidenceKind, Sha256, Vec<u8>)>,
}

/// What a tenant's imported leaves explain, with what leaves do not say.
#[derive(Debug)]
pub struct ImportedState {
    /// The fold of all imported leaves.
    pub fold: Fold,
    /// For annotated tags what they finally point at.
    pub peeled: HashMap<ObjectId, ObjectId>,
    /// When each repository was created.
    pub created: HashMap<RepositoryId, Timestamp>,
    /// Every release, and when it was withdrawn if it is.
    pub releases: Vec<(Release, Option<Timestamp>)>,
    /// What `registry.git` says.
    pub registry: Option<RegistryState>,
}

impl Store {
    /// Opens, and makes, the database of a rebuild beside the one in use.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_beside(data: &DataFolder, options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_file(&data.database_beside(), options, now)
    }

    /// Begins the import of a tenant.
    ///
    /// # Errors
    /// [`StoreError::TenantTaken`] when the name or the id is in use.
    pub fn import_tenant(&self, name: &TenantName, tenant: TenantId, at: Timestamp) -> Result<(), StoreError> {
        let name = name.clone();
        self.write(move |batch| {
            let row =
                "INSERT INTO tenants (tenant, name, created_at_ms, leaves, last_leaf_s) VALUES (?1, ?2, ?3, 0, 0)";
            match batch.connection.execute(row, params![tenant.0.as_bytes(), name.as_str(), at.0]) {
                Err(error) if is_taken(&error) => Err(StoreError::TenantTaken(name)),
                other => other.map(|_| ()).map_err(StoreError::doing("import a tenant")),
            }
        })
    }

    /// Imports leaves, in order.
    ///
    /// # Errors
    /// When the change cannot be made.
    pub fn import_leaves(&self, tenant: TenantId, leaves: Vec<ImportedLeaf>) -> Result<(), StoreError> {
        self.write(move |batch| {
            let import = || -> rusqlite::Result<()> {
                let mut row =
                    batch.connection.prepare_cached("INSERT INTO journal (tenant, leaf, text) VALUES (?1, ?2, ?3)")?;
                for leaf in &leaves {
                    row.execute(params![tenant.0.as_bytes(), sql::int(leaf.index.0), leaf.text])?;
                    for (kind, digest, bytes) in &leaf.evidence {
                        evidence::put(batch.connection, tenant, *kind, digest, leaf.index, bytes)?;
                    }
                }
                Ok(())
            };
            import().map_err(StoreError::doing("import leaves"))
        })
    }

    /// Ends the import of a tenant with what its leaves explain.
    ///
    /// # Errors
    /// When the change cannot be made.
    pub fn import_state(&self, state: ImportedState) -> Result<(), StoreError> {
        self.write(move |batch| {
            import_state(batch, &state).map_err(StoreError::doing("import what the leaves explain"))?;
            batch.stage_tenant(state.fold.tenant);
            Ok(())
        })
    }

    /// As [`Store::commit`], for what is found on disk and had not yet reached `log.git`: its leaves say `reason:rebuilt`.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_rebuilt(&self, proposal: Proposal) -> Result<Committed, NotCommitted> {
        let limits = self.limits();
        let (job, receiver) =
            Work::with_reply(move |batch: &mut Batch<'_>| apply::apply(batch, &proposal, limits, Origin::Rebuilt));
        self.inner.queue.push(job)?;
        receiver.blocking_recv().unwrap_or_else(|_| Err(NotCommitted::from(StoreError::Closed)))
    }

    /// Closes the store and moves its log into its one file, which can then be renamed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn close_into_one_file(self, path: &Path) -> Result<(), StoreError> {
        self.close();
        drop(self);
        let open = |source: rusqlite::Error| StoreError::Open { path: path.to_owned(), source: source.into() };
        // Without the switch that keeps the log: the last connection to close removes it.
        let connection = rusqlite::Connection::open(path).map_err(open)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(open)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(open)?;
        connection.close().map_err(|(_, error)| open(error))
    }
}

fn import_state(batch: &Batch<'_>, state: &ImportedState) -> rusqlite::Result<()> {
    let (connection, tenant) = (batch.connection, state.fold.tenant);
    for (id, repository) in state.fold.repositories.iter().filter(|(_, repository)| !repository.deleted) {
        let at = state.created.get(id).copied().unwrap_or(Timestamp(0));
        repositories::insert(connection, tenant, *id, &repository.name, at, Some(repository.created))?;
        for (name, value) in &repository.refs {
            let entry = value.value.object().map(|object| RefEntry {
                name: name.clone(),
                id: object,
                peeled: state.peeled.get(&object).copied(),
            });
            refs::put(connection, tenant, *id, name, entry.as_ref(), Some(value.leaf))?;
        }
    }
    for (release, yanked_at) in &state.releases {
        releases::insert(connection, tenant, release)?;
        let folded = state.fold.repositories.get(&release.repository);
        let newest = folded.and_then(|folded| folded.releases.get(&release.version)).map(|folded| folded.newest);
        if let (Some(newest), Some(yanked)) = (newest, &release.yanked) {
            let yank = (yanked.reason.as_str(), yanked_at.unwrap_or(release.at));
            releases::set_yanked(connection, tenant, &release.plugin, &release.version, newest, Some(yank))?;
        } else if let Some(newest) = newest {
            releases::set_yanked(connection, tenant, &release.plugin, &release.version, newest, None)?;
        }
    }
    if let Some(registry) = &state.registry {
        projections::renew(connection, tenant, registry)?;
    }
    let end = "UPDATE tenants SET leaves = ?2, last_leaf_s = ?3, policy = ?4 WHERE tenant = ?1";
    let policy = state.fold.policy.map(|leaf| sql::int(leaf.0));
    connection
        .execute(end, params![tenant.0.as_bytes(), sql::int(state.fold.size), sql::int(state.fold.time), policy])?;
    Ok(())
}

/// Which plugin and version a release tag is for: `refs/tags/<plugin>--v<version>` in the repository of that plugin.
pub fn release_of_tag(plugin: &PluginName, tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix(plugin.as_str())?.strip_prefix("--v")?).ok()
}
