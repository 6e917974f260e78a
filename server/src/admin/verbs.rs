//! The verbs that a running server and a process alone carry out alike. Arguments and messages in one: what the command
//! line reads is what goes through the socket.

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use skill_pool_domain::access::{Role, Scope};
use skill_pool_domain::names::{MemberId, PluginName, TenantName, Version};

use crate::config::Time;

/// One verb with its arguments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// `tenant …`
    Tenant(TenantVerb),
    /// `member …`
    Member(MemberVerb),
    /// `token …`
    Token(TokenVerb),
    /// `yank …`
    Yank(YankVerb),
}

/// Make, list, show and disable tenants.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantVerb {
    /// Make a tenant, its registry.git and its first admin, and print a token that may publish
    #[command(after_help = "Example:\n  skill-pool-server tenant create acme --admin ana")]
    Create {
        /// The tenant's name: the first part of its addresses and the name of its catalog
        name: TenantName,
        /// The first admin's id
        #[arg(long, value_name = "ID")]
        admin: MemberId,
    },
    /// List all tenants
    #[command(after_help = "Example:\n  skill-pool-server tenant list --json")]
    List,
    /// Show one tenant
    #[command(after_help = "Example:\n  skill-pool-server tenant show acme")]
    Show {
        /// The tenant's name
        name: TenantName,
    },
    /// Let nobody in any more; nothing is deleted
    #[command(
        after_help = "Examples:\n  skill-pool-server tenant disable acme\n  skill-pool-server tenant disable acme --undo"
    )]
    Disable {
        /// The tenant's name
        name: TenantName,
        /// Let people in again
        #[arg(long)]
        undo: bool,
    },
}

/// Which tenant, and in whose name.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Within {
    /// The tenant; can be left out when there is only one
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<TenantName>,
    /// The member in whose name the change is recorded [default: the first admin]
    #[arg(long = "as", value_name = "ID")]
    pub acting: Option<MemberId>,
}

/// Add, list, change and remove members. Each change is a commit to the tenant's registry.git.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberVerb {
    /// Add a member
    #[command(after_help = "Example:\n  skill-pool-server member add ben --role publisher --tenant acme")]
    Add {
        /// The new member's id
        id: MemberId,
        /// reader, publisher, reviewer or admin
        #[arg(long, default_value = "reader")]
        role: Role,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
    /// List all members
    #[command(after_help = "Example:\n  skill-pool-server member list --tenant acme --json")]
    List {
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
    /// Give a member another role
    #[command(after_help = "Example:\n  skill-pool-server member role ben admin --tenant acme")]
    Role {
        /// The member's id
        id: MemberId,
        /// reader, publisher, reviewer or admin
        role: Role,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
    /// Remove a member with their keys; their tokens open nothing any more
    #[command(after_help = "Example:\n  skill-pool-server member remove ben --tenant acme")]
    Remove {
        /// The member's id
        id: MemberId,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
}

/// Make, list and revoke tokens.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenVerb {
    /// Make a token for a member and print it, once
    #[command(after_help = "Examples:\n  skill-pool-server token create --member ben --scope publish\n  \
                            skill-pool-server token create --member build --scope read --machine --expires 30d")]
    Create {
        /// Whose token it is
        #[arg(long, value_name = "ID")]
        member: MemberId,
        /// read, publish, review or admin; can be given several times, and each implies read
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read")]
        scopes: Vec<Scope>,
        /// How long it is good, such as 30d [default: as configured, 90d]
        #[arg(long, value_name = "TIME")]
        expires: Option<Time>,
        /// What its owner calls it
        #[arg(long, default_value = "")]
        name: String,
        /// It is for a machine, such as a build
        #[arg(long)]
        machine: bool,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
    /// List tokens, revoked and expired ones included; never their text
    #[command(after_help = "Example:\n  skill-pool-server token list --member ben")]
    List {
        /// Only this member's
        #[arg(long, value_name = "ID")]
        member: Option<MemberId>,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
    /// Revoke a token; it opens nothing from then on
    #[command(after_help = "Example:\n  skill-pool-server token revoke 0193… --tenant acme")]
    Revoke {
        /// Its id, or its last four characters
        token: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        within: Within,
    },
}

/// Withdraw a release with a reason, or take that back.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct YankVerb {
    /// The plugin
    pub plugin: PluginName,
    /// The released version
    pub version: Version,
    /// What is wrong with it, in one line
    #[arg(long, required_unless_present = "undo", conflicts_with = "undo")]
    pub reason: Option<String>,
    /// Take the yank back
    #[arg(long)]
    pub undo: bool,
    /// Which tenant, in whose name
    #[command(flatten)]
    pub within: Within,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Form {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}
