//! Releases for those who may read them.

use skill_pool_domain::access::{Granted, ReadRepository};
use skill_pool_domain::names::{PluginName, RepositoryName, Version};

use crate::store::{Store, StoreError};

pub use crate::store::{Release, Yanked};

/// Looks releases up. All functions block for the disk.
#[derive(Clone)]
pub struct Releases {
    store: Store,
}

impl Releases {
    /// Looks them up in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// One release.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn one(&self, proof: &Granted<ReadRepository>, version: &Version) -> Result<Option<Release>, StoreError> {
        plugin(proof).map_or(Ok(None), |plugin| self.store.release(proof.tenant(), plugin, version))
    }

    /// The release that the catalog shows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn latest(&self, proof: &Granted<ReadRepository>) -> Result<Option<Release>, StoreError> {
        plugin(proof).map_or(Ok(None), |plugin| self.store.latest_release(proof.tenant(), plugin))
    }

    /// Releases below `below`, the highest first, at most `max`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn highest_first(
        &self,
        proof: &Granted<ReadRepository>,
        below: Option<&Version>,
        max: usize,
    ) -> Result<Vec<Release>, StoreError> {
        let page = |plugin| self.store.releases_highest_first(proof.tenant(), plugin, below, max);
        plugin(proof).map_or(Ok(Vec::new()), page)
    }

    /// The title of the plugin's tenant; empty while it has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn title(&self, proof: &Granted<ReadRepository>) -> Result<String, StoreError> {
        let state = self.store.registry(proof.tenant())?;
        Ok(state.map(|state| state.registry.title.clone()).unwrap_or_default())
    }
}

/// The plugin that a proof is about; `None` for the registry's own repositories, which have no releases.
fn plugin(proof: &Granted<ReadRepository>) -> Option<&PluginName> {
    match proof.repository() {
        RepositoryName::Plugin(plugin) => Some(plugin),
        RepositoryName::Registry | RepositoryName::Marketplace | RepositoryName::Log => None,
    }
}
