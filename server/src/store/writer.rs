//! The one writer: a thread that owns the writing connection and commits what has queued up in one transaction.
//!
//! In: jobs, each with its own way to answer. Out: for each job its answer, given after the transaction is durable and
//! the caches hold the new state. Must hold: a job's changes are whole or absent (a savepoint each); nothing is
//! answered as done before the transaction's sync has returned; whatever fails is answered as not done and is not
//! there, also after the process is killed right then.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::names::{RepositoryName, TenantId};
use tokio::sync::{oneshot, watch};

use super::Caches;
use super::error::{StoreError, is_disk_full};
use super::outbox::Position;
use super::refs::RepositoryRefs;
use super::registry::RegistryState;

/// Jobs in one transaction at most.
const GROUP_MAX: usize = 256;
/// Jobs that may wait; beyond, callers wait to queue up.
const QUEUE_MAX: usize = 4096;
/// How long follower positions may wait for a transaction to ride on.
const POSITIONS_DELAY: Duration = Duration::from_secs(1);
/// Pages of the write-ahead log from which on it is moved into the database after a commit (4 KiB each).
const LOG_PAGES_MAX: i64 = 2000;

/// Where a transaction can be made to fail, for tests of the commit point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Before the transaction begins.
    Begin,
    /// In the transaction, before a job runs.
    Job,
    /// After a job's changes, inside the transaction.
    Changed,
    /// Before the transaction commits.
    Commit,
    /// After it committed, before anybody knows.
    Committed,
    /// After the caches hold the new state, before the answers go out.
    Published,
}

/// Asked at each step; an error makes the step fail. Tests also copy the files here, which is what a kill leaves.
pub type Probe = Arc<dyn Fn(Step) -> std::io::Result<()> + Send + Sync>;

/// Why a group was not committed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) disk_full: bool,
    pub(super) reason: String,
}

impl Failure {
    fn of(error: &rusqlite::Error) -> Self {
        Self { disk_full: is_disk_full(error), reason: error.to_string() }
    }
}

/// One job of the writer's.
pub(super) trait Job: Send {
    /// Makes the changes.
    fn run(&mut self, batch: &mut Batch<'_>) -> Ran;

    /// Answers, once it is known whether the transaction was committed.
    fn answer(self: Box<Self>, outcome: Result<(), Failure>);
}

/// What a job did.
pub(super) enum Ran {
    /// Its changes shall stay.
    Keep,
    /// Its changes are to be undone.
    Undo {
        /// Because the disk was full.
        disk_full: bool,
    },
}

/// Errors that can say whether the disk was full.
pub(super) trait SaysDiskFull: From<Failure> {
    fn disk_full(&self) -> bool;
}

/// The ordinary [`Job`]: `run` once, then tell `reply`.
pub(super) struct Work<T, E, F> {
    run: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work<T, E, F>
where
    T: Send + 'static,
    E: SaysDiskFull + Send + 'static,
    F: FnOnce(&mut Batch<'_>) -> Result<T, E> + Send + 'static,
{
    pub(super) fn with_reply(run: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>) {
        let (reply, receiver) = oneshot::channel();
        (Box::new(Self { run: Some(run), result: None, reply }), receiver)
    }
}

impl<T, E, F> Job for Work<T, E, F>
where
    T: Send,
    E: SaysDiskFull + Send,
    F: FnOnce(&mut Batch<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Ran {
        self.result = self.run.take().map(|run| run(batch));
        match &self.result {
            Some(Ok(_)) => Ran::Keep,
            Some(Err(error)) => Ran::Undo { disk_full: error.disk_full() },
            None => Ran::Undo { disk_full: false },
        }
    }

    fn answer(self: Box<Self>, outcome: Result<(), Failure>) {
        let answer = match (outcome, self.result) {
            // Its own refusal may rest on changes of others that were undone with the transaction.
            (Err(failure), _) => Err(failure.into()),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Failure { disk_full: false, reason: "the change was not tried".to_owned() }.into()),
        };
        // Whoever asked may have gone: a client that hung up does not undo its push.
        let _ = self.reply.send(answer);
    }
}

/// What jobs of one transaction see and leave behind.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) caches: &'a Caches,
    /// Of the jobs before, and of this one.
    staged: Staged,
    own: Staged,
}

/// What the caches get when the transaction is durable.
#[derive(Default)]
struct Staged {
    refs: HashMap<(TenantId, RepositoryName), Arc<RepositoryRefs>>,
    registries: HashMap<TenantId, Arc<RegistryState>>,
    tenants: Vec<TenantId>,
    position: Option<Position>,
}

impl Staged {
    fn take_in(&mut self, own: Staged) {
        self.refs.extend(own.refs);
        self.registries.extend(own.registries);
        self.tenants.extend(own.tenants);
        self.position = own.position.or(self.position);
    }
}

impl Batch<'_> {
    /// The refs that an earlier job of this transaction, or this one, left.
    pub(super) fn staged_refs(&self, key: &(TenantId, RepositoryName)) -> Option<Arc<RepositoryRefs>> {
        self.own.refs.get(key).or_else(|| self.staged.refs.get(key)).cloned()
    }

