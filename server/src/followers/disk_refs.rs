//! Refs on disk: a copy of the database's, for stock git, backups and `rebuild`.

use std::collections::BTreeSet;
use std::time::Duration;

use skill_pool_domain::names::{RepositoryName, TenantId, TenantName};

use super::packed_refs::{self, Deviation};
use super::{Follower, FollowerError, Progress};
use crate::store::{DataFolder, OutboxEntry, Store, TenantKey, TenantRecord};

/// Repositories that one part of the check looks at.
const CHECK_REPOSITORIES: usize = 200;

/// Keeps the files of every repository in line with the refs in the database.
pub struct DiskRefs {
    store: Store,
    data: DataFolder,
    /// Where the check goes on: after this tenant and repository.
    tenant: Option<TenantRecord>,
    repository: Option<RepositoryName>,
}

impl DiskRefs {
    /// For the repositories of `data`.
    pub fn new(store: Store, data: DataFolder) -> Self {
        Self { store, data, tenant: None, repository: None }
    }

    fn apply(&self, tenant: &TenantName, id: TenantId, name: &RepositoryName) -> Result<(), FollowerError> {
        if name.is_generated() {
            // Written by the follower that makes their commits, and by no second one at the same moment.
            return Ok(());
        }
        apply(&self.store, &self.data, (tenant, id), name)
    }
}

/// Brings the files of one repository in line with its refs in the database, whatever state they are in. Not to be
/// called for one repository from two threads at once.
///
/// # Errors
/// When the refs cannot be read or the disk fails.
pub(super) fn apply(
    store: &Store,
    data: &DataFolder,
    (tenant, id): (&TenantName, TenantId),
    name: &RepositoryName,
) -> Result<(), FollowerError> {
    let subject = || format!("{tenant} {name}");
    let refs = store.refs(id, name).map_err(FollowerError::at("read the refs", subject()))?;
    let Some(refs) = refs else { return Ok(()) };
    let folder = data.repository(tenant, name);
    if !folder.join("objects").is_dir() {
        // Refs without objects would only look like a repository. `fsck` tells what to do about it.
        tracing::error!(%tenant, repository = %name, "the folder of {tenant}/{name} is missing; run `skill-pool-server fsck`");
        return Ok(());
    }
    let found = packed_refs::bring_in_line(&folder, &refs.snapshot);
    let found = found.map_err(FollowerError::at("write the refs", subject()))?;
    if found == Some(Deviation::Foreign) {
        tracing::warn!(
            %tenant, repository = %name,
            "refs in the folder of {tenant}/{name} were not written by this server; the journal's were put back"
        );
    }
    Ok(())
}

impl Follower for DiskRefs {
    fn name(&self) -> &'static str {
        "disk-refs"
    }

    fn gathering(&self) -> Duration {
        // Long enough for the answer to be read before the disk is asked for more; within 200 ms when idle.
        Duration::from_millis(100)
    }

    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        let moved: BTreeSet<(TenantId, &RepositoryName)> =
            entries.iter().filter_map(|entry| Some((entry.tenant, entry.repository.as_ref()?))).collect();
        let mut first = Ok(());
        for (id, name) in moved {
            let tenant = self.store.tenant(&TenantKey::Id(id));
            let tenant = tenant.map_err(FollowerError::at("look the tenant up", id.to_string()))?;
            let Some(tenant) = tenant else { continue };
            let done = self.apply(&tenant.name, id, name);
            if first.is_ok() {
                first = done;
            }
        }
        first
    }

    fn check(&mut self) -> Result<Progress, FollowerError> {
        let Some(tenant) = self.tenant.clone() else { return self.next_tenant(None) };
        let page = self.store.repositories_by_name(tenant.tenant, self.repository.as_ref(), CHECK_REPOSITORIES);
        let page = page.map_err(FollowerError::at("list the repositories", tenant.name.to_string()))?;
        let Some(last) = page.last() else { return self.next_tenant(Some(&tenant.name)) };
        for record in &page {
            self.apply(&tenant.name, tenant.tenant, &record.name)?;
        }
        self.repository = Some(last.name.clone());
        Ok(Progress::More)
    }
}

impl DiskRefs {
    fn next_tenant(&mut self, after: Option<&TenantName>) -> Result<Progress, FollowerError> {
        let next = self.store.tenants_by_name(after, 1);
        let next = next.map_err(FollowerError::at("list the tenants", "this server"))?;
        self.tenant = next.into_iter().next();
        self.repository = None;
        Ok(if self.tenant.is_some() { Progress::More } else { Progress::Done })
    }
}
