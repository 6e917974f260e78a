//! The journal: whether its leaves follow each other, and whether they explain what the database holds.

use std::collections::BTreeMap;

use gix::ObjectId;
use skill_pool_domain::certificate;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::{Fold, Leaf, RepositoryState};
use skill_pool_domain::names::{LeafIndex, RefName, RepositoryId, RepositoryName};

use super::{Check, REBUILD, Severity};
use crate::store::{EvidenceKind, PAGE_ROWS_MAX, StoreError, TenantRecord};

impl Check<'_> {
    /// Folds the journal, looks at what its leaves name, and compares the tables with what it explains.
    pub(super) fn journal(&mut self, tenant: &TenantRecord) -> Result<(), StoreError> {
        let size = self.store.journal_size(tenant.tenant)?.unwrap_or(0);
        let mut fold: Option<Fold> = None;
        let mut next = 0;
        while next < size {
            let page = self.store.leaves(tenant.tenant, LeafIndex(next), PAGE_ROWS_MAX)?;
            if page.is_empty() {
                self.broken(tenant, next, "the leaf is missing");
                return Ok(());
            }
            for stored in &page {
                let leaf = match stored.parse() {
                    Ok(leaf) => leaf,
                    Err(error) => {
                        self.broken(tenant, stored.index.0, &error.to_string());
                        return Ok(());
                    }
                };
                let followed = match &mut fold {
                    Some(fold) => fold.push(&leaf),
                    None => Fold::begin(&leaf).map(|begun| fold = Some(begun)),
                };
                if let Err(error) = followed {
                    self.broken(tenant, leaf.seq.0, &error.fault.to_string());
                    return Ok(());
                }
                self.report.leaves += 1;
                self.evidence(tenant, &leaf)?;
                next = leaf.seq.0 + 1;
            }
        }
        match fold {
            Some(fold) => self.tables(tenant, &fold, size),
            None => {
                self.broken(tenant, 0, "the journal is empty");
                Ok(())
            }
        }
    }

    fn broken(&mut self, tenant: &TenantRecord, leaf: u64, why: &str) {
        let place = format!("{} leaf {leaf}", tenant.name);
        self.report.add(Severity::Tampering, "journal-broken", place, why, REBUILD);
    }

    /// What a leaf names by digest must be there and have that digest.
    fn evidence(&mut self, tenant: &TenantRecord, leaf: &Leaf) -> Result<(), StoreError> {
        let named = [
            (EvidenceKind::Certificate, leaf.cert),
            (EvidenceKind::Gate, leaf.gate.map(|gate| gate.report)),
            (EvidenceKind::Capabilities, leaf.caps),
        ];
        for (kind, digest) in named {
            let Some(digest) = digest else { continue };
            let place = format!("{} leaf {}", tenant.name, leaf.seq);
            match self.store.evidence(tenant.tenant, kind, &digest)? {
                None => {
                    let message = format!("the {} that it names is missing", words(kind));
                    self.report.add(Severity::Loss, "evidence-missing", place, message, REBUILD);
                }
                Some(bytes) if digest_of(kind, &bytes) != Some(digest) => {
                    let message = format!("the {} that it names has another digest", words(kind));
                    self.report.add(Severity::Tampering, "evidence-changed", place, message, REBUILD);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Compares repositories, refs and releases in the tables with what leaves explain. A tenant that was pushed to
    /// meanwhile is not compared: its tables are newer than the leaves that were read.
    fn tables(&mut self, tenant: &TenantRecord, fold: &Fold, size: u64) -> Result<(), StoreError> {
        let mut found: BTreeMap<RepositoryId, RepositoryName> = BTreeMap::new();
        let mut after: Option<RepositoryName> = None;
        let mut wrong = Vec::new();
        loop {
            let page = self.store.repositories_by_name(tenant.tenant, after.as_ref(), PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for record in page.iter().filter(|record| !record.name.is_generated()) {
                found.insert(record.repository, record.name.clone());
                match fold.repositories.get(&record.repository) {
                    Some(state) if state.name == record.name => self.refs(tenant, &record.name, state, &mut wrong)?,
                    _ => wrong.push((record.name.to_string(), "no leaf created this repository".to_owned())),
                }
            }
        }
        for (id, state) in fold.repositories.iter().filter(|(_, state)| !state.deleted) {
            if !found.contains_key(id) {
                wrong.push((state.name.to_string(), "its leaves are there, its row is not".to_owned()));
            }
        }
        let policy = self.store.registry(tenant.tenant)?.map(|state| state.leaf);
        if policy != fold.policy {
            wrong.push((
                "registry.git".to_owned(),
                "the rules in force are not those of the newest policy leaf".to_owned(),
            ));
        }
        if self.store.journal_size(tenant.tenant)? == Some(size) {
            for (place, message) in wrong {
                let place = format!("{} {place}", tenant.name);
                self.report.add(Severity::Tampering, "table-unexplained", place, message, REBUILD);
            }
        }
        Ok(())
    }

    fn refs(
        &mut self,
        tenant: &TenantRecord,
        name: &RepositoryName,
        state: &RepositoryState,
        wrong: &mut Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        let held: BTreeMap<RefName, ObjectId> =
            self.store.refs_in_database(tenant.tenant, name)?.into_iter().map(|entry| (entry.name, entry.id)).collect();
        let explained: BTreeMap<RefName, ObjectId> =
            state.refs.iter().filter_map(|(name, state)| Some((name.clone(), state.value.object()?))).collect();
        for (ref_name, id) in &held {
            if explained.get(ref_name) != Some(id) {
                wrong.push((name.to_string(), format!("{ref_name} is {id}, which no leaf explains")));
            }
        }
        for ref_name in explained.keys().filter(|ref_name| !held.contains_key(*ref_name)) {
            wrong.push((name.to_string(), format!("{ref_name} is missing, and no leaf deleted it")));
        }
        let RepositoryName::Plugin(plugin) = name else { return Ok(()) };
        let mut below = None;
        let mut count = 0;
        loop {
            let page = self.store.releases_highest_first(tenant.tenant, plugin, below.as_ref(), PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { break };
            below = Some(last.version.clone());
            for release in &page {
                count += 1;
                let leaf = state.releases.get(&release.version);
                let same = leaf.is_some_and(|leaf| {
                    leaf.commit.object() == Some(release.commit)
                        && leaf.tree == release.tree
                        && leaf.yanked.is_some() == release.yanked.is_some()
                });
                if !same {
                    wrong.push((name.to_string(), format!("no leaf explains release {}", release.version)));
                }
            }
        }
        if count < state.releases.len() {
            wrong.push((name.to_string(), "a release that its leaves name is missing".to_owned()));
        }
        Ok(())
    }
}

fn words(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Certificate => "push certificate",
        EvidenceKind::Gate => "gate report",
        EvidenceKind::Capabilities => "capability list",
    }
}

/// The digest by which a leaf names evidence: of a certificate its signed text alone.
pub(super) fn digest_of(kind: EvidenceKind, bytes: &[u8]) -> Option<Sha256> {
    match kind {
        EvidenceKind::Certificate => {
            let certificate = certificate::parse(bytes).ok()?;
            Some(Sha256::of(certificate.signed_text()))
        }
        EvidenceKind::Gate | EvidenceKind::Capabilities => Some(Sha256::of(bytes)),
    }
}
