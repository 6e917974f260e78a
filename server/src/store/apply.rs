//! What one proposal does inside the transaction. An error undoes all of it.

use std::sync::Arc;

use gix::ObjectId;
use rusqlite::{Connection, OptionalExtension, params};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::{Ext, Gate, GateOutcome, GitId, Kind, LeafFields, Signer, leaf_name};
use skill_pool_domain::names::{LeafIndex, PluginName, RefName, RepositoryId, RepositoryName};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::refs::RefEntry;

use super::commit::{Committed, NewRelease, NotCommitted, Proposal, RefUpdate, UpdateOutcome};
use super::evidence::{EVIDENCE_BYTES_MAX, EvidenceKind};
use super::journal::{AppendError, JournalEnd};
use super::outbox::NewEntry;
use super::refs::{RepositoryRefs, snapshot_of};
use super::registry::RegistryState;
use super::releases::Release;
use super::writer::Batch;
use super::{StoreError, evidence, nonces, outbox, projections, refs, registry, releases, repositories};

/// Bounds that hold at the commit.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) refs_per_repository_max: u64,
    pub(super) repositories_per_tenant_max: u64,
}

/// Where a proposal comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The door judged it.
    Door,
    /// It is on disk already, and its leaves were lost with the database.
    Rebuilt,
}

/// Makes a judged proposal true. The checks that may have been overtaken since it was judged are made again here, where
/// nothing else moves.
pub(super) fn apply(
    batch: &mut Batch<'_>,
    proposal: &Proposal,
    limits: Limits,
    origin: Origin,
) -> Result<Committed, NotCommitted> {
    let connection = batch.connection;
    let seconds = u64::try_from(proposal.at.seconds()).unwrap_or(0);
    let journal = JournalEnd::open(connection, proposal.tenant, seconds).map_err(sql)?;
    let mut journal = journal.ok_or_else(|| refused("there is no such tenant"))?;
    if origin == Origin::Rebuilt {
        journal.ext = Some(Ext::reason("rebuilt"));
    }
    if journal.policy != proposal.policy {
        return Err(NotCommitted::PolicyMoved);
    }
    if let Some(nonce) = &proposal.nonce
        && !nonces::spend(connection, proposal.tenant, nonce, proposal.at).map_err(sql)?
    {
        return Err(NotCommitted::NonceSpent);
    }
    let key = (proposal.tenant, proposal.name.clone());
    let known = match batch.staged_refs(&key) {
        Some(known) => Some(known),
        None => known_refs(batch, &key)?,
    };
    let base = match &known {
        Some(known) => Arc::clone(&known.snapshot),
        None => snapshot_of(proposal.repository, Vec::new()),
    };
    let mut refs = base.refs.clone();
    let mut updates: Vec<UpdateOutcome> = proposal.updates.iter().map(|update| place(&mut refs, update)).collect();
    if proposal.atomic && updates.iter().any(|outcome| *outcome != UpdateOutcome::Moved) {
        for outcome in updates.iter_mut().filter(|outcome| **outcome == UpdateOutcome::Moved) {
            *outcome = UpdateOutcome::NotAtomic;
        }
    }
    if !updates.contains(&UpdateOutcome::Moved) {
        // The nonce stays spent: the certificate was answered.
        return Ok(Committed { updates, leaves: Vec::new(), refs: base });
    }
    let repository = known.as_ref().map_or(proposal.repository, |known| known.repository);
    let mut change = Change { batch, proposal, repository, journal, seconds_at: proposal.at, catalog: false };
    if known.is_none() {
        change.create(limits)?;
    }
    for (update, outcome) in proposal.updates.iter().zip(&updates) {
        if *outcome == UpdateOutcome::Moved {
            change.move_ref(update, &mut refs)?;
        }
    }
    let count = refs.len() as u64;
    if count > limits.refs_per_repository_max && count > base.refs.len() as u64 {
        let limit = limits.refs_per_repository_max;
        return Err(NotCommitted::OverLimit { what: "the number of refs of this repository", value: count, limit });
    }
    let (leaves, snapshot) = change.finish(refs)?;
    batch.stage_refs(key, Arc::new(RepositoryRefs { repository, snapshot: Arc::clone(&snapshot) }));
    Ok(Committed { updates, leaves, refs: snapshot })
}

