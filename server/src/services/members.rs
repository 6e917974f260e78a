//! Who belongs to a tenant. Every change is a commit to `registry.git` through the door.

use std::collections::BTreeMap;
use std::sync::Arc;

use skill_pool_domain::access::{Administer, Granted, ReadTenant, Role};
use skill_pool_domain::names::{MemberId, TenantId};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::{
    Changes, Member, Registry, Visibility, with_member, with_visibility, without_member,
};
use skill_pool_domain::tree::{Mode, Tree};

use super::Services;
use super::door::{Edit, Edited, Entrance};
use super::faults::{internal, store_failed};

impl Services {
    /// What the tenant's `registry.git` says now.
    ///
    /// # Errors
    /// When the database cannot be read, or the tenant was not finished when it was made.
    pub fn registry_of(&self, tenant: TenantId) -> Result<Arc<Registry>, Refusal> {
        let state = self.store.registry(tenant).map_err(|error| store_failed("could not read a registry", &error))?;
        let unfinished = || {
            let remedy = "run the same command again: skill-pool-server tenant create <name> --admin <id>";
            Refusal::new("tenant-unfinished", "this tenant has no registry.git: making it was cut off", remedy)
        };
        Ok(state.ok_or_else(unfinished)?.registry.clone())
    }

    /// All members, by id.
    ///
    /// # Errors
    /// As [`Services::registry_of`].
    pub fn members(&self, proof: &Granted<ReadTenant>) -> Result<BTreeMap<MemberId, Member>, Refusal> {
        Ok(self.registry_of(proof.tenant())?.members.clone())
    }

    /// Gives a member, new or old, a role.
    ///
    /// # Errors
    /// A refusal when the last admin would stop being one, or of the door.
    pub fn set_member(&self, proof: &Granted<Administer>, id: &MemberId, role: Role) -> Result<Edited, Refusal> {
        let message = format!("members: {id} is a {role}");
        self.edit_registry(proof, &message, |tree, registry| with_member(tree, registry, id, role))
    }

    /// Removes a member with their keys. Their tokens open nothing from then on.
    ///
    /// # Errors
    /// A refusal when there is no such member or it is the last admin, or of the door.
    pub fn remove_member(&self, proof: &Granted<Administer>, id: &MemberId) -> Result<Edited, Refusal> {
        let message = format!("members: {id} leaves");
        self.edit_registry(proof, &message, |tree, registry| without_member(tree, registry, id))
    }

    /// Says who may read the tenant.
    ///
    /// # Errors
    /// Of the door.
    pub fn set_visibility(&self, proof: &Granted<Administer>, visibility: Visibility) -> Result<Edited, Refusal> {
        let message = super::publish::visibility_subject(visibility);
        self.edit_registry(proof, &message, |tree, registry| Ok(with_visibility(tree, registry, visibility)))
    }

    /// Changes files of `registry.git` by a commit. `change` may be asked again when somebody else was faster.
    pub(super) fn edit_registry<A>(
        &self,
        proof: &Granted<A>,
        message: &str,
        mut change: impl FnMut(&Tree, &Registry) -> Result<Changes, Refusal>,
    ) -> Result<Edited, Refusal> {
        let edit = Edit { entrance: Entrance::to_registry(proof), message };
        self.door.edit(&edit, |tree| {
            let registry = Registry::read(tree).map_err(|findings| {
                let first = findings.first().map(|f| f.message.clone()).unwrap_or_default();
                internal("registry.git is not as the registry accepted it", &std::io::Error::other(first))
            })?;
            Ok(with_modes(change(tree, &registry)?))
        })
    }
}

/// Files of the registry are plain files.
pub(super) fn with_modes(changes: Changes) -> BTreeMap<String, Option<(Mode, Vec<u8>)>> {
    changes.into_iter().map(|(path, content)| (path, content.map(|content| (Mode::File, content)))).collect()
}
