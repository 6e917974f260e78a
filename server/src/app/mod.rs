//! Opens everything once, hands it down, and shuts it down in order.
//!
//! [`App::open`] takes the data folder and opens keys, database, repositories and services: enough for verbs that run
//! alone. [`App::serve`] adds followers, listeners and the admin socket, and returns when it was told to stop and
//! everything under way is done.

mod directory;
pub mod listener;
pub mod lock;
mod paced;
mod signals;
mod start_error;
mod tls;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use skill_pool_domain::address::Addresses;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::maintain::MaintainOptions;
use skill_pool_git::repo::{RepoCache, RepoOptions};
use skill_pool_git::upload::{CacheOptions, Fetcher};
use tokio_util::task::TaskTracker;

use crate::admin::socket::AdminSocket;
use crate::admin::{Outcome, Verb, Workshop};
use crate::config::{Config, Rate};
use crate::followers::catalog::CatalogFollower;
use crate::followers::marketplace::{MarketplaceFollower, Marketplaces};
use crate::followers::{DiskRefs, Follower, Followers, LogGit, Packs};
use crate::keys::{Keys, WhenAbsent};
use crate::observe::metrics::Metrics;
use crate::services::archives::Archives;
use crate::services::catalog::Catalogs;
use crate::services::credentials::Credentials;
use crate::services::door::Door;
use crate::services::files::Files;
use crate::services::git::{Git, GitParts};
use crate::services::limits::{Budget, Limiter, LimiterOptions};
use crate::services::releases::Releases;
use crate::services::sessions::Sessions;
use crate::services::{Services, TokenLifetimes};
use crate::store::{DataFolder, Store, StoreOptions};
use crate::web::peer::TrustedProxies;
use crate::web::portal::render::Templates;
use crate::web::router::router;
use crate::web::site::Site;

use directory::Services as Directory;
use listener::{Listener, ListenerLimits};
use lock::FolderLock;
use tls::Tls;

pub use signals::StopSignals;
pub use start_error::StartError;
pub use tls::TlsError;

/// Repositories that are held open.
const REPOSITORIES_OPEN_MAX: usize = 512;

/// An opened data folder.
pub struct App {
    config: Config,
    data: DataFolder,
    keys: Arc<Keys>,
    repositories: Arc<RepoCache>,
    services: Arc<Services>,
    /// Given back last.
    _lock: FolderLock,
}

/// The present time.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Raises this process's limit of open files as far as the system allows: each connection is one.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

impl App {
    /// Takes the data folder, makes it on the first start, and opens what is in it. `purpose` is what others are told who
    /// want it meanwhile, such as `serve`.
    ///
    /// # Errors
    /// [`StartError`], in words for the operator.
    pub fn open(config: Config, purpose: &str) -> Result<Self, StartError> {
        let data = DataFolder::new(&config.server.data);
        let lock = FolderLock::take(data.root(), purpose)?;
        let when_absent = if data.database().exists() { WhenAbsent::Refuse } else { WhenAbsent::Make };
        let keys = Arc::new(Keys::open(&data.keys(), when_absent)?);
        let options = StoreOptions {
            refs_per_repository_max: u64::from(config.push.refs_max),
            repositories_per_tenant_max: u64::from(config.push.repositories_max),
            ..StoreOptions::default()
        };
        let store = Arc::new(Store::open(&data, options, now())?);
        let repositories = Arc::new(RepoCache::new(RepoOptions::default(), REPOSITORIES_OPEN_MAX));
        let door = Arc::new(Door::new(
            store.clone(),
            repositories.clone(),
            keys.clone(),
            data.clone(),
            config.receive_limits(),
            now,
        ));
        let credentials = Arc::new(Credentials::new(store.clone(), keys.pepper(), now));
        let token_lifetimes = TokenLifetimes { usual: config.tokens.lifetime.0, max: config.tokens.lifetime_max.0 };
        let services = Arc::new(Services {
            store,
            data: data.clone(),
            repositories: repositories.clone(),
            door,
            credentials,
            token_lifetimes,
            clock: now,
        });
        Ok(Self { config, data, keys, repositories, services, _lock: lock })
    }

