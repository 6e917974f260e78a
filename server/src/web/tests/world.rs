//! A whole registry in a temporary folder behind the router, without a socket.
//!
//! Two private tenants, `acme` and `globex`, and a public one, `agora`; each has the member `mia`. Tokens are texts of the
//! form `<tenant>-<role>`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use skill_pool_domain::access::{Caller, Credential, Role, Scope, Scopes, Tenant};
use skill_pool_domain::address::{Addresses, Origin};
use skill_pool_domain::names::{MemberId, PluginName, RepositoryName, TenantId, TenantName};
use skill_pool_domain::registry::Visibility;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::token::TokenHash;
use skill_pool_domain::tree::Mode;
use skill_pool_git::limits::{ReceiveLimits, UploadLimits};
use skill_pool_git::repo::{RepoCache, RepoOptions};
use skill_pool_git::upload::{CacheOptions, Fetcher};
use tower::ServiceExt;

use crate::followers::marketplace::Marketplaces;
use crate::keys::{Keys, WhenAbsent};
use crate::services::archives::Archives;
use crate::services::catalog::Catalogs;
use crate::services::door::{Door, Edit, Edited, Entrance};
use crate::services::files::Files;
use crate::services::git::{Git, GitParts};
use crate::services::limits::{Limiter, LimiterOptions};
use crate::services::releases::Releases;
use crate::services::sessions::Sessions;
use crate::store::{DataFolder, Store, StoreOptions};
use crate::web::peer::TrustedProxies;
use crate::web::portal::render::Templates;
use crate::web::router::router;
use crate::web::site::{Directory, Site};

pub(super) struct World {
    pub(super) site: Arc<Site>,
    pub(super) store: Store,
    pub(super) door: Arc<Door>,
    pub(super) folder: tempfile::TempDir,
}

struct Table;

pub(super) fn tenant(name: &str) -> Option<Tenant> {
    let (n, visibility) = match name {
        "acme" => (1, Visibility::Private),
        "globex" => (2, Visibility::Private),
        "agora" => (3, Visibility::Public),
        _ => return None,
    };
    let id = TenantId(uuid::Uuid::from_bytes([n; 16]));
    Some(Tenant { id, name: TenantName::parse(name).expect("a name"), visibility })
}

impl Directory for Table {
    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        tenant(name.as_str()).map(Arc::new)
    }
    fn caller(&self, token: &str) -> Caller {
        let Some((name, role)) = token.split_once('-') else { return Caller::Unknown };
        let (Some(tenant), Ok(role)) = (tenant(name), role.parse::<Role>()) else { return Caller::Unknown };
        let member = MemberId::parse("mia").expect("a name");
        Caller::Member(Credential { tenant: tenant.id, member, role, scopes: Scopes::of(&Scope::ALL) })
    }
    fn token_hash(&self, token: &str) -> Option<TokenHash> {
        token_hash(token)
    }
    fn caller_by_hash(&self, token: &TokenHash) -> Caller {
        let text = std::str::from_utf8(&token.0).expect("a token of this test");
        self.caller(text.trim_end_matches('\0'))
    }
}

/// The text itself, which is short here.
pub(super) fn token_hash(token: &str) -> Option<TokenHash> {
    let mut hash = [0; 32];
    hash.get_mut(..token.len())?.copy_from_slice(token.as_bytes());
    Some(TokenHash(hash))
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_790_000_000)
}

impl World {
    pub(super) fn new() -> Self {
        off_the_runtime(Self::build)
    }

