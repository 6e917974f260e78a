//! HTTP in, HTTP out: no rule, no SQL.
//!
//! A request becomes a [`call::Call`] (`router`, `peer`, `credential`, `session`), a handler answers it, and what goes wrong
//! is a [`problem::Problem`] that each edge lays out in its own form. What must hold: whatever belongs to a tenant is
//! looked up only after `domain::access` said yes, so that strangers see the same answer whether it exists or not.

pub mod api;
pub mod assets;
pub mod call;
pub mod credential;
pub mod git;
pub mod health;
pub mod peer;
pub mod portal;
pub mod problem;
pub mod router;
#[cfg(test)]
mod router_tests;
pub mod session;
pub mod site;
