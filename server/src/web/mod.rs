//! HTTP in, HTTP out: no rule, no SQL.
//!
//! A request becomes a [`call::Call`] (`router`, `peer`, `credential`, `cookie`), a handler answers it, and what goes wrong
//! is a [`problem::Problem`] that each edge lays out in its own form. What must hold: whatever belongs to a tenant is
//! looked up only after `domain::access` said yes, so that strangers see the same answer whether it exists or not.

pub mod api;
pub mod archives;
pub mod assets;
pub mod call;
pub mod catalog;
pub mod conditional;
pub mod cookie;
pub mod credential;
pub mod git;
pub mod health;
pub mod peer;
pub mod portal;
pub mod problem;
pub mod router;
pub mod site;

#[cfg(test)]
mod tests;
