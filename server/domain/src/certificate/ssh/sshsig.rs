//! SSHSIG: signatures over anything, with a namespace. Source: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, SHA512, digest};
use ring::signature as algorithms;

use super::key::{Material, SshKeyError, SshPublicKey, fingerprint, shown};
use super::wire::{Reader, put_string};

const MAGIC: &[u8; 6] = b"SSHSIG";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// Characters of one line of base64, as ssh-keygen writes it.
const LINE_CHARS: usize = 70;
/// The longest armour that is read: an RSA-8192 key and signature are under 5 KiB.
const ARMOR_BYTES_MAX: usize = 16 * 1024;
/// A hardware key's flag: somebody touched it for this signature.
const USER_PRESENT: u8 = 0x01;

/// The digest inside a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SshHash {
    /// `sha256`.
    Sha256,
    /// `sha512`.
    Sha512,
}

impl SshHash {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"sha256",
            Self::Sha512 => b"sha512",
        }
    }

    fn of(self, message: &[u8]) -> ring::digest::Digest {
        match self {
            Self::Sha256 => digest(&SHA256, message),
            Self::Sha512 => digest(&SHA512, message),
        }
    }
}

/// A parsed signature. The key inside it is only a claim: look its fingerprint up, then verify with your own copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshSignature {
    public_key: Vec<u8>,
    pub(super) namespace: Vec<u8>,
    hash: SshHash,
    pub(super) signature: Vec<u8>,
}

/// Why a signature cannot be read or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// Not an armoured SSH signature.
    #[error("the SSH signature's armour is damaged")]
    Armor,
    /// The blob inside is cut, too long, or of another version.
    #[error("the SSH signature's data are damaged")]
    Damaged,
    /// Neither `sha256` nor `sha512`.
    #[error("SSH signatures use sha256 or sha512, this one `{name}`")]
    Hash {
        /// What it names, escaped.
        name: String,
    },
    /// The key inside is of a kind that is not accepted.
    #[error("the signing key is not accepted")]
    Key(#[source] SshKeyError),
    /// Made for another purpose.
    #[error("the signature was made for the namespace `{namespace}`; git signs for `git`")]
    Namespace {
        /// What it names, escaped.
        namespace: String,
    },
    /// The algorithm is not one for this key, or is not accepted.
    #[error("the signature algorithm `{name}` is not accepted for a key of type `{kind}`")]
    Algorithm {
        /// The algorithm, escaped.
        name: String,
        /// The key's type.
        kind: String,
    },
    /// A hardware key signed without being touched.
    #[error("the hardware key signed without a touch")]
    NoUserPresence,
    /// The key inside is not the key to verify with.
    #[error("the signature was made by another key")]
    OtherKey,
    /// The mathematics does not hold.
    #[error("the signature does not fit the text")]
    Wrong,
}

/// The bytes that an SSH key signs for `message`.
pub fn signed_data(namespace: &str, hash: SshHash, message: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_string(&mut out, namespace.as_bytes());
    put_string(&mut out, b"");
    put_string(&mut out, hash.name());
    put_string(&mut out, hash.of(message).as_ref());
    out
}

impl SshSignature {
    /// Puts a signature together; `signature` is the algorithm's name and its bytes, both as SSH strings.
    pub fn new(key: &SshPublicKey, namespace: &str, hash: SshHash, signature: Vec<u8>) -> Self {
        Self { public_key: key.blob().to_vec(), namespace: namespace.as_bytes().to_vec(), hash, signature }
    }

