//! The catalog as it is served: bytes per tenant and address, made once per state, from memory.
//!
//! In: a tenant, and the address under which it was asked for. Out: the bytes of `marketplace.json` and their tag; or what
//! pages list. `services::catalog` asks for a proof of access first. Must hold: what was acknowledged before a request shows in its
//! answer; memory is bounded whatever tenants are asked for; a state is built once, however many wait for it.
//!
//! - `listed`: one plugin as catalog and pages list it, made from its latest release
//! - `file`: rendered bytes, plain and compressed
//! - here: which states are held, and what has changed since

mod file;
mod listed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use skill_pool_domain::address::{Addresses, BaseId};
use skill_pool_domain::catalog::Head;
use skill_pool_domain::names::{PluginName, RepositoryName, TenantId, TenantName};

use super::{Follower, FollowerError, Progress};
use crate::store::{OutboxEntry, Position, Store, StoreError};

pub use file::CatalogFile;
pub use listed::{Counts, Listed, entry_of, reach_of};

/// Bytes that held states may take together, about.
const HELD_BYTES_MAX: usize = 16 << 20;
/// Outbox entries read at once.
const ENTRIES_MAX: usize = 1000;

/// All catalogs. One for the process.
pub struct Catalogs {
    store: Store,
    addresses: Arc<Addresses>,
    /// How far the outbox has been looked at.
    applied: Mutex<Position>,
    held: Mutex<HashMap<TenantId, Arc<Held>>>,
    clock: AtomicU64,
}

/// One tenant's catalog, as far as it is known.
struct Held {
    tenant: TenantId,
    name: TenantName,
    /// What the present state lacks.
    stale: Mutex<Stale>,
    /// `None` until first asked for.
    state: Mutex<Option<Arc<State>>>,
    /// Held while the state or a file is made, so that one makes it and the others find it.
    making: tokio::sync::Mutex<()>,
    used: AtomicU64,
}

/// What changed since a state was made.
#[derive(Default)]
struct Stale {
    /// Everything: the registry moved (title, yanks), or nothing is known yet.
    all: bool,
    /// These plugins.
    plugins: BTreeSet<PluginName>,
}

impl Stale {
    fn is_clean(&self) -> bool {
        !self.all && self.plugins.is_empty()
    }
}

/// A tenant's catalog at one moment.
pub struct State {
    /// Title and description.
    pub head: Head,
    /// What is listed, by name.
    pub plugins: BTreeMap<PluginName, Arc<Listed>>,
    /// Characters that names and descriptions of all listed plugins take in a session.
    pub listing_characters: u64,
    files: Mutex<HashMap<BaseId, Arc<CatalogFile>>>,
    weight: usize,
}

impl Catalogs {
    /// Begins with nothing held.
    pub fn new(store: Store, addresses: Arc<Addresses>) -> Self {
        let applied = Mutex::new(store.newest_position());
        Self { store, addresses, applied, held: Mutex::new(HashMap::new()), clock: AtomicU64::new(0) }
    }

