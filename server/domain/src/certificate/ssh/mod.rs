//! OpenSSH's formats for keys and signatures, on `ring`: public keys as they stand in `.pub` files, signatures as
//! `ssh-keygen -Y sign` and git make them (SSHSIG).
//!
//! What is accepted: Ed25519, ECDSA on P-256 and P-384, RSA of 2048 to 8192 bits with SHA-2, and hardware keys (`sk-…`)
//! whose user touched them. Everything else is refused by its name.

mod key;
mod sshsig;
mod wire;

pub use key::{SshKeyError, SshPublicKey};
pub use sshsig::{SshHash, SshSigError, SshSignature, signed_data};
pub use wire::put_string;

/// The namespace of everything that git signs. Source: git's gpg-interface.c.
pub const GIT_NAMESPACE: &str = "git";

#[cfg(test)]
mod tests;
