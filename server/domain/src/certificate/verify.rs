//! Whose signature it is.

use super::openpgp::{OpenPgpSigError, OpenPgpSignature};
use super::ssh::{GIT_NAMESPACE, SshSigError, SshSignature};
use super::{PushCertificate, SignatureKind, SignerId};
use crate::names::MemberId;
use crate::registry::{SignerFault, SignerKey, Signers};
use crate::timestamp::Timestamp;

/// A signature that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signature {
    /// By a registered key that counts now.
    Registered {
        /// The key.
        signer: SignerId,
        /// Whose it is.
        member: MemberId,
    },
    /// By a key that nobody registered. Of SSH the mathematics holds; of OpenPGP not even that is known, since the
    /// signature does not carry its key.
    Unknown {
        /// The key.
        signer: SignerId,
    },
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The SSH signature cannot be read or is wrong.
    #[error(transparent)]
    Ssh(SshSigError),
    /// The OpenPGP signature cannot be read or is wrong.
    #[error(transparent)]
    OpenPgp(OpenPgpSigError),
    /// The registered key does not count now.
    #[error("{signer}, registered at {place}, does not count now")]
    Signer {
        /// The key.
        signer: SignerId,
        /// Whose it is.
        member: MemberId,
        /// Where it is registered.
        place: String,
        /// Why.
        source: SignerFault,
    },
}

/// Verifies the signature of `certificate` against the keys registered at `at`. The key is looked up by the name that
/// the signature gives it, and the registered copy does the verifying.
///
/// # Errors
/// [`SignatureFault`]; never for a key that is merely unknown.
pub fn verify(certificate: &PushCertificate, signers: &Signers, at: Timestamp) -> Result<Signature, SignatureFault> {
    match certificate.kind {
        SignatureKind::Ssh => verify_ssh(certificate, signers, at),
        SignatureKind::OpenPgp => verify_openpgp(certificate, signers, at),
    }
}

fn verify_ssh(certificate: &PushCertificate, signers: &Signers, at: Timestamp) -> Result<Signature, SignatureFault> {
    let signature = SshSignature::parse(certificate.signature()).map_err(SignatureFault::Ssh)?;
    let claimed = signature.claimed_key().map_err(SignatureFault::Ssh)?;
    let signer = SignerId::ssh(&claimed);
    let registered = signers.get(&signer);
    let key = match registered.map(|r| &r.key) {
        Some(SignerKey::Ssh { key, .. }) => key,
        _ => &claimed,
    };
    signature.verify(key, GIT_NAMESPACE, certificate.signed_text()).map_err(SignatureFault::Ssh)?;
    conclude(signers, signer, at)
}

fn verify_openpgp(
    certificate: &PushCertificate,
    signers: &Signers,
    at: Timestamp,
) -> Result<Signature, SignatureFault> {
    let signature = OpenPgpSignature::parse(certificate.signature()).map_err(SignatureFault::OpenPgp)?;
    let signer = signature.issuer().clone();
    let registered = signers.get(&signer).and_then(|registered| match &registered.key {
        SignerKey::OpenPgp { certificate } => signers.openpgp(certificate).map(|key| (registered, key)),
        SignerKey::Ssh { .. } => None,
    });
    let Some((registered, key)) = registered else { return Ok(Signature::Unknown { signer }) };
    match signature.verify(&key, certificate.signed_text(), at) {
        Ok(()) => conclude(signers, signer, at),
        Err(OpenPgpSigError::Key(fault)) => Err(SignatureFault::Signer {
            signer,
            member: registered.member.clone(),
            place: registered.place.clone(),
            source: SignerFault::OpenPgp(fault),
        }),
        Err(fault) => Err(SignatureFault::OpenPgp(fault)),
    }
}

fn conclude(signers: &Signers, signer: SignerId, at: Timestamp) -> Result<Signature, SignatureFault> {
    let Some(registered) = signers.get(&signer) else { return Ok(Signature::Unknown { signer }) };
    let member = registered.member.clone();
    match signers.counts(&signer, registered, at) {
        Ok(()) => Ok(Signature::Registered { signer, member }),
        Err(source) => Err(SignatureFault::Signer { signer, member, place: registered.place.clone(), source }),
    }
}
