//! What a certificate is worth: the one decision over certificate, push, place, keys, time and policy.

use super::nonce::{Nonce, NonceFault};
use super::{PushCertificate, Signature, SignatureFault, SignedCommand, SignerId, normalise_address, verify};
use crate::access::Role;
use crate::names::MemberId;
use crate::refusal::Refusal;
use crate::registry::{CertificateDemand, Registry};
use crate::timestamp::Timestamp;

/// A push, as far as its certificate is concerned.
#[derive(Clone, Copy, Debug)]
pub struct PushToJudge<'a> {
    /// The certificate, if the push has one.
    pub certificate: Option<&'a PushCertificate>,
    /// The ref updates that the push is about to make, in order.
    pub updates: &'a [SignedCommand],
    /// The push options as they were sent beside the certificate.
    pub push_options: &'a [String],
    /// Whose token opened the connection.
    pub pusher: &'a MemberId,
    /// The least role that may push here; whoever signs needs it too.
    pub role: Role,
    /// Some update is to a protected ref.
    pub protected: bool,
    /// Addresses of this repository: the canonical one first, then those under its listed aliases.
    pub addresses: &'a [String],
    /// Address of the tenant's `registry.git`, for the remedies.
    pub registry_address: &'a str,
    /// The configuration in force: members, signers and from whom a certificate is demanded.
    pub registry: &'a Registry,
    /// Now.
    pub at: Timestamp,
}

/// How a push that goes on stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A person signed exactly this.
    Covered {
        /// Whose key.
        member: MemberId,
        /// The key, as the leaf names it.
        signer: SignerId,
        /// To be spent in the transaction, by its text.
        nonce: Nonce,
    },
    /// Nobody did, and nobody had to.
    Uncertified {
        /// Something that the pusher should know: a warning in the words of a refusal.
        notice: Option<Refusal>,
    },
}

/// Decides what the certificate is worth, and whether the push may go on with it or without. `check_nonce` says whether
/// this registry made a nonce for this place and time.
///
/// # Errors
/// A [`Refusal`] for a certificate that does not fit, in whole or in part, for one by an unknown key where one is
/// demanded, and for its absence there.
pub fn decide(
    push: &PushToJudge<'_>,
    check_nonce: impl FnOnce(&str) -> Result<Nonce, NonceFault>,
) -> Result<Standing, Refusal> {
    let Some(certificate) = push.certificate else { return without(push) };
    fits_push(push, certificate)?;
    fits_place(push, certificate)?;
    let nonce = fits_time(certificate, check_nonce)?;
    match verify(certificate, &push.registry.signers, push.at).map_err(|fault| fault_refusal(push, &fault))? {
        Signature::Registered { signer, member } => {
            entitled(push, &signer, &member)?;
            Ok(Standing::Covered { member, signer, nonce })
        }
        Signature::Unknown { signer } => {
            let unknown = unknown_signer(push, &signer);
            if is_demanded(push) { Err(unknown) } else { Ok(Standing::Uncertified { notice: Some(unknown) }) }
        }
    }
}

/// A key that is over demands nothing, so that nobody is locked out by the calendar; whoever pushes is told.
fn is_demanded(push: &PushToJudge<'_>) -> bool {
    push.protected
        && match push.registry.certificates {
            CertificateDemand::Never => false,
            CertificateDemand::IfRegistered => any_key_counts(push, |member| member == push.pusher),
            // The registry repository is where keys are renewed: when no admin has one that counts, a token must do.
            CertificateDemand::Always => {
                push.role < Role::Admin || any_key_counts(push, |member| role_of(push, member) == Some(Role::Admin))
            }
        }
}

fn any_key_counts(push: &PushToJudge<'_>, whose: impl Fn(&MemberId) -> bool) -> bool {
    let signers = &push.registry.signers;
    signers.iter().any(|(id, signer)| whose(&signer.member) && signers.counts(id, signer, push.at).is_ok())
}

fn role_of(push: &PushToJudge<'_>, member: &MemberId) -> Option<Role> {
    push.registry.members.get(member).map(|member| member.role)
}

fn without(push: &PushToJudge<'_>) -> Result<Standing, Refusal> {
    let keys: Vec<_> = push.registry.signers.of(push.pusher).collect();
    if !is_demanded(push) {
        let is_wanted = push.protected && push.registry.certificates != CertificateDemand::Never;
        let notice = (is_wanted && !keys.is_empty()).then(|| {
            let message = "this push is not signed: none of your registered keys counts any more".to_owned();
            Refusal::new("signer-expired", message, how_to_register(push))
        });
        return Ok(Standing::Uncertified { notice });
    }
    let message = match keys.first() {
        Some((id, signer)) => format!("this push must be signed; your key {id} is registered at {}", signer.place),
        None => "pushes here must be signed, and you have no registered key".to_owned(),
    };
    let mut remedy = match keys.first() {
        Some((id, _)) if id.as_str().starts_with("pgp:") => {
            let fingerprint = id.as_str().rsplit(':').next().unwrap_or_default();
            format!("git config gpg.format openpgp\ngit config user.signingKey {fingerprint}\n{PUSH}")
        }
        _ => format!("{SSH_SETUP}\n{PUSH}"),
    };
    if keys.is_empty() {
        remedy = format!("{}\n{remedy}", how_to_register(push));
    }
    Err(Refusal::new("certificate-required", message, remedy))
}

