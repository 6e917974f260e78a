//! Full ref names, such as `refs/heads/main`.

use std::fmt;

use bstr::ByteSlice;

/// The longest ref name that is taken, in bytes: what every file system can hold as a path below a repository.
pub const REF_NAME_BYTES_MAX: usize = 255;

/// A full ref name: begins with `refs/`, passes git's own rules, is UTF-8 without control characters and at most
/// [`REF_NAME_BYTES_MAX`] bytes long.
///
/// Source: git-check-ref-format(1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(Box<str>);

/// Why bytes are not a full ref name. The text is safe to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefNameError {
    /// Not below `refs/`.
    #[error("a ref name begins with `refs/` and a second part")]
    NotBelowRefs,
    /// Too long.
    #[error("this ref name has {bytes} bytes; at most 255 are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a ref name is UTF-8 text")]
    NotUtf8,
    /// Against git's rules.
    #[error("git does not allow this ref name: {0}")]
    Format(String),
}

impl RefName {
    /// Reads a full ref name.
    ///
    /// # Errors
    /// [`RefNameError`] names the broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, RefNameError> {
        if bytes.len() > REF_NAME_BYTES_MAX {
            return Err(RefNameError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RefNameError::NotUtf8)?;
        let rest = text.strip_prefix("refs/").ok_or(RefNameError::NotBelowRefs)?;
        if rest.is_empty() || text.chars().any(char::is_control) {
            return Err(RefNameError::NotBelowRefs);
        }
        gix_validate::reference::name(bytes.as_bstr()).map_err(|e| RefNameError::Format(e.to_string()))?;
        Ok(Self(text.into()))
    }

    /// `refs/heads/main`.
    pub fn main() -> Self {
        Self("refs/heads/main".into())
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch's name without `refs/heads/`, if this is a branch.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag's name without `refs/tags/`, if this is a tag.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_gits_rules() {
        for right in ["refs/heads/main", "refs/tags/a--v1.0.0", "refs/for/main", "refs/heads/ü"] {
            assert_eq!(RefName::parse(right.as_bytes()).expect(right).as_str(), right);
        }
        for wrong in [
            "",
            "HEAD",
            "refs/",
            "refs",
            "heads/main",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/\u{7}",
            "refs//heads",
            "refs/heads/.a",
            "refs/heads/a~",
            "refs/heads/@{x",
            "refs/heads/\u{85}",
        ] {
            assert!(RefName::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert_eq!(RefName::parse(b"refs/heads/\xff"), Err(RefNameError::NotUtf8));
        assert_eq!(
            RefName::parse(format!("refs/{}", "x".repeat(251)).as_bytes()),
            Err(RefNameError::TooLong { bytes: 256 })
        );
    }
}
