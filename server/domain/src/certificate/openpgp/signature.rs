//! Detached signatures.

use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SignatureVersion};

use super::armor::{self, ArmorError};
use super::key::{KeyFault, OpenPgpKey, SigningMaterial};
use super::{ends_at, has_unknown_critical, made_at, signer_id, strong_hash};
use crate::certificate::SignerId;
use crate::timestamp::Timestamp;

const LABEL: &str = "PGP SIGNATURE";
/// How far a signer's clock may be off. It never makes a key valid; it only shows that a signature was not made now.
const CLOCK_SECONDS_MAX: i64 = 24 * 60 * 60;

/// A parsed signature. Whose key made it is its own claim until [`OpenPgpSignature::verify`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenPgpSignature {
    signature: Signature,
    issuer: SignerId,
    made_at: i64,
}

/// Why a signature cannot be read or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpSigError {
    /// Not armour.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// Not exactly one signature packet.
    #[error("expected one OpenPGP signature packet")]
    NotOnePacket,
    /// An old or unknown version.
    #[error("OpenPGP signatures of versions 4 and 6 are accepted")]
    Version,
    /// Not over a document.
    #[error("this OpenPGP signature is not one over a document")]
    Kind,
    /// A weak hash.
    #[error("the OpenPGP signature uses {name}; SHA-256 or better is needed")]
    Hash {
        /// Which.
        name: String,
    },
    /// It does not say in its signed part when it was made.
    #[error("the OpenPGP signature does not say when it was made")]
    NoTime,
    /// It does not name the key.
    #[error("the OpenPGP signature does not name its key by fingerprint")]
    NoIssuer,
    /// It carries a condition that is not understood.
    #[error("the OpenPGP signature carries a critical condition that is not understood")]
    Critical,
    /// The key does not count at that time.
    #[error("the signing key does not count")]
    Key(#[source] KeyFault),
    /// The signature has an end of its own, which is over.
    #[error("the OpenPGP signature was made to expire at {expired_at}")]
    Expired {
        /// When.
        expired_at: Timestamp,
    },
    /// Made before the key, or a day or more away from now.
    #[error("the OpenPGP signature says that it was made at {made_at}")]
    Clock {
        /// When.
        made_at: Timestamp,
    },
    /// The mathematics does not hold.
    #[error("the signature does not fit the text")]
    Wrong,
}

impl OpenPgpSignature {
    /// Reads an armoured signature: one packet, version 4 or 6, over a document, with SHA-256 or better.
    ///
    /// # Errors
    /// [`OpenPgpSigError`].
    pub fn parse(armored: &[u8]) -> Result<Self, OpenPgpSigError> {
        let text = std::str::from_utf8(armored).map_err(|_| ArmorError::Damaged { label: LABEL })?;
        let bytes = armor::decode(text, LABEL)?;
        let mut packets = PacketParser::new(&bytes[..]);
        let (Some(Ok(Packet::Signature(signature))), None) = (packets.next(), packets.next()) else {
            return Err(OpenPgpSigError::NotOnePacket);
        };
        if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
            return Err(OpenPgpSigError::Version);
        }
        if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
            return Err(OpenPgpSigError::Kind);
        }
        if strong_hash(&signature).is_none() {
            let name = signature.hash_alg().map_or_else(|| "an unknown hash".to_owned(), |hash| hash.to_string());
            return Err(OpenPgpSigError::Hash { name });
        }
        if has_unknown_critical(&signature) {
            return Err(OpenPgpSigError::Critical);
        }
        let made_at = made_at(&signature).ok_or(OpenPgpSigError::NoTime)?;
        let issuer = match signature.issuer_fingerprint()[..] {
            [one] => signer_id(one).ok_or(OpenPgpSigError::NoIssuer)?,
            _ => return Err(OpenPgpSigError::NoIssuer),
        };
        Ok(Self { signature, issuer, made_at })
    }

    /// The key that claims to have signed, often a subkey.
    pub fn issuer(&self) -> &SignerId {
        &self.issuer
    }

    /// Verifies that `key` made this signature over `text`, and that it may sign at `at`.
    ///
    /// # Errors
    /// [`OpenPgpSigError`].
    pub fn verify(&self, key: &OpenPgpKey, text: &[u8], at: Timestamp) -> Result<(), OpenPgpSigError> {
        let (material, created_at) = key.at(&self.issuer, at).map_err(OpenPgpSigError::Key)?;
        match material {
            SigningMaterial::Primary(key) => self.signature.verify(key, text),
            SigningMaterial::Subkey(key) => self.signature.verify(key, text),
        }
        .map_err(|_| OpenPgpSigError::Wrong)?;
        if self.made_at < created_at || (at.seconds() - self.made_at).abs() > CLOCK_SECONDS_MAX {
            return Err(OpenPgpSigError::Clock { made_at: Timestamp::from_seconds(self.made_at) });
        }
        if let Some(end) = ends_at(&self.signature).filter(|end| *end <= at.seconds()) {
            return Err(OpenPgpSigError::Expired { expired_at: Timestamp::from_seconds(end) });
        }
        Ok(())
    }
}
