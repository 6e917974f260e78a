//! Secrets of this installation: the signing key and the secret behind tokens and nonces. 0600 on disk, unprintable in
//! memory.
//!
//! In: the folder `keys/` of the data folder. Out: [`Keys`]. On the very first start the files are made; ever after
//! they are only read, so that a full disk or a read-only one does not matter. A file that is damaged, or that others
//! may read, is refused with the command that mends it; a file that is missing beside existing data is never made anew,
//! since that would silently void every token or change who signs the releases.

mod files;
mod openssh;
mod signing;
mod tag;

use std::path::{Path, PathBuf};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use skill_pool_domain::certificate::nonce::NonceKey;
use skill_pool_domain::digest::hex;
use skill_pool_domain::token::{Pepper, Token, TokenKind};

pub use signing::{REGISTRY_PRINCIPAL, SigningKey};
pub use tag::ReleaseTag;

/// The signing key's file, in OpenSSH's own form; its public part lies beside it with `.pub`.
const SIGNING_KEY: &str = "signing";
/// The secret's file.
const SECRET: &str = "secret";

/// What to do when the files are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenAbsent {
    /// Make them: this is the first start.
    Make,
    /// Refuse: there are data that were made with them.
    Refuse,
}

/// All secrets of this installation.
#[derive(Clone, Debug)]
pub struct Keys {
    signing: SigningKey,
    secret: Secret,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file is not there, but data made with it are.
    #[error(
        "{path} is missing, and the data beside it were made with it\nrestore it from a backup of the `keys` folder"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or write it.
    #[error("{path} may be read or changed by others (mode {mode:03o})\nmend it with: chmod {wanted:03o} {path}")]
    Permissions {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits that it should have.
        wanted: u32,
    },
    /// It holds something else than it should.
    #[error("{path} is damaged: {reason}\nrestore it from a backup of the `keys` folder")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The disk failed.
    #[error("could not {action} {path}")]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl Keys {
    /// Opens the keys in `folder`, and makes them when they are absent and `when_absent` says so.
    ///
    /// # Errors
    /// [`KeysError`], in words for the administrator.
    pub fn open(folder: &Path, when_absent: WhenAbsent) -> Result<Self, KeysError> {
        let may_make = when_absent == WhenAbsent::Make;
        if may_make {
            files::make_folder(folder)?;
        }
        let secret_path = folder.join(SECRET);
        let secret = match files::read_private(&secret_path)? {
            Some(bytes) => Secret::parse(&bytes)
                .ok_or(KeysError::Damaged { path: secret_path, reason: "it does not hold a whole secret" })?,
            None if may_make => {
                let secret = Secret(random_bytes()?);
                files::write_private(&secret_path, secret.to_text().as_bytes())?;
                secret
            }
            None => return Err(KeysError::Missing { path: secret_path }),
        };
        let signing_path = folder.join(SIGNING_KEY);
        let signing = match files::read_private(&signing_path)? {
            Some(bytes) => openssh::parse(&bytes)
                .and_then(|(seed, public)| {
                    let key = SigningKey::from_seed(&seed).filter(|key| *key.public() == public);
                    key.ok_or("its private and public parts do not belong together")
                })
                .map_err(|reason| KeysError::Damaged { path: signing_path, reason })?,
            None if may_make => make_signing_key(&signing_path)?,
            None => return Err(KeysError::Missing { path: signing_path }),
        };
        Ok(Self { signing, secret })
    }

    /// The registry's own signing key.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key of token hashes.
    pub fn pepper(&self) -> Pepper {
        Pepper::new(&self.secret.derive("token pepper"))
    }

    /// The key that marks nonces.
    pub fn nonce_key(&self) -> NonceKey {
        NonceKey::new(&self.secret.derive("push nonces"))
    }

    /// The token that this installation has for `label`, the same at every start. For the demo.
    pub fn derived_token(&self, kind: TokenKind, label: &str) -> Token {
        Token::derive(kind, &self.secret.derive("derived tokens"), label)
    }

    /// 32 bytes for another purpose, the same at every start; different for every `purpose`.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        self.secret.derive(purpose)
    }
}

/// Makes a random token.
///
/// # Errors
/// [`KeysError::NoRandomness`].
pub fn new_token(kind: TokenKind) -> Result<Token, KeysError> {
    Ok(Token::new(kind, &random_bytes()?))
}

/// Random bytes from the operating system.
///
/// # Errors
/// [`KeysError::NoRandomness`].
pub fn random_bytes<const N: usize>() -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeysError::NoRandomness)?;
    Ok(bytes)
}

/// The public part is written first: the private file is what says that a key exists, and whoever sees it also finds
/// the other.
fn make_signing_key(path: &Path) -> Result<SigningKey, KeysError> {
    let seed = random_bytes()?;
    let check = u32::from_be_bytes(random_bytes()?);
    let key = SigningKey::from_seed(&seed).ok_or(KeysError::NoRandomness)?;
    let public = format!("{} {REGISTRY_PRINCIPAL}\n", key.public().to_openssh());
    files::write_public(&path.with_extension("pub"), public.as_bytes())?;
    files::write_private(path, openssh::format(&seed, key.public(), check).as_bytes())?;
    Ok(key)
}

/// 32 random bytes from which every symmetric key is derived by its purpose.
#[derive(Clone)]
struct Secret([u8; 32]);

impl Secret {
    const HEADER: &str = "skill-pool/secret/v1\n";

    /// Header, 64 hexadecimal digits, and a check that finds damage.
    fn to_text(&self) -> String {
        format!("{}{}\n{}\n", Self::HEADER, hex(&self.0), hex(&self.derive("check of the file")[..4]))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let digits = text.strip_prefix(Self::HEADER)?.lines().next()?;
        let secret = Self(skill_pool_domain::digest::unhex(digits)?.try_into().ok()?);
        (secret.to_text() == text).then_some(secret)
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"skill-pool/secret/v1\0");
        context.update(purpose.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests;
