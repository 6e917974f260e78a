//! What leaves name by digest: certificates, gate reports, capability lists.

use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, TenantId};

use super::{Store, StoreError, sql};

/// The longest piece of evidence, in bytes.
pub(super) const EVIDENCE_BYTES_MAX: usize = 1024 * 1024;

/// Which digest of a leaf a piece of evidence belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EvidenceKind {
    /// A push certificate with its signature; the digest is of the signed text alone.
    Certificate,
    /// A gate report.
    Gate,
    /// A capability list.
    Capabilities,
}

impl EvidenceKind {
    fn number(self) -> i64 {
        match self {
            Self::Certificate => 1,
            Self::Gate => 2,
            Self::Capabilities => 3,
        }
    }
}

/// Keeps evidence, unless it is there already.
pub(super) fn put(
    connection: &Connection,
    tenant: TenantId,
    kind: EvidenceKind,
    digest: &Sha256,
    leaf: LeafIndex,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO evidence (tenant, kind, digest, leaf, bytes) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?;
    statement.execute(params![tenant.0.as_bytes(), kind.number(), digest.0, sql::int(leaf.0), bytes])?;
    Ok(())
}

impl Store {
    /// The evidence that a leaf names; `None` when there is none of that digest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn evidence(
        &self,
        tenant: TenantId,
        kind: EvidenceKind,
        digest: &Sha256,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("read evidence", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT bytes FROM evidence WHERE tenant = ?1 AND kind = ?2 AND digest = ?3")?;
            let key = params![tenant.0.as_bytes(), kind.number(), digest.0];
            statement.query_row(key, |row| row.get(0)).optional()
        })
    }
}
