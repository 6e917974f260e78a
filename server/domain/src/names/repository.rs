//! Which repository of a tenant is meant.

use std::fmt;

use super::PluginName;

/// A repository within its tenant, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RepositoryName {
    /// `git/registry.git`: the tenant's configuration as code.
    Registry,
    /// `git/marketplace.git`: the catalog for adding by git; generated, read-only.
    Marketplace,
    /// `git/log.git`: the evidence; written by the registry, read-only.
    Log,
    /// `git/plugins/<plugin>.git`.
    Plugin(PluginName),
}

impl RepositoryName {
    /// Reads the part of an address after `git/`, such as `plugins/lint.git` or `registry`; the `.git` is optional.
    /// `None` when no repository can have that name.
    pub fn parse_path(path: &str) -> Option<Self> {
        let path = path.strip_suffix(".git").unwrap_or(path);
        match path {
            "registry" => Some(Self::Registry),
            "marketplace" => Some(Self::Marketplace),
            "log" => Some(Self::Log),
            _ => PluginName::parse(path.strip_prefix("plugins/")?).ok().map(Self::Plugin),
        }
    }

    /// True for the repositories that the registry alone writes.
    pub fn is_generated(&self) -> bool {
        matches!(self, Self::Marketplace | Self::Log)
    }
}

/// The path below `git/`: `plugins/lint.git`.
impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => f.write_str("registry.git"),
            Self::Marketplace => f.write_str("marketplace.git"),
            Self::Log => f.write_str("log.git"),
            Self::Plugin(name) => write!(f, "plugins/{name}.git"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_the_suffix() {
        for path in ["plugins/lint", "plugins/lint.git", "registry.git", "log", "marketplace.git"] {
            let name = RepositoryName::parse_path(path).expect(path);
            assert_eq!(RepositoryName::parse_path(&name.to_string()), Some(name));
        }
        for wrong in [
            "",
            "plugins/",
            "plugins/.git",
            "plugins/../x",
            "plugins/a/b",
            "other.git",
            "lint",
            "plugins/lint.git.git",
            "Registry",
        ] {
            assert_eq!(RepositoryName::parse_path(wrong), None, "{wrong}");
        }
    }
}
