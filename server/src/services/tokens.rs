//! Making, listing and revoking tokens.

use std::time::Duration;

use skill_pool_domain::access::{Administer, Granted, Holder, OwnTokens, Scopes};
use skill_pool_domain::names::{MemberId, TenantId};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::token::{Token, TokenKind};
use uuid::Uuid;

use super::Services;
use super::faults::{internal, store_failed};
use crate::keys;
use crate::store::{NewToken, PAGE_ROWS_MAX, TokenId, TokenRecord};

/// The longest name of a token, in bytes.
const LABEL_BYTES_MAX: usize = 256;
/// The most tokens that one member has at once, so that a leaked token cannot fill the disk.
const GOOD_TOKENS_MAX: usize = 200;

/// How long tokens live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenLifetimes {
    /// Unless said otherwise.
    pub usual: Duration,
    /// At most.
    pub max: Duration,
}

/// A token that somebody asks for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// For a person or for a machine.
    pub kind: TokenKind,
    /// What it may be used for.
    pub scopes: Scopes,
    /// What its owner calls it.
    pub label: String,
    /// How long it is good; `None` for the usual time.
    pub lifetime: Option<Duration>,
}

/// A token just made. Its text is nowhere else.
#[derive(Debug)]
pub struct MadeToken {
    /// The text, to be shown once.
    pub token: Token,
    /// Its id.
    pub id: TokenId,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl Services {
    /// Makes a token of one's own: within the power of the token that it is asked with.
    ///
    /// # Errors
    /// A refusal when it would be able to do more, live longer than allowed, or be one too many.
    pub fn make_own_token(&self, proof: &Granted<OwnTokens>, request: &TokenRequest) -> Result<MadeToken, Refusal> {
        let Some(member) = proof.member() else {
            return Err(Refusal::new("not-a-member", "strangers have no tokens", "sign in"));
        };
        let power = match proof.holder() {
            Holder::Member { power, .. } => *power,
            Holder::Stranger | Holder::Operator { .. } => proof.role().scopes(),
        };
        let words = format!("the token that this is asked with has `{power}`");
        self.make_token(proof.tenant(), member, Some(member), request, (power, words))
    }

    /// Makes a token for a member: within that member's role.
    ///
    /// # Errors
    /// A refusal when there is no such member, and as [`Services::make_own_token`].
    pub fn make_token_for(
        &self,
        proof: &Granted<Administer>,
        member: &MemberId,
        request: &TokenRequest,
    ) -> Result<MadeToken, Refusal> {
        let registry = self.registry_of(proof.tenant())?;
        let Some(found) = registry.members.get(member) else {
            let near =
                skill_pool_domain::nearest::nearest(member.as_str(), registry.members.keys().map(MemberId::as_str));
            let remedy = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("skill-pool-server member add {member} --role reader --tenant {}", proof.tenant_name()),
            };
            return Err(Refusal::new("no-such-member", format!("there is no member `{member}`"), remedy));
        };
        let words = format!("`{member}` is a `{}`", found.role);
        let by = match proof.holder() {
            Holder::Operator { .. } | Holder::Stranger => None,
            Holder::Member { id, .. } => Some(id),
        };
        self.make_token(proof.tenant(), member, by, request, (found.role.scopes(), words))
    }

