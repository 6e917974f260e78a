//! The one decision: who, what, where → proof, or why not.

use super::act::{Act, Need};
use super::grant::{Decision, Denied, Granted, Holder};
use super::{Role, Scope, Scopes};
use crate::names::{MemberId, TenantId, TenantName};
use crate::refusal::Refusal;
use crate::registry::Visibility;

/// Who asks, as far as a credential shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// No credential came with the request.
    Stranger,
    /// A credential that opens nothing: unknown, mistyped, expired, revoked, or its owner is no member any more.
    Unknown,
    /// A member by a token.
    Member(Credential),
    /// Whoever holds the data folder: the admin socket and verbs that run alone. No request from outside makes one.
    Operator {
        /// The member in whose name it is done.
        acting: MemberId,
    },
}

/// A good token, and what its owner is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The one tenant that the token opens.
    pub tenant: TenantId,
    /// Its owner.
    pub member: MemberId,
    /// The owner's role at this moment.
    pub role: Role,
    /// The token's scopes.
    pub scopes: Scopes,
}

impl Credential {
    /// What the token can do: its scopes within its owner's role now.
    pub fn power(&self) -> Scopes {
        self.scopes.meet(self.role.scopes())
    }
}

/// What the decision needs to know of a tenant that exists and is not disabled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: TenantName,
    /// Who may read.
    pub visibility: Visibility,
}

/// Decides whether `caller` may do `act` in `tenant`; `None` stands for a tenant that does not exist or is disabled.
///
/// # Errors
/// [`Denied::Unauthenticated`] without a good credential, unless the tenant is public and the act is reading;
/// [`Denied::Hidden`] for what the caller may not know of; [`Denied::Refused`] for what the caller sees but may not do.
pub fn decide<A: Act>(act: A, tenant: Option<&Tenant>, caller: &Caller) -> Decision<A> {
    let need = act.need();
    let open = tenant.is_some_and(|t| t.visibility == Visibility::Public) && need == Need::Reader;
    let granted = |holder, act: A| match tenant {
        Some(tenant) => Ok(Granted::new(tenant.id, tenant.name.clone(), holder, act)),
        None => Err(Denied::Hidden),
    };
    let credential = match caller {
        Caller::Stranger if open => return granted(Holder::Stranger, act),
        Caller::Stranger | Caller::Unknown => return Err(Denied::Unauthenticated),
        Caller::Operator { acting } => {
            return match act.never() {
                Some(refusal) => Err(Denied::Refused(refusal)),
                None => granted(Holder::Operator { acting: acting.clone() }, act),
            };
        }
        // A 401 would make git erase a token that is good elsewhere.
        Caller::Member(credential) if tenant.is_none_or(|t| t.id != credential.tenant) => {
            return if open { granted(Holder::Stranger, act) } else { Err(Denied::Hidden) };
        }
        Caller::Member(credential) => credential,
    };
    let power = credential.power();
    let holder = || Holder::Member { id: credential.member.clone(), role: credential.role, power };
    if !power.has(Scope::Read) {
        return if open { granted(holder(), act) } else { Err(Denied::Hidden) };
    }
    if let Some(refusal) = act.never() {
        return Err(Denied::Refused(refusal));
    }
    if let Need::Power(role, scope) = need
        && let Some(tenant) = tenant
        && let Some(refusal) = lacking(&act, tenant, credential, role, scope)
    {
        return Err(Denied::Refused(refusal));
    }
    granted(holder(), act)
}

