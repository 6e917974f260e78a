//! What a member is, and what a token is for.

use std::fmt;
use std::str::FromStr;

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

/// A word that names no role or no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is no {kind}; there are {choices}")]
pub struct UnknownWord {
    kind: &'static str,
    shown: String,
    choices: &'static str,
}

impl UnknownWord {
    fn new(kind: &'static str, text: &str, choices: &'static str) -> Self {
        Self { kind, shown: text.chars().take(40).flat_map(char::escape_default).collect(), choices }
    }
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Publisher, Self::Reviewer, Self::Admin];

    /// The word in files, tables and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Publisher => "publisher",
            Self::Reviewer => "reviewer",
            Self::Admin => "admin",
        }
    }

    /// The widest scopes that a token of a member of this role can make use of.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Reader => Scopes::of(&[Scope::Read]),
            Self::Publisher => Scopes::of(&[Scope::Read, Scope::Publish]),
            Self::Reviewer => Scopes::of(&[Scope::Read, Scope::Publish, Scope::Review]),
            Self::Admin => Scopes::of(&Scope::ALL),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownWord::new("role", text, "`reader`, `publisher`, `reviewer` and `admin`"))
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Publish, Self::Review, Self::Admin];

    /// The word in tables and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Review => "review",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| UnknownWord::new("scope", text, "`read`, `publish`, `review` and `admin`"))
    }
}

/// The scopes of one token. Every other scope implies `read`, since nobody publishes, reviews or administers blindly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scopes {
    /// These scopes, and `read` with them unless there are none.
    pub fn of(scopes: &[Scope]) -> Self {
        scopes.iter().copied().collect()
    }

    /// True when `scope` is one of them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The scopes in both.
    pub fn meet(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True when each of these is in `other`.
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// Reads what [`Scopes`] prints: words with commas between them.
    ///
    /// # Errors
    /// [`UnknownWord`] for the first word that is no scope.
    pub fn parse(text: &str) -> Result<Self, UnknownWord> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | scope.bit());
        Self(if bits == 0 { 0 } else { bits | Scope::Read.bit() })
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

/// `read,publish`.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_shown() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).expect("a word"), format!("\"{role}\""));
        }
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        let error = "Admin\u{1b}".parse::<Role>().expect_err("no role").to_string();
        assert_eq!(error, "`Admin\\u{1b}` is no role; there are `reader`, `publisher`, `reviewer` and `admin`");
    }

    #[test]
    fn scopes_are_sets_in_which_all_imply_reading() {
        let publish = Scopes::of(&[Scope::Publish]);
        assert_eq!(publish.to_string(), "read,publish");
        assert_eq!(Scopes::parse("publish, read"), Ok(publish));
        assert_eq!(Scopes::parse(""), Ok(Scopes::default()));
        assert!(Scopes::parse("publish,write").is_err());
        assert!(publish.within(Role::Publisher.scopes()) && !publish.within(Role::Reader.scopes()));
        assert_eq!(Role::Admin.scopes().meet(publish), publish);
        assert_eq!(serde_json::to_string(&publish).expect("words"), r#"["read","publish"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(r#"["publish"]"#).expect("scopes"), publish);
    }
}
