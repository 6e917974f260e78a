//! Versions of releases.

use std::fmt;
use std::str::FromStr;

/// The longest version text that is taken, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// A semantic version, ordered by semver's precedence. Build metadata is refused, since two versions that differ only
/// there have the same precedence and could not both be "the newest".
///
/// Source: semver.org 2.0.0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Version(semver::Version);

/// Why a text is not a version that can be released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not semver.
    #[error("`{shown}` is not a semantic version such as 1.4.0")]
    NotSemver {
        /// The text, control characters escaped, at most 80 characters.
        shown: String,
    },
    /// Has `+build`.
    #[error("version `{0}` has build metadata, which does not order releases; leave out the part from `+` on")]
    BuildMetadata(String),
}

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// [`VersionError`] says what to write instead.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let not_semver =
            || VersionError::NotSemver { shown: text.chars().take(80).flat_map(char::escape_default).collect() };
        if text.len() > VERSION_BYTES_MAX {
            return Err(not_semver());
        }
        let version = semver::Version::parse(text).map_err(|_| not_semver())?;
        if !version.build.is_empty() {
            return Err(VersionError::BuildMetadata(text.to_owned()));
        }
        Ok(Self(version))
    }

    /// True for `1.0.0-rc.1` and the like.
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// Bytes that order as the versions do, for stores that compare bytes.
    ///
    /// Three numbers of eight bytes each; then 0xff for a release, or for a prerelease each identifier (0x01, its length
    /// and its digits, or 0x02, its characters and 0x00) and at last 0x00. Source: semver.org 2.0.0, 11.
    pub fn sort_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(25);
        for number in [self.0.major, self.0.minor, self.0.patch] {
            key.extend_from_slice(&number.to_be_bytes());
        }
        if self.0.pre.is_empty() {
            key.push(0xff);
            return key;
        }
        for identifier in self.0.pre.split('.') {
            if identifier.bytes().all(|b| b.is_ascii_digit()) {
                // No leading zeros: more digits are a larger number. Versions are shorter than 256 bytes.
                key.extend_from_slice(&[1, u8::try_from(identifier.len()).unwrap_or(u8::MAX)]);
                key.extend_from_slice(identifier.as_bytes());
            } else {
                key.push(2);
                key.extend_from_slice(identifier.as_bytes());
                key.push(0);
            }
        }
        key.push(0);
        key
    }

    /// The next patch version: `1.2.3` to `1.2.4`, and `1.2.3-rc.1` to `1.2.3`.
    pub fn next_patch(&self) -> Self {
        let mut next = self.0.clone();
        if next.pre.is_empty() {
            next.patch = next.patch.saturating_add(1);
        }
        next.pre = semver::Prerelease::EMPTY;
        Self(next)
    }
}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sort_keys_order_as_versions_do(
            a in "[0-2]\\.[0-2]\\.(0|10|9)(-(0|9|10|a|a-b|rc)(\\.(0|1|10|a|b)){0,3})?",
            b in "[0-2]\\.[0-2]\\.(0|10|9)(-(0|9|10|a|a-b|rc)(\\.(0|1|10|a|b)){0,3})?",
        ) {
            let (a, b) = (Version::parse(&a).expect("a version"), Version::parse(&b).expect("a version"));
            prop_assert_eq!(a.cmp(&b), a.sort_key().cmp(&b.sort_key()), "{} {}", a, b);
        }
    }

    #[test]
    fn versions_order_by_semver() {
        let v = |text: &str| Version::parse(text).expect(text);
        assert!(v("1.10.0") > v("1.9.9"));
        assert!(v("2.0.0-rc.1") < v("2.0.0"));
        assert!(v("2.0.0-rc.1").is_prerelease());
        assert_eq!(v("1.2.3").next_patch(), v("1.2.4"));
        assert_eq!(v("1.2.3-rc.1").next_patch(), v("1.2.3"));
    }

    #[test]
    fn other_texts_are_refused() {
        for wrong in [
            "",
            "1",
            "1.0",
            "v1.0.0",
            "1.0.0 ",
            "01.0.0",
            "latest",
            "1.0.0\n",
            "1.0.0+a",
            &format!("1.0.0-{}", "a".repeat(64)),
        ] {
            assert!(Version::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
