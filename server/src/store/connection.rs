//! Connections: how each is set up, and the pool that readers share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::error::StoreError;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 96;
/// Page cache of one connection, in KiB.
const CACHE_KIB: i64 = 1024;

/// Opens the database for the writer; makes the file when there is none.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let doing = StoreError::doing("switch to write-ahead logging");
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(&doing)?;
    if mode != "wal" {
        let reason = format!("its journal mode is `{mode}` and cannot be changed; is its file system a network one?");
        return Err(StoreError::Foreign { path: path.to_owned(), reason });
    }
    // The writer moves the log into the file itself, after it has answered: see `Writer`.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(&doing)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true).map_err(StoreError::doing("open a reading connection"))?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|source| StoreError::Open { path: path.to_owned(), source: source.into() })?;
    let set_up = || -> rusqlite::Result<()> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // Text in the schema is no code, and a double-quoted typing error no string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // Acknowledged means synced, the transaction included.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Sorting happens in memory: no file appears outside the data folder.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // The log and its index stay when the last connection closes, so that the next start needs no new space: it
        // must work on a full disk.
        let mut keep = 1;
        connection.file_control(None::<&str>, rusqlite::FileControl::PersistWal(&mut keep))
    };
    set_up().map_err(|source| StoreError::Open { path: path.to_owned(), source: source.into() })?;
    Ok(connection)
}

/// Reading connections, opened as they are needed, at most `max`.
pub(super) struct Readers {
    path: PathBuf,
    max: usize,
    state: Mutex<Pool>,
    returned: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

impl Readers {
    pub(super) fn new(path: PathBuf, max: usize) -> Self {
        let state = Mutex::new(Pool { idle: Vec::new(), open: 0 });
        Self { path, max: max.max(1), state, returned: Condvar::new() }
    }

    /// Runs `question` on a connection; waits while all are in use.
    pub(super) fn with<T>(&self, question: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let borrowed = Borrowed { pool: self, connection: Some(self.take()?) };
        match &borrowed.connection {
            Some(connection) => question(connection),
            None => Err(StoreError::Closed),
        }
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let mut state = self.state.lock();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(connection);
            }
            if state.open < self.max {
                state.open += 1;
                break;
            }
            self.returned.wait(&mut state);
        }
        drop(state);
        open_reader(&self.path).inspect_err(|_| {
            self.state.lock().open -= 1;
            self.returned.notify_one();
        })
    }
}

/// Gives the connection back however the question ends.
struct Borrowed<'a> {
    pool: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.state.lock().idle.push(connection);
            self.pool.returned.notify_one();
        }
    }
}