    fn make_token(
        &self,
        tenant: TenantId,
        member: &MemberId,
        by: Option<&MemberId>,
        request: &TokenRequest,
        (power, words): (Scopes, String),
    ) -> Result<MadeToken, Refusal> {
        if request.scopes.is_empty() {
            return Err(Refusal::new("no-scopes", "a token has at least one scope", "add --scope read"));
        }
        if !request.scopes.within(power) {
            let message = format!("a token with `{}` could do more than its owner: {words}", request.scopes);
            let remedy = format!("ask for the scopes that are within reach: {}", request.scopes.meet(power));
            return Err(Refusal::new("scope-beyond-role", message, remedy));
        }
        if request.label.len() > LABEL_BYTES_MAX || request.label.chars().any(char::is_control) {
            let message = format!("a token's name is one line of at most {LABEL_BYTES_MAX} bytes");
            return Err(Refusal::new("token-name", message, "choose a shorter name"));
        }
        let lifetimes = self.token_lifetimes;
        let lifetime = request.lifetime.unwrap_or(lifetimes.usual);
        if lifetime > lifetimes.max || lifetime.is_zero() {
            let days = lifetimes.max.as_secs() / 86_400;
            let message = format!("a token lives at most {days} days");
            return Err(Refusal::new("token-lifetime", message, format!("--expires {days}d")));
        }
        let now = (self.clock)();
        let good = self.tokens_of(tenant, Some(member))?.iter().filter(|token| token.is_good(now)).count();
        if good >= GOOD_TOKENS_MAX {
            let message = format!("`{member}` has {good} tokens already");
            return Err(Refusal::new("too-many-tokens", message, "revoke those that are not in use"));
        }
        let token = keys::new_token(request.kind).map_err(|error| internal("could not make a token", &error))?;
        let expires_at = now.plus_ms(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
        let id = TokenId(Uuid::now_v7());
        let new = NewToken {
            token: id,
            tenant,
            member: member.clone(),
            hash: self.credentials.hash(&token),
            last_four: token.last_four().to_owned(),
            label: request.label.clone(),
            scopes: request.scopes,
            created_at: now,
            created_by: by.cloned(),
            expires_at: Some(expires_at),
        };
        self.store.create_token(new).map_err(|error| store_failed("could not keep a token", &error))?;
        tracing::info!(tenant.id = %tenant, member = %member, token.id = %id.0, scopes = %request.scopes, "made a token");
        Ok(MadeToken { token, id, scopes: request.scopes, expires_at })
    }

    /// One's own tokens, the oldest first, revoked and expired ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn own_tokens(&self, proof: &Granted<OwnTokens>) -> Result<Vec<TokenRecord>, Refusal> {
        match proof.member() {
            Some(member) => self.tokens_of(proof.tenant(), Some(member)),
            None => Ok(Vec::new()),
        }
    }

    /// All tokens of the tenant, or those of one member, the oldest first, revoked and expired ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn all_tokens(
        &self,
        proof: &Granted<Administer>,
        member: Option<&MemberId>,
    ) -> Result<Vec<TokenRecord>, Refusal> {
        self.tokens_of(proof.tenant(), member)
    }

    fn tokens_of(&self, tenant: TenantId, member: Option<&MemberId>) -> Result<Vec<TokenRecord>, Refusal> {
        let mut all: Vec<TokenRecord> = Vec::new();
        loop {
            let after = all.last().map(|token| token.token);
            let page = self.store.tokens_by_id(tenant, member, after, PAGE_ROWS_MAX);
            let page = page.map_err(|error| store_failed("could not list tokens", &error))?;
            let is_last = page.len() < PAGE_ROWS_MAX;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Revokes one of one's own tokens, by its id or its last four characters. Acts at once.
    ///
    /// # Errors
    /// A refusal when there is none, or several have these last characters.
    pub fn revoke_own_token(&self, proof: &Granted<OwnTokens>, which: &str) -> Result<TokenRecord, Refusal> {
        let tokens = self.own_tokens(proof)?;
        self.revoke(proof.tenant(), proof.member(), tokens, which)
    }

    /// Revokes any token of the tenant, by its id or its last four characters. Acts at once.
    ///
    /// # Errors
    /// As [`Services::revoke_own_token`].
    pub fn revoke_token(&self, proof: &Granted<Administer>, which: &str) -> Result<TokenRecord, Refusal> {
        let tokens = self.tokens_of(proof.tenant(), None)?;
        self.revoke(proof.tenant(), proof.member(), tokens, which)
    }

    fn revoke(
        &self,
        tenant: TenantId,
        by: Option<&MemberId>,
        tokens: Vec<TokenRecord>,
        which: &str,
    ) -> Result<TokenRecord, Refusal> {
        let now = (self.clock)();
        let by_id = Uuid::try_parse(which).ok();
        let matches = |token: &TokenRecord| match by_id {
            Some(id) => token.token.0 == id,
            None => token.last_four == which && token.revoked_at.is_none(),
        };
        let mut found = tokens.into_iter().filter(matches);
        let (Some(token), None) = (found.next(), found.next()) else {
            let message = "no single token has this id or these last four characters";
            return Err(Refusal::new("no-such-token", message, "skill-pool-server token list shows the ids"));
        };
        let revoked = self.store.revoke_token(tenant, token.token, by, now);
        // Also after an error: the change may have been made all the same.
        self.credentials.forget();
        revoked.map_err(|error| store_failed("could not revoke a token", &error))?;
        tracing::info!(tenant.id = %tenant, member = %token.member, token.id = %token.token.0, "revoked a token");
        Ok(token)
    }
}
