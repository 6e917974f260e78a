//! What the web room stands on: made once by `app`, handed to every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skill_pool_domain::access::{Caller, Tenant};
use skill_pool_domain::address::Addresses;
use skill_pool_domain::names::TenantName;
use skill_pool_domain::token::TokenHash;

use super::peer::TrustedProxies;
use super::portal::render::Templates;
use crate::services::archives::Archives;
use crate::services::catalog::Catalogs;
use crate::services::files::Files;
use crate::services::git::Git;
use crate::services::limits::Limiter;
use crate::services::releases::Releases;
use crate::services::sessions::Sessions;

/// See the module.
pub struct Site {
    /// Under which addresses the registry answers.
    pub addresses: Arc<Addresses>,
    /// Whose forwarded headers count.
    pub proxies: TrustedProxies,
    /// Tenants and credentials, from memory.
    pub directory: Arc<dyn Directory>,
    /// What was released.
    pub releases: Releases,
    /// `marketplace.json` and what pages list.
    pub catalogs: Arc<Catalogs>,
    /// Releases as zip.
    pub archives: Arc<Archives>,
    /// Files of commits.
    pub files: Files,
    /// People who signed in.
    pub sessions: Sessions,
    /// Repositories, served.
    pub git: Arc<Git>,
    /// Who asks too much.
    pub limits: Limiter,
    /// How pages look.
    pub templates: Templates,
    /// For an answer that is not a stream.
    pub request_time_max: Duration,
    /// Set when the server stops, so that a balancer sends nobody any more.
    pub stopping: AtomicBool,
}

impl Site {
    /// False once the server stops.
    pub fn is_serving(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }
}

/// Who is there. Answers come from memory: every request asks.
pub trait Directory: Send + Sync {
    /// The tenant of this name, unless there is none or it is disabled.
    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>>;
    /// Whom a token shows, by its text as sent.
    fn caller(&self, token: &str) -> Caller;
    /// The hash of a token's text; `None` when the text is no token.
    fn token_hash(&self, token: &str) -> Option<TokenHash>;
    /// Whom a token shows, by its hash, which is all that a session keeps.
    fn caller_by_hash(&self, token: &TokenHash) -> Caller;
}