    /// The configuration that it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The verbs of the product.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The secrets.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Carries a verb out. Blocking.
    pub fn run(&self, verb: &Verb) -> Outcome {
        Workshop { services: &self.services, origin: self.config.origin().to_string() }.run(verb)
    }

    /// Takes the address of the public listener. With port 0 the system chooses one, and the origin follows it.
    ///
    /// # Errors
    /// [`StartError::Listen`] when the address is taken.
    pub fn bind(&mut self) -> Result<Listener, StartError> {
        let server = &mut self.config.server;
        let tls = match (&self.config.tls.certificate, &self.config.tls.key) {
            (Some(certificate), Some(key)) => Some(Arc::new(Tls::open(certificate, key)?)),
            _ => None,
        };
        let limits = &self.config.limits;
        let limits = ListenerLimits {
            header: self.config.timeouts.header.0,
            stalled: self.config.timeouts.stalled.0,
            connections_max: limits.connections as usize,
            connections_per_address_max: limits.connections_per_address as usize,
            exempt_loopback: limits.exempt_loopback,
        };
        let listen = |source| StartError::Listen { address: server.listen, what: "[server] listen", source };
        let listener = Listener::bind(server.listen, tls, limits).map_err(listen)?;
        server.listen = listener.address().map_err(listen)?;
        Ok(listener)
    }

