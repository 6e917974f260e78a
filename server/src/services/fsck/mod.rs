//! Proves that repositories, journal and disk agree, and says what does not.
//!
//! In: an open store and its data folder. Out: findings, each with what to do. Nothing is changed. What no leaf explains is
//! named as such and never taken in. May run while the server serves: what followers have still to do is waited for.
//!
//! - `journal`: leaves by themselves, and against the database's own tables
//! - `repository`: one repository's objects, refs on disk and releases; `log`: `log.git`

mod journal;
mod log;
mod repository;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use skill_pool_domain::names::{RepositoryName, TenantName};
use skill_pool_git::repo::RepoCache;

use crate::store::{DataFolder, PAGE_ROWS_MAX, Store, StoreError, TenantRecord};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; mends itself.
    Note,
    /// Somebody or something changed what only this server writes.
    Tampering,
    /// Something that was accepted is not there.
    Loss,
}

/// One thing that does not agree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word, such as `ref-unexplained`.
    pub code: &'static str,
    /// Where: tenant, repository, ref or leaf.
    pub place: String,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do now.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.place, self.message)
    }
}

const RESTORE: &str = "restore the folder from a backup: skill-pool-server restore DIR";
const RESTART: &str = "restart the server: it puts the journal's refs back";
const REBUILD: &str = "stop the server and run: skill-pool-server rebuild";

/// What was looked at, and what was found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Tenants.
    pub tenants: u64,
    /// Repositories.
    pub repositories: u64,
    /// Leaves.
    pub leaves: u64,
    /// Objects whose content was compared with their id.
    pub objects: u64,
    /// What does not agree; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: impl Into<String>,
        message: impl Into<String>,
        remedy: &'static str,
    ) {
        self.findings.push(Finding { severity, code, place: place.into(), message: message.into(), remedy });
    }

    /// True when nothing was found that does not mend itself.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// What a check works with.
struct Check<'a> {
    store: &'a Store,
    data: &'a DataFolder,
    repositories: &'a Arc<RepoCache>,
    report: Report,
}

/// Checks everything.
///
/// # Errors
/// When the database cannot be read at all; whatever else fails is a finding.
pub fn fsck(store: &Store, data: &DataFolder, repositories: &Arc<RepoCache>) -> Result<Report, StoreError> {
    let mut check = Check { store, data, repositories, report: Report::default() };
    for fault in store.integrity()? {
        let place = data.database().display().to_string();
        check.report.add(Severity::Loss, "database-damaged", place, fault, REBUILD);
    }
    let mut after: Option<TenantName> = None;
    loop {
        let page = store.tenants_by_name(after.as_ref(), PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        for tenant in &page {
            check.tenant(tenant)?;
        }
    }
    check.unknown_tenants();
    Ok(check.report)
}

impl Check<'_> {
    fn tenant(&mut self, tenant: &TenantRecord) -> Result<(), StoreError> {
        self.report.tenants += 1;
        // The journal first: what moves while this runs is then newer than what was read, and is not looked at.
        self.journal(tenant)?;
        let mut after: Option<RepositoryName> = None;
        loop {
            let page = self.store.repositories_by_name(tenant.tenant, after.as_ref(), PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for record in &page {
                match record.name {
                    // Made again whenever it is looked for.
                    RepositoryName::Marketplace => {}
                    RepositoryName::Log => self.log(tenant)?,
                    RepositoryName::Registry | RepositoryName::Plugin(_) => self.repository(tenant, record)?,
                }
            }
        }
        self.unknown_folders(tenant)
    }

    fn folder(&self, tenant: &TenantRecord, name: &RepositoryName) -> PathBuf {
        self.data.repository(&tenant.name, name)
    }

    fn unknown_tenants(&mut self) {
        let Ok(entries) = std::fs::read_dir(self.data.tenants()) else { return };
        for entry in entries.flatten() {
            let text = entry.file_name().to_string_lossy().into_owned();
            let name = TenantName::parse(&text).ok();
            let known = name.map(crate::store::TenantKey::Name).map(|key| self.store.tenant(&key));
            if !matches!(known, Some(Ok(Some(_)))) {
                let message = "no tenant of this name is in the database";
                let remedy = "move the folder away, or rebuild the database: skill-pool-server rebuild";
                self.report.add(Severity::Tampering, "tenant-unexplained", text, message, remedy);
            }
        }
    }

    /// Folders below `plugins/` that no repository has.
    fn unknown_folders(&mut self, tenant: &TenantRecord) -> Result<(), StoreError> {
        let folder = self.data.tenant(&tenant.name).join("plugins");
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let text = format!("plugins/{}", entry.file_name().to_string_lossy());
            let known = match RepositoryName::parse_path(&text) {
                Some(name) if name.to_string() == text => self.store.repository(tenant.tenant, &name)?,
                _ => None,
            };
            if known.is_some() {
                continue;
            }
            let refs = crate::followers::read_disk_refs(&entry.path()).ok().flatten().unwrap_or_default();
            let place = format!("{} {text}", tenant.name);
            if refs.is_empty() {
                let message = "an empty folder without a leaf, as a first push leaves that was cut off";
                let remedy = "leave it: the next first push uses it; or remove it";
                self.report.add(Severity::Note, "folder-unused", place, message, remedy);
            } else {
                let message = "a repository that no leaf explains";
                let remedy = "push what it holds through the server, then move the folder away";
                self.report.add(Severity::Tampering, "repository-unexplained", place, message, remedy);
            }
        }
        Ok(())
    }
}

/// Waits while followers may still be at work, until `agrees` says so; at most two seconds.
fn settled<T: PartialEq>(good: &T, mut look: impl FnMut() -> T) -> T {
    let mut seen = look();
    for _ in 0..8 {
        if seen == *good {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
        seen = look();
    }
    seen
}

#[cfg(test)]
mod tests;