    pub(super) fn stage_refs(&mut self, key: (TenantId, RepositoryName), refs: Arc<RepositoryRefs>) {
        self.own.refs.insert(key, refs);
    }

    pub(super) fn staged_registry(&self, tenant: TenantId) -> Option<Arc<RegistryState>> {
        self.own.registries.get(&tenant).or_else(|| self.staged.registries.get(&tenant)).cloned()
    }

    pub(super) fn stage_registry(&mut self, tenant: TenantId, state: Arc<RegistryState>) {
        self.own.registries.insert(tenant, state);
    }

    /// The tenant's row changed.
    pub(super) fn stage_tenant(&mut self, tenant: TenantId) {
        self.own.tenants.push(tenant);
    }

    /// The outbox grew.
    pub(super) fn stage_position(&mut self, position: Position) {
        self.own.position = Some(position);
    }
}

/// Jobs of one transaction, and follower positions that ride on it.
type Group = (Vec<Box<dyn Job>>, BTreeMap<&'static str, Position>);

/// The queue in front of the writer, shared by all handles of a store.
pub(super) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    drained: Condvar,
    /// Transactions committed since the start.
    transactions: AtomicU64,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Box<dyn Job>>,
    positions: BTreeMap<&'static str, Position>,
    positions_since: Option<Instant>,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            transactions: AtomicU64::new(0),
        }
    }

    /// Queues a job. Waits while the queue is full, which is what slows down those who would fill it.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        while state.jobs.len() >= QUEUE_MAX && !state.closed {
            self.drained.wait(&mut state);
        }
        if state.closed {
            return Err(StoreError::Closed);
        }
        state.jobs.push_back(job);
        self.filled.notify_one();
        Ok(())
    }

    /// Queues a job that may as well be left undone: not when the queue is full or closed.
    pub(super) fn push_if_room(&self, job: Box<dyn Job>) {
        let mut state = self.state.lock();
        if state.jobs.len() < QUEUE_MAX && !state.closed {
            state.jobs.push_back(job);
            self.filled.notify_one();
        }
    }

    /// Remembers how far a follower is. It becomes durable with the next transaction, or a second later.
    pub(super) fn note(&self, follower: &'static str, position: Position) {
        let mut state = self.state.lock();
        state.positions.insert(follower, position);
        state.positions_since.get_or_insert_with(Instant::now);
        self.filled.notify_one();
    }

    /// Lets the writer end once everything queued is done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
        self.drained.notify_all();
    }

    /// Jobs that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().jobs.len()
    }

    pub(super) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// The next group and the positions that ride on it; `None` when there will be none.
    fn next(&self) -> Option<Group> {
        let mut state = self.state.lock();
        loop {
            if !state.jobs.is_empty() {
                let count = state.jobs.len().min(GROUP_MAX);
                let jobs = state.jobs.drain(..count).collect();
                self.drained.notify_all();
                return Some((jobs, take_positions(&mut state)));
            }
            match state.positions_since {
                Some(since) if state.closed || since.elapsed() >= POSITIONS_DELAY => {
                    return Some((Vec::new(), take_positions(&mut state)));
                }
                None if state.closed => return None,
                Some(since) => {
                    self.filled.wait_until(&mut state, since + POSITIONS_DELAY);
                }
                None => self.filled.wait(&mut state),
            }
        }
    }
}

