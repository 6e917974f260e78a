//! Whom a token shows. Every request asks, so good answers come from memory.
//!
//! In: a token's text, or its hash. Out: a [`Caller`] with the one tenant that the token opens and its owner's role at
//! this moment. Must hold: an answer never depends on the tenant that the request is about; revoking acts at once; what
//! is not found is looked up again each time, so that strangers cannot fill the memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use moka::sync::Cache;
use skill_pool_domain::access::{Caller, Credential, Scopes};
use skill_pool_domain::names::{MemberId, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::token::{Pepper, Token, TokenHash};

use super::Clock;
use crate::store::{Store, StoreError, TenantKey, TokenRecord};

/// Tokens that are remembered. One takes about 500 bytes.
const TOKENS_CACHED_MAX: u64 = 20_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Looks tokens up and remembers the good ones.
pub struct Credentials {
    store: Arc<Store>,
    pepper: Pepper,
    clock: Clock,
    known: Cache<TokenHash, Arc<Known>>,
    /// Raised by every change of a token. What was looked up before is looked up again.
    version: AtomicU64,
    derived: OnceLock<HashMap<TokenHash, DerivedToken>>,
}

/// A token that exists in no database: this installation derives it from its secret at every start.
#[derive(Clone, Debug)]
pub struct DerivedToken {
    /// The one tenant that it opens.
    pub tenant: TenantId,
    /// Its owner.
    pub member: MemberId,
    /// What it may be used for.
    pub scopes: Scopes,
}

struct Known {
    version: u64,
    record: TokenRecord,
    /// Day of the last use that was noted, since 1970.
    noted_day: AtomicI64,
}

impl Credentials {
    /// Looks tokens up in `store`, by their hashes under `pepper`.
    pub fn new(store: Arc<Store>, pepper: Pepper, clock: Clock) -> Self {
        let known = Cache::new(TOKENS_CACHED_MAX);
        Self { store, pepper, clock, known, version: AtomicU64::new(0), derived: OnceLock::new() }
    }

    /// Takes derived tokens in as well. For the demo, once, before it serves.
    pub fn derive(&self, tokens: impl IntoIterator<Item = (Token, DerivedToken)>) {
        let by_hash = tokens.into_iter().map(|(token, shown)| (token.hash(&self.pepper), shown)).collect();
        // A second call changes nothing: what was derived stays so.
        let _ = self.derived.set(by_hash);
    }

    /// What is stored in place of `token`.
    pub fn hash(&self, token: &Token) -> TokenHash {
        token.hash(&self.pepper)
    }

    /// Whom a token's text shows. [`Caller::Unknown`] for what is no token, costs nothing then.
    pub fn by_text(&self, text: &str) -> Caller {
        match Token::parse(text) {
            Ok(token) => self.by_hash(&token.hash(&self.pepper)),
            Err(_) => Caller::Unknown,
        }
    }

    /// Whom a token of this hash shows.
    pub fn by_hash(&self, hash: &TokenHash) -> Caller {
        let shown = match self.derived.get().and_then(|derived| derived.get(hash)) {
            Some(derived) => self.credential(derived.tenant, &derived.member, derived.scopes),
            None => self.look_up(hash),
        };
        match shown {
            Ok(Some(credential)) => Caller::Member(credential),
            Ok(None) => Caller::Unknown,
            Err(error) => {
                tracing::error!(error = %error, "a token could not be looked up, and counts as unknown");
                Caller::Unknown
            }
        }
    }

    /// Forgets what was looked up: a token was made or revoked.
    pub(super) fn forget(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn look_up(&self, hash: &TokenHash) -> Result<Option<Credential>, StoreError> {
        // Read before the database is: what changes meanwhile makes the answer stale at once.
        let version = self.version.load(Ordering::SeqCst);
        let known = match self.known.get(hash).filter(|known| known.version == version) {
            Some(known) => known,
            None => {
                let Some(record) = self.store.token_by_hash(hash)? else { return Ok(None) };
                let noted_day = AtomicI64::new(record.last_used_on.map_or(i64::MIN, day));
                let known = Arc::new(Known { version, record, noted_day });
                self.known.insert(*hash, known.clone());
                known
            }
        };
        let now = (self.clock)();
        let record = &known.record;
        if !record.is_good(now) {
            return Ok(None);
        }
        let credential = self.credential(record.tenant, &record.member, record.scopes)?;
        if credential.is_some() && known.noted_day.fetch_max(day(now), Ordering::Relaxed) < day(now) {
            self.store.touch_token(record, now);
        }
        Ok(credential)
    }

    /// The credential of a token whose owner is a member now, of a tenant that is not disabled.
    fn credential(
        &self,
        tenant: TenantId,
        member: &MemberId,
        scopes: Scopes,
    ) -> Result<Option<Credential>, StoreError> {
        let enabled = self.store.tenant(&TenantKey::Id(tenant))?.is_some_and(|record| record.disabled_at.is_none());
        let Some(state) = self.store.registry(tenant)?.filter(|_| enabled) else { return Ok(None) };
        let role = state.registry.members.get(member).map(|found| found.role);
        Ok(role.map(|role| Credential { tenant, member: member.clone(), role, scopes }))
    }
}

/// Days since 1970.
fn day(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}
