//! Nonces of push certificates that were used.

use rusqlite::{Connection, params};
use skill_pool_domain::names::TenantId;
use skill_pool_domain::timestamp::Timestamp;

/// How long a spent nonce is remembered. Its own checks let none live so long, clocks that differ included.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// Rows that one commit clears away at most.
const PRUNED_MAX: i64 = 64;

/// Spends a nonce. False when it was spent before.
pub(super) fn spend(connection: &Connection, tenant: TenantId, nonce: &str, at: Timestamp) -> rusqlite::Result<bool> {
    let mut old = connection.prepare_cached(
        "DELETE FROM nonces WHERE (tenant, nonce) IN
         (SELECT tenant, nonce FROM nonces WHERE spent_at_ms < ?1 ORDER BY spent_at_ms LIMIT ?2)",
    )?;
    old.execute(params![at.0.saturating_sub(REMEMBERED_MS), PRUNED_MAX])?;
    let mut statement = connection
        .prepare_cached("INSERT INTO nonces (tenant, nonce, spent_at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    Ok(statement.execute(params![tenant.0.as_bytes(), nonce, at.0])? == 1)
}
