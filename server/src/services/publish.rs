//! What the demo does beside the verbs: starter plugins, and a visibility that is set once.

use skill_pool_domain::access::{Administer, Granted, Push};
use skill_pool_domain::names::{RepositoryName, TenantId, TenantName};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::Visibility;
use skill_pool_domain::tree::Tree;
use skill_pool_git::objects::{ObjectId, Objects};

use super::Services;
use super::door::{Edit, Edited, Entrance};
use super::faults::{internal, store_failed};

/// Commits of `registry.git` that are looked through.
const COMMITS_MAX: usize = 10_000;

impl Services {
    /// Makes a repository whose main holds these files, through the door.
    ///
    /// # Errors
    /// Of the door.
    pub fn publish(&self, proof: &Granted<Push>, tree: &Tree, message: &str) -> Result<Edited, Refusal> {
        let edit = Edit { entrance: Entrance::of(proof), message };
        self.door.edit(&edit, |_| {
            let files = tree
                .files()
                .iter()
                .filter_map(|file| Some((file.path_str()?.to_owned(), Some((file.mode, file.content.clone()?)))));
            Ok(files.collect())
        })
    }

    /// True when the tenant has a repository of this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn has_repository(&self, tenant: TenantId, name: &RepositoryName) -> Result<bool, Refusal> {
        let found = self.store.repository(tenant, name);
        Ok(found.map_err(|error| store_failed("could not look a repository up", &error))?.is_some())
    }

    /// Says who may read, unless this very change was ever made before. True when it was made now.
    ///
    /// # Errors
    /// When `registry.git` cannot be read, or of the door.
    pub fn set_visibility_once(&self, proof: &Granted<Administer>, visibility: Visibility) -> Result<bool, Refusal> {
        let subject = visibility_subject(visibility);
        if self.was_ever_committed(proof.tenant(), proof.tenant_name(), &subject)? {
            return Ok(false);
        }
        Ok(self.set_visibility(proof, visibility)?.committed.is_some())
    }

    /// True when a commit on the first-parent line of `registry.git`'s main has this first line.
    fn was_ever_committed(&self, tenant: TenantId, name: &TenantName, subject: &str) -> Result<bool, Refusal> {
        let state = self.store.registry(tenant).map_err(|error| store_failed("could not read a registry", &error))?;
        let folder = self.data.repository(name, &RepositoryName::Registry);
        let unreadable = |error: &dyn std::error::Error| internal("could not read registry.git", error);
        let repo = self.repositories.get(&folder).map_err(|error| unreadable(&error))?;
        let (mut next, mut bytes) = (state.map(|state| state.commit), Vec::new());
        for _ in 0..COMMITS_MAX {
            let Some(commit) = next else { return Ok(false) };
            if repo.read(&commit, &mut bytes).map_err(|error| unreadable(&error))?.is_none() {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(&bytes);
            let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
            if message.lines().next() == Some(subject) {
                return Ok(true);
            }
            let parent = head.lines().find_map(|line| line.strip_prefix("parent "));
            next = parent.and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok());
        }
        Ok(false)
    }
}

/// The first line of the commit that changes who may read.
pub(super) fn visibility_subject(visibility: Visibility) -> String {
    format!("registry: {} for reading", visibility.as_str())
}