fn known_refs(
    batch: &Batch<'_>,
    key: &(skill_pool_domain::names::TenantId, RepositoryName),
) -> Result<Option<Arc<RepositoryRefs>>, NotCommitted> {
    match batch.caches.refs.get(key) {
        Ok(known) => Ok(Some(known)),
        Err(_) => Ok(refs::load(batch.connection, key.0, &key.1).map_err(sql)?.map(Arc::new)),
    }
}

/// Moves one ref in the sorted list, if it fits.
fn place(refs: &mut Vec<RefEntry>, update: &RefUpdate) -> UpdateOutcome {
    let at = refs.binary_search_by(|entry| entry.name.cmp(&update.name));
    if at.ok().map(|at| refs[at].id) != update.old {
        return UpdateOutcome::Stale;
    }
    match (at, update.new) {
        (Ok(at), Some(id)) => {
            refs[at].id = id;
            refs[at].peeled = update.peeled;
        }
        (Ok(at), None) => {
            refs.remove(at);
        }
        (Err(_), Some(_)) if is_name_taken(refs, &update.name) => return UpdateOutcome::NameTaken,
        (Err(at), Some(id)) => {
            refs.insert(at, RefEntry { name: update.name.clone(), id, peeled: update.peeled });
        }
        // Deleting what is not there.
        (Err(_), None) => {}
    }
    UpdateOutcome::Moved
}

/// True when `name` would be a folder of another ref, or another ref a folder of `name`.
fn is_name_taken(refs: &[RefEntry], name: &RefName) -> bool {
    let text = name.as_str();
    let parent_exists = text
        .match_indices('/')
        .any(|(end, _)| refs.binary_search_by(|entry| entry.name.as_str().cmp(&text[..end])).is_ok());
    let folder = format!("{text}/");
    let first = refs.partition_point(|entry| entry.name.as_str() < folder.as_str());
    parent_exists || refs.get(first).is_some_and(|entry| entry.name.as_str().starts_with(&folder))
}

/// One proposal's way through the transaction.
struct Change<'a, 'b> {
    batch: &'a mut Batch<'b>,
    proposal: &'a Proposal,
    repository: RepositoryId,
    journal: JournalEnd<'b>,
    seconds_at: Timestamp,
    catalog: bool,
}

impl Change<'_, '_> {
    fn connection(&self) -> &Connection {
        self.batch.connection
    }

    fn plugin(&self) -> Result<PluginName, NotCommitted> {
        leaf_name(&self.proposal.name).ok_or_else(|| refused("generated repositories have no leaves"))
    }

    fn create(&mut self, limits: Limits) -> Result<(), NotCommitted> {
        let (tenant, name) = (self.proposal.tenant, &self.proposal.name);
        let value = repositories::count(self.connection(), tenant).map_err(sql)? + 1;
        let limit = limits.repositories_per_tenant_max;
        if value > limit {
            return Err(NotCommitted::OverLimit { what: "the number of repositories", value, limit });
        }
        // Leaves call `registry.git` by the same word as a plugin of that name; that the former comes first tells them
        // apart for ever.
        let plugin = self.plugin()?;
        let is_registry = *name == RepositoryName::Registry;
        if !is_registry
            && self.journal.policy.is_none()
            && leaf_name(&RepositoryName::Registry).as_ref() == Some(&plugin)
        {
            return Err(refused("a tenant's registry.git comes before a plugin called `registry`"));
        }
        let (repository, actor) = (self.repository, self.proposal.actor.clone());
        let leaf = self
            .journal
            .append(Kind::RepoCreate, |leaf| {
                leaf.repo = Some(repository);
                leaf.name = Some(plugin);
                leaf.actor = actor;
            })
            .map_err(append)?;
        repositories::insert(self.connection(), tenant, repository, name, self.proposal.at, Some(leaf)).map_err(sql)
    }

