//! Sessions of people who signed in to the portal with a token.
//!
//! A session keeps the token's hash and asks anew at every request what that token may do, so that revoking the token, or a
//! change of its owner's role, acts at once. Sessions live in memory: a restart asks people to sign in again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use skill_pool_domain::digest::{Sha256, hex, unhex};
use skill_pool_domain::names::TenantId;
use skill_pool_domain::token::TokenHash;

use crate::keys::{KeysError, random_bytes};

/// A session ends when nobody used it for so long.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// A session ends after so long in any case.
pub const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions of one token; the least recently used ones make room.
const PER_TOKEN_MAX: usize = 16;
/// Sessions in all: 100,000 of them take about 16 MB.
const SESSIONS_MAX: usize = 100_000;

/// What the browser holds: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// A new id.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, KeysError> {
        Ok(Self(random_bytes()?))
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(unhex(text)?.try_into().ok()?))
    }

    /// The cookie's value.
    pub fn expose(&self) -> String {
        hex(&self.0)
    }

    /// What is kept in place of the id, so that a look into memory opens no session.
    fn key(&self) -> Sha256 {
        Sha256::of(&self.0)
    }
}

struct Session {
    tenant: TenantId,
    token: TokenHash,
    started: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) > IDLE_MAX || now.saturating_duration_since(self.started) > AGE_MAX
    }
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    by_key: Mutex<HashMap<Sha256, Session>>,
}

impl Sessions {
    /// Begins a session.
    pub fn begin(&self, id: &SessionId, tenant: TenantId, token: TokenHash, now: Instant) {
        let mut sessions = self.by_key.lock();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| !session.is_over(now));
        }
        let least_used = |sessions: &HashMap<Sha256, Session>, of_token: Option<&TokenHash>| {
            let mine = sessions.iter().filter(|(_, session)| of_token.is_none_or(|token| session.token == *token));
            mine.min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        };
        let of_token = sessions.values().filter(|session| session.token == token).count();
        let victim = if of_token >= PER_TOKEN_MAX {
            least_used(&sessions, Some(&token))
        } else if sessions.len() >= SESSIONS_MAX {
            least_used(&sessions, None)
        } else {
            None
        };
        if let Some(key) = victim {
            sessions.remove(&key);
        }
        sessions.insert(id.key(), Session { tenant, token, started: now, used: now });
    }

    /// The token behind a session of `tenant`; `None` when there is none or it is over.
    pub fn token(&self, id: &SessionId, tenant: TenantId, now: Instant) -> Option<TokenHash> {
        let key = id.key();
        let mut sessions = self.by_key.lock();
        let session = sessions.get_mut(&key).filter(|session| session.tenant == tenant)?;
        if session.is_over(now) {
            sessions.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.token)
    }

    /// Ends a session.
    pub fn end(&self, id: &SessionId) {
        self.by_key.lock().remove(&id.key());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u8) -> TenantId {
        TenantId(uuid::Uuid::from_bytes([n; 16]))
    }

    fn id(n: u8) -> SessionId {
        SessionId([n; 32])
    }

    #[test]
    fn a_session_opens_its_tenant_until_it_ends() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let token = TokenHash([7; 32]);
        sessions.begin(&id(1), tenant(1), token, start);
        assert_eq!(sessions.token(&id(1), tenant(1), start), Some(token));
        assert_eq!(sessions.token(&id(1), tenant(2), start), None, "a session of one tenant is none of another");
        assert_eq!(sessions.token(&id(2), tenant(1), start), None);
        sessions.end(&id(1));
        assert_eq!(sessions.token(&id(1), tenant(1), start), None);
    }

    #[test]
    fn a_session_ends_when_idle_and_when_old() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let hours = |n: u64| start + Duration::from_secs(n * 3600);
        sessions.begin(&id(1), tenant(1), TokenHash([7; 32]), start);
        for n in 1..=16 {
            assert!(sessions.token(&id(1), tenant(1), hours(n * 10)).is_some(), "{n}");
        }
        assert!(sessions.token(&id(1), tenant(1), hours(169)).is_none(), "seven days");
        sessions.begin(&id(2), tenant(1), TokenHash([7; 32]), start);
        assert!(sessions.token(&id(2), tenant(1), hours(13)).is_none(), "twelve hours idle");
    }

    #[test]
    fn a_token_holds_a_bounded_number_of_sessions() {
        let sessions = Sessions::default();
        let start = Instant::now();
        for n in 0..20 {
            let now = start + Duration::from_secs(n.into());
            sessions.begin(&id(n), tenant(1), TokenHash([7; 32]), now);
        }
        assert_eq!(sessions.by_key.lock().len(), PER_TOKEN_MAX);
        assert!(sessions.token(&id(19), tenant(1), start).is_some());
        assert!(sessions.token(&id(0), tenant(1), start).is_none());
    }
}