    /// Serves until `stop`, then ends in order: no new connections, requests under way answered, followers caught up.
    /// `ready` is called once requests are answered.
    ///
    /// # Errors
    /// [`StartError`] when metrics or templates cannot be served; nothing was served then.
    pub async fn serve(
        self,
        listener: Listener,
        stop: impl Future<Output = ()>,
        ready: impl FnOnce(),
    ) -> Result<(), StartError> {
        let metrics = Arc::new(Metrics::default());
        let metrics_listener = self.bind_metrics()?;
        let addresses = Arc::new(self.config.addresses());
        let catalogs = Arc::new(Catalogs::new(Store::clone(&self.services.store), addresses.clone()));
        let marketplaces = Arc::new(Marketplaces::new(
            Store::clone(&self.services.store),
            self.data.clone(),
            self.repositories.clone(),
            catalogs.clone(),
        ));
        let site = Arc::new(self.site(addresses, catalogs.clone(), marketplaces.clone()));
        let app = Arc::new(self);
        let followers = Followers::start(&app.services.store, app.followers(catalogs, marketplaces))?;
        let tracker = TaskTracker::new();
        let admin = app.start_admin(&tracker);
        let metrics_task = metrics_listener.map(|listener| tokio::spawn(serve_metrics(listener, metrics.clone())));
        let hangups = tokio::spawn(listener.reload_certificates());
        tracing::info!(
            address = %app.config.server.listen,
            "serving {} on {}",
            app.config.origin(),
            app.config.server.listen
        );
        ready();
        let stopped = async {
            stop.await;
            tracing::info!("stopping: no new connections, requests under way are finished");
            site.stopping.store(true, Ordering::Relaxed);
        };
        let drain = app.config.timeouts.drain.0;
        listener.serve(router(site.clone()), metrics, stopped, drain).await;
        hangups.abort();
        if let Some(task) = metrics_task {
            task.abort();
        }
        if let Some(admin) = admin {
            admin.abort();
            let _ = admin.await;
        }
        tracker.close();
        let _ = tokio::time::timeout(drain, tracker.wait()).await;
        // Nothing is committed any more. What is still owed is done now, or by the next start.
        if tokio::time::timeout(drain, followers.stop()).await.is_err() {
            tracing::warn!("followers did not finish in time; they go on at the next start");
        }
        let store = app.services.store.clone();
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// What follows each commit.
    fn followers(&self, catalogs: Arc<Catalogs>, marketplaces: Arc<Marketplaces>) -> Vec<Box<dyn Follower>> {
        let store = Store::clone(&self.services.store);
        vec![
            Box::new(DiskRefs::new(store.clone(), self.data.clone())),
            Box::new(LogGit::new(store.clone(), self.data.clone(), self.repositories.clone())),
            Box::new(Packs::new(store, self.data.clone(), self.repositories.clone(), MaintainOptions::default())),
            Box::new(CatalogFollower(catalogs)),
            Box::new(MarketplaceFollower(marketplaces)),
        ]
    }

    fn bind_metrics(&self) -> Result<Option<Listener>, StartError> {
        let Some(address) = self.config.metrics.listen else { return Ok(None) };
        let limits = ListenerLimits {
            header: self.config.timeouts.header.0,
            stalled: self.config.timeouts.stalled.0,
            connections_max: 64,
            connections_per_address_max: 32,
            exempt_loopback: false,
        };
        let listener = Listener::bind(address, None, limits);
        listener.map(Some).map_err(|source| StartError::Listen { address, what: "[metrics] listen", source })
    }

    /// Puts together what the web room stands on.
    fn site(&self, addresses: Arc<Addresses>, catalogs: Arc<Catalogs>, marketplaces: Arc<Marketplaces>) -> Site {
        let fetch = &self.config.fetch;
        let fetcher = Fetcher::new(&CacheOptions {
            memory_bytes_max: usize::try_from(fetch.cache_memory_bytes.0).unwrap_or(usize::MAX),
            folder: (fetch.cache_disk_bytes.0 > 0).then(|| self.data.derived().join("fetches")),
            folder_bytes_max: fetch.cache_disk_bytes.0,
            ..CacheOptions::default()
        });
        let git = Git::new(GitParts {
            store: self.services.store.clone(),
            repositories: self.repositories.clone(),
            keys: self.keys.clone(),
            data: self.data.clone(),
            door: self.services.door.clone(),
            fetcher,
            marketplaces,
            limits: self.config.upload_limits(),
            clock: now,
        });
        let store = Store::clone(&self.services.store);
        let networks = self.config.proxy.trusted.iter().map(|network| (network.address(), network.prefix_bits()));
        Site {
            addresses,
            proxies: TrustedProxies::new(networks),
            directory: Arc::new(Directory(self.services.clone())),
            releases: Releases::new(store.clone()),
            catalogs,
            archives: Arc::new(Archives::new(store, self.repositories.clone(), self.data.clone())),
            files: Files::new(self.repositories.clone(), self.data.clone()),
            sessions: Sessions::default(),
            git: Arc::new(git),
            limits: Limiter::new(&limiter_options(&self.config)),
            templates: Templates::new(self.config.pages.templates.clone()),
            request_time_max: self.config.timeouts.request.0,
            stopping: false.into(),
        }
    }

    /// Opens the admin socket. A server without one serves all the same: verbs then wait until it stops.
    fn start_admin(self: &Arc<Self>, tracker: &TaskTracker) -> Option<tokio::task::JoinHandle<()>> {
        let socket = match AdminSocket::open(self.data.root(), &self.data.admin()) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(error = %error, "no admin socket: verbs cannot reach this server");
                return None;
            }
        };
        let app = self.clone();
        let run = Arc::new(move |verb: Verb| app.run(&verb));
        Some(tokio::spawn(socket.serve(run, tracker.clone())))
    }
}

/// The bounds per token and address, as the services take them.
fn limiter_options(config: &Config) -> LimiterOptions {
    let budget = |rate: Rate| match rate {
        Rate::Off => None,
        Rate::Per { count, period } => Some(Budget { count, period }),
    };
    let limits = &config.limits;
    LimiterOptions {
        requests_per_token: budget(limits.requests_per_token),
        requests_per_address: budget(limits.requests_per_address),
        failures_per_address: budget(limits.failures_per_address),
        fetches_at_once_per_address: limits.fetches_at_once_per_address,
        pushes_at_once_per_address: limits.pushes_at_once_per_address,
        exempt_loopback: limits.exempt_loopback,
    }
}

/// Answers `/metrics` for ever.
async fn serve_metrics(listener: Listener, metrics: Arc<Metrics>) {
    let shown = metrics.clone();
    let answer = move || async move {
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(http::header::CONTENT_TYPE, content_type)], shown.text())
    };
    let router = Router::new().route("/metrics", axum::routing::get(answer));
    let own = Arc::new(Metrics::default());
    listener.serve(router, own, std::future::pending(), std::time::Duration::ZERO).await;
}
