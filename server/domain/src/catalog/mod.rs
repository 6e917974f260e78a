//! The catalog: what `marketplace.json` lists.
//!
//! In: a tenant's title and one [`Entry`] for each plugin with a release that may be installed. Out: bytes that are the
//! same for the same input, that Claude Code's own schema accepts, and that never exceed [`CATALOG_BYTES_MAX`].

mod choose;
mod entry;
mod render;

pub use choose::{Candidate, latest};
pub use entry::{Author, Entry};
pub use render::{CATALOG_BYTES_MAX, Catalog, Detail, Head, render};
