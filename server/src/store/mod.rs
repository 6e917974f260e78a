//! The only SQL. Credentials, journal, refs, outbox and projections in one SQLite database (WAL, synchronous=FULL).
//!
//! In: typed values that begin with the tenant. Out: typed values. One writer thread owns the writing connection and
//! commits what has queued up in one transaction (group commit); readers have connections of their own. All functions
//! block for as long as the disk takes: reads for some pages, changes until they are durable. Must hold: whoever was
//! answered sees what was answered, in the caches and in the database, and so does every later start.

mod apply;
mod cache;
pub mod commit;
mod connection;
mod copy;
mod error;
mod evidence;
mod import;
mod journal;
mod layout;
mod migrate;
mod nonces;
mod outbox;
mod projections;
mod refs;
mod registry;
mod releases;
mod repositories;
mod sql;
mod tenants;
mod tokens;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use skill_pool_domain::names::{RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use tokio::sync::{oneshot, watch};

use cache::Cache;
use connection::Readers;
use writer::{Batch, Queue, SaysDiskFull, Work, Writer};

pub use commit::{Committed, NotCommitted, Proposal};
pub use error::StoreError;
pub use evidence::EvidenceKind;
pub use import::{ImportedLeaf, ImportedState, release_of_tag};
pub use journal::StoredLeaf;
pub use layout::{DataFolder, sync_folder};
pub use outbox::{OutboxEntry, Position};
pub use refs::{RepositoryKey, RepositoryRefs};
pub use registry::{MemberRecord, RegistryState};
pub use releases::{Release, Yanked};
pub use repositories::RepositoryRecord;
pub use tenants::{TenantKey, TenantRecord};
pub use tokens::{NewToken, TokenId, TokenRecord};
pub use writer::{Probe, Step};

/// At most this many rows come back from one question that lists.
pub const PAGE_ROWS_MAX: usize = 1000;

/// Bounds of a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// Refs in one repository, those of the registry included.
    pub refs_per_repository_max: u64,
    /// Repositories of one tenant.
    pub repositories_per_tenant_max: u64,
    /// Refs held in memory, over all repositories. One takes about 150 bytes.
    pub cached_refs_max: usize,
    /// Reading connections. Each may take 1 MiB.
    pub readers_max: usize,
    /// Makes steps of the commit fail; for tests.
    pub probe: Option<Probe>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            refs_per_repository_max: 20_000,
            repositories_per_tenant_max: 50_000,
            cached_refs_max: 50_000,
            readers_max: 4,
            probe: None,
        }
    }
}

/// The database of one data folder. Cheap to clone; closed when the last clone is dropped or by [`Store::close`].
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    caches: Arc<Caches>,
    readers: Readers,
    newest: watch::Receiver<Position>,
    options: StoreOptions,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is known without asking the database.
struct Caches {
    refs: Cache<(TenantId, RepositoryName), Arc<RepositoryRefs>>,
    registries: Cache<TenantId, Arc<RegistryState>>,
    tenants: Cache<TenantKey, Arc<TenantRecord>>,
}

impl Caches {
    fn forget_tenant(&self, tenant: TenantId) {
        // Names and hosts may have changed hands, so that single keys would not do. Tenants change seldom.
        self.tenants.clear();
        self.registries.forget(&tenant);
    }
}

impl Store {
    /// Opens the database of a data folder, which the caller has locked; makes it on the very first start, brings it to
    /// the present schema, and takes back into it what a crash left in its log. Needs no free disk space otherwise.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for data of a newer version, [`StoreError::Foreign`] for files of something else, and
    /// [`StoreError::Open`] when the disk fails.
    pub fn open(data: &DataFolder, options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_file(&data.database(), options, now)
    }

