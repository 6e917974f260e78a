//! What the web room stands on: made once by `app`, handed to every request.

use std::sync::Arc;
use std::time::Duration;

use skill_pool_domain::access::{Caller, Tenant};
use skill_pool_domain::address::Addresses;
use skill_pool_domain::names::TenantName;
use skill_pool_domain::token::TokenHash;

use super::peer::TrustedProxies;
use super::session::Sessions;

/// See the module.
pub struct Site {
    /// Under which addresses the registry answers.
    pub addresses: Addresses,
    /// Whose forwarded headers count.
    pub proxies: TrustedProxies,
    /// Tenants and credentials, from memory.
    pub directory: Arc<dyn Directory>,
    /// People who signed in.
    pub sessions: Sessions,
    /// For an answer that is not a stream.
    pub request_time_max: Duration,
}

/// Who is there. Answers come from memory: every request asks.
pub trait Directory: Send + Sync {
    /// The tenant of this name, unless there is none or it is disabled.
    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>>;
    /// Whom a token shows, by its text as sent.
    fn caller(&self, token: &str) -> Caller;
    /// Whom a token shows, by its hash, which is all that a session keeps.
    fn caller_by_hash(&self, token: &TokenHash) -> Caller;
}
