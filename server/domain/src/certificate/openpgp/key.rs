//! A signer's OpenPGP certificate: which of its keys may sign at a given time.

use std::fmt;

use pgp::packet::{Packet, PacketParser, PublicKey, PublicSubkey, RevocationCode, Signature, SignatureType};
use pgp::ser::Serialize as _;
use pgp::types::{EcdsaPublicParams, EddsaLegacyPublicParams, KeyDetails, PublicParams, Tag};

use super::armor::{self, ArmorError};
use super::{ends_at, has_unknown_critical, made_at, signer_id, strong_hash};
use crate::certificate::SignerId;
use crate::timestamp::Timestamp;

/// The longest certificate that is read, in bytes of armour.
const ARMOR_BYTES_MAX: usize = 64 << 10;
/// The most packets of one certificate: each signature among them costs a verification.
const PACKETS_MAX: usize = 256;
const LABEL: &str = "PGP PUBLIC KEY BLOCK";

/// A parsed certificate: a primary key with its subkeys, and what they said about themselves, all of it verified.
#[derive(Clone)]
pub struct OpenPgpKey {
    primary: Key<PublicKey>,
    subkeys: Vec<Key<PublicSubkey>>,
}

/// One key and its verified history.
#[derive(Clone)]
pub(super) struct Key<K> {
    pub material: K,
    id: SignerId,
    created_at: i64,
    bindings: Vec<Binding>,
    revocations: Vec<Revocation>,
}

/// A statement of the primary key about a key of the certificate. Times are in seconds.
#[derive(Clone, Debug)]
struct Binding {
    /// Made directly on the primary key, not on one of its names.
    direct: bool,
    made_at: i64,
    ends_at: Option<i64>,
    /// The name that it rests on was revoked then.
    withdrawn_at: Option<i64>,
    may_sign: Option<bool>,
    key_lifetime: Option<i64>,
}

#[derive(Clone, Debug)]
struct Revocation {
    made_at: i64,
    /// Retired or superseded: what was signed before still counts. Otherwise nothing does.
    soft: bool,
}

/// Why a file is not a certificate that can be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpError {
    /// Too long.
    #[error("this OpenPGP certificate is too long ({what}); export it with --export-options export-minimal")]
    TooLong {
        /// What there is too much of.
        what: String,
    },
    /// Not armour.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// A private key.
    #[error("this is a PRIVATE key: treat it as leaked, revoke it, and commit only `gpg --armor --export`")]
    Private,
    /// The packets are not those of one certificate.
    #[error("packet {number} of this OpenPGP certificate cannot be read or has no place there")]
    Packet {
        /// Its place, counted from 1.
        number: usize,
    },
    /// More than one certificate.
    #[error("this file holds more than one OpenPGP certificate; make a file for each")]
    Several,
    /// A key of a kind that is not accepted.
    #[error("OpenPGP keys of this kind are not accepted: {why}")]
    Algorithm {
        /// What it is and what to use.
        why: &'static str,
    },
    /// None of its keys may sign.
    #[error("no key of this OpenPGP certificate may sign, by valid self-signatures of SHA-256 or better")]
    CannotSign,
}

/// Why a key of a certificate does not count at a given time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not in the certificate.
    #[error("the certificate has no such key")]
    Absent,
    /// Made later.
    #[error("the key was made at {made_at}")]
    NotYet {
        /// When.
        made_at: Timestamp,
    },
    /// Over.
    #[error("the key expired at {expired_at}")]
    Expired {
        /// When.
        expired_at: Timestamp,
    },
    /// Revoked.
    #[error("the key is revoked")]
    Revoked,
    /// No valid statement binds it at that time.
    #[error("no valid self-signature vouches for the key at that time")]
    Unbound,
    /// Not a signing key.
    #[error("the key may not be used for signing")]
    MayNotSign,
}

