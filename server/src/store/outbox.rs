//! Work owed after a commit, and how far each follower is with it.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::names::{LeafIndex, RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;

use super::{Store, StoreError, sql};

/// A place in the outbox; 0 is before the first entry. Places grow, and some are never used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub i64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One committed transaction, as followers see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxEntry {
    /// Its place.
    pub position: Position,
    /// Whose.
    pub tenant: TenantId,
    /// The repository whose refs moved; `None` when none did, as with a new tenant.
    pub repository: Option<RepositoryName>,
    /// The first leaf appended.
    pub first_leaf: LeafIndex,
    /// How many were appended.
    pub leaves: u64,
    /// Releases, yanks or `registry.git` changed, so that the catalog may read differently.
    pub catalog: bool,
    /// When.
    pub at: Timestamp,
}

fn entry(row: &Row<'_>) -> rusqlite::Result<OutboxEntry> {
    let repository = match row.get_ref(2)?.as_str_or_null()? {
        None => None,
        Some(_) => Some(sql::repository_name(row, 2)?),
    };
    Ok(OutboxEntry {
        position: Position(row.get(0)?),
        tenant: sql::tenant_id(row, 1)?,
        repository,
        first_leaf: sql::leaf(row, 3)?,
        leaves: sql::unsigned(row, 4)?,
        catalog: row.get(5)?,
        at: sql::time(row, 6)?,
    })
}

/// The newest place that was ever given out.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Position> {
    // From SQLite's own counter, since rows go when all followers are past them.
    let row = connection.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", [], |row| row.get(0));
    Ok(Position(row.optional()?.unwrap_or(0)))
}

/// What a transaction leaves for the followers.
pub(super) struct NewEntry<'a> {
    pub(super) tenant: TenantId,
    pub(super) repository: Option<&'a RepositoryName>,
    pub(super) first_leaf: LeafIndex,
    pub(super) leaves: u64,
    pub(super) catalog: bool,
    pub(super) at: Timestamp,
}

pub(super) fn put(connection: &Connection, entry: &NewEntry<'_>) -> rusqlite::Result<Position> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO outbox (tenant, repository, first_leaf, leaves, catalog, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let position = statement.insert(params![
        entry.tenant.0.as_bytes(),
        entry.repository.map(ToString::to_string),
        sql::int(entry.first_leaf.0),
        sql::int(entry.leaves),
        entry.catalog,
        entry.at.0,
    ])?;
    Ok(Position(position))
}

impl Store {
    /// Entries after `after`, oldest first, at most `max` (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outbox_since(&self, after: Position, max: usize) -> Result<Vec<OutboxEntry>, StoreError> {
        self.read("read the outbox", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT position, tenant, repository, first_leaf, leaves, catalog, at_ms FROM outbox
                 WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after.0, sql::page(max)], entry)?;
            rows.collect()
        })
    }

    /// The newest position.
    pub fn newest_position(&self) -> Position {
        *self.inner.newest.borrow()
    }

    /// How far a follower was when it was last noted. `None` for one that never ran: it starts with a look at
    /// everything, and goes on from the [`Store::newest_position`] of before.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn follower_position(&self, follower: &str) -> Result<Option<Position>, StoreError> {
        self.read("read a follower's position", |connection| {
            let mut statement = connection.prepare_cached("SELECT position FROM followers WHERE follower = ?1")?;
            statement.query_row([follower], |row| row.get(0).map(Position)).optional()
        })
    }

    /// Remembers that a follower is done with everything up to `position`. Durable with the next transaction or a second
    /// later; after a crash the follower may see some entries again.
    pub fn note_follower_position(&self, follower: &'static str, position: Position) {
        self.inner.queue.note(follower, position);
    }

    /// Forgets the positions of followers that are not among `followers`, so that they do not hold the outbox back.
    ///
    /// # Errors
    /// When the change cannot be made.
    pub fn retain_followers(&self, followers: &'static [&'static str]) -> Result<(), StoreError> {
        let doing = StoreError::doing("read the followers");
        let known: Vec<String> = self.read("read the followers", |connection| {
            connection.prepare_cached("SELECT follower FROM followers")?.query_map([], |row| row.get(0))?.collect()
        })?;
        let gone: Vec<String> = known.into_iter().filter(|name| !followers.contains(&name.as_str())).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.write(move |batch| {
            for name in &gone {
                batch.connection.execute("DELETE FROM followers WHERE follower = ?1", [name]).map_err(&doing)?;
            }
            Ok(())
        })
    }
}
