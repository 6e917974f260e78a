//! Skills, agents and commands.

use serde::{Deserialize, Serialize};

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// `skills/<folder>/SKILL.md`.
    Skill,
    /// `agents/<name>.md`.
    Agent,
    /// `commands/<name>.md`.
    Command,
}

impl ItemKind {
    /// `skill`, `agent` or `command`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Agent => "agent",
            Self::Command => "command",
        }
    }
}