impl OpenPgpKey {
    /// Reads an armoured certificate and verifies everything that it says about itself. What others say about it is
    /// ignored.
    ///
    /// # Errors
    /// [`OpenPgpError`].
    pub fn parse(armored: &str) -> Result<Self, OpenPgpError> {
        if armored.len() > ARMOR_BYTES_MAX {
            return Err(OpenPgpError::TooLong { what: format!("{} bytes", armored.len()) });
        }
        if armored.contains("PRIVATE KEY BLOCK") {
            return Err(OpenPgpError::Private);
        }
        let text = format!("{}\n", armored.replace("\r\n", "\n").trim());
        let bytes = armor::decode(&text, LABEL)?;
        let key = group(&bytes)?;
        accept(key.primary.material.public_params())?;
        if key.signing_keys().is_empty() {
            return Err(OpenPgpError::CannotSign);
        }
        Ok(key)
    }

    /// The primary key's name.
    pub fn id(&self) -> &SignerId {
        &self.primary.id
    }

    /// All keys that were ever allowed to sign, in the order of the certificate.
    pub fn signing_keys(&self) -> Vec<&SignerId> {
        let primary = std::iter::once((&self.primary.id, &self.primary.bindings));
        let subkeys = self.subkeys.iter().map(|key| (&key.id, &key.bindings));
        let may_sign = |bindings: &[Binding]| bindings.iter().any(|b| b.may_sign == Some(true));
        primary.chain(subkeys).filter(|(_, bindings)| may_sign(bindings)).map(|(id, _)| id).collect()
    }

    /// Says whether the key `id` may sign at `at`.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn may_sign(&self, id: &SignerId, at: Timestamp) -> Result<(), KeyFault> {
        self.at(id, at).map(|_| ())
    }

    /// The key `id`, if it may sign at `at`, and when it was made.
    pub(super) fn at(&self, id: &SignerId, at: Timestamp) -> Result<(SigningMaterial<'_>, i64), KeyFault> {
        let at = at.seconds();
        // A subkey lives only as long as the primary key that vouches for it.
        let primary_may_sign = self.primary.state_at(at)?;
        let (material, created_at, may_sign) = if *id == self.primary.id {
            (SigningMaterial::Primary(&self.primary.material), self.primary.created_at, primary_may_sign)
        } else {
            let subkey = self.subkeys.iter().find(|key| key.id == *id).ok_or(KeyFault::Absent)?;
            (SigningMaterial::Subkey(&subkey.material), subkey.created_at, subkey.state_at(at)?)
        };
        if may_sign { Ok((material, created_at)) } else { Err(KeyFault::MayNotSign) }
    }
}

/// What verifies a signature.
pub(super) enum SigningMaterial<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a PublicSubkey),
}

impl<K> Key<K> {
    /// Checks the key's life at `at`, and says whether it may sign then.
    fn state_at(&self, at: i64) -> Result<bool, KeyFault> {
        if self.created_at > at {
            return Err(KeyFault::NotYet { made_at: Timestamp::from_seconds(self.created_at) });
        }
        if self.revocations.iter().any(|r| !r.soft || r.made_at <= at) {
            return Err(KeyFault::Revoked);
        }
        let mut bindings: Vec<_> = self.bindings.iter().filter(|b| b.counts_at(at)).collect();
        if bindings.is_empty() {
            return Err(KeyFault::Unbound);
        }
        // What stands on the key itself goes before what stands on its names; then the newest wins.
        bindings.sort_by_key(|b| std::cmp::Reverse((b.direct, b.made_at)));
        let direct_lifetime = bindings.iter().filter(|b| b.direct).find_map(|b| b.key_lifetime);
        let newest = bindings.iter().filter(|b| !b.direct).chain(&bindings).next();
        let lifetime = direct_lifetime.or_else(|| newest.and_then(|b| b.key_lifetime)).filter(|s| *s != 0);
        if let Some(expired_at) = lifetime.map(|s| self.created_at.saturating_add(s)).filter(|end| *end <= at) {
            return Err(KeyFault::Expired { expired_at: Timestamp::from_seconds(expired_at) });
        }
        Ok(bindings.iter().find_map(|b| b.may_sign).unwrap_or(false))
    }
}

