//! The registry's own Ed25519 key. It signs what the registry makes (release tags), and never counts as a person.

use std::fmt;
use std::sync::Arc;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use skill_pool_domain::certificate::ssh::{
    GIT_NAMESPACE, SshHash, SshPublicKey, SshSignature, put_string, signed_data,
};

/// The name under which the key stands in a verifier's allowed signers.
pub const REGISTRY_PRINCIPAL: &str = "registry@skill-pool.invalid";

/// The signing key; cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    public: SshPublicKey,
}

impl SigningKey {
    /// The key of a 32-byte seed; `None` when the library refuses it.
    pub(super) fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, pair.public_key().as_ref());
        let public = SshPublicKey::from_blob(&blob).ok()?;
        Some(Self { pair: Arc::new(pair), public })
    }

    /// The public part.
    pub fn public(&self) -> &SshPublicKey {
        &self.public
    }

    /// One line for a verifier's `gpg.ssh.allowedSignersFile`.
    pub fn allowed_signers_line(&self) -> String {
        format!("{REGISTRY_PRINCIPAL} namespaces=\"git\" {}\n", self.public.to_openssh())
    }

    /// Signs `message` as git signs tags and commits: an armoured SSHSIG, namespace `git`, SHA-512.
    pub fn sign_git(&self, message: &[u8]) -> String {
        let raw = self.pair.sign(&signed_data(GIT_NAMESPACE, SshHash::Sha512, message));
        let mut signature = Vec::new();
        put_string(&mut signature, b"ssh-ed25519");
        put_string(&mut signature, raw.as_ref());
        SshSignature::new(&self.public, GIT_NAMESPACE, SshHash::Sha512, signature).to_armor()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint())
    }
}