fn take_positions(state: &mut QueueState) -> BTreeMap<&'static str, Position> {
    state.positions_since = None;
    std::mem::take(&mut state.positions)
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: Arc<Queue>,
    pub(super) caches: Arc<Caches>,
    pub(super) newest: watch::Sender<Position>,
    pub(super) probe: Option<Probe>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        while let Some((jobs, positions)) = self.queue.next() {
            self.group(jobs, &positions);
            self.shorten_log();
        }
    }

    fn group(&mut self, mut jobs: Vec<Box<dyn Job>>, positions: &BTreeMap<&'static str, Position>) {
        let outcome = match self.transaction(&mut jobs, positions) {
            Ok(staged) => {
                // Durable: from here on every answer is "done". First the caches, so that whoever was answered sees it.
                self.publish(staged);
                let _ = self.probe(Step::Published);
                Ok(())
            }
            Err(failure) => {
                tracing::error!(disk_full = failure.disk_full, "a transaction was not committed: {}", failure.reason);
                Err(failure)
            }
        };
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    /// Runs the jobs in one transaction. On an error nothing of it is in the database.
    fn transaction(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        positions: &BTreeMap<&'static str, Position>,
    ) -> Result<Staged, Failure> {
        let mut staged = Staged::default();
        let committed = self.run_jobs(jobs, &mut staged).and_then(|()| self.commit(positions));
        match committed {
            Ok(()) => Ok(staged),
            Err(failure) => {
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                self.settle(staged, failure)
            }
        }
    }

    fn run_jobs(&self, jobs: &mut [Box<dyn Job>], staged: &mut Staged) -> Result<(), Failure> {
        self.probe(Step::Begin)?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| Failure::of(&e))?;
        for job in jobs {
            self.savepoint("SAVEPOINT job")?;
            self.probe(Step::Job)?;
            let before = std::mem::take(staged);
            let mut batch =
                Batch { connection: &self.connection, caches: &self.caches, staged: before, own: Staged::default() };
            let ran = job.run(&mut batch);
            *staged = batch.staged;
            match ran {
                Ran::Keep => {
                    self.probe(Step::Changed)?;
                    staged.take_in(batch.own);
                }
                // On some errors, such as a full disk, SQLite gives up the whole transaction by itself.
                Ran::Undo { disk_full } if self.connection.is_autocommit() => {
                    return Err(Failure { disk_full, reason: "the database gave the transaction up".to_owned() });
                }
                Ran::Undo { .. } => self.savepoint("ROLLBACK TO job")?,
            }
            self.savepoint("RELEASE job")?;
        }
        Ok(())
    }

    fn commit(&self, positions: &BTreeMap<&'static str, Position>) -> Result<(), Failure> {
        self.write_positions(positions).map_err(|e| Failure::of(&e))?;
        self.probe(Step::Commit)?;
        // ---- The commit point. Before it nothing is visible; when it returns everything in it is synced. ----
        self.connection.execute_batch("COMMIT").map_err(|e| Failure::of(&e))?;
        self.queue.transactions.fetch_add(1, Ordering::Relaxed);
        self.probe(Step::Committed)
    }

    /// After a failed commit: makes sure of what is true, and that it stays so when the process is killed now.
    ///
    /// A commit whose sync failed leaves its frames in the write-ahead log, beyond the end that this process knows. A
    /// process that starts on these files would take them for good. So an empty change is written over them at once.
    fn settle(&mut self, staged: Staged, failure: Failure) -> Result<Staged, Failure> {
        let over = "INSERT INTO meta (key, value) VALUES ('settled', '1')
                    ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)";
        let synced = self.connection.execute(over, []).is_ok();
        let Some(position) = staged.position else { return Err(failure) };
        let there = self
            .connection
            .query_row("SELECT 1 FROM outbox WHERE position = ?1", [position.0], |_| Ok(()))
            .optional()
            .ok()
            .flatten()
            .is_some();
        // The error came after the transaction had taken effect, and the later sync covers it: it is done.
        if there && synced { Ok(staged) } else { Err(failure) }
    }

    fn publish(&self, staged: Staged) {
        for (key, refs) in staged.refs {
            self.caches.refs.publish(key, refs);
        }
        for (tenant, registry) in staged.registries {
            self.caches.registries.publish(tenant, registry);
        }
        for tenant in staged.tenants {
            self.caches.forget_tenant(tenant);
        }
        if let Some(position) = staged.position {
            self.newest.send_replace(position);
        }
    }

    fn write_positions(&self, positions: &BTreeMap<&'static str, Position>) -> rusqlite::Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO followers (follower, position) VALUES (?1, ?2)
             ON CONFLICT (follower) DO UPDATE SET position = excluded.position",
        )?;
        for (follower, position) in positions {
            statement.execute(params![follower, position.0])?;
        }
        let past = "DELETE FROM outbox WHERE position <= (SELECT min(position) FROM followers)";
        self.connection.prepare_cached(past)?.execute([])?;
        Ok(())
    }

    fn savepoint(&self, sql: &'static str) -> Result<(), Failure> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        run().map(|_| ()).map_err(|e| Failure::of(&e))
    }

    fn probe(&self, step: Step) -> Result<(), Failure> {
        let Some(probe) = &self.probe else { return Ok(()) };
        probe(step).map_err(|e| Failure { disk_full: false, reason: e.to_string() })
    }

    /// Moves the write-ahead log into the database when it has grown. Answers are out by now; a failure here costs only
    /// space, and is tried again after the next transaction.
    fn shorten_log(&self) {
        let pages = |mode: &str| -> rusqlite::Result<i64> {
            let mut statement = self.connection.prepare_cached(mode)?;
            statement.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
        };
        match pages("PRAGMA wal_checkpoint(NOOP)") {
            Ok(waiting) if waiting < LOG_PAGES_MAX => {}
            _ => {
                if let Err(error) = pages("PRAGMA wal_checkpoint(PASSIVE)") {
                    tracing::warn!("could not move the write-ahead log into the database: {error}");
                }
            }
        }
    }
}
