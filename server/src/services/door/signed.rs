//! The certificate of a push: parsed exactly, held against the push, worth a person's word or nothing.

use std::sync::Arc;

use skill_pool_domain::access::{Act, Need, Push};
use skill_pool_domain::certificate::nonce::NoncePlace;
use skill_pool_domain::certificate::{self, PushCertificate, PushToJudge, SignedCommand, Standing};
use skill_pool_domain::names::{RepositoryId, RepositoryName};
use skill_pool_domain::refusal::Refusal;
use skill_pool_git::receive::commands::{Command, Head, parse_command};
use skill_pool_git::receive::report;

use super::Door;
use super::arrival::Arrival;
use crate::store::commit::CertificateRecord;

/// How a push that goes on stands.
#[derive(Default)]
pub struct Signed {
    /// For the leaf.
    pub record: Option<CertificateRecord>,
    /// Spent with it.
    pub nonce: Option<String>,
    /// The id that a repository made by this push gets, because the signer signed it.
    pub repository: Option<RepositoryId>,
    /// Something that the pusher should know.
    pub warnings: String,
}

/// Checks the certificate of `head`, takes its commands over, and decides.
///
/// # Errors
/// A refusal for the whole push.
pub fn check(door: &Door, arrival: &Arrival, head: &mut Head, addresses: &[String]) -> Result<Signed, Refusal> {
    let parsed = match &head.certificate {
        None => None,
        Some(bytes) => Some(certificate::parse(bytes).map_err(|error| error.refusal())?),
    };
    if let Some(parsed) = &parsed {
        let commands = adopt(parsed)?;
        head.adopt(commands, &door.limits);
        if let Some(refusal) = &head.refusal {
            return Err(refusal.clone());
        }
    }
    let Some(registry) = &arrival.registry else { return Ok(Signed::default()) };
    let Some(pusher) = &arrival.entrance.actor else { return Ok(Signed::default()) };
    let updates: Vec<SignedCommand> = head.commands.iter().filter_map(signed_command).collect();
    let protected =
        updates.iter().any(|update| update.name.branch().is_some_and(|branch| registry.protection.covers(branch)));
    let registry_address = registry_address(arrival, addresses);
    let role = match Push(arrival.entrance.name.clone()).need() {
        Need::Power(role, _) => role,
        Need::Reader | Need::Member => arrival.entrance.role,
    };
    let push = PushToJudge {
        certificate: parsed.as_ref(),
        updates: &updates,
        push_options: &head.push_options,
        pusher,
        role,
        protected,
        addresses,
        registry_address: &registry_address,
        registry,
        at: arrival.at,
    };
    let place = NoncePlace { tenant: arrival.entrance.tenant, name: &arrival.entrance.name };
    let check_nonce = |text: &str| door.keys.nonce_key().check(text, place, arrival.repository, arrival.at);
    match certificate::decide(&push, check_nonce)? {
        Standing::Covered { signer, nonce, .. } => {
            let Some(parsed) = &parsed else { return Ok(Signed::default()) };
            let record = CertificateRecord {
                digest: parsed.digest,
                bytes: Arc::from(parsed.bytes()),
                signer: signer.as_str().to_owned(),
            };
            let repository = arrival.repository.is_none().then(|| nonce.repository());
            Ok(Signed { record: Some(record), nonce: Some(nonce.to_string()), repository, warnings: String::new() })
        }
        Standing::Uncertified { notice } => {
            let warnings = notice.map(|refusal| report::words(&refusal).replacen("refused", "warning", 1));
            Ok(Signed { warnings: warnings.unwrap_or_default(), ..Signed::default() })
        }
    }
}

/// The commands that a certificate lists, read by the rules for plain ones.
fn adopt(parsed: &PushCertificate) -> Result<Vec<Command>, Refusal> {
    let null = "0".repeat(40);
    parsed
        .commands
        .iter()
        .map(|command| {
            let id = |id: Option<gix::ObjectId>| id.map_or_else(|| null.clone(), |id| id.to_string());
            let line = format!("{} {} {}", id(command.old), id(command.new), command.name);
            parse_command(line.as_bytes())
                .map_err(|error| Refusal::new("certificate-commands", error.to_string(), "git push --signed"))
        })
        .collect()
}

fn signed_command(command: &Command) -> Option<SignedCommand> {
    Some(SignedCommand { old: command.old, new: command.new, name: command.name.clone().ok()? })
}

fn registry_address(arrival: &Arrival, addresses: &[String]) -> String {
    let here = addresses.first().map_or("", String::as_str);
    match here.strip_suffix(&arrival.entrance.name.to_string()) {
        Some(base) => format!("{base}{}", RepositoryName::Registry),
        None => RepositoryName::Registry.to_string(),
    }
}