/// The refusal when role or token fall short, the role first: a wider token would not help.
fn lacking(act: &impl Act, tenant: &Tenant, credential: &Credential, role: Role, scope: Scope) -> Option<Refusal> {
    let member = &credential.member;
    let tenant = &tenant.name;
    if credential.role < role {
        return Some(Refusal::new(
            "role-too-low",
            format!("{} takes the role `{role}`; `{member}` is a `{}`", act.words(), credential.role),
            format!("ask an admin of {tenant} to run: skill-pool-server member role {member} {role} --tenant {tenant}"),
        ));
    }
    if !credential.scopes.has(scope) {
        return Some(Refusal::new(
            "scope-missing",
            format!("{} takes a token with the scope `{scope}`; this one has `{}`", act.words(), credential.scopes),
            format!(
                "make one that has it: skill-pool-server token create --tenant {tenant} --member {member} --scope {scope}"
            ),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::act::{Administer, OnRepository, OwnTokens, Push, ReadRepository, ReadTenant, Yank};
    use super::*;
    use crate::names::{PluginName, RepositoryName};

    const HERE: &str = "0192d5a0-0000-7000-8000-000000000001";
    const ELSEWHERE: &str = "0192d5a0-0000-7000-8000-000000000002";

    fn tenant(visibility: Visibility) -> Tenant {
        Tenant { id: HERE.parse().expect("an id"), name: TenantName::parse("acme").expect("a name"), visibility }
    }

    fn member(tenant: &str, role: Role, scopes: &[Scope]) -> Caller {
        Caller::Member(Credential {
            tenant: tenant.parse().expect("an id"),
            member: MemberId::parse("mia").expect("a name"),
            role,
            scopes: Scopes::of(scopes),
        })
    }

    fn status<A: Act>(act: A, tenant: Option<&Tenant>, caller: &Caller) -> u16 {
        match decide(act, tenant, caller) {
            Ok(granted) => {
                assert_eq!(Some(granted.tenant()), tenant.map(|t| t.id));
                200
            }
            Err(Denied::Unauthenticated) => 401,
            Err(Denied::Hidden) => 404,
            Err(Denied::Refused(refusal)) => {
                assert!(!refusal.remedy.is_empty());
                403
            }
        }
    }

    /// The answers to every act, in the order of the columns below.
    fn row(tenant: Option<&Tenant>, caller: &Caller) -> [u16; 9] {
        let repository = |path| RepositoryName::parse_path(path).expect("a repository");
        let lint = PluginName::parse("lint").expect("a name");
        [
            status(ReadTenant, tenant, caller),
            status(ReadRepository(repository("plugins/lint")), tenant, caller),
            status(ReadRepository(repository("registry")), tenant, caller),
            status(Push(repository("plugins/lint")), tenant, caller),
            status(Push(repository("registry")), tenant, caller),
            status(Push(repository("marketplace")), tenant, caller),
            status(Yank(lint), tenant, caller),
            status(OwnTokens, tenant, caller),
            status(Administer, tenant, caller),
        ]
    }

    #[test]
    fn every_caller_gets_the_decided_status_for_every_act() {
        use Role::{Admin, Publisher, Reader, Reviewer};
        use Scope::{Publish, Read, Review};
        let private = tenant(Visibility::Private);
        let public = tenant(Visibility::Public);
        let operator = Caller::Operator { acting: MemberId::parse("root").expect("a name") };
        let all = &Scope::ALL;
        //   tenant          caller                                  tenant lint  reg. push  reg. mkt  yank toks admin
        for (name, tenant, caller, expected) in [
            ("stranger, nothing there", None, Caller::Stranger, [401; 9]),
            ("unknown, nothing there", None, Caller::Unknown, [401; 9]),
            ("member, nothing there", None, member(HERE, Admin, all), [404; 9]),
            ("stranger, private", Some(&private), Caller::Stranger, [401; 9]),
            ("unknown, private", Some(&private), Caller::Unknown, [401; 9]),
            ("other tenant, private", Some(&private), member(ELSEWHERE, Admin, all), [404; 9]),
            ("stranger, public", Some(&public), Caller::Stranger, [200, 200, 401, 401, 401, 401, 401, 401, 401]),
            ("unknown, public", Some(&public), Caller::Unknown, [401; 9]),
            (
                "other tenant, public",
                Some(&public),
                member(ELSEWHERE, Admin, all),
                [200, 200, 404, 404, 404, 404, 404, 404, 404],
            ),
            ("no scopes", Some(&private), member(HERE, Admin, &[]), [404; 9]),
            (
                "no scopes, public",
                Some(&public),
                member(HERE, Admin, &[]),
                [200, 200, 404, 404, 404, 404, 404, 404, 404],
            ),
            ("reader", Some(&private), member(HERE, Reader, all), [200, 200, 200, 403, 403, 403, 403, 200, 403]),
            ("publisher", Some(&private), member(HERE, Publisher, all), [200, 200, 200, 200, 403, 403, 200, 200, 403]),
            ("reviewer", Some(&private), member(HERE, Reviewer, all), [200, 200, 200, 200, 403, 403, 200, 200, 403]),
            ("admin", Some(&private), member(HERE, Admin, all), [200, 200, 200, 200, 200, 403, 200, 200, 200]),
            (
                "admin, read",
                Some(&private),
                member(HERE, Admin, &[Read]),
                [200, 200, 200, 403, 403, 403, 403, 200, 403],
            ),
            (
                "admin, publish",
                Some(&private),
                member(HERE, Admin, &[Publish]),
                [200, 200, 200, 200, 403, 403, 200, 200, 403],
            ),
            (
                "admin, review",
                Some(&private),
                member(HERE, Admin, &[Review]),
                [200, 200, 200, 403, 403, 403, 403, 200, 403],
            ),
            (
                "admin, admin alone",
                Some(&private),
                member(HERE, Admin, &[Scope::Admin]),
                [200, 200, 200, 403, 200, 403, 403, 200, 200],
            ),
            ("operator", Some(&private), operator.clone(), [200, 200, 200, 200, 200, 403, 200, 200, 200]),
            ("operator, nothing there", None, operator, [404, 404, 404, 404, 404, 403, 404, 404, 404]),
        ] {
            assert_eq!(row(tenant, &caller), expected, "{name}");
        }
    }

    #[test]
    fn a_proof_names_tenant_member_and_act() {
        let here = tenant(Visibility::Public);
        let lint = RepositoryName::parse_path("plugins/lint").expect("a repository");
        let caller = member(HERE, Role::Admin, &[Scope::Publish]);
        let push = decide(Push(lint.clone()), Some(&here), &caller).expect("may push");
        assert_eq!((push.repository(), push.act().repository()), (&lint, &lint));
        assert_eq!(push.member().map(MemberId::as_str), Some("mia"));
        assert_eq!(push.tenant_name(), &here.name);
        let power = Scopes::of(&[Scope::Publish]);
        assert!(matches!(push.holder(), Holder::Member { power: p, .. } if *p == power));
        assert_eq!(push.reading().repository(), &lint);
        let foreign = decide(ReadTenant, Some(&here), &member(ELSEWHERE, Role::Admin, &Scope::ALL)).expect("public");
        assert_eq!((foreign.holder(), foreign.member(), foreign.role()), (&Holder::Stranger, None, Role::Reader));
    }

    #[test]
    fn a_refusal_says_what_is_lacking_and_who_mends_it() {
        let here = tenant(Visibility::Private);
        let lint = || Push(RepositoryName::parse_path("plugins/lint").expect("a repository"));
        let refusal = |caller: &Caller| match decide(lint(), Some(&here), caller) {
            Err(Denied::Refused(refusal)) => (refusal.message, refusal.remedy),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refusal(&member(HERE, Role::Reader, &Scope::ALL)),
            (
                "pushing to plugins/lint.git takes the role `publisher`; `mia` is a `reader`".to_owned(),
                "ask an admin of acme to run: skill-pool-server member role mia publisher --tenant acme".to_owned()
            )
        );
        assert_eq!(
            refusal(&member(HERE, Role::Publisher, &[Scope::Read])),
            (
                "pushing to plugins/lint.git takes a token with the scope `publish`; this one has `read`".to_owned(),
                "make one that has it: skill-pool-server token create --tenant acme --member mia --scope publish"
                    .to_owned()
            )
        );
    }
}
