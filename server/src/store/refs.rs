//! Refs: the engine of [`RefStore`] that reads them from the database, through a cache that commits keep right.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::names::{RefName, RepositoryId, RepositoryName, TenantId};
use skill_pool_git::refs::{Head, RefEntry, RefSnapshot, RefStore, RefStoreError};

use super::{Store, StoreError, sql};

/// A repository within the registry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RepositoryKey {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub name: RepositoryName,
}

/// A repository's id and refs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepositoryRefs {
    /// Its id.
    pub repository: RepositoryId,
    /// All its refs.
    pub snapshot: Arc<RefSnapshot>,
}

/// Makes the snapshot of a repository's refs. HEAD is `refs/heads/main` everywhere.
pub(super) fn snapshot_of(repository: RepositoryId, refs: Vec<RefEntry>) -> Arc<RefSnapshot> {
    Arc::new(RefSnapshot::new(repository.0.as_bytes(), Head::Symbolic(RefName::main()), refs))
}

/// Reads id and refs of a repository; `None` when there is none of that name.
pub(super) fn load(
    connection: &Connection,
    tenant: TenantId,
    name: &RepositoryName,
) -> rusqlite::Result<Option<RepositoryRefs>> {
    let mut by_name =
        connection.prepare_cached("SELECT repository FROM repositories WHERE tenant = ?1 AND name = ?2")?;
    let tenant_bytes = tenant.0.as_bytes();
    let found =
        by_name.query_row(params![tenant_bytes, name.to_string()], |row| sql::repository_id(row, 0)).optional()?;
    let Some(repository) = found else { return Ok(None) };
    let mut statement = connection
        .prepare_cached("SELECT name, id, peeled FROM refs WHERE tenant = ?1 AND repository = ?2 AND id IS NOT NULL")?;
    let rows = statement.query_map(params![tenant_bytes, repository.0.as_bytes()], |row| {
        Ok(RefEntry {
            name: sql::read(row, 0, |text| RefName::parse(text.as_bytes()))?,
            id: sql::object_id(row, 1)?,
            peeled: sql::object_id_option(row, 2)?,
        })
    })?;
    let refs = rows.collect::<rusqlite::Result<_>>()?;
    Ok(Some(RepositoryRefs { repository, snapshot: snapshot_of(repository, refs) }))
}

impl Store {
    /// Id and refs of a repository, with everything that was acknowledged before the call. `None` when the tenant has no
    /// repository of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn refs(&self, tenant: TenantId, name: &RepositoryName) -> Result<Option<Arc<RepositoryRefs>>, StoreError> {
        let key = (tenant, name.clone());
        let ticket = match self.inner.caches.refs.get(&key) {
            Ok(refs) => return Ok(Some(refs)),
            Err(ticket) => ticket,
        };
        let loaded = self.read("read the refs of a repository", |connection| load_at_once(connection, tenant, name))?;
        let Some(refs) = loaded.map(Arc::new) else { return Ok(None) };
        self.inner.caches.refs.fill(ticket, key, Arc::clone(&refs));
        Ok(Some(refs))
    }

    /// The refs of a repository as the database holds them now, past the cache: for `fsck`. Empty when there is none of
    /// that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn refs_in_database(&self, tenant: TenantId, name: &RepositoryName) -> Result<Vec<RefEntry>, StoreError> {
        let loaded = self.read("read the refs of a repository", |connection| load_at_once(connection, tenant, name))?;
        Ok(loaded.map(|refs| refs.snapshot.refs.clone()).unwrap_or_default())
    }

    /// Sets main of a repository that the registry writes by itself and no leaf explains: `log.git`, `marketplace.git`.
    /// Durable when it returns. The repository comes to be with the id `repository` when there is none.
    ///
    /// # Errors
    /// When the change cannot be made.
    pub fn set_generated_main(
        &self,
        tenant: TenantId,
        name: &RepositoryName,
        repository: RepositoryId,
        commit: gix::ObjectId,
        at: skill_pool_domain::timestamp::Timestamp,
    ) -> Result<(), StoreError> {
        let name = name.clone();
        self.write(move |batch| {
            if !name.is_generated() {
                return Err(StoreError::Conflict(format!("{name} is not written by the registry by itself")));
            }
            let doing = StoreError::doing("move a ref of a generated repository");
            let known = load(batch.connection, tenant, &name).map_err(&doing)?.map(|refs| refs.repository);
            let repository = match known {
                Some(repository) => repository,
                None => {
                    super::repositories::insert(batch.connection, tenant, repository, &name, at, None)
                        .map_err(&doing)?;
                    repository
                }
            };
            let entry = RefEntry { name: RefName::main(), id: commit, peeled: None };
            put(batch.connection, tenant, repository, &entry.name, Some(&entry), None).map_err(&doing)?;
            let refs = RepositoryRefs { repository, snapshot: snapshot_of(repository, vec![entry]) };
            batch.stage_refs((tenant, name), Arc::new(refs));
            Ok(())
        })
    }
}

/// As [`load`], in one read transaction, so that id and refs are of one moment.
fn load_at_once(
    connection: &Connection,
    tenant: TenantId,
    name: &RepositoryName,
) -> rusqlite::Result<Option<RepositoryRefs>> {
    let transaction = connection.unchecked_transaction()?;
    let loaded = load(&transaction, tenant, name)?;
    transaction.finish()?;
    Ok(loaded)
}

/// Writes one ref; `None` for a ref that is gone, whose row stays for its leaf.
pub(super) fn put(
    connection: &Connection,
    tenant: TenantId,
    repository: RepositoryId,
    name: &RefName,
    entry: Option<&RefEntry>,
    leaf: Option<skill_pool_domain::names::LeafIndex>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO refs (tenant, repository, name, id, peeled, leaf) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, repository, name)
         DO UPDATE SET id = excluded.id, peeled = excluded.peeled, leaf = excluded.leaf",
    )?;
    statement.execute(params![
        tenant.0.as_bytes(),
        repository.0.as_bytes(),
        name.as_str(),
        entry.map(|entry| entry.id.as_bytes()),
        entry.and_then(|entry| entry.peeled.as_ref()).map(|id| id.as_bytes()),
        leaf.map(|leaf| sql::int(leaf.0)),
    ])?;
    Ok(())
}

impl RefStore for Store {
    type Repository = RepositoryKey;

    fn snapshot(&self, repository: &RepositoryKey) -> Result<Arc<RefSnapshot>, RefStoreError> {
        match self.refs(repository.tenant, &repository.name) {
            Ok(Some(refs)) => Ok(Arc::clone(&refs.snapshot)),
            // Not created yet: no refs. The key of the empty state is its own.
            Ok(None) => {
                let place = format!("{} {}", repository.tenant, repository.name);
                Ok(Arc::new(RefSnapshot::new(place.as_bytes(), Head::Symbolic(RefName::main()), Vec::new())))
            }
            Err(error) => Err(RefStoreError { repository: repository.name.to_string(), source: error.into() }),
        }
    }
}
