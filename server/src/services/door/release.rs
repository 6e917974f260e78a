//! The annotated tag that a release needs: made before the transaction, so that it names an object that is there.

use skill_pool_domain::digest::Sha256;
use skill_pool_domain::refusal::Refusal;
use skill_pool_git::objects::Kind;
use skill_pool_git::receive::Quarantine;

use super::arrival::Arrival;
use super::asked::Asked;
use super::{Door, words};
use crate::keys::ReleaseTag;
use crate::store::commit::NewRelease;

/// Makes the tag object of the release that this push makes, if it makes one.
///
/// # Errors
/// A refusal when the quarantine cannot be written.
pub fn prepare(
    door: &Door,
    arrival: &Arrival,
    asked: &Asked,
    quarantine: &mut Quarantine,
) -> Result<Option<NewRelease>, Refusal> {
    let (Some(plugin), Some((one, version, summary))) = (arrival.plugin(), asked.release()) else { return Ok(None) };
    let Some(commit) = one.command.new else { return Ok(None) };
    let name = format!("{plugin}--v{version}");
    let by = arrival.entrance.actor.as_ref().map_or_else(|| "the registry".to_owned(), ToString::to_string);
    let message = format!("{plugin} {version}\n\nReleased by {by}.");
    let tag = ReleaseTag { commit, name: &name, message: &message, at: arrival.at };
    let bytes = door.keys.signing().sign_tag(&tag);
    let tag = quarantine
        .add(Kind::Tag, &bytes)
        .map_err(|error| words::internal("could not write the release's tag", &error))?;
    let summary = serde_json::to_value(summary)
        .map_err(|error| words::internal("could not write the release's summary", &error))?;
    Ok(Some(NewRelease {
        plugin: plugin.clone(),
        version: version.clone(),
        commit,
        tag,
        tree: one.tree.unwrap_or(Sha256([0; 32])),
        summary,
    }))
}
