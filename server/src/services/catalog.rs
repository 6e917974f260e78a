//! The catalog for those who may read it.

use std::sync::Arc;

use skill_pool_domain::access::{Granted, ReadTenant};
use skill_pool_domain::address::BaseId;

use crate::store::StoreError;

pub use crate::followers::catalog::{CatalogFile, Catalogs, Counts, Listed, State, reach_of};

/// `marketplace.json` for one address of the tenant, with everything that was acknowledged before the call.
///
/// # Errors
/// When the database cannot be read.
pub async fn file(
    catalogs: &Arc<Catalogs>,
    proof: &Granted<ReadTenant>,
    base: BaseId,
) -> Result<Arc<CatalogFile>, StoreError> {
    catalogs.file(proof.tenant(), proof.tenant_name(), base).await
}

/// The catalog as values.
///
/// # Errors
/// As `file`.
pub async fn state(catalogs: &Arc<Catalogs>, proof: &Granted<ReadTenant>) -> Result<Arc<State>, StoreError> {
    catalogs.state(proof.tenant(), proof.tenant_name()).await
}
