//! Objects into the repository, then the one transaction.

use skill_pool_domain::names::RepositoryId;
use skill_pool_domain::refusal::Refusal;
use skill_pool_git::receive::{KeepError, Quarantine, Reached};
use skill_pool_git::repo::Repo;

use super::arrival::Arrival;
use super::asked::{Asked, chain};
use super::signed::Signed;
use super::{Door, words};
use crate::store::commit::{Committed, NewRelease, NotCommitted, Proposal, RefUpdate};

/// Makes what is left of `asked` true.
///
/// # Errors
/// A refusal for the whole push; nothing of it is visible then.
pub fn commit(
    door: &Door,
    arrival: &Arrival,
    asked: &Asked,
    signed: &Signed,
    release: Option<NewRelease>,
    received: (Quarantine, Reached),
    atomic: bool,
) -> Result<Committed, Refusal> {
    let (quarantine, reached) = received;
    if arrival.repository.is_none() {
        // An empty bare folder that no row names: harmless when we die here.
        Repo::init(&arrival.folder).map_err(|error| words::internal("could not make the repository", &error))?;
    }
    let repo = match &arrival.repo {
        Some(repo) => std::sync::Arc::clone(repo),
        None => door
            .repositories
            .get(&arrival.folder)
            .map_err(|error| words::internal("could not open the new repository", &error))?,
    };
    // Sync before the transaction: a leaf may never name an object that a power cut can take back.
    quarantine.keep(&reached, &repo).map_err(|error| not_kept(&error))?;
    // The objects are synced and in place; no ref names them. Dying here leaves garbage that consolidation drops.
    let open: Vec<_> = asked.0.iter().filter(|one| one.stopped.is_none()).collect();
    let updates: Vec<RefUpdate> = open
        .iter()
        .filter_map(|one| {
            Some(RefUpdate {
                name: one.name.clone()?,
                old: one.command.old,
                new: one.command.new,
                peeled: one.peeled,
                tree: one.tree,
                gate: one.passed.as_ref().map(|passed| passed.gate.clone()),
                capabilities: one.passed.as_ref().and_then(|passed| passed.capabilities.clone()),
            })
        })
        .collect();
    let fresh = || signed.repository.unwrap_or_else(|| RepositoryId(uuid::Uuid::now_v7()));
    let proposal = Proposal {
        tenant: arrival.entrance.tenant,
        name: arrival.entrance.name.clone(),
        repository: arrival.repository.unwrap_or_else(fresh),
        actor: arrival.entrance.actor.clone(),
        at: arrival.at,
        updates,
        atomic,
        certificate: signed.record.clone(),
        nonce: signed.nonce.clone(),
        policy: arrival.policy,
        release,
        registry: open.iter().find_map(|one| one.registry.clone()),
    };
    door.store.commit(proposal).map_err(|error| not_committed(&error))
}

fn not_kept(error: &KeepError) -> Refusal {
    if error.is_disk_full() { words::disk_full() } else { words::internal("could not keep the pushed objects", error) }
}

fn not_committed(error: &NotCommitted) -> Refusal {
    match error {
        NotCommitted::PolicyMoved => {
            Refusal::new("policy-moved", "the tenant's rules changed while this push was judged", "git push")
        }
        NotCommitted::NonceSpent => {
            Refusal::new("certificate-nonce", "this push certificate was used before", "git push --signed")
        }
        NotCommitted::VersionTaken(version) => Refusal::new(
            "version-not-bumped",
            format!("version {version} was released meanwhile"),
            "raise `version` in .claude-plugin/plugin.json, commit, and push again",
        ),
        NotCommitted::OverLimit { what, value, limit } => Refusal::new(
            "over-limit",
            format!("{what} would be {value}; the limit is {limit}"),
            "delete what is not needed any more: git push origin --delete <branch>",
        ),
        NotCommitted::Database { disk_full: true, .. } => words::disk_full(),
        NotCommitted::Database { .. } => {
            tracing::error!(error = %chain(error), "a push was not committed");
            words::internal("could not commit the push", error)
        }
    }
}