impl Binding {
    /// `None` for a signature that says nothing, because its hash is weak or it holds what is not understood.
    fn read(signature: &Signature, direct: bool) -> Option<Self> {
        strong_hash(signature)?;
        if has_unknown_critical(signature) {
            return None;
        }
        let flags = signature.config()?.hashed_subpackets().find_map(|subpacket| match &subpacket.data {
            pgp::packet::SubpacketData::KeyFlags(flags) => Some(flags.sign()),
            _ => None,
        });
        Some(Self {
            direct,
            made_at: made_at(signature)?,
            ends_at: ends_at(signature),
            withdrawn_at: None,
            may_sign: flags,
            key_lifetime: signature.key_expiration_time().map(|d| i64::from(d.as_secs())),
        })
    }

    fn counts_at(&self, at: i64) -> bool {
        self.made_at <= at && self.ends_at.is_none_or(|end| at < end) && self.withdrawn_at.is_none_or(|then| at < then)
    }
}

impl Revocation {
    /// A revocation counts whatever its hash: it only takes away.
    fn read(signature: &Signature) -> Self {
        let soft = matches!(
            signature.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        Self { made_at: made_at(signature).unwrap_or(i64::MIN), soft }
    }
}

/// Which packet the signatures that follow belong to.
enum Subject {
    Primary,
    Name(Tag, Box<dyn SerializeName>),
    Subkey,
    Ignored,
}

/// Names and pictures, both of which the primary key certifies.
trait SerializeName {
    fn verify(&self, signature: &Signature, primary: &PublicKey, tag: Tag) -> bool;
}

impl<T: pgp::ser::Serialize> SerializeName for T {
    fn verify(&self, signature: &Signature, primary: &PublicKey, tag: Tag) -> bool {
        signature.verify_certification(primary, tag, self).is_ok()
    }
}

/// Groups the packets under their keys, keeping of the signatures only those that the primary key made and that hold.
fn group(bytes: &[u8]) -> Result<OpenPgpKey, OpenPgpError> {
    let mut packets = PacketParser::new(bytes).enumerate();
    let Some((_, Ok(Packet::PublicKey(material)))) = packets.next() else {
        return Err(OpenPgpError::Packet { number: 1 });
    };
    let primary = Key::new(material).ok_or(OpenPgpError::Algorithm { why: "use a version 4 or version 6 key" })?;
    let mut key = OpenPgpKey { primary, subkeys: Vec::new() };
    let mut subject = Subject::Primary;
    let mut name = NameHistory::default();
    for (at, packet) in packets {
        if at >= PACKETS_MAX {
            return Err(OpenPgpError::TooLong { what: format!("more than {PACKETS_MAX} packets") });
        }
        let next = match packet.map_err(|_| OpenPgpError::Packet { number: at + 1 })? {
            Packet::Signature(signature) => {
                key.take(&signature, &subject, &mut name);
                continue;
            }
            Packet::UserId(name) => Subject::Name(Tag::UserId, Box::new(name)),
            Packet::UserAttribute(picture) => Subject::Name(Tag::UserAttribute, Box::new(picture)),
            Packet::PublicSubkey(material) => match Key::new(material) {
                Some(subkey) => {
                    key.subkeys.push(subkey);
                    Subject::Subkey
                }
                None => Subject::Ignored,
            },
            Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_) => continue,
            Packet::PublicKey(_) => return Err(OpenPgpError::Several),
            Packet::SecretKey(_) | Packet::SecretSubkey(_) => return Err(OpenPgpError::Private),
            _ => return Err(OpenPgpError::Packet { number: at + 1 }),
        };
        key.primary.bindings.extend(std::mem::take(&mut name).finish());
        subject = next;
    }
    key.primary.bindings.extend(name.finish());
    Ok(key)
}

/// What was said on one of the key's names, in any order.
#[derive(Default)]
struct NameHistory {
    bindings: Vec<Binding>,
    revoked_at: Vec<i64>,
}