    fn build() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::new(folder.path());
        let store = Store::open(&data, StoreOptions::default(), now()).expect("a store");
        let keys = Arc::new(Keys::open(&data.keys(), WhenAbsent::Make).expect("keys"));
        let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 16));
        let shared = Arc::new(store.clone());
        let parts = (Arc::clone(&shared), Arc::clone(&repositories), Arc::clone(&keys), data.clone());
        let door = Arc::new(Door::new(parts.0, parts.1, parts.2, parts.3, ReceiveLimits::default(), now));
        let fetcher = Fetcher::new(&CacheOptions::default());
        let origin = |text| Origin::parse(text).expect("an origin");
        let addresses = Arc::new(Addresses::new(
            origin("https://pool.example.com"),
            [origin("http://10.0.0.5:8080")],
            [(origin("https://skills.globex.example"), TenantName::parse("globex").expect("a name"))],
            Some(origin("https://pool.example.com")),
            None,
        ));
        let catalogs = Arc::new(Catalogs::new(store.clone(), Arc::clone(&addresses)));
        let marketplaces =
            Arc::new(Marketplaces::new(store.clone(), data.clone(), Arc::clone(&repositories), Arc::clone(&catalogs)));
        let git = Arc::new(Git::new(GitParts {
            store: shared,
            repositories: Arc::clone(&repositories),
            keys,
            data: data.clone(),
            door: Arc::clone(&door),
            fetcher,
            marketplaces,
            limits: UploadLimits::default(),
            clock: now,
        }));
        let site = Arc::new(Site {
            addresses,
            proxies: TrustedProxies::default(),
            directory: Arc::new(Table),
            releases: Releases::new(store.clone()),
            catalogs,
            archives: Arc::new(Archives::new(store.clone(), Arc::clone(&repositories), data.clone())),
            files: Files::new(repositories, data),
            sessions: Sessions::default(),
            git,
            limits: Limiter::new(&LimiterOptions::default()),
            templates: Templates::new(None),
            request_time_max: Duration::from_secs(60),
            stopping: AtomicBool::new(false),
        });
        let world = Self { site, store, door, folder };
        for name in ["acme", "globex", "agora"] {
            world.found(name);
        }
        world
    }

    fn found(&self, name: &str) {
        let tenant = tenant(name).expect("a tenant");
        self.store.create_tenant(&tenant.name, tenant.id, now()).expect("a tenant");
        let visibility = if tenant.visibility == Visibility::Public { "public" } else { "private" };
        let registry = format!(
            "tenant = \"{}\"\ntitle = \"The {name} team\"\ndescription = \"What {name} shares\"\nvisibility = \"{visibility}\"\n",
            tenant.id
        );
        self.edit(name, "registry", &[("registry.toml", &registry), ("members/mia.toml", "role = \"admin\"\n")]);
    }

    /// Writes files into main of a repository, through the door.
    pub(super) fn edit(&self, tenant_name: &str, repository: &str, files: &[(&str, &str)]) -> Edited {
        let tenant = tenant(tenant_name).expect("a tenant");
        let name = RepositoryName::parse_path(repository).expect("a repository");
        let entrance = Entrance::of_registry_itself(tenant.id, tenant.name, name);
        let changes: BTreeMap<_, _> = files
            .iter()
            .map(|(path, content)| {
                let mode = if content.starts_with("#!") { Mode::Executable } else { Mode::File };
                ((*path).to_owned(), Some((mode, content.as_bytes().to_vec())))
            })
            .collect();
        let edit = Edit { entrance, message: "a change" };
        let edited = off_the_runtime(|| self.door.edit(&edit, |_| Ok(changes.clone())));
        edited.unwrap_or_else(|refusal| panic!("{refusal}: {}", refusal.remedy))
    }

    /// Publishes a version of a plugin with one skill.
    pub(super) fn publish(&self, tenant: &str, plugin: &str, version: &str) -> Edited {
        PluginName::parse(plugin).expect("a name");
        let manifest = format!(
            "{{\n  \"name\": \"{plugin}\",\n  \"version\": \"{version}\",\n  \"description\": \"Does {plugin} things\",\n  \
             \"author\": {{\"name\": \"Mia\"}},\n  \"license\": \"MIT\",\n  \"keywords\": [\"one\", \"two\"]\n}}\n"
        );
        let skill = format!("---\nname: {plugin}\ndescription: Use when you {plugin}\n---\nVersion {version}.\n");
        self.edit(
            tenant,
            &format!("plugins/{plugin}"),
            &[
                (".claude-plugin/plugin.json", &manifest),
                (&format!("skills/{plugin}/SKILL.md"), &skill),
                (&format!("skills/{plugin}/scripts/run.sh"), "#!/bin/sh\necho hello\n"),
                ("README.md", "# Read *me*\n\n<script>alert(1)</script>\n"),
            ],
        )
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        router(self.site.clone()).oneshot(request).await.expect("the router does not fail")
    }

    /// GET with a token (empty: none) and further headers.
    pub(super) async fn get(&self, path: &str, token: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::get(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }
}

/// Does what waits for the disk as the server does it: not on a thread that runs tasks.
fn off_the_runtime<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).expect("the work does not panic")
}

pub(super) async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.expect("a body").to_bytes()
}

pub(super) async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).expect("text")
}

pub(super) async fn json(response: Response<Body>) -> serde_json::Value {
    serde_json::from_slice(&bytes(response).await).expect("JSON")
}

pub(super) fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}
