//! What can be asked for: one type for each act, so that a proof of one is no proof of another.

use super::{Role, Scope};
use crate::names::{PluginName, RepositoryName};
use crate::refusal::Refusal;

/// Something that access is decided for. Implemented by the types of this file and no others.
pub trait Act: Clone + sealed::Sealed {
    /// What it takes.
    fn need(&self) -> Need;

    /// In words, after "takes a publisher: ", such as `pushing to plugins/lint.git`.
    fn words(&self) -> String;

    /// Why nobody does this, whatever the role.
    fn never(&self) -> Option<Refusal> {
        None
    }
}

/// An act on one repository.
pub trait OnRepository: Act {
    /// Which one.
    fn repository(&self) -> &RepositoryName;
}

/// What an act takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Whoever may read: a member with `read`, and on a public tenant everybody.
    Reader,
    /// A member, also where the tenant is public.
    Member,
    /// A member of at least this role by a token of this scope.
    Power(Role, Scope),
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ReadTenant {}
    impl Sealed for super::ReadRepository {}
    impl Sealed for super::Push {}
    impl Sealed for super::Yank {}
    impl Sealed for super::OwnTokens {}
    impl Sealed for super::Administer {}
}

/// Reading catalog, pages, archives and API of a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadTenant;

impl Act for ReadTenant {
    fn need(&self) -> Need {
        Need::Reader
    }
    fn words(&self) -> String {
        "reading".to_owned()
    }
}

/// Fetching from a repository. `registry.git` names people and addresses, so it is for members even where the tenant is
/// public.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRepository(pub RepositoryName);

impl Act for ReadRepository {
    fn need(&self) -> Need {
        match self.0 {
            RepositoryName::Registry => Need::Member,
            RepositoryName::Marketplace | RepositoryName::Log | RepositoryName::Plugin(_) => Need::Reader,
        }
    }
    fn words(&self) -> String {
        format!("reading {}", self.0)
    }
}

impl OnRepository for ReadRepository {
    fn repository(&self) -> &RepositoryName {
        &self.0
    }
}

/// Pushing to a repository, and making it by the first push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push(pub RepositoryName);

impl Act for Push {
    fn need(&self) -> Need {
        match self.0 {
            RepositoryName::Registry => Need::Power(Role::Admin, Scope::Admin),
            RepositoryName::Marketplace | RepositoryName::Log | RepositoryName::Plugin(_) => {
                Need::Power(Role::Publisher, Scope::Publish)
            }
        }
    }
    fn words(&self) -> String {
        format!("pushing to {}", self.0)
    }
    fn never(&self) -> Option<Refusal> {
        self.0.is_generated().then(|| {
            Refusal::new(
                "generated-repository",
                format!("{} is written by the registry alone", self.0),
                "push to git/plugins/<plugin>.git; catalog and log follow from it",
            )
        })
    }
}

impl OnRepository for Push {
    fn repository(&self) -> &RepositoryName {
        &self.0
    }
}

/// Withdrawing a release of a plugin with a reason, and taking that back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Yank(pub PluginName);

impl Act for Yank {
    fn need(&self) -> Need {
        Need::Power(Role::Publisher, Scope::Publish)
    }
    fn words(&self) -> String {
        format!("yanking a release of {}", self.0)
    }
}

/// Seeing, making and revoking one's own tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnTokens;

impl Act for OwnTokens {
    fn need(&self) -> Need {
        Need::Member
    }
    fn words(&self) -> String {
        "handling one's own tokens".to_owned()
    }
}

/// Changing members, their tokens, visibility and policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Administer;

impl Act for Administer {
    fn need(&self) -> Need {
        Need::Power(Role::Admin, Scope::Admin)
    }
    fn words(&self) -> String {
        "changing members and settings".to_owned()
    }
}
