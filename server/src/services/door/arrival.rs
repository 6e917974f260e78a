//! Where a push goes, and what stands there now: one consistent look before anything is judged.

use std::path::PathBuf;
use std::sync::Arc;

use gix::{ObjectId, oid};
use skill_pool_domain::access::{Granted, OnRepository, Role};
use skill_pool_domain::names::{LeafIndex, MemberId, PluginName, RepositoryId, RepositoryName, TenantId, TenantName};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::Registry;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::objects::{Kind, ObjectError, Objects};
use skill_pool_git::refs::{Head, RefSnapshot};
use skill_pool_git::repo::Repo;

use super::{Door, words};

/// Who enters, for what: from a proof of access.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Whose repository.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: TenantName,
    /// Which repository.
    pub name: RepositoryName,
    /// Who does it. `None` for the registry itself.
    pub actor: Option<MemberId>,
    /// In which role.
    pub role: Role,
}

impl Entrance {
    /// Through the proof of a push.
    pub fn of<A: OnRepository>(proof: &Granted<A>) -> Self {
        Self::through(proof, proof.repository().clone())
    }

    /// To `registry.git`, for an act whose proof is not about a repository: a yank, a role.
    pub fn to_registry<A>(proof: &Granted<A>) -> Self {
        Self::through(proof, RepositoryName::Registry)
    }

    /// For the registry itself: the first state of a tenant, before anybody is a member.
    pub fn of_registry_itself(tenant: TenantId, tenant_name: TenantName, name: RepositoryName) -> Self {
        Self { tenant, tenant_name, name, actor: None, role: Role::Admin }
    }

    fn through<A>(proof: &Granted<A>, name: RepositoryName) -> Self {
        Self {
            tenant: proof.tenant(),
            tenant_name: proof.tenant_name().clone(),
            name,
            actor: proof.member().cloned(),
            role: proof.role(),
        }
    }
}

/// What stands where a push goes.
pub struct Arrival {
    /// Who enters.
    pub entrance: Entrance,
    /// When.
    pub at: Timestamp,
    /// The configuration in force; `None` only before a tenant's first.
    pub registry: Option<Arc<Registry>>,
    /// Its leaf.
    pub policy: Option<LeafIndex>,
    /// The repository's id; `None` when this push makes it.
    pub repository: Option<RepositoryId>,
    /// All its refs: whoever may push may read them.
    pub refs: Arc<RefSnapshot>,
    /// The repository; `None` when this push makes it.
    pub repo: Option<Arc<Repo>>,
    /// Its folder.
    pub folder: PathBuf,
    /// Where large packs wait.
    pub quarantine: PathBuf,
}

impl Arrival {
    /// Looks everything up.
    ///
    /// # Errors
    /// A refusal that says to try again when the database or the disk cannot answer.
    pub fn look_up(door: &Door, entrance: Entrance) -> Result<Self, Refusal> {
        let tenant = entrance.tenant;
        let failed =
            |error: &(dyn std::error::Error + 'static)| words::internal("could not look up the repository", error);
        // Policy before refs: when it moves in between, the transaction notices; refs are compared there anyway.
        let state = door.store.registry(tenant).map_err(|error| failed(&error))?;
        let refs = door.store.refs(tenant, &entrance.name).map_err(|error| failed(&error))?;
        let folder = door.data.repository(&entrance.tenant_name, &entrance.name);
        let repo = match &refs {
            Some(_) => Some(door.repositories.get(&folder).map_err(|error| failed(&error))?),
            None => None,
        };
        let quarantine = door.quarantine();
        std::fs::create_dir_all(&quarantine).map_err(|error| words::disk("make the quarantine folder", &error))?;
        Ok(Self {
            at: (door.clock)(),
            policy: state.as_ref().map(|state| state.leaf),
            registry: state.map(|state| Arc::clone(&state.registry)),
            repository: refs.as_ref().map(|refs| refs.repository),
            refs: match &refs {
                Some(refs) => Arc::clone(&refs.snapshot),
                None => Arc::new(RefSnapshot::new(b"", Head::Hidden, Vec::new())),
            },
            repo,
            entrance,
            folder,
            quarantine,
        })
    }

    /// The repository's objects; none when it is about to be made.
    pub fn objects(&self) -> &dyn Objects {
        match &self.repo {
            Some(repo) => repo.as_ref(),
            None => &NoObjects,
        }
    }

    /// The plugin, if this is a plugin's repository.
    pub fn plugin(&self) -> Option<&PluginName> {
        match &self.entrance.name {
            RepositoryName::Plugin(plugin) => Some(plugin),
            RepositoryName::Registry | RepositoryName::Marketplace | RepositoryName::Log => None,
        }
    }

    /// What main holds now.
    pub fn main(&self) -> Option<ObjectId> {
        self.refs.get(&skill_pool_domain::names::RefName::main()).map(|entry| entry.id)
    }
}

/// A repository that does not exist yet.
struct NoObjects;

impl Objects for NoObjects {
    fn read(&self, _: &oid, _: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        Ok(None)
    }

    fn header(&self, _: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
        Ok(None)
    }
}
