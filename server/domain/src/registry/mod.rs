//! The tenant's configuration as code: the files of `registry.git` in, one typed value out.
//!
//! - `read`: all files, strictly; what no reader knows is refused with the nearest name that one does
//! - `document`: one TOML file with the places of its keys; `policy`: `policy.toml`; `signers`: who signs
//! - `change`: what a new state may not do to the one before; `edit`: files that change a role, a yank, the visibility
//!
//! What must hold: a state that is in force has at least one admin and the tenant's own id.

mod change;
mod document;
mod edit;
mod policy;
mod read;
mod signers;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::gate;
use crate::names::{MemberId, PluginName, TenantId};
use crate::push::Protection;

pub use change::judge_change;
pub use edit::{Changes, genesis, with_member, with_visibility, with_yank, without_member, without_yank};
pub use policy::CertificateDemand;
pub use signers::{SIGNERS_FOLDER, Signer, SignerFault, SignerKey, Signers};

/// Everything that `registry.git`'s main says, parsed. Serialised as JSON where the database projects it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registry {
    /// `registry.toml`: the tenant's id, equal to the genesis leaf's.
    pub tenant: TenantId,
    /// `registry.toml`: the title that people read.
    pub title: String,
    /// `registry.toml`: one paragraph for the catalog.
    pub description: String,
    /// `registry.toml`: who may read.
    pub visibility: Visibility,
    /// `members/<id>.toml`.
    pub members: BTreeMap<MemberId, Member>,
    /// `signers/<member>/*.pub` and `*.asc`.
    #[serde(default)]
    pub signers: Signers,
    /// `status/<plugin>/<version>.toml`: plugin and version text to the reason of the yank.
    pub yanks: BTreeMap<PluginName, BTreeMap<String, String>>,
    /// `policy.toml`: what the gate does about its findings.
    #[serde(default)]
    pub gate: gate::Policy,
    /// `policy.toml`: branches that lose no history, besides `main`.
    #[serde(default)]
    pub protection: Protection,
    /// `policy.toml`: when a push must be signed.
    #[serde(default)]
    pub certificates: CertificateDemand,
}

/// Who may read a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Members only.
    #[default]
    Private,
    /// Everybody.
    Public,
}

impl Visibility {
    /// The word in files and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// One member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Standing.
    pub role: Role,
    /// Groups, such as `security`; sorted, each once.
    pub groups: Vec<String>,
}

#[cfg(test)]
mod tests;
