//! What a member is, and what a token is for.

use serde::{Deserialize, Serialize};

/// A member's standing in a tenant. Each role may do all that the ones before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads everything in the tenant.
    Reader,
    /// Pushes plugins.
    Publisher,
    /// Decides on merge requests.
    Reviewer,
    /// Changes members, policy and settings.
    Admin,
}

/// What a token may be used for, within its owner's role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Read repositories, catalog, pages and API.
    Read,
    /// Push to plugin repositories.
    Publish,
    /// Review and merge.
    Review,
    /// Change members, tokens, settings and `registry.git`.
    Admin,
}
