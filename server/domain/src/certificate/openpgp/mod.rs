//! OpenPGP: certificates of signers (`.asc` files) and detached signatures over push certificates.
//!
//! The packets and the mathematics are the `pgp` crate's; what a key may do at a given time is decided here: bindings,
//! back signatures, flags, expiry and revocation. Source: RFC 9580, and GnuPG where the RFC leaves a choice.

mod armor;
mod key;
mod signature;

pub use armor::ArmorError;
pub use key::{KeyFault, OpenPgpError, OpenPgpKey};
pub use signature::{OpenPgpSigError, OpenPgpSignature};

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SubpacketData};
use pgp::types::Fingerprint;

use super::SignerId;

/// The hashes that still bind a signature to what was signed; `None` for the others.
fn strong_hash(signature: &Signature) -> Option<HashAlgorithm> {
    signature.hash_alg().filter(|hash| {
        matches!(
            hash,
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    })
}

/// True when the signature carries something that its maker wanted understood and that is not understood here.
fn has_unknown_critical(signature: &Signature) -> bool {
    signature.config().is_none_or(|config| {
        config.hashed_subpackets().any(|subpacket| {
            subpacket.is_critical
                && matches!(
                    subpacket.data,
                    SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(..)
                )
        })
    })
}

/// When the signature was made, in seconds; `None` when its signed part does not say.
fn made_at(signature: &Signature) -> Option<i64> {
    signature.created().map(|at| i64::from(at.as_secs()))
}

/// When the signature itself stops counting.
fn ends_at(signature: &Signature) -> Option<i64> {
    let lifetime = signature.signature_expiration_time().map(|d| i64::from(d.as_secs())).filter(|s| *s != 0)?;
    Some(made_at(signature)?.saturating_add(lifetime))
}

fn signer_id(fingerprint: &Fingerprint) -> Option<SignerId> {
    match fingerprint {
        Fingerprint::V4(bytes) => Some(SignerId::openpgp(bytes)),
        Fingerprint::V6(bytes) => Some(SignerId::openpgp(bytes)),
        _ => None,
    }
}