    /// The catalog's bytes for one address of the tenant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn file(
        self: &Arc<Self>,
        tenant: TenantId,
        name: &TenantName,
        base: BaseId,
    ) -> Result<Arc<CatalogFile>, StoreError> {
        self.catch_up()?;
        let held = self.held(tenant, name);
        if let Some(file) = held.present().and_then(|state| state.file(base)) {
            return Ok(file);
        }
        let _making = held.making.lock().await;
        let this = self.clone();
        let held = held.clone();
        blocking(move || {
            let state = this.bring_up(&held)?;
            if let Some(file) = state.file(base) {
                return Ok(file);
            }
            let address = this.addresses.base(base, &held.name);
            let file = Arc::new(CatalogFile::render(held.tenant, &state.head, &address, state.plugins.values()));
            state.files.lock().insert(base, file.clone());
            this.make_room();
            Ok(file)
        })
        .await
    }

    /// The catalog's bytes for the canonical address. Blocking.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn canonical(&self, tenant: TenantId, name: &TenantName) -> Result<Arc<CatalogFile>, StoreError> {
        self.catch_up()?;
        let held = self.held(tenant, name);
        let _making = held.making.blocking_lock();
        let state = self.bring_up(&held)?;
        let base = BaseId::CANONICAL;
        if let Some(file) = state.file(base) {
            return Ok(file);
        }
        let address = self.addresses.base(base, &held.name);
        let file = Arc::new(CatalogFile::render(held.tenant, &state.head, &address, state.plugins.values()));
        state.files.lock().insert(base, file.clone());
        Ok(file)
    }

    /// The catalog as values.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn state(self: &Arc<Self>, tenant: TenantId, name: &TenantName) -> Result<Arc<State>, StoreError> {
        self.catch_up()?;
        let held = self.held(tenant, name);
        if let Some(state) = held.present() {
            return Ok(state);
        }
        let _making = held.making.lock().await;
        let this = self.clone();
        let held = held.clone();
        blocking(move || this.bring_up(&held)).await
    }

    /// Looks at what was committed since it was last called, and marks what it changes. Costs a comparison when nothing was.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn catch_up(&self) -> Result<Position, StoreError> {
        let newest = self.store.newest_position();
        let mut applied = self.applied.lock();
        while *applied < newest {
            let entries = self.store.outbox_since(*applied, ENTRIES_MAX)?;
            for entry in entries.iter().filter(|entry| entry.catalog) {
                self.mark(entry);
            }
            // Some positions are never used, so that the newest entry may lie before the newest position.
            *applied = match entries.last() {
                Some(last) if entries.len() == ENTRIES_MAX => last.position,
                Some(last) => last.position.max(newest),
                None => newest,
            };
        }
        Ok(*applied)
    }

    fn mark(&self, entry: &OutboxEntry) {
        let Some(held) = self.held.lock().get(&entry.tenant).cloned() else { return };
        let mut stale = held.stale.lock();
        match &entry.repository {
            Some(RepositoryName::Plugin(plugin)) => {
                stale.plugins.insert(plugin.clone());
            }
            _ => stale.all = true,
        }
    }

    /// Makes anew what is held and lacks something, so that the next request finds it ready. Blocking.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn renew(&self) -> Result<(), StoreError> {
        self.catch_up()?;
        let all: Vec<Arc<Held>> = self.held.lock().values().cloned().collect();
        for held in all {
            if held.state.lock().is_none() || held.stale.lock().is_clean() {
                continue;
            }
            let _making = held.making.blocking_lock();
            let bases: Vec<BaseId> = match &*held.state.lock() {
                Some(state) => state.files.lock().keys().copied().collect(),
                None => Vec::new(),
            };
            let state = self.bring_up(&held)?;
            for base in bases {
                let address = self.addresses.base(base, &held.name);
                let file = CatalogFile::render(held.tenant, &state.head, &address, state.plugins.values());
                state.files.lock().entry(base).or_insert_with(|| Arc::new(file));
            }
        }
        Ok(())
    }

    fn held(&self, tenant: TenantId, name: &TenantName) -> Arc<Held> {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut all = self.held.lock();
        let held = all.entry(tenant).or_insert_with(|| {
            Arc::new(Held {
                tenant,
                name: name.clone(),
                stale: Mutex::new(Stale { all: true, plugins: BTreeSet::new() }),
                state: Mutex::new(None),
                making: tokio::sync::Mutex::new(()),
                used: AtomicU64::new(used),
            })
        });
        held.used.store(used, Ordering::Relaxed);
        held.clone()
    }

    /// The state that lacks nothing that was marked before the call. The caller holds `making`.
    fn bring_up(&self, held: &Held) -> Result<Arc<State>, StoreError> {
        // Taken before the database is read: what is committed meanwhile is marked again and read again.
        let stale = std::mem::take(&mut *held.stale.lock());
        let before = held.state.lock().clone();
        let made = match before {
            Some(state) if stale.is_clean() => return Ok(state),
            Some(state) if !stale.all => self.changed(held, &state, &stale.plugins),
            _ => self.whole(held),
        };
        match made {
            Ok(state) => {
                let state = Arc::new(state);
                *held.state.lock() = Some(state.clone());
                Ok(state)
            }
            Err(error) => {
                let mut now = held.stale.lock();
                now.all |= stale.all;
                now.plugins.extend(stale.plugins);
                Err(error)
            }
        }
    }

    fn whole(&self, held: &Held) -> Result<State, StoreError> {
        let registry = self.store.registry(held.tenant)?;
        let mut plugins = BTreeMap::new();
        self.store.latest_releases(held.tenant, |release| {
            plugins.insert(release.plugin.clone(), Arc::new(Listed::of(release)));
        })?;
        let (title, description) = match &registry {
            Some(state) => (state.registry.title.clone(), state.registry.description.clone()),
            None => (String::new(), String::new()),
        };
        Ok(State::new(Head { tenant: held.name.clone(), title, description }, plugins))
    }

    fn changed(&self, held: &Held, before: &State, changed: &BTreeSet<PluginName>) -> Result<State, StoreError> {
        let mut plugins = before.plugins.clone();
        for plugin in changed {
            match self.store.latest_release(held.tenant, plugin)? {
                Some(release) => plugins.insert(plugin.clone(), Arc::new(Listed::of(release))),
                None => plugins.remove(plugin),
            };
        }
        Ok(State::new(before.head.clone(), plugins))
    }

    /// Lets go of the states used longest ago when all together weigh too much.
    fn make_room(&self) {
        let mut all = self.held.lock();
        let weigh = |held: &Held| held.state.lock().as_ref().map_or(0, |state| state.bytes());
        let mut by_age: Vec<(u64, TenantId, usize)> =
            all.iter().map(|(id, held)| (held.used.load(Ordering::Relaxed), *id, weigh(held))).collect();
        let mut total: usize = by_age.iter().map(|(_, _, bytes)| bytes + 256).sum();
        by_age.sort_unstable_by_key(|(used, _, _)| *used);
        // The newest stays, however large it is.
        by_age.pop();
        for (_, tenant, bytes) in by_age {
            if total <= HELD_BYTES_MAX {
                break;
            }
            all.remove(&tenant);
            total -= bytes + 256;
        }
    }
}

