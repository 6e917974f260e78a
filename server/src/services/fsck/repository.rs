//! One repository: its objects, its refs on disk, its releases.

use std::collections::HashSet;

use gix::ObjectId;
use gix::objs::{TagRefIter, compute_hash};
use skill_pool_domain::names::RepositoryName;
use skill_pool_git::history;
use skill_pool_git::objects::{Kind, Objects};
use skill_pool_git::receive::fsck::{Entries, EntryMode, commit_links};
use skill_pool_git::repo::Repo;

use super::{Check, RESTART, RESTORE, Severity, settled};
use crate::followers::{Deviation, deviation};
use crate::services::rebuild::content;
use crate::store::{PAGE_ROWS_MAX, RepositoryRecord, StoreError, TenantRecord};

/// Objects of one repository that are looked at; beyond, the check says that it stopped.
const OBJECTS_MAX: usize = 5_000_000;

impl Check<'_> {
    pub(super) fn repository(&mut self, tenant: &TenantRecord, record: &RepositoryRecord) -> Result<(), StoreError> {
        self.report.repositories += 1;
        let place = format!("{} {}", tenant.name, record.name);
        let folder = self.folder(tenant, &record.name);
        let repo = match self.repositories.get(&folder) {
            Ok(repo) => repo,
            Err(error) => {
                self.report.add(Severity::Loss, "repository-missing", place, error.to_string(), RESTORE);
                return Ok(());
            }
        };
        let Some(refs) = self.store.refs(tenant.tenant, &record.name)? else { return Ok(()) };
        let mut walk = Walk { repo: &repo, seen: HashSet::new(), stack: Vec::new() };
        for entry in &refs.snapshot.refs {
            if let Err((id, why)) = walk.from(entry.id) {
                let message = format!("{}: object {id} {why}", entry.name);
                self.report.add(Severity::Loss, "object-missing", place.clone(), message, RESTORE);
            }
        }
        self.report.objects += walk.seen.len() as u64;
        self.disk_refs(tenant, record, &place)?;
        self.releases(tenant, record, &repo, &place)
    }

    fn disk_refs(&mut self, tenant: &TenantRecord, record: &RepositoryRecord, place: &str) -> Result<(), StoreError> {
        let folder = self.folder(tenant, &record.name);
        let look = || {
            let refs = self.store.refs(tenant.tenant, &record.name).ok().flatten()?;
            Some(deviation(&folder, &refs.snapshot).map_err(|error| error.to_string()))
        };
        match settled(&Some(Ok(None)), look) {
            Some(Ok(None)) | None => {}
            Some(Ok(Some(Deviation::Packed))) => {
                let message = "refs on disk are not those of the journal";
                self.report.add(Severity::Tampering, "refs-deviate", place, message, RESTART);
            }
            Some(Ok(Some(Deviation::Foreign))) => {
                let message = "somebody else wrote refs into the folder; no leaf explains them";
                self.report.add(Severity::Tampering, "refs-unexplained", place, message, RESTART);
            }
            Some(Err(error)) => self.report.add(Severity::Loss, "refs-unreadable", place, error, RESTORE),
        }
        Ok(())
    }

    fn releases(
        &mut self,
        tenant: &TenantRecord,
        record: &RepositoryRecord,
        repo: &Repo,
        place: &str,
    ) -> Result<(), StoreError> {
        let RepositoryName::Plugin(plugin) = &record.name else { return Ok(()) };
        let mut below = None;
        loop {
            let page = self.store.releases_highest_first(tenant.tenant, plugin, below.as_ref(), PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { return Ok(()) };
            below = Some(last.version.clone());
            for release in &page {
                let place = format!("{place} {}", release.version);
                if content::digest(repo, release.commit) != Some(release.tree) {
                    let message = "its commit is missing, or holds another tree than was released";
                    self.report.add(Severity::Loss, "release-changed", place, message, RESTORE);
                    continue;
                }
                let tagged = history::peel(repo, &release.tag).map(|(target, _)| target);
                if !matches!(tagged, Ok(target) if target == release.commit) {
                    let message = "its tag is missing or points elsewhere";
                    self.report.add(Severity::Loss, "tag-changed", place, message, RESTORE);
                }
            }
        }
    }
}

/// Reads everything that refs reach, and compares each object with its id.
struct Walk<'a> {
    repo: &'a Repo,
    seen: HashSet<ObjectId>,
    stack: Vec<(ObjectId, Option<Kind>)>,
}

impl Walk<'_> {
    /// Walks from one ref. The error names the object and says what is wrong with it.
    fn from(&mut self, tip: ObjectId) -> Result<(), (ObjectId, String)> {
        self.stack.push((tip, None));
        let mut bytes = Vec::new();
        while let Some((id, expected)) = self.stack.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            if self.seen.len() > OBJECTS_MAX {
                return Err((id, format!("was not looked at: there are more than {OBJECTS_MAX}")));
            }
            let kind = match self.repo.read(&id, &mut bytes) {
                Ok(Some(kind)) => kind,
                Ok(None) => return Err((id, "is missing".to_owned())),
                Err(error) => return Err((id, format!("cannot be read: {error}"))),
            };
            if expected.is_some_and(|expected| expected != kind) {
                return Err((id, format!("is a {kind} in a place where none belongs")));
            }
            if !matches!(compute_hash(gix::hash::Kind::Sha1, kind, &bytes), Ok(found) if found == id) {
                return Err((id, "has other content than its name says".to_owned()));
            }
            self.links(kind, &bytes).map_err(|()| (id, format!("is no sound {kind}")))?;
        }
        Ok(())
    }

    fn links(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), ()> {
        match kind {
            Kind::Blob => {}
            Kind::Tree => {
                for entry in Entries(bytes) {
                    let entry = entry?;
                    let kind = match entry.mode() {
                        Some(EntryMode::Folder) => Kind::Tree,
                        Some(_) => Kind::Blob,
                        // A submodule names an object of another repository.
                        None => continue,
                    };
                    self.stack.push((entry.id.to_owned(), Some(kind)));
                }
            }
            Kind::Commit => {
                let links = commit_links(bytes).ok_or(())?;
                self.stack.push((links.tree, Some(Kind::Tree)));
                self.stack.extend(links.parents.iter().map(|parent| (*parent, Some(Kind::Commit))));
            }
            Kind::Tag => {
                let target = TagRefIter::from_bytes(bytes, gix::hash::Kind::Sha1).target_id().map_err(|_| ())?;
                self.stack.push((target, None));
            }
        }
        Ok(())
    }
}