const PUSH: &str = "git push --signed";
const SSH_SETUP: &str = "git config gpg.format ssh\ngit config user.signingKey ~/.ssh/id_ed25519.pub";

fn how_to_register(push: &PushToJudge<'_>) -> String {
    format!(
        "an admin registers a key: commit the public key as signers/{}/<name>.pub (OpenPGP: <name>.asc) to {}",
        push.pusher, push.registry_address
    )
}

/// The certificate must say exactly what the push does: a command beside it would run under its signature.
fn fits_push(push: &PushToJudge<'_>, certificate: &PushCertificate) -> Result<(), Refusal> {
    if certificate.commands != push.updates {
        let message = "the ref updates of this push are not those that were signed";
        return Err(Refusal::new("certificate-commands", message, PUSH));
    }
    if certificate.push_options != push.push_options {
        let message = "the push options are not those that were signed";
        return Err(Refusal::new("certificate-options", message, PUSH));
    }
    Ok(())
}

fn fits_place(push: &PushToJudge<'_>, certificate: &PushCertificate) -> Result<(), Refusal> {
    let canonical = push.addresses.first().map_or("", String::as_str);
    let remedy = || format!("git remote set-url origin {canonical}\n{PUSH}");
    let Some(pushee) = &certificate.pushee else {
        let message = "the certificate does not say where it is pushed to";
        return Err(Refusal::new("certificate-pushee", message, remedy()));
    };
    let normal = normalise_address(pushee);
    if normal.is_some() && push.addresses.iter().any(|address| normalise_address(address) == normal) {
        return Ok(());
    }
    let shown: String = pushee.chars().take(200).collect();
    let message = format!("the certificate was signed for {shown}, but this repository's address is {canonical}");
    Err(Refusal::new("certificate-pushee", message, remedy()))
}

fn fits_time(
    certificate: &PushCertificate,
    check_nonce: impl FnOnce(&str) -> Result<Nonce, NonceFault>,
) -> Result<Nonce, Refusal> {
    let Some(text) = &certificate.nonce else {
        return Err(Refusal::new("certificate-nonce", "the certificate has no nonce", PUSH));
    };
    check_nonce(text).map_err(|fault| {
        let remedy = match fault {
            NonceFault::Stale { .. } => "sign within 15 minutes: git push --signed",
            _ => PUSH,
        };
        Refusal::new("certificate-nonce", fault.to_string(), remedy)
    })
}

fn entitled(push: &PushToJudge<'_>, signer: &SignerId, member: &MemberId) -> Result<(), Refusal> {
    match role_of(push, member) {
        Some(role) if role >= push.role => Ok(()),
        Some(_) | None => {
            let message = format!("{signer} is a key of `{member}`, who may not push here");
            Err(Refusal::new("signer-role", message, "sign with your own key: git config user.signingKey <key>"))
        }
    }
}

fn unknown_signer(push: &PushToJudge<'_>, signer: &SignerId) -> Refusal {
    let message = if is_demanded(push) {
        format!("the push is signed with {signer}, which is not registered here")
    } else {
        format!("the push is signed with {signer}, which is not registered here; it counts as unsigned")
    };
    let mut remedy = how_to_register(push);
    if let Some((id, _)) = push.registry.signers.of(push.pusher).next() {
        remedy = format!("sign with your registered key {id}: git config user.signingKey <key>\nor: {remedy}");
    }
    Refusal::new("signer-unknown", message, remedy)
}

fn fault_refusal(push: &PushToJudge<'_>, fault: &SignatureFault) -> Refusal {
    match fault {
        SignatureFault::Ssh(error) => {
            let cause = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
            Refusal::new("certificate-signature", format!("{error}{cause}"), format!("{SSH_SETUP}\n{PUSH}"))
        }
        SignatureFault::OpenPgp(error) => {
            let cause = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
            let remedy = "check your key and clock (gpg --list-secret-keys; date), then: git push --signed";
            Refusal::new("certificate-signature", format!("{error}{cause}"), remedy)
        }
        SignatureFault::Signer { signer, place, source, .. } => {
            let message = format!("{signer} is registered at {place}, but {source}");
            Refusal::new("signer-not-valid", message, how_to_register(push))
        }
    }
}
