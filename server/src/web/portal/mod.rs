//! Pages for people: one file a page, each with its handler, its view and its template of the same name.
//!
//! In: a [`crate::web::call::Call`]. Out: HTML that works by keyboard, without script, in 320 px. Must hold: every text on a
//! page was escaped by the template or cleaned by [`markdown`]; a page asks for nothing from elsewhere.

pub mod connect;
pub mod home;
pub mod markdown;
pub mod plugin;
pub mod problem;
pub mod render;
pub mod root;
pub mod sign_in;
pub mod words;
