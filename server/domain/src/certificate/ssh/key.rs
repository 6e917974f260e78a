//! SSH public keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::wire::Reader;
use crate::digest::Sha256;

/// The longest key blob that is read, in bytes: RSA of 8192 bits with room to spare.
const BLOB_BYTES_MAX: usize = 4096;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key of an accepted kind. Two values are equal if and only if they are the same key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SshPublicKey {
    blob: Box<[u8]>,
}

/// What verifies a signature, borrowed from the blob.
pub(super) enum Material<'a> {
    Ed25519(&'a [u8]),
    P256(&'a [u8]),
    P384(&'a [u8]),
    Rsa { exponent: &'a [u8], modulus: &'a [u8] },
    SkEd25519 { point: &'a [u8], application: &'a [u8] },
    SkP256 { point: &'a [u8], application: &'a [u8] },
}

/// Why a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// Not `<type> <base64> [comment]`.
    #[error("this is not an OpenSSH public key: expected `<type> <base64> [comment]`")]
    NotAKeyLine,
    /// The base64 part holds something else than the type before it says.
    #[error("the key's data do not fit its type `{kind}`")]
    TypeDiffers {
        /// The type in front of the data.
        kind: String,
    },
    /// The data are cut, too long or hold a number in a wrong form.
    #[error("the key's data are damaged")]
    Damaged,
    /// A kind of key that is not accepted.
    #[error("keys of type `{kind}` are not accepted; {why}")]
    Kind {
        /// Its type, escaped.
        kind: String,
        /// The reason.
        why: &'static str,
    },
    /// RSA of a size outside the bounds.
    #[error("RSA keys have 2048 to 8192 bits; this one has {bits}")]
    RsaSize {
        /// Its bits.
        bits: usize,
    },
    /// A private key.
    #[error("this is a PRIVATE key: treat it as leaked, make a new one, and commit only the `.pub` file")]
    Private,
}

impl SshPublicKey {
    /// Reads a key's blob: what stands in base64 in a `.pub` file.
    ///
    /// # Errors
    /// [`SshKeyError`] names the kind that is not accepted or says that the data are damaged.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshKeyError> {
        if blob.len() > BLOB_BYTES_MAX {
            return Err(SshKeyError::Damaged);
        }
        parse(blob)?;
        Ok(Self { blob: blob.into() })
    }

    /// Reads `<type> <base64> [comment]`.
    ///
    /// # Errors
    /// As [`SshPublicKey::from_blob`], and for text that is no key.
    pub fn from_openssh(line: &str) -> Result<Self, SshKeyError> {
        if line.contains("PRIVATE KEY") {
            return Err(SshKeyError::Private);
        }
        let mut words = line.split([' ', '\t']).filter(|w| !w.is_empty());
        let (Some(kind), Some(data)) = (words.next(), words.next()) else { return Err(SshKeyError::NotAKeyLine) };
        if data.len() > BLOB_BYTES_MAX * 2 {
            return Err(SshKeyError::Damaged);
        }
        let blob = STANDARD.decode(data).map_err(|_| SshKeyError::NotAKeyLine)?;
        if Reader(&blob).string() != Some(kind.as_bytes()) {
            return Err(SshKeyError::TypeDiffers { kind: shown(kind.as_bytes()) });
        }
        Self::from_blob(&blob)
    }

    /// Reads the type word of a key line, such as `ssh-ed25519`, without looking further; tells options from a key.
    pub fn is_type_word(word: &str) -> bool {
        ["ssh-", "ecdsa-", "sk-", "rsa-"].iter().any(|start| word.starts_with(start))
    }

    /// The wire form.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The type, such as `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        Reader(&self.blob).string().and_then(|kind| std::str::from_utf8(kind).ok()).expect("the constructor read it")
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }

    /// `<type> <base64>`, without a comment.
    pub fn to_openssh(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.blob))
    }

    pub(super) fn material(&self) -> Material<'_> {
        parse(&self.blob).expect("the constructor parsed it")
    }
}

/// The key as `to_openssh` writes it; it is public.
impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_openssh())
    }
}

impl serde::Serialize for SshPublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_openssh())
    }
}

impl<'de> serde::Deserialize<'de> for SshPublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_openssh(&text).map_err(serde::de::Error::custom)
    }
}

/// `SHA256:` and the digest of `blob` in base64 without padding.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::of(blob).0))
}

fn parse(blob: &[u8]) -> Result<Material<'_>, SshKeyError> {
    let mut reader = Reader(blob);
    let kind = reader.string().ok_or(SshKeyError::Damaged)?;
    if let Some(why) = refusal(kind) {
        return Err(SshKeyError::Kind { kind: shown(kind), why });
    }
    let material = read_material(kind, &mut reader).filter(|_| reader.is_at_end()).ok_or(SshKeyError::Damaged)?;
    if let Material::Rsa { modulus, .. } = material {
        let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
        if !RSA_BITS.contains(&bits) {
            return Err(SshKeyError::RsaSize { bits });
        }
    }
    Ok(material)
}

fn read_material<'a>(kind: &[u8], reader: &mut Reader<'a>) -> Option<Material<'a>> {
    Some(match kind {
        b"ssh-ed25519" => Material::Ed25519(exactly(reader.string()?, 32)?),
        b"ecdsa-sha2-nistp256" => Material::P256(point(reader, b"nistp256", 32)?),
        b"ecdsa-sha2-nistp384" => Material::P384(point(reader, b"nistp384", 48)?),
        b"ssh-rsa" => Material::Rsa { exponent: reader.positive_mpint()?, modulus: reader.positive_mpint()? },
        b"sk-ssh-ed25519@openssh.com" => {
            Material::SkEd25519 { point: exactly(reader.string()?, 32)?, application: reader.string()? }
        }
        b"sk-ecdsa-sha2-nistp256@openssh.com" => {
            Material::SkP256 { point: point(reader, b"nistp256", 32)?, application: reader.string()? }
        }
        _ => return None,
    })
}

fn exactly(bytes: &[u8], length: usize) -> Option<&[u8]> {
    (bytes.len() == length).then_some(bytes)
}

/// An uncompressed point whose coordinates have `width` bytes. Source: RFC 5656, section 3.1.
fn point<'a>(reader: &mut Reader<'a>, curve: &[u8], width: usize) -> Option<&'a [u8]> {
    if reader.string()? != curve {
        return None;
    }
    exactly(reader.string()?, 1 + 2 * width).filter(|p| p[0] == 4)
}

/// Why keys of this type are refused; `None` for those that are read.
fn refusal(kind: &[u8]) -> Option<&'static str> {
    const ACCEPTED: [&[u8]; 6] = [
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ssh-rsa",
        b"sk-ssh-ed25519@openssh.com",
        b"sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    match kind {
        kind if ACCEPTED.contains(&kind) => None,
        b"ssh-dss" => Some("DSA is broken; make a new key with `ssh-keygen -t ed25519`"),
        b"ecdsa-sha2-nistp521" => Some("use Ed25519, P-256 or P-384: `ssh-keygen -t ed25519`"),
        kind if kind.ends_with(b"-cert-v01@openssh.com") => {
            Some("register the plain public key, not a certificate for it")
        }
        _ => Some("use Ed25519, ECDSA P-256 or P-384, RSA from 2048 bits, or a hardware key of these"),
    }
}

/// A type as it may be printed: escaped and cut.
pub(super) fn shown(kind: &[u8]) -> String {
    kind.iter().take(64).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect()
}
