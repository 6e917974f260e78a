//! Withdrawing releases. A yank is a file in `registry.git`, so it is a commit through the door.

use skill_pool_domain::access::{Granted, Yank};
use skill_pool_domain::names::Version;
use skill_pool_domain::nearest::nearest;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::{with_yank, without_yank};

use super::Services;
use super::door::Edited;
use super::faults::store_failed;

impl Services {
    /// Withdraws a release (`Some` reason) or takes that back (`None`). What is so already stays, without a commit.
    ///
    /// # Errors
    /// A refusal when there is no such release, or of the door.
    pub fn yank(&self, proof: &Granted<Yank>, version: &Version, reason: Option<&str>) -> Result<Edited, Refusal> {
        let plugin = &proof.act().0;
        let found = self.store.release(proof.tenant(), plugin, version);
        if found.map_err(|error| store_failed("could not look a release up", &error))?.is_none() {
            return Err(self.no_such_release(proof, version));
        }
        let message = match reason {
            Some(reason) => format!("status: yank {plugin} {version}\n\n{reason}\n"),
            None => format!("status: take back the yank of {plugin} {version}"),
        };
        self.edit_registry(proof, &message, |_, registry| match reason {
            Some(reason) => with_yank(registry, plugin, version, reason),
            None => Ok(without_yank(registry, plugin, version)),
        })
    }

    fn no_such_release(&self, proof: &Granted<Yank>, version: &Version) -> Refusal {
        let plugin = &proof.act().0;
        let released = self.store.released_versions(proof.tenant(), plugin).unwrap_or_default();
        let texts: Vec<String> = released.iter().map(|(version, _)| version.to_string()).collect();
        let remedy = match (nearest(&version.to_string(), texts.iter().map(String::as_str)), texts.first()) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, Some(highest)) => format!("its highest release is {highest}"),
            (None, None) => format!("{plugin} has no releases here"),
        };
        Refusal::new("no-such-release", format!("there is no release {plugin} {version}"), remedy)
    }
}
