//! Tenant, plugin, item and member names: `[a-z0-9]+(-[a-z0-9]+)*`, at most 64 characters.
//!
//! Source: the client installs only ids of this form, and a name becomes a URL, a folder and a tag.

use std::fmt;
use std::str::FromStr;

/// Names that Claude Code keeps for itself or for its maker; a catalog or tenant of such a name cannot be added.
///
/// Source: the reserved names of Claude Code 2.1.329 and 2.1.197.
const RESERVED_CATALOG_NAMES: &[&str] = &[
    "inline",
    "builtin",
    "skills-dir",
    "synced",
    "claude-plugin-test",
    "claude-code-marketplace",
    "claude-code-plugins",
    "claude-plugins-official",
    "anthropic-marketplace",
    "anthropic-plugins",
    "agent-skills",
    "anthropic-agent-skills",
    "life-sciences",
    "knowledge-work-plugins",
    "claude-for-legal",
    "claude-for-financial-services",
    "financial-services-plugins",
    "claude-community",
    "claude-plugins-community",
    "first-party-plugins",
    "claude-tag-plugins",
    "healthcare",
    "anthropic-plugin-directory",
    "claude-plugin-directory",
    "org",
    "unknown",
    "org-provisioned",
];

/// Words that stand first in an address of the server itself, so that no tenant may be called so.
const RESERVED_PATH_WORDS: &[&str] =
    &["t", "git", "api", "static", "healthz", "readyz", "metrics", "log", "mcp", "register", "www"];

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing at all.
    #[error("a {kind} name has at least one character")]
    Empty {
        /// What was to be named.
        kind: &'static str,
    },
    /// More characters than allowed.
    #[error("this {kind} name has {length} characters; at most {max} are allowed")]
    TooLong {
        /// What was to be named.
        kind: &'static str,
        /// Its characters.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A character outside the alphabet, or a hyphen at a place where none may stand.
    #[error("{kind} name `{shown}` has {character} at {position}; use a-z, 0-9 and single `-` between them")]
    Character {
        /// What was to be named.
        kind: &'static str,
        /// The name with control characters escaped.
        shown: String,
        /// The character in words or quoted.
        character: String,
        /// Its place, counted from 1.
        position: usize,
    },
    /// A name that Claude Code or this server keeps for itself.
    #[error("`{name}` is reserved; choose another {kind} name")]
    Reserved {
        /// What was to be named.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

fn check(kind: &'static str, max: usize, text: &str) -> Result<(), LabelError> {
    if text.is_empty() {
        return Err(LabelError::Empty { kind });
    }
    let length = text.chars().count();
    if length > max {
        return Err(LabelError::TooLong { kind, length, max });
    }
    let mut previous = '-';
    for (index, c) in text.chars().enumerate() {
        let misplaced_hyphen = c == '-' && (previous == '-' || index + 1 == length);
        if misplaced_hyphen || !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            let character = match c {
                ' ' => "a space".to_owned(),
                '-' => "a `-`".to_owned(),
                c if c.is_control() || !c.is_ascii() => format!("U+{:04X}", u32::from(c)),
                c => format!("`{c}`"),
            };
            let shown = text.escape_default().to_string();
            return Err(LabelError::Character { kind, shown, character, position: index + 1 });
        }
        previous = c;
    }
    Ok(())
}

/// True for names that read as if Claude's maker spoke. Source: the client's own check, case-insensitive.
fn impersonates(text: &str) -> bool {
    let squeezed = text.replace('-', "");
    let maker = ["anthropic", "claude"];
    let claims = ["marketplace", "plugins", "official", "directory", "directories"];
    let starts = maker
        .iter()
        .any(|m| squeezed.strip_prefix(m).is_some_and(|rest| claims.iter().any(|claim| rest.starts_with(claim))));
    let official =
        maker.iter().any(|m| squeezed.contains(&format!("{m}official")) || squeezed.contains(&format!("official{m}")));
    starts || official
}

/// True for names that a catalog may not have, because Claude Code keeps them for itself or for its maker.
pub fn is_reserved_catalog_name(text: &str) -> bool {
    RESERVED_CATALOG_NAMES.contains(&text) || impersonates(text)
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads a name.
            ///
            /// # Errors
            /// [`LabelError`] names the broken rule and the place.
            pub fn parse(text: &str) -> Result<Self, LabelError> {
                check($kind, $max, text)?;
                let reserved: fn(&str) -> bool = $extra;
                if reserved(text) {
                    return Err(LabelError::Reserved { kind: $kind, name: text.to_owned() });
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl FromStr for $name {
            type Err = LabelError;
            fn from_str(text: &str) -> Result<Self, LabelError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = LabelError;
            fn try_from(text: String) -> Result<Self, LabelError> {
                Self::parse(&text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

label!(
    /// A tenant's name: the first part of its addresses and the name of its catalog, so Claude Code's reserved
    /// catalog names are refused. At most 63 characters, because it may be a host label.
    TenantName, "tenant", 63, |text| {
        is_reserved_catalog_name(text) || RESERVED_PATH_WORDS.contains(&text)
    }
);

label!(
    /// A plugin's name: its repository, its folder, its tags.
    PluginName, "plugin", 64, |_| false
);

label!(
    /// The name of an item in its portable form. Items whose names are not portable are still accepted by the gate.
    ItemName, "item", 64, |_| false
);

label!(
    /// A member's id within its tenant: the name of the file `members/<id>.toml`.
    MemberId, "member", 64, |_| false
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plugin_error(text: &str) -> String {
        PluginName::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn an_error_names_the_character_and_its_place() {
        assert_eq!(
            plugin_error("my tool"),
            "plugin name `my tool` has a space at 3; use a-z, 0-9 and single `-` between them"
        );
        assert_eq!(plugin_error("My"), "plugin name `My` has `M` at 1; use a-z, 0-9 and single `-` between them");
        assert_eq!(
            plugin_error("a\u{1b}"),
            "plugin name `a\\u{1b}` has U+001B at 2; use a-z, 0-9 and single `-` between them"
        );
        assert_eq!(
            plugin_error("naïve"),
            "plugin name `na\\u{ef}ve` has U+00EF at 3; use a-z, 0-9 and single `-` between them"
        );
        assert_eq!(plugin_error(""), "a plugin name has at least one character");
        assert_eq!(plugin_error(&"x".repeat(65)), "this plugin name has 65 characters; at most 64 are allowed");
    }

    #[test]
    fn hyphens_stand_single_and_between() {
        for wrong in ["-a", "a-", "a--b", "-"] {
            assert!(PluginName::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["a", "a-b", "0", "a1-2b-c"] {
            assert!(PluginName::parse(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn no_tenant_takes_a_name_that_the_client_refuses() {
        for wrong in [
            "claude-code-plugins",
            "inline",
            "anthropic-plugins-x",
            "claude-official",
            "my-anthropic-official",
            "t",
            "claudemarketplace",
        ] {
            assert!(TenantName::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["acme", "claude-friends", "plugins", "officially"] {
            assert!(TenantName::parse(right).is_ok(), "{right}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_shown_as_it_was(text in "[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,4}") {
            prop_assert_eq!(PluginName::parse(&text).map(|n| n.to_string()), Ok(text));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = PluginName::parse(&text);
            let _ = TenantName::parse(&text);
        }
    }
}
