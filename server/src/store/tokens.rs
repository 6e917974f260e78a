//! Tokens: what is known of each. Their text is kept nowhere.

use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::access::Scopes;
use skill_pool_domain::names::{MemberId, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::token::TokenHash;
use uuid::Uuid;

use super::error::is_taken;
use super::{Store, StoreError, sql};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A token's id, by which it is listed and revoked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenId(pub Uuid);

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub token: TokenId,
    /// The one tenant that it opens.
    pub tenant: TenantId,
    /// Its owner.
    pub member: MemberId,
    /// Keyed digest of its text.
    pub hash: TokenHash,
    /// The last four characters of its text, for people.
    pub last_four: String,
    /// What its owner calls it; at most 256 bytes.
    pub label: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it is made.
    pub created_at: Timestamp,
    /// Who made it; `None` for the operator.
    pub created_by: Option<MemberId>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
}

/// What is known of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRecord {
    /// Its id.
    pub token: TokenId,
    /// The one tenant that it opens.
    pub tenant: TenantId,
    /// Its owner.
    pub member: MemberId,
    /// The last four characters of its text.
    pub last_four: String,
    /// What its owner calls it.
    pub label: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; `None` for the operator.
    pub created_by: Option<MemberId>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// Since when it is revoked.
    pub revoked_at: Option<Timestamp>,
    /// The day of its last use (its start, UTC).
    pub last_used_on: Option<Timestamp>,
}

impl TokenRecord {
    /// True when it is neither revoked nor expired.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|until| now < until)
    }
}

const COLUMNS: &str =
    "SELECT token, tenant, member, last_four, label, scopes, created_at_ms, created_by, expires_at_ms,
    revoked_at_ms, last_used_day FROM tokens";

fn record(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    Ok(TokenRecord {
        token: TokenId(Uuid::from_bytes(row.get(0)?)),
        tenant: sql::tenant_id(row, 1)?,
        member: sql::parsed(row, 2)?,
        last_four: row.get(3)?,
        label: row.get(4)?,
        scopes: sql::read(row, 5, Scopes::parse)?,
        created_at: sql::time(row, 6)?,
        created_by: sql::parsed_option(row, 7)?,
        expires_at: sql::time_option(row, 8)?,
        revoked_at: sql::time_option(row, 9)?,
        last_used_on: row.get::<_, Option<i64>>(10)?.map(|day| Timestamp(day.saturating_mul(DAY_MS))),
    })
}

fn find(connection: &Connection, hash: &TokenHash) -> rusqlite::Result<Option<TokenRecord>> {
    let sql = format!("{COLUMNS} WHERE hash = ?1");
    connection.prepare_cached(&sql)?.query_row([hash.0], record).optional()
}

impl Store {
    /// Makes a token. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a token of this id or hash exists; [`StoreError::Absent`] when there is no such
    /// tenant.
    pub fn create_token(&self, token: NewToken) -> Result<(), StoreError> {
        self.write(move |batch| {
            let sql = "INSERT INTO tokens (tenant, token, member, hash, last_four, label, scopes, created_at_ms,
                       created_by, expires_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let row = params![
                token.tenant.0.as_bytes(),
                token.token.0.as_bytes(),
                token.member.as_str(),
                token.hash.0,
                token.last_four,
                token.label,
                token.scopes.to_string(),
                token.created_at.0,
                token.created_by.as_ref().map(MemberId::as_str),
                token.expires_at.map(|at| at.0),
            ];
            match batch.connection.execute(sql, row) {
                Ok(_) => Ok(()),
                Err(error) if is_taken(&error) => {
                    Err(StoreError::Conflict("such a token exists already, or there is no such tenant".to_owned()))
                }
                Err(error) => Err(StoreError::doing("make a token")(error)),
            }
        })
    }

    /// The token of that hash, good or not, of whichever tenant. What was revoked before the call is seen revoked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<TokenRecord>, StoreError> {
        self.read("look a token up", |connection| find(connection, hash))
    }

    /// A tenant's tokens by id, those of `member` if given, revoked ones included; those after `after`, at most `max`
    /// (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tokens_by_id(
        &self,
        tenant: TenantId,
        member: Option<&MemberId>,
        after: Option<TokenId>,
        max: usize,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let after = after.map_or(Uuid::nil(), |token| token.0);
        self.read("list tokens", |connection| {
            let sql = format!(
                "{COLUMNS} WHERE tenant = ?1 AND token > ?2 AND (?3 IS NULL OR member = ?3) ORDER BY token LIMIT ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let member = member.map(MemberId::as_str);
            let key = params![tenant.0.as_bytes(), after.as_bytes(), member, sql::page(max)];
            statement.query_map(key, record)?.collect()
        })
    }

    /// Revokes a token. From its return on no lookup shows it as good. Revoking twice keeps the first time.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when the tenant has no such token.
    pub fn revoke_token(
        &self,
        tenant: TenantId,
        token: TokenId,
        by: Option<&MemberId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let by = by.cloned();
        self.write(move |batch| {
            let sql =
                "UPDATE tokens SET revoked_at_ms = coalesce(revoked_at_ms, ?3), revoked_by = coalesce(revoked_by, ?4)
                       WHERE tenant = ?1 AND token = ?2";
            let row = params![tenant.0.as_bytes(), token.0.as_bytes(), at.0, by.as_ref().map(MemberId::as_str)];
            match batch.connection.execute(sql, row).map_err(StoreError::doing("revoke a token"))? {
                0 => Err(StoreError::Absent("token")),
                _ => Ok(()),
            }
        })
    }

    /// Remembers the day of a token's use, unless it is remembered already (see [`TokenRecord::last_used_on`]). Does not
    /// wait: it rides on a later transaction, and is lost when that fails.
    pub fn touch_token(&self, token: &TokenRecord, now: Timestamp) {
        let day = now.0.div_euclid(DAY_MS);
        if token.last_used_on.is_some_and(|on| on.0.div_euclid(DAY_MS) >= day) {
            return;
        }
        let (tenant, id) = (token.tenant, token.token);
        let (job, _) = super::Work::with_reply(move |batch: &mut super::Batch<'_>| {
            let sql = "UPDATE tokens SET last_used_day = ?3 WHERE tenant = ?1 AND token = ?2";
            let row = params![tenant.0.as_bytes(), id.0.as_bytes(), day];
            batch.connection.execute(sql, row).map(|_| ()).map_err(StoreError::doing("remember a token's use"))
        });
        self.inner.queue.push_if_room(job);
    }
}
