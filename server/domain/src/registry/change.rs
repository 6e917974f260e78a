//! What a new state of `registry.git` may not do to the one before.

use super::Registry;
use super::read::other_tenant;
use crate::gate::Finding;
use crate::names::TenantId;

/// Judges a state that was read against what it would replace. `tenant` is the id of the genesis leaf.
///
/// That somebody stays an admin is a rule of [`Registry::read`], for the first state as for any later one.
pub fn judge_change(tenant: TenantId, new: &Registry) -> Vec<Finding> {
    if new.tenant == tenant { Vec::new() } else { vec![other_tenant(tenant)] }
}