    /// Reads an armoured signature, from its BEGIN line to the line feed after its END line, and nothing more.
    ///
    /// # Errors
    /// [`SshSigError`] `Armor`, `Damaged` or `Hash`.
    pub fn parse(armor: &[u8]) -> Result<Self, SshSigError> {
        if armor.len() > ARMOR_BYTES_MAX {
            return Err(SshSigError::Armor);
        }
        let text = std::str::from_utf8(armor).map_err(|_| SshSigError::Armor)?;
        let body = text.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END)).ok_or(SshSigError::Armor)?;
        if body.starts_with('\n') || body.contains("\n\n") || !body.ends_with('\n') {
            return Err(SshSigError::Armor);
        }
        let blob = STANDARD.decode(body.replace('\n', "")).map_err(|_| SshSigError::Armor)?;
        Self::from_blob(&blob)
    }

    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, SshSigError> {
        let mut reader = Reader(blob);
        let read = (|| {
            (reader.bytes(MAGIC.len())? == MAGIC && reader.uint32()? == 1).then_some(())?;
            let (public_key, namespace, reserved) = (reader.string()?, reader.string()?, reader.string()?);
            let (hash, signature) = (reader.string()?, reader.string()?);
            // Nobody writes a reserved field; ssh-keygen would leave it out of what it verifies.
            (reserved.is_empty() && reader.is_at_end()).then_some((public_key, namespace, hash, signature))
        })();
        let (public_key, namespace, hash, signature) = read.ok_or(SshSigError::Damaged)?;
        let hash = match hash {
            b"sha256" => SshHash::Sha256,
            b"sha512" => SshHash::Sha512,
            other => return Err(SshSigError::Hash { name: shown(other) }),
        };
        Ok(Self { public_key: public_key.to_vec(), namespace: namespace.to_vec(), hash, signature: signature.to_vec() })
    }

    /// The armoured form, as ssh-keygen writes it.
    pub fn to_armor(&self) -> String {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&1_u32.to_be_bytes());
        for field in [&self.public_key[..], &self.namespace, b"", self.hash.name(), &self.signature] {
            put_string(&mut blob, field);
        }
        let base64 = STANDARD.encode(blob);
        let mut out = BEGIN.to_owned();
        for line in base64.as_bytes().chunks(LINE_CHARS) {
            out.extend(line.iter().map(|b| char::from(*b)));
            out.push('\n');
        }
        out + END
    }

    /// The claimed key's fingerprint, `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.public_key)
    }

    /// The claimed key.
    ///
    /// # Errors
    /// [`SshSigError::Key`] when its kind is not accepted.
    pub fn claimed_key(&self) -> Result<SshPublicKey, SshSigError> {
        SshPublicKey::from_blob(&self.public_key).map_err(SshSigError::Key)
    }

    /// Verifies that `key` signed `message` for `namespace`.
    ///
    /// # Errors
    /// [`SshSigError`] says what does not hold.
    pub fn verify(&self, key: &SshPublicKey, namespace: &str, message: &[u8]) -> Result<(), SshSigError> {
        if self.namespace != namespace.as_bytes() {
            return Err(SshSigError::Namespace { namespace: shown(&self.namespace) });
        }
        if self.public_key != key.blob() {
            return Err(SshSigError::OtherKey);
        }
        let data = signed_data(namespace, self.hash, message);
        let mut reader = Reader(&self.signature);
        let name = reader.string().ok_or(SshSigError::Damaged)?;
        let raw = reader.string().ok_or(SshSigError::Damaged)?;
        let wrong_algorithm = || SshSigError::Algorithm { name: shown(name), kind: key.kind().to_owned() };
        let material = key.material();
        match (&material, name) {
            (Material::Ed25519(_), b"ssh-ed25519")
            | (Material::P256(_), b"ecdsa-sha2-nistp256")
            | (Material::P384(_), b"ecdsa-sha2-nistp384")
            | (Material::Rsa { .. }, b"rsa-sha2-256" | b"rsa-sha2-512")
            | (Material::SkEd25519 { .. }, b"sk-ssh-ed25519@openssh.com")
            | (Material::SkP256 { .. }, b"sk-ecdsa-sha2-nistp256@openssh.com") => {}
            _ => return Err(wrong_algorithm()),
        }
        let data = match &material {
            Material::SkEd25519 { application, .. } | Material::SkP256 { application, .. } => {
                let flags = reader.byte().ok_or(SshSigError::Damaged)?;
                let counter = reader.bytes(4).ok_or(SshSigError::Damaged)?;
                if flags & USER_PRESENT == 0 {
                    return Err(SshSigError::NoUserPresence);
                }
                let mut device_data = digest(&SHA256, application).as_ref().to_vec();
                device_data.push(flags);
                device_data.extend_from_slice(counter);
                device_data.extend_from_slice(digest(&SHA256, &data).as_ref());
                device_data
            }
            _ => data,
        };
        if !reader.is_at_end() {
            return Err(SshSigError::Damaged);
        }
        match material {
            Material::Ed25519(point) | Material::SkEd25519 { point, .. } => {
                ring_verify(&algorithms::ED25519, point, &data, raw)
            }
            Material::P256(point) | Material::SkP256 { point, .. } => {
                ring_verify(&algorithms::ECDSA_P256_SHA256_FIXED, point, &data, &fixed_width(raw, 32)?)
            }
            Material::P384(point) => {
                ring_verify(&algorithms::ECDSA_P384_SHA384_FIXED, point, &data, &fixed_width(raw, 48)?)
            }
            Material::Rsa { exponent, modulus } => {
                let algorithm = match name {
                    b"rsa-sha2-256" => &algorithms::RSA_PKCS1_2048_8192_SHA256,
                    _ => &algorithms::RSA_PKCS1_2048_8192_SHA512,
                };
                // Some signers leave out leading zeros; OpenSSH puts them back, and so do we.
                let mut padded = vec![0; modulus.len().saturating_sub(raw.len())];
                padded.extend_from_slice(raw);
                algorithms::RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(algorithm, &data, &padded)
                    .map_err(|_| SshSigError::Wrong)
            }
        }
    }
}

fn ring_verify(
    algorithm: &'static dyn algorithms::VerificationAlgorithm,
    key: &[u8],
    data: &[u8],
    signature: &[u8],
) -> Result<(), SshSigError> {
    algorithms::UnparsedPublicKey::new(algorithm, key).verify(data, signature).map_err(|_| SshSigError::Wrong)
}

/// Two mpints to two numbers of `width` bytes each, side by side.
fn fixed_width(raw: &[u8], width: usize) -> Result<Vec<u8>, SshSigError> {
    let mut reader = Reader(raw);
    let mut out = Vec::with_capacity(2 * width);
    for _ in 0..2 {
        let number = reader.positive_mpint().ok_or(SshSigError::Damaged)?;
        let zeros = width.checked_sub(number.len()).ok_or(SshSigError::Damaged)?;
        out.resize(out.len() + zeros, 0);
        out.extend_from_slice(number);
    }
    if reader.is_at_end() { Ok(out) } else { Err(SshSigError::Damaged) }
}