    fn move_ref(&mut self, update: &RefUpdate, refs: &mut Vec<RefEntry>) -> Result<(), NotCommitted> {
        let is_main = update.name == RefName::main();
        let is_policy = is_main && self.proposal.name == RepositoryName::Registry;
        if is_policy != (is_main && self.proposal.registry.is_some()) || (is_policy && update.new.is_none()) {
            return Err(refused("main of registry.git moves together with what it says, and nothing else does"));
        }
        let kind = if is_policy { Kind::Policy } else { Kind::RefUpdate };
        let fields = self.fields(update)?;
        let leaf = self.append_for_ref(kind, &update.name, update.old, fields)?;
        self.keep_evidence(update, leaf)?;
        let entry = update.new.map(|id| RefEntry { name: update.name.clone(), id, peeled: update.peeled });
        self.put_ref(&update.name, entry.as_ref(), leaf)?;
        if is_policy {
            self.renew_registry(update, leaf)?;
        }
        if is_main && let Some(release) = self.proposal.release.as_ref() {
            self.release(release, update, leaf, refs)?;
        }
        Ok(())
    }

    /// Fields of a leaf that come from the update and what covers it.
    fn fields(&self, update: &RefUpdate) -> Result<LeafFields, NotCommitted> {
        let mut fields = LeafFields::new(Kind::RefUpdate, self.proposal.tenant, LeafIndex(0), 0);
        fields.new = Some(GitId::of(update.new));
        fields.tree = update.tree;
        fields.caps = update.capabilities.as_ref().map(|text| text.digest);
        fields.gate = match &update.gate {
            None => None,
            Some(gate) => {
                let outcome = GateOutcome::parse(gate.outcome).ok_or_else(|| refused("no such verdict of the gate"))?;
                Some(Gate { outcome, report: gate.report.digest })
            }
        };
        self.cover(&mut fields)?;
        Ok(fields)
    }

    /// Fills in who did it and by what certificate.
    fn cover(&self, fields: &mut LeafFields) -> Result<(), NotCommitted> {
        fields.actor = self.proposal.actor.clone();
        if let Some(certificate) = &self.proposal.certificate {
            let signer: Signer = certificate.signer.parse().map_err(|_| refused("the signer is of no known form"))?;
            fields.cert = Some(certificate.digest);
            fields.signer = Some(signer);
        }
        Ok(())
    }

    fn append_for_ref(
        &mut self,
        kind: Kind,
        name: &RefName,
        old: Option<ObjectId>,
        fields: LeafFields,
    ) -> Result<LeafIndex, NotCommitted> {
        let (repository, plugin) = (self.repository, self.plugin()?);
        let prev = self.last_leaf_of(name, old)?;
        let append_leaf = |leaf: &mut LeafFields| {
            let place = (leaf.kind, leaf.seq, leaf.time, leaf.policy);
            *leaf = fields;
            (leaf.kind, leaf.seq, leaf.time, leaf.policy) = place;
            leaf.repo = Some(repository);
            leaf.name = Some(plugin);
            leaf.ref_name = Some(name.clone());
            leaf.old = Some(GitId::of(old));
            leaf.prev = prev;
        };
        self.journal.append(kind, append_leaf).map_err(append)
    }

