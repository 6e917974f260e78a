//! Who may do what: a pure decision over act, tenant and caller.
//!
//! In: an [`Act`], the [`Tenant`] (or that there is none), the [`Caller`] with the role of this moment. Out: a
//! [`Granted`] proof, which nothing else makes and without which no repository opens, or why not ([`Denied`]).
//! Must hold: without a good credential everything looks alike; a token opens one tenant; its power is its scopes
//! within its owner's role now.
//!
//! ```compile_fail
//! // A proof cannot be made by hand.
//! use skill_pool_domain::access::{Granted, Holder, ReadTenant};
//! let id = "0192d5a0-0000-7000-8000-000000000001".parse().unwrap();
//! let name = skill_pool_domain::names::TenantName::parse("acme").unwrap();
//! let forged = Granted { tenant: id, tenant_name: name, holder: Holder::Stranger, act: ReadTenant };
//! ```

mod act;
mod decide;
mod grant;
mod role;

pub use act::{Act, Administer, Need, OnRepository, OwnTokens, Push, ReadRepository, ReadTenant, Yank};
pub use decide::{Caller, Credential, Tenant, decide};
pub use grant::{Decision, Denied, Granted, Holder};
pub use role::{Role, Scope, Scopes, UnknownWord};
