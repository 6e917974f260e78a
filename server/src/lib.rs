//! The skill-pool server: git, portal and API of a registry of agent skills.
//!
//! Imports run one way: web → services → git and store; followers beside services; `app` opens everything once and hands
//! it down. `tests/it/tidy.rs` holds the arrows.

pub mod admin;
pub mod app;
pub mod config;
pub mod demo;
pub mod followers;
pub mod keys;
pub mod observe;
pub mod services;
pub mod store;
pub mod web;
