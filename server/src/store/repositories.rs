//! Repositories of a tenant.

use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::names::{LeafIndex, RepositoryId, RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;

use super::{Store, StoreError, sql};

/// One repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepositoryRecord {
    /// Its id.
    pub repository: RepositoryId,
    /// Its name.
    pub name: RepositoryName,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its `repo-create` leaf; `None` for generated repositories.
    pub created_leaf: Option<LeafIndex>,
}

fn record(row: &Row<'_>) -> rusqlite::Result<RepositoryRecord> {
    Ok(RepositoryRecord {
        repository: sql::repository_id(row, 0)?,
        name: sql::repository_name(row, 1)?,
        created_at: sql::time(row, 2)?,
        created_leaf: sql::leaf_option(row, 3)?,
    })
}

pub(super) fn insert(
    connection: &Connection,
    tenant: TenantId,
    repository: RepositoryId,
    name: &RepositoryName,
    at: Timestamp,
    leaf: Option<LeafIndex>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO repositories (tenant, repository, name, created_at_ms, created_leaf) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let leaf = leaf.map(|leaf| sql::int(leaf.0));
    statement.execute(params![tenant.0.as_bytes(), repository.0.as_bytes(), name.to_string(), at.0, leaf])?;
    Ok(())
}

pub(super) fn count(connection: &Connection, tenant: TenantId) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM repositories WHERE tenant = ?1")?;
    statement.query_row([tenant.0.as_bytes()], |row| sql::unsigned(row, 0))
}

impl Store {
    /// The repository of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn repository(&self, tenant: TenantId, name: &RepositoryName) -> Result<Option<RepositoryRecord>, StoreError> {
        self.read("look a repository up", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT repository, name, created_at_ms, created_leaf FROM repositories
                 WHERE tenant = ?1 AND name = ?2",
            )?;
            statement.query_row(params![tenant.0.as_bytes(), name.to_string()], record).optional()
        })
    }

    /// A tenant's repositories by name, those after `after`, at most `max` (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn repositories_by_name(
        &self,
        tenant: TenantId,
        after: Option<&RepositoryName>,
        max: usize,
    ) -> Result<Vec<RepositoryRecord>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.read("list repositories", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT repository, name, created_at_ms, created_leaf FROM repositories
                 WHERE tenant = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
            )?;
            let rows = statement.query_map(params![tenant.0.as_bytes(), after, sql::page(max)], record)?;
            rows.collect()
        })
    }

    /// How many repositories a tenant has.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn repository_count(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.read("count repositories", |connection| count(connection, tenant))
    }
}
