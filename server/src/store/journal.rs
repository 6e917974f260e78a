//! The journal: leaves by place.

use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::journal::{Ext, Leaf, LeafError, LeafFields};
use skill_pool_domain::names::{LeafIndex, TenantId};

use super::{Store, StoreError, sql};

/// A leaf as it is kept: the text that clients hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredLeaf {
    /// Its place.
    pub index: LeafIndex,
    /// Its text.
    pub text: String,
}

impl StoredLeaf {
    /// The leaf as a value.
    ///
    /// # Errors
    /// When the text is no leaf, which means that the database was changed by hand.
    pub fn parse(&self) -> Result<Leaf, LeafError> {
        Leaf::parse(self.text.as_bytes())
    }
}

impl Store {
    /// How many leaves a tenant's journal has. `None` when there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn journal_size(&self, tenant: TenantId) -> Result<Option<u64>, StoreError> {
        self.read("read the size of a journal", |connection| {
            let mut statement = connection.prepare_cached("SELECT leaves FROM tenants WHERE tenant = ?1")?;
            statement.query_row([tenant.0.as_bytes()], |row| sql::unsigned(row, 0)).optional()
        })
    }

    /// Leaves from `first` on, oldest first, at most `max` (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn leaves(&self, tenant: TenantId, first: LeafIndex, max: usize) -> Result<Vec<StoredLeaf>, StoreError> {
        self.read("read leaves", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT leaf, text FROM journal WHERE tenant = ?1 AND leaf >= ?2 ORDER BY leaf LIMIT ?3",
            )?;
            let range = params![tenant.0.as_bytes(), sql::int(first.0), sql::page(max)];
            let rows =
                statement.query_map(range, |row| Ok(StoredLeaf { index: sql::leaf(row, 0)?, text: row.get(1)? }))?;
            rows.collect()
        })
    }
}

/// The end of a tenant's journal, to which leaves are appended within one transaction.
pub(super) struct JournalEnd<'a> {
    connection: &'a Connection,
    tenant: TenantId,
    /// The place of the next leaf.
    pub(super) next: LeafIndex,
    /// Seconds; no leaf is older than the one before.
    time: u64,
    /// In force for the next leaf.
    pub(super) policy: Option<LeafIndex>,
    /// For leaves that say nothing else.
    pub(super) ext: Option<Ext>,
    /// What was appended.
    pub(super) appended: Vec<LeafIndex>,
}

/// A leaf that could not be appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("the leaf cannot be written")]
    Leaf(#[from] LeafError),
    #[error("the leaf has {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl<'a> JournalEnd<'a> {
    /// The end of the journal of `tenant`; `None` when there is no such tenant. `at_s` is now, in seconds.
    pub(super) fn open(connection: &'a Connection, tenant: TenantId, at_s: u64) -> rusqlite::Result<Option<Self>> {
        let mut statement =
            connection.prepare_cached("SELECT leaves, last_leaf_s, policy FROM tenants WHERE tenant = ?1")?;
        let row = statement.query_row([tenant.0.as_bytes()], |row| {
            Ok((sql::leaf(row, 0)?, sql::unsigned(row, 1)?, sql::leaf_option(row, 2)?))
        });
        let end = row.optional()?.map(|(next, last_s, policy)| Self {
            connection,
            tenant,
            next,
            time: last_s.max(at_s),
            policy,
            ext: None,
            appended: Vec::new(),
        });
        Ok(end)
    }

    /// Appends the leaf that `fields` completes: kind, place, time and policy are set already.
    pub(super) fn append(
        &mut self,
        kind: skill_pool_domain::journal::Kind,
        fields: impl FnOnce(&mut LeafFields),
    ) -> Result<LeafIndex, AppendError> {
        let index = self.next;
        let mut leaf = LeafFields::new(kind, self.tenant, index, self.time);
        leaf.policy = self.policy;
        fields(&mut leaf);
        leaf.ext = leaf.ext.or_else(|| self.ext.clone());
        let text = Leaf::new(leaf)?.text();
        if text.len() > skill_pool_domain::journal::LEAF_BYTES_MAX {
            return Err(AppendError::TooLong(text.len()));
        }
        let mut statement =
            self.connection.prepare_cached("INSERT INTO journal (tenant, leaf, text) VALUES (?1, ?2, ?3)")?;
        statement.execute(params![self.tenant.0.as_bytes(), sql::int(index.0), text])?;
        self.appended.push(index);
        self.next = LeafIndex(index.0 + 1);
        Ok(index)
    }

    /// Remembers the new end.
    pub(super) fn finish(self) -> rusqlite::Result<Vec<LeafIndex>> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE tenants SET leaves = ?2, last_leaf_s = ?3, policy = ?4 WHERE tenant = ?1")?;
        let policy = self.policy.map(|leaf| sql::int(leaf.0));
        statement.execute(params![self.tenant.0.as_bytes(), sql::int(self.next.0), sql::int(self.time), policy])?;
        Ok(self.appended)
    }
}
