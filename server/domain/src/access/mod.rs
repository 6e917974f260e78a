//! Who may do what: pure decisions over member, role, scopes and policy. Out: a `Granted<…>`, or why not.

mod role;

pub use role::{Role, Scope};