impl NameHistory {
    /// A revocation takes back what was certified before it.
    fn finish(mut self) -> Vec<Binding> {
        for binding in &mut self.bindings {
            binding.withdrawn_at = self.revoked_at.iter().copied().filter(|at| *at >= binding.made_at).min();
        }
        self.bindings
    }
}

impl OpenPgpKey {
    /// Takes one signature into the history of what it is about, if the primary key made it and it holds.
    fn take(&mut self, signature: &Signature, subject: &Subject, history: &mut NameHistory) {
        let primary = &self.primary.material;
        let Some(kind) = signature.typ() else { return };
        match (subject, kind) {
            (Subject::Primary, SignatureType::Key) if signature.verify_key(primary).is_ok() => {
                self.primary.bindings.extend(Binding::read(signature, true));
            }
            (Subject::Primary, SignatureType::KeyRevocation) if signature.verify_key(primary).is_ok() => {
                self.primary.revocations.push(Revocation::read(signature));
            }
            (
                Subject::Name(tag, name),
                SignatureType::CertGeneric
                | SignatureType::CertPersona
                | SignatureType::CertCasual
                | SignatureType::CertPositive,
            ) if name.verify(signature, primary, *tag) => history.bindings.extend(Binding::read(signature, false)),
            (Subject::Name(tag, name), SignatureType::CertRevocation) if name.verify(signature, primary, *tag) => {
                history.revoked_at.push(made_at(signature).unwrap_or(i64::MAX));
            }
            (Subject::Subkey, SignatureType::SubkeyBinding | SignatureType::SubkeyRevocation) => {
                let Some(subkey) = self.subkeys.last_mut() else { return };
                if signature.verify_subkey_binding(primary, &subkey.material).is_err() {
                    return;
                }
                if kind == SignatureType::SubkeyRevocation {
                    subkey.revocations.push(Revocation::read(signature));
                } else if let Some(mut binding) = Binding::read(signature, false) {
                    let agrees = signature.embedded_signature().is_some_and(|back| {
                        strong_hash(back).is_some()
                            && back.verify_primary_key_binding(&subkey.material, primary).is_ok()
                    });
                    let acceptable = accept(subkey.material.public_params()).is_ok();
                    // A subkey that does not itself agree could be claimed by anyone's certificate.
                    binding.may_sign = Some(binding.may_sign == Some(true) && agrees && acceptable);
                    subkey.bindings.push(binding);
                }
            }
            _ => {}
        }
    }
}

impl<K: KeyDetails> Key<K> {
    fn new(material: K) -> Option<Self> {
        let id = signer_id(&material.fingerprint())?;
        let created_at = i64::from(material.created_at().as_secs());
        Some(Self { material, id, created_at, bindings: Vec::new(), revocations: Vec::new() })
    }
}

impl fmt::Debug for OpenPgpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entry(&self.primary.id).entries(self.subkeys.iter().map(|key| &key.id)).finish()
    }
}

/// Refuses what is broken, weak or not verified here.
fn accept(params: &PublicParams) -> Result<(), OpenPgpError> {
    let refused = |why| Err(OpenPgpError::Algorithm { why });
    match params {
        PublicParams::RSA(_) => {
            // The modulus comes first, as a number of bits and its bytes.
            let mut bytes = Vec::new();
            let bits = match params.to_writer(&mut bytes).ok().and_then(|()| bytes.first_chunk::<2>()) {
                Some(bits) => u16::from_be_bytes(*bits),
                None => return refused("this RSA key is damaged"),
            };
            if (2048..=8192).contains(&bits) { Ok(()) } else { refused("RSA keys have 2048 to 8192 bits") }
        }
        PublicParams::ECDSA(EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. })
        | PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. })
        | PublicParams::Ed25519(_) => Ok(()),
        PublicParams::DSA(_) => refused("DSA is broken; use Ed25519"),
        PublicParams::ECDSA(_) => refused("of ECDSA only P-256 and P-384 are; or use Ed25519"),
        _ => refused("use Ed25519, ECDSA on P-256 or P-384, or RSA from 2048 bits"),
    }
}
