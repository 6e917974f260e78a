//! `log.git` against the journal.

use skill_pool_domain::journal::Leaf;
use skill_pool_domain::names::{LeafIndex, RepositoryName};

use super::journal::digest_of;
use super::{Check, RESTART, Severity, settled};
use crate::followers::log_tree::{LogReader, LoggedLeaf, read_commit};
use crate::followers::read_disk_refs;
use crate::store::{EvidenceKind, StoreError, TenantRecord};

impl Check<'_> {
    pub(super) fn log(&mut self, tenant: &TenantRecord) -> Result<(), StoreError> {
        self.report.repositories += 1;
        let place = format!("{} log.git", tenant.name);
        let folder = self.folder(tenant, &RepositoryName::Log);
        let repo = match self.repositories.get(&folder) {
            Ok(repo) => repo,
            Err(error) => {
                self.report.add(Severity::Tampering, "log-missing", place, error.to_string(), RESTART);
                return Ok(());
            }
        };
        let main = self.store.refs(tenant.tenant, &RepositoryName::Log)?.and_then(|refs| refs.snapshot.head_id());
        let on_disk = || {
            let refs = read_disk_refs(&folder).ok().flatten().unwrap_or_default();
            refs.first().filter(|_| refs.len() == 1).map(|entry| entry.id)
        };
        if settled(&main, on_disk) != main && self.is_still(tenant, main)? {
            let message = "refs on disk are not those of the database";
            self.report.add(Severity::Tampering, "refs-deviate", place.clone(), message, RESTART);
        }
        let Some(commit) = main.and_then(|main| read_commit(&*repo, main)) else {
            self.report.add(Severity::Tampering, "log-damaged", place, "its main cannot be read", RESTART);
            return Ok(());
        };
        let mut reader = LogReader::new(&*repo, commit);
        loop {
            match reader.next_leaf() {
                Ok(None) => return Ok(()),
                Ok(Some(logged)) => self.logged(tenant, &logged)?,
                Err(error) => {
                    self.report.add(Severity::Tampering, "log-damaged", place, error.to_string(), RESTART);
                    return Ok(());
                }
            }
        }
    }

    fn is_still(&self, tenant: &TenantRecord, main: Option<gix::ObjectId>) -> Result<bool, StoreError> {
        let now = self.store.refs(tenant.tenant, &RepositoryName::Log)?.and_then(|refs| refs.snapshot.head_id());
        Ok(now == main)
    }

    /// One leaf in `log.git`: the journal's, with the evidence that it names.
    fn logged(&mut self, tenant: &TenantRecord, logged: &LoggedLeaf) -> Result<(), StoreError> {
        let place = format!("{} log.git leaf {}", tenant.name, logged.index);
        let remedy = "keep the folder as evidence; then delete it and restart the server, which makes it again";
        let stored = self.store.leaves(tenant.tenant, LeafIndex(logged.index.0), 1)?;
        if stored.first().map(|leaf| leaf.text.as_bytes()) != Some(&logged.text) {
            let message = "its text is not that of the journal";
            self.report.add(Severity::Tampering, "log-deviates", place, message, remedy);
            return Ok(());
        }
        let Ok(leaf) = Leaf::parse(&logged.text) else { return Ok(()) };
        for (kind, bytes) in &logged.evidence {
            let named = match kind {
                EvidenceKind::Certificate => leaf.cert,
                EvidenceKind::Gate => leaf.gate.map(|gate| gate.report),
                EvidenceKind::Capabilities => leaf.caps,
            };
            if digest_of(*kind, bytes) != named {
                let message = "the evidence beside it has another digest than it names";
                self.report.add(Severity::Tampering, "log-deviates", place.clone(), message, remedy);
            }
        }
        Ok(())
    }
}