impl Held {
    /// The state, if it lacks nothing.
    fn present(&self) -> Option<Arc<State>> {
        if !self.stale.lock().is_clean() {
            return None;
        }
        self.state.lock().clone()
    }
}

impl State {
    fn new(head: Head, plugins: BTreeMap<PluginName, Arc<Listed>>) -> Self {
        let listing_characters = plugins.values().map(|listed| u64::from(listed.listing_characters)).sum();
        let weight = plugins.values().map(|listed| listed.bytes()).sum();
        Self { head, plugins, listing_characters, files: Mutex::new(HashMap::new()), weight }
    }

    fn file(&self, base: BaseId) -> Option<Arc<CatalogFile>> {
        self.files.lock().get(&base).cloned()
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        self.weight + self.files.lock().values().map(|file| file.weight()).sum::<usize>()
    }
}

/// Renews catalogs after each commit. What is not held is made from the database when it is asked for, so that nothing is
/// owed from before the start; and a request that comes before the follower does its work itself.
pub struct CatalogFollower(pub Arc<Catalogs>);

impl Follower for CatalogFollower {
    fn name(&self) -> &'static str {
        "catalog"
    }

    fn gathering(&self) -> Duration {
        Duration::from_millis(5)
    }

    fn keep_up(&mut self, _entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        self.0.renew().map_err(FollowerError::at("renew", "the catalogs"))
    }

    fn check(&mut self) -> Result<Progress, FollowerError> {
        Ok(Progress::Done)
    }
}

/// Runs what waits for the disk or takes long off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_stopping) => Err(StoreError::Closed),
    }
}
