//! The tenant's configuration as code: the files of `registry.git` in, one typed value out.

mod signers;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::names::{MemberId, PluginName, TenantId};

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

/// One member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Standing.
    pub role: Role,
    /// Groups, such as `security`; sorted, each once.
    pub groups: Vec<String>,
}
