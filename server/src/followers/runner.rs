//! Runs followers: wakes them after commits, tries again after failures, tells how far they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Follower, FollowerError};
use crate::store::{Position, Store};

/// Entries of one pass.
const PASS_ENTRIES_MAX: usize = 512;
/// The first wait after a failure; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Whether a check is through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to look at.
    More,
    /// All was looked at.
    Done,
}

/// How far a follower is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its name.
    pub follower: &'static str,
    /// Everything up to here is done.
    pub position: Position,
    /// True once it has looked at everything since the start.
    pub checked: bool,
    /// Since when it fails, and why; `None` while it does not.
    pub failing: Option<(Instant, String)>,
}

/// All running followers. They end with [`Followers::stop`].
pub struct Followers {
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    states: Vec<watch::Receiver<Status>>,
}

impl Followers {
    /// Starts `followers` on the present tokio runtime, each by itself: one that is slow or fails holds up no other.
    ///
    /// # Errors
    /// When the store cannot tell their positions.
    pub fn start(store: &Store, followers: Vec<Box<dyn Follower>>) -> Result<Self, crate::store::StoreError> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        let mut states = Vec::new();
        for follower in followers {
            let name = follower.name();
            // One that never ran begins with what is newest now: its check looks at everything before.
            let newest = store.newest_position();
            let position = store.follower_position(name)?.unwrap_or(newest);
            store.note_follower_position(name, position);
            let (sender, receiver) = watch::channel(Status { follower: name, position, checked: false, failing: None });
            let run = Run {
                store: store.clone(),
                woken: store.watch(),
                stopped: stopped.clone(),
                status: sender,
                follower: Arc::new(Mutex::new(follower)),
            };
            tasks.push(tokio::spawn(run.run()));
            states.push(receiver);
        }
        Ok(Self { tasks, stop, states })
    }

    /// How far each is.
    pub fn status(&self) -> Vec<Status> {
        self.states.iter().map(|state| state.borrow().clone()).collect()
    }

    /// Waits until every follower has checked everything and is done with all up to `position`.
    pub async fn settled(&self, position: Position) {
        for state in &self.states {
            let mut state = state.clone();
            // A follower that ended will not get further.
            let _ = state.wait_for(|status| status.checked && status.position >= position).await;
        }
    }

    /// Lets each finish what it is at, and do what is owed at this moment, once; then ends them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

struct Run {
    store: Store,
    woken: watch::Receiver<Position>,
    stopped: watch::Receiver<bool>,
    status: watch::Sender<Status>,
    /// Locked only by one blocking task at a time.
    follower: Arc<Mutex<Box<dyn Follower>>>,
}

impl Run {
    async fn run(mut self) {
        let gathering = self.follower.lock().gathering();
        let mut backoff = Duration::ZERO;
        loop {
            // Also when whoever started the followers is gone.
            let stopping = *self.stopped.borrow() || self.stopped.has_changed().is_err();
            let owed = *self.woken.borrow_and_update() > self.status.borrow().position;
            let checked = self.status.borrow().checked;
            if stopping && (!owed || !backoff.is_zero()) {
                return;
            }
            let outcome = if owed {
                if !stopping && backoff.is_zero() {
                    self.pause(gathering).await;
                }
                self.pass().await
            } else if !checked {
                self.check().await
            } else {
                tokio::select! {
                    changed = self.woken.changed() => if changed.is_err() { return },
                    _ = self.stopped.changed() => {}
                }
                continue;
            };
            match outcome {
                Ok(()) => {
                    backoff = Duration::ZERO;
                    self.status.send_if_modified(|status| status.failing.take().is_some());
                }
                Err(error) => {
                    self.failed(&error);
                    backoff = (backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
                    if !stopping {
                        self.pause(backoff).await;
                    }
                }
            }
        }
    }

    /// Waits, but not for longer than the server runs.
    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stopped.changed() => {}
        }
    }

    /// One pass over what is owed.
    async fn pass(&mut self) -> Result<(), FollowerError> {
        let after = self.status.borrow().position;
        let store = self.store.clone();
        let done = self.work(move |follower| keep_up(&store, follower, after)).await?;
        self.store.note_follower_position(self.status.borrow().follower, done);
        self.status.send_modify(|status| status.position = done);
        Ok(())
    }

    async fn check(&mut self) -> Result<(), FollowerError> {
        if self.work(|follower| follower.check()).await? == Progress::Done {
            self.status.send_modify(|status| status.checked = true);
        }
        Ok(())
    }

    /// Runs a piece of work on a thread that may block.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Follower) -> Result<T, FollowerError> + Send + 'static,
    ) -> Result<T, FollowerError> {
        let follower = Arc::clone(&self.follower);
        let task = tokio::task::spawn_blocking(move || work(follower.lock().as_mut()));
        match task.await {
            Ok(outcome) => outcome,
            // A panic is a fault of ours, but no reason to leave refs on disk as they are for ever.
            Err(error) => Err(FollowerError::at("finish the work", "a follower")(error)),
        }
    }

    fn failed(&self, error: &FollowerError) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        let follower = self.status.borrow().follower;
        tracing::warn!(follower, "{text}; trying again");
        self.status.send_modify(|status| {
            let since = status.failing.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            status.failing = Some((since, text));
        });
    }
}

/// One pass of `follower` over the entries after `after`; returns the position up to which all is done.
fn keep_up(store: &Store, follower: &mut dyn Follower, after: Position) -> Result<Position, FollowerError> {
    // Read before the entries: what comes while they are dealt with is owed still.
    let newest = store.newest_position();
    let entries =
        store.outbox_since(after, PASS_ENTRIES_MAX).map_err(FollowerError::at("read the outbox", follower.name()))?;
    let full = entries.len() == PASS_ENTRIES_MAX;
    let last = entries.last().map(|entry| entry.position);
    if !entries.is_empty() {
        follower.keep_up(&entries)?;
    }
    match last {
        Some(last) if full => Ok(last),
        Some(last) => Ok(last.max(newest)),
        None => Ok(newest.max(after)),
    }
}

/// Does all that a follower owes, the check included, on this thread. For verbs that work without a server, and tests.
///
/// # Errors
/// The first failure.
pub fn catch_up(store: &Store, follower: &mut dyn Follower) -> Result<(), FollowerError> {
    let failed = "read the outbox";
    let position = store.follower_position(follower.name()).map_err(FollowerError::at(failed, follower.name()))?;
    let mut position = position.unwrap_or_else(|| store.newest_position());
    while follower.check()? == Progress::More {}
    while position < store.newest_position() {
        position = keep_up(store, follower, position)?;
    }
    store.note_follower_position(follower.name(), position);
    Ok(())
}