    /// The newest leaf that names the ref. Its row must hold `old`, or memory and database disagree.
    fn last_leaf_of(&self, name: &RefName, old: Option<ObjectId>) -> Result<Option<LeafIndex>, NotCommitted> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT id, leaf FROM refs WHERE tenant = ?1 AND repository = ?2 AND name = ?3")
            .map_err(sql)?;
        let key = params![self.proposal.tenant.0.as_bytes(), self.repository.0.as_bytes(), name.as_str()];
        let row = statement
            .query_row(key, |row| Ok((super::sql::object_id_option(row, 0)?, super::sql::leaf_option(row, 1)?)))
            .optional()
            .map_err(sql)?;
        let (value, leaf) = row.unwrap_or((None, None));
        if value != old {
            self.batch.caches.refs.forget(&(self.proposal.tenant, self.proposal.name.clone()));
            return Err(refused("the refs in memory are not those in the database"));
        }
        Ok(leaf)
    }

    fn put_ref(&self, name: &RefName, entry: Option<&RefEntry>, leaf: LeafIndex) -> Result<(), NotCommitted> {
        refs::put(self.connection(), self.proposal.tenant, self.repository, name, entry, Some(leaf)).map_err(sql)
    }

    fn keep_evidence(&self, update: &RefUpdate, leaf: LeafIndex) -> Result<(), NotCommitted> {
        if let Some(certificate) = &self.proposal.certificate {
            self.keep(EvidenceKind::Certificate, &certificate.digest, leaf, &certificate.bytes)?;
        }
        if let Some(gate) = &update.gate {
            self.keep(EvidenceKind::Gate, &gate.report.digest, leaf, gate.report.text.as_bytes())?;
        }
        if let Some(capabilities) = &update.capabilities {
            self.keep(EvidenceKind::Capabilities, &capabilities.digest, leaf, capabilities.text.as_bytes())?;
        }
        Ok(())
    }

    fn keep(&self, kind: EvidenceKind, digest: &Sha256, leaf: LeafIndex, bytes: &[u8]) -> Result<(), NotCommitted> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            let (value, limit) = (bytes.len() as u64, EVIDENCE_BYTES_MAX as u64);
            let what = match kind {
                EvidenceKind::Certificate => "the size of the push certificate in bytes",
                EvidenceKind::Gate => "the size of the gate report in bytes",
                EvidenceKind::Capabilities => "the size of the capability list in bytes",
            };
            return Err(NotCommitted::OverLimit { what, value, limit });
        }
        evidence::put(self.connection(), self.proposal.tenant, kind, digest, leaf, bytes).map_err(sql)
    }

    /// `release`, and `ref-update` of its tag, after main's own leaf.
    fn release(
        &mut self,
        release: &NewRelease,
        main: &RefUpdate,
        main_leaf: LeafIndex,
        refs: &mut Vec<RefEntry>,
    ) -> Result<(), NotCommitted> {
        let taken = || NotCommitted::VersionTaken(release.version.clone());
        if main.new != Some(release.commit) {
            return Err(refused("a release is of the commit that main moves to"));
        }
        let tag = format!("refs/tags/{}--v{}", release.plugin, release.version);
        let tag = RefName::parse(tag.as_bytes()).map_err(|e| refused(e.to_string()))?;
        let (repository, plugin) = (self.repository, self.plugin()?);
        let mut fields = self.fields(main)?;
        fields.tree = Some(release.tree);
        fields.version = Some(release.version.clone());
        let leaf = self.journal.append(Kind::Release, |leaf| {
            let place = (leaf.kind, leaf.seq, leaf.time, leaf.policy);
            *leaf = fields;
            (leaf.kind, leaf.seq, leaf.time, leaf.policy) = place;
            leaf.repo = Some(repository);
            leaf.name = Some(plugin);
            leaf.ref_name = Some(RefName::main());
            leaf.prev = Some(main_leaf);
        });
        let leaf = leaf.map_err(append)?;
        let row = Release {
            plugin: release.plugin.clone(),
            version: release.version.clone(),
            repository,
            commit: release.commit,
            tag: release.tag,
            tree: release.tree,
            leaf,
            at: self.seconds_at,
            actor: self.proposal.actor.clone(),
            signer: self.proposal.certificate.as_ref().map(|certificate| certificate.signer.clone()),
            certificate: self.proposal.certificate.as_ref().map(|certificate| certificate.digest),
            summary: release.summary.clone(),
            archive: None,
            yanked: None,
        };
        if !releases::insert(self.connection(), self.proposal.tenant, &row).map_err(sql)? {
            return Err(taken());
        }
        // The release leaf names main as well: the next leaf of main follows upon it.
        let main_entry = RefEntry { name: RefName::main(), id: release.commit, peeled: main.peeled };
        self.put_ref(&main_entry.name, Some(&main_entry), leaf)?;
        let update = RefUpdate {
            name: tag,
            old: None,
            new: Some(release.tag),
            peeled: Some(release.commit),
            tree: Some(release.tree),
            gate: None,
            capabilities: None,
        };
        if place(refs, &update) != UpdateOutcome::Moved {
            return Err(taken());
        }
        let mut fields = LeafFields::new(Kind::RefUpdate, self.proposal.tenant, LeafIndex(0), 0);
        fields.new = Some(GitId::of(update.new));
        fields.tree = update.tree;
        fields.actor = self.proposal.actor.clone();
        let tag_leaf = self.append_for_ref(Kind::RefUpdate, &update.name, None, fields)?;
        let entry = RefEntry { name: update.name, id: release.tag, peeled: update.peeled };
        self.put_ref(&entry.name, Some(&entry), tag_leaf)?;
        self.catalog = true;
        self.yank_at_once(release)
    }

    fn yank_at_once(&mut self, release: &NewRelease) -> Result<(), NotCommitted> {
        let tenant = self.proposal.tenant;
        let state = match self.batch.staged_registry(tenant) {
            Some(state) => Some(state),
            None => match self.batch.caches.registries.get(&tenant) {
                Ok(state) => Some(state),
                Err(_) => registry::load(self.connection(), tenant).map_err(sql)?.map(Arc::new),
            },
        };
        let Some(state) = state else { return Ok(()) };
        let (connection, at) = (self.batch.connection, self.seconds_at);
        let actor = self.proposal.actor.clone();
        let cover = move |leaf: &mut LeafFields| leaf.actor.clone_from(&actor);
        let version = (&release.plugin, &release.version);
        projections::yank_of(connection, tenant, &state.registry, &mut self.journal, version, at, &cover)
            .map_err(append)
    }

    fn renew_registry(&mut self, update: &RefUpdate, leaf: LeafIndex) -> Result<(), NotCommitted> {
        let (Some(registry), Some(commit)) = (self.proposal.registry.clone(), update.new) else { return Ok(()) };
        if registry.tenant != self.proposal.tenant {
            return Err(refused("registry.toml names another tenant"));
        }
        let tenant = self.proposal.tenant;
        self.journal.policy = Some(leaf);
        let state = RegistryState { leaf, commit, at: self.seconds_at, registry };
        projections::renew(self.connection(), tenant, &state).map_err(sql)?;
        let mut covered = LeafFields::new(Kind::Yank, tenant, LeafIndex(0), 0);
        self.cover(&mut covered)?;
        let cover = move |leaf: &mut LeafFields| {
            (leaf.cert, leaf.signer) = (covered.cert, covered.signer);
            leaf.actor.clone_from(&covered.actor);
        };
        let (connection, at) = (self.batch.connection, self.seconds_at);
        projections::yanks(connection, tenant, &state.registry, &mut self.journal, at, &cover).map_err(append)?;
        self.batch.stage_tenant(tenant);
        self.batch.stage_registry(tenant, Arc::new(state));
        self.catalog = true;
        Ok(())
    }

    fn finish(
        self,
        refs: Vec<RefEntry>,
    ) -> Result<(Vec<LeafIndex>, Arc<skill_pool_git::refs::RefSnapshot>), NotCommitted> {
        let leaves = self.journal.finish().map_err(sql)?;
        let first_leaf = leaves.first().copied().ok_or_else(|| refused("a change without a leaf"))?;
        let entry = NewEntry {
            tenant: self.proposal.tenant,
            repository: Some(&self.proposal.name),
            first_leaf,
            leaves: leaves.len() as u64,
            catalog: self.catalog,
            at: self.proposal.at,
        };
        let position = outbox::put(self.batch.connection, &entry).map_err(sql)?;
        self.batch.stage_position(position);
        Ok((leaves, snapshot_of(self.repository, refs)))
    }
}

fn sql(error: rusqlite::Error) -> NotCommitted {
    StoreError::doing("make a push true")(error).into()
}

fn append(error: AppendError) -> NotCommitted {
    match error {
        AppendError::Sql(error) => sql(error),
        error => NotCommitted::Database { disk_full: false, source: error.into() },
    }
}

/// A proposal that no caller makes: a fault of this program.
fn refused(reason: impl Into<String>) -> NotCommitted {
    NotCommitted::Database { disk_full: false, source: reason.into().into() }
}
