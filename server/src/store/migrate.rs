//! Brings a database to the present schema: numbered steps that only go forward.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::timestamp::Timestamp;

use super::error::StoreError;
use super::sql;

/// Marks the file as ours: "spdb".
const APPLICATION_ID: i32 = 0x7370_6462;

/// Every step, in order. A step that was released is never edited.
const STEPS: &[&str] = &[include_str!("migrations/0001_start.sql")];

/// Brings the database at `path` to the present schema. Each step is one transaction, so that a start that is cut off
/// goes on at the next. Writes nothing when there is nothing to do.
///
/// # Errors
/// [`StoreError::Newer`] and [`StoreError::Foreign`] before anything is written.
pub(super) fn migrate(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<(), StoreError> {
    let doing = StoreError::doing("bring its schema up to date");
    let foreign = |reason: &str| StoreError::Foreign { path: path.to_owned(), reason: reason.to_owned() };
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(&doing)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&doing)?;
    if id != APPLICATION_ID && (id != 0 || tables > 0) {
        return Err(foreign("it lacks this program's mark"));
    }
    let applied = applied_steps(connection).map_err(&doing)?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if applied.len() > STEPS.len() {
        let found = u32::try_from(applied.len()).unwrap_or(u32::MAX);
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for (step, digest) in STEPS.iter().zip(&applied) {
        if Sha256::of(step.as_bytes()).to_string() != *digest {
            return Err(foreign("a step of its schema differs from this program's"));
        }
    }
    for (index, step) in STEPS.iter().enumerate().skip(applied.len()) {
        let transaction = connection.transaction().map_err(&doing)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(&doing)?;
        transaction.execute_batch(SCHEMA_STEPS).map_err(&doing)?;
        transaction.execute_batch(step).map_err(&doing)?;
        let digest = Sha256::of(step.as_bytes()).to_string();
        let row = "INSERT INTO schema_steps (step, sha256, applied_at_ms) VALUES (?1, ?2, ?3)";
        transaction.execute(row, params![sql::int(index as u64 + 1), digest, now.0]).map_err(&doing)?;
        transaction.commit().map_err(&doing)?;
    }
    Ok(())
}

const SCHEMA_STEPS: &str = "CREATE TABLE IF NOT EXISTS schema_steps (
    step INTEGER NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT";

fn applied_steps(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let exists = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'schema_steps'", [], |_| Ok(()))
        .optional()?
        .is_some();
    if !exists {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT sha256 FROM schema_steps ORDER BY step")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(connection: &mut Connection) -> Result<(), StoreError> {
        migrate(connection, Path::new("test.db"), Timestamp(0))
    }

    #[test]
    fn a_second_start_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("memory");
        opened(&mut connection).expect("a fresh one");
        let before = connection.total_changes();
        opened(&mut connection).expect("the same again");
        assert_eq!(connection.total_changes(), before);
    }

    #[test]
    fn data_of_a_newer_version_are_refused_in_words() {
        let mut connection = Connection::open_in_memory().expect("memory");
        opened(&mut connection).expect("a fresh one");
        let more = "INSERT INTO schema_steps VALUES (?1, 'x', 0)";
        connection.execute(more, [sql::int(STEPS.len() as u64 + 1)]).expect("one more step");
        let error = opened(&mut connection).expect_err("too new").to_string();
        assert!(error.starts_with("test.db was written by a newer version: it has schema 2, this program knows 1"));
        assert!(error.contains("restore a backup"));
    }

    #[test]
    fn other_databases_are_left_alone() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE theirs (x)").expect("a table");
        assert!(matches!(opened(&mut connection), Err(StoreError::Foreign { .. })));
        let mut changed = Connection::open_in_memory().expect("memory");
        opened(&mut changed).expect("a fresh one");
        changed.execute("UPDATE schema_steps SET sha256 = 'x'", []).expect("a change");
        assert!(matches!(opened(&mut changed), Err(StoreError::Foreign { .. })));
    }
}