    fn open_file(path: &Path, options: StoreOptions, now: Timestamp) -> Result<Self, StoreError> {
        let fresh = !path.exists();
        let mut connection = connection::open_writer(path)?;
        migrate::migrate(&mut connection, path, now)?;
        if fresh && let Some(folder) = path.parent() {
            // SQLite syncs the file, but not the name of a new one.
            sync_folder(folder).map_err(|e| StoreError::Open { path: path.to_owned(), source: e.into() })?;
        }
        let newest = outbox::newest(&connection).map_err(StoreError::doing("read the outbox"))?;
        let (sender, newest) = watch::channel(newest);
        let queue = Arc::new(Queue::new());
        let caches = Arc::new(Caches {
            refs: Cache::new(options.cached_refs_max, |refs| refs.snapshot.refs.len() + 4),
            registries: Cache::new(4096, |state| 8 + state.registry.members.len()),
            tenants: Cache::new(4096, |_| 1),
        });
        let writer = Writer {
            connection,
            queue: Arc::clone(&queue),
            caches: Arc::clone(&caches),
            newest: sender,
            probe: options.probe.clone(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|e| StoreError::Open { path: path.to_owned(), source: e.into() })?;
        let readers = Readers::new(path.to_owned(), options.readers_max);
        let thread = Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { queue, caches, readers, newest, options, thread }) })
    }

    /// THE transaction. Blocks until it is durable; many at once share one. Not to be called on a thread that runs async
    /// tasks: there, [`Store::commit_async`].
    ///
    /// # Errors
    /// [`NotCommitted`]: nothing was made true.
    pub fn commit(&self, proposal: Proposal) -> Result<Committed, NotCommitted> {
        let receiver = self.propose(proposal)?;
        receiver.blocking_recv().unwrap_or_else(|_| Err(NotCommitted::from(StoreError::Closed)))
    }

    /// As [`Store::commit`], for async tasks. When the future is dropped the transaction goes on.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_async(&self, proposal: Proposal) -> Result<Committed, NotCommitted> {
        let receiver = self.propose(proposal)?;
        receiver.await.unwrap_or_else(|_| Err(NotCommitted::from(StoreError::Closed)))
    }

    fn propose(&self, proposal: Proposal) -> Result<oneshot::Receiver<Result<Committed, NotCommitted>>, NotCommitted> {
        let limits = self.limits();
        let origin = apply::Origin::Door;
        let (job, receiver) =
            Work::with_reply(move |batch: &mut Batch<'_>| apply::apply(batch, &proposal, limits, origin));
        self.inner.queue.push(job)?;
        Ok(receiver)
    }

    fn limits(&self) -> apply::Limits {
        apply::Limits {
            refs_per_repository_max: self.inner.options.refs_per_repository_max,
            repositories_per_tenant_max: self.inner.options.repositories_per_tenant_max,
        }
    }

    /// What the database says about its own file: nothing when it is sound, else what is damaged, in its words.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let lines: Vec<String> = self.read("look at its own file", |connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
            let lines = statement.query_map([], |row| row.get(0))?;
            lines.collect()
        })?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Transactions committed since the start; commits that were grouped count once.
    pub fn transactions(&self) -> u64 {
        self.inner.queue.transactions()
    }

    /// Tells each time the outbox has grown, by the position of its newest entry. Changes may be skipped, the newest
    /// never is.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.inner.newest.clone()
    }

    /// Waits until everything queued is durable and ends the writer. Later changes fail with [`StoreError::Closed`].
    pub fn close(&self) {
        self.inner.close();
    }

    /// Answers a question on a reading connection.
    fn read<T>(
        &self,
        what: &'static str,
        question: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.inner.readers.with(|connection| question(connection).map_err(StoreError::doing(what)))
    }

    /// Makes a change on the writer's thread and waits until it is durable.
    fn write<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, receiver) = Work::with_reply(change);
        self.inner.queue.push(job)?;
        receiver.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl From<writer::Failure> for StoreError {
    fn from(failure: writer::Failure) -> Self {
        Self::NotDurable { disk_full: failure.disk_full, reason: failure.reason }
    }
}

impl SaysDiskFull for StoreError {
    fn disk_full(&self) -> bool {
        self.is_disk_full()
    }
}

impl From<StoreError> for NotCommitted {
    fn from(error: StoreError) -> Self {
        Self::Database { disk_full: error.is_disk_full(), source: error.into() }
    }
}

impl From<writer::Failure> for NotCommitted {
    fn from(failure: writer::Failure) -> Self {
        StoreError::from(failure).into()
    }
}

impl SaysDiskFull for NotCommitted {
    fn disk_full(&self) -> bool {
        matches!(self, Self::Database { disk_full: true, .. })
    }
}
