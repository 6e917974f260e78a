//! A key's name in leaves, files and answers.

use std::fmt;
use std::str::FromStr;

use super::ssh::SshPublicKey;
use crate::digest::unhex;

/// The key that made a signature: `ssh:SHA256:<43 characters of base64>`, `pgp:v4:<40 hexadecimal digits>` or
/// `pgp:v6:<64 hexadecimal digits>`. For OpenPGP it is the very key that signed, often a subkey, because that is what a
/// signature names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignerId(Box<str>);

/// Text that is not a key's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signer is named `ssh:SHA256:…`, `pgp:v4:…` or `pgp:v6:…`")]
pub struct NotASignerId;

impl SignerId {
    /// The name of an SSH key.
    pub fn ssh(key: &SshPublicKey) -> Self {
        Self(format!("ssh:{}", key.fingerprint()).into())
    }

    /// The name of an OpenPGP key by its fingerprint: 20 bytes for version 4, 32 for version 6.
    pub(super) fn openpgp(fingerprint: &[u8]) -> Self {
        let version = if fingerprint.len() == 20 { 4 } else { 6 };
        Self(format!("pgp:v{version}:{}", crate::digest::hex(fingerprint)).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SignerId {
    type Err = NotASignerId;

    fn from_str(text: &str) -> Result<Self, NotASignerId> {
        let fits = if let Some(digest) = text.strip_prefix("ssh:SHA256:") {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD_NO_PAD.decode(digest).is_ok_and(|bytes| bytes.len() == 32)
        } else {
            [("pgp:v4:", 20), ("pgp:v6:", 32)].into_iter().any(|(start, bytes)| {
                text.strip_prefix(start).and_then(unhex).is_some_and(|fingerprint| fingerprint.len() == bytes)
            })
        };
        if fits { Ok(Self(text.into())) } else { Err(NotASignerId) }
    }
}

impl TryFrom<String> for SignerId {
    type Error = NotASignerId;
    fn try_from(text: String) -> Result<Self, NotASignerId> {
        text.parse()
    }
}

impl From<SignerId> for String {
    fn from(id: SignerId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_in_one_spelling() {
        for right in [
            "ssh:SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg",
            &format!("pgp:v4:{}", "ab".repeat(20)),
            &format!("pgp:v6:{}", "0f".repeat(32)),
        ] {
            let id: SignerId = right.parse().expect(right);
            assert_eq!(id.to_string(), right);
            assert_eq!(serde_json::from_str::<SignerId>(&serde_json::to_string(&id).expect("json")).expect("id"), id);
        }
        for wrong in [
            "",
            "-",
            "ssh:SHA256:",
            "ssh:SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
            "ssh:SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgh",
            "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg",
            &format!("pgp:v4:{}", "AB".repeat(20)),
            &format!("pgp:v4:{}", "ab".repeat(32)),
            &format!("pgp:v6:{}", "ab".repeat(20)),
        ] {
            assert_eq!(wrong.parse::<SignerId>(), Err(NotASignerId), "{wrong}");
        }
    }
}
