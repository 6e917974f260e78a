//! The proof that access was decided, and what stands there when it was not given.

use super::act::{OnRepository, Push, ReadRepository};
use super::{Role, Scopes};
use crate::names::{MemberId, RepositoryName, TenantId, TenantName};
use crate::refusal::Refusal;

/// Proof that somebody may do `A` in one tenant. Only [`super::decide`] makes one, and what reads or writes a tenant's
/// repositories takes one, so that a forgotten decision does not compile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Granted<A> {
    tenant: TenantId,
    tenant_name: TenantName,
    holder: Holder,
    act: A,
}

/// To whom something was granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Somebody without a credential of this tenant, on a public tenant.
    Stranger,
    /// A member by a token.
    Member {
        /// Who.
        id: MemberId,
        /// Standing at this moment.
        role: Role,
        /// What the token may be used for: its scopes within the role.
        power: Scopes,
    },
    /// The person who holds the data folder, in the name of a member.
    Operator {
        /// In whose name leaves are written.
        acting: MemberId,
    },
}

impl<A> Granted<A> {
    pub(super) fn new(tenant: TenantId, tenant_name: TenantName, holder: Holder, act: A) -> Self {
        Self { tenant, tenant_name, holder, act }
    }

    /// Whose walls this is within.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The tenant's name.
    pub fn tenant_name(&self) -> &TenantName {
        &self.tenant_name
    }

    /// To whom it was granted.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The member, `None` for strangers.
    pub fn member(&self) -> Option<&MemberId> {
        match &self.holder {
            Holder::Stranger => None,
            Holder::Member { id, .. } => Some(id),
            Holder::Operator { acting } => Some(acting),
        }
    }

    /// The role in which it is done; the operator's is admin, a stranger's is reader.
    pub fn role(&self) -> Role {
        match self.holder {
            Holder::Stranger => Role::Reader,
            Holder::Member { role, .. } => role,
            Holder::Operator { .. } => Role::Admin,
        }
    }

    /// What was granted.
    pub fn act(&self) -> &A {
        &self.act
    }
}

impl<A: OnRepository> Granted<A> {
    /// The repository that may be opened.
    pub fn repository(&self) -> &RepositoryName {
        self.act.repository()
    }
}

impl Granted<Push> {
    /// Who may push may read the same repository.
    pub fn reading(&self) -> Granted<ReadRepository> {
        let act = ReadRepository(self.act.0.clone());
        Granted::new(self.tenant, self.tenant_name.clone(), self.holder.clone(), act)
    }
}

/// Why there is no proof. Each has one answer at every edge.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// 401, in the same words whether the thing exists or not.
    #[error("a valid token is needed")]
    Unauthenticated,
    /// 404, in the same words as for what does not exist.
    #[error("there is nothing here")]
    Hidden,
    /// 403: the caller may see it, but not do this.
    #[error(transparent)]
    Refused(Refusal),
}

/// A decision.
pub type Decision<A> = Result<Granted<A>, Denied>;
