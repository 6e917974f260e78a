//! One binary for all integration tests of the server, because linking is what costs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod claude;
mod clients;
mod deploy;
mod docs;
mod hooks;
mod pushes;
mod signed;
mod starter_set;
mod tidy;
mod tour;
#[allow(dead_code, reason = "a harness offers more than each scenario takes")]
mod world;
