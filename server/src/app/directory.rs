//! Tenants and credentials for the web room.

use std::sync::Arc;

use skill_pool_domain::access::{Caller, Tenant};
use skill_pool_domain::names::TenantName;
use skill_pool_domain::token::{Token, TokenHash};

use crate::services;
use crate::web::site::Directory;

/// Answers from the services.
pub(super) struct Services(pub(super) Arc<services::Services>);

impl Directory for Services {
    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        // What cannot be read counts as absent; the service has logged why.
        self.0.tenant(name).ok().flatten().map(Arc::new)
    }

    fn caller(&self, token: &str) -> Caller {
        self.0.credentials.by_text(token)
    }

    fn token_hash(&self, token: &str) -> Option<TokenHash> {
        Token::parse(token).ok().map(|token| self.0.credentials.hash(&token))
    }

    fn caller_by_hash(&self, token: &TokenHash) -> Caller {
        self.0.credentials.by_hash(token)
    }
}
