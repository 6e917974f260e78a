//! Few packs in every repository: what pushes leave is merged soon, and packed anew now and then.
//!
//! Also sweeps, at start, what a killed process left in the folders of packs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gix::ObjectId;
use skill_pool_domain::names::{LeafIndex, RepositoryId, RepositoryName, TenantId};
use skill_pool_git::maintain::{self, Due, MaintainError, MaintainOptions};
use skill_pool_git::receive::sweep;
use skill_pool_git::repo::{Repo, RepoCache};

use super::{Follower, FollowerError, Progress};
use crate::store::{DataFolder, OutboxEntry, Store, TenantKey, TenantRecord};

/// Repositories that one part of the check looks at.
const CHECK_REPOSITORIES: usize = 200;
/// Leaves that are read at once.
const LEAVES_READ: usize = 1_000;

/// Keeps the number of packs small.
pub struct Packs {
    store: Store,
    data: DataFolder,
    repositories: Arc<RepoCache>,
    options: MaintainOptions,
    /// Where the check goes on: after this tenant and repository.
    tenant: Option<TenantRecord>,
    repository: Option<RepositoryName>,
}

impl Packs {
    /// For the repositories of `data`, opened through `repositories`: the same that serve them, so that readers go on
    /// with the files that they have open.
    pub fn new(store: Store, data: DataFolder, repositories: Arc<RepoCache>, options: MaintainOptions) -> Self {
        Self { store, data, repositories, options, tenant: None, repository: None }
    }

    /// Does what one repository is due for.
    fn apply(&self, tenant: &TenantRecord, name: &RepositoryName) -> Result<(), FollowerError> {
        let subject = || format!("{} {name}", tenant.name);
        let folder = self.data.repository(&tenant.name, name);
        let due = maintain::due(&folder, &self.options).map_err(FollowerError::at("count the packs", subject()))?;
        if due == Due::Nothing {
            return Ok(());
        }
        let repo = self.repositories.get(&folder).map_err(FollowerError::at("open the folder", subject()))?;
        let done = match due {
            Due::Merge => maintain::merge(&repo, &self.options),
            _ => {
                let roots = self.roots(tenant.tenant, name, &repo)?;
                maintain::repack(&repo, &roots, SystemTime::now(), &self.options)
            }
        };
        let done = match done {
            Ok(done) => done,
            // To be mended by a person; packing less would not help.
            Err(MaintainError::Missing(id)) => {
                tracing::error!(
                    tenant = %tenant.name, repository = %name,
                    "object {id} of {}/{name} is missing; run `skill-pool-server fsck`", tenant.name
                );
                return Ok(());
            }
            Err(error) => return Err(FollowerError::at("pack the objects", subject())(error)),
        };
        let Some(done) = done else { return Ok(()) };
        let (objects, pack_bytes) = (done.objects, done.pack_bytes);
        // Readers of this process hold the old files open; others look again when one is gone, as git itself does.
        let packs = done.retired.unlink(&repo).map_err(FollowerError::at("unlink old packs", subject()))?;
        tracing::debug!(
            tenant = %tenant.name, repository = %name, packs, objects, pack_bytes,
            "made one pack of {packs} in {}/{name}", tenant.name
        );
        Ok(())
    }

    /// Every value that a ref has or had: the journal's, because a push under way may rest on a ref that was just
    /// deleted, and because what was accepted once stays provable.
    fn roots(&self, tenant: TenantId, name: &RepositoryName, repo: &Repo) -> Result<Vec<ObjectId>, FollowerError> {
        let subject = || name.to_string();
        let refs = self.store.refs(tenant, name).map_err(FollowerError::at("read the refs", subject()))?;
        let Some(refs) = refs else { return Ok(Vec::new()) };
        let mut roots: BTreeSet<ObjectId> = refs.snapshot.refs.iter().map(|entry| entry.id).collect();
        if !name.is_generated() {
            roots.extend(self.logged(tenant, refs.repository, repo)?);
        }
        Ok(roots.into_iter().collect())
    }

    /// What the journal knows of a repository, as far as it is still there: an erased value is not.
    fn logged(&self, tenant: TenantId, repository: RepositoryId, repo: &Repo) -> Result<Vec<ObjectId>, FollowerError> {
        use skill_pool_git::objects::Objects;
        let (mut out, mut next) = (Vec::new(), LeafIndex(0));
        loop {
            let page = self.store.leaves(tenant, next, LEAVES_READ);
            let page = page.map_err(FollowerError::at("read the journal", tenant.to_string()))?;
            let Some(last) = page.last() else { return Ok(out) };
            next = LeafIndex(last.index.0 + 1);
            for stored in &page {
                let leaf = stored.parse().map_err(FollowerError::at("read a leaf", tenant.to_string()))?;
                let Some(id) = leaf.new.and_then(|id| id.object()).filter(|_| leaf.repo == Some(repository)) else {
                    continue;
                };
                if repo.contains(&id).map_err(FollowerError::at("look for an object", tenant.to_string()))? {
                    out.push(id);
                }
            }
        }
    }

    fn next_tenant(&mut self, after: Option<&TenantRecord>) -> Result<Progress, FollowerError> {
        let next = self.store.tenants_by_name(after.map(|tenant| &tenant.name), 1);
        let next = next.map_err(FollowerError::at("list the tenants", "this server"))?;
        self.tenant = next.into_iter().next();
        self.repository = None;
        Ok(if self.tenant.is_some() { Progress::More } else { Progress::Done })
    }
}

impl Follower for Packs {
    fn name(&self) -> &'static str {
        "packs"
    }

    fn gathering(&self) -> Duration {
        // Often enough that the busiest repository has some hundred packs at most, seldom enough to be worth it.
        Duration::from_secs(2)
    }

    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        let mut moved: BTreeSet<(TenantId, RepositoryName)> = BTreeSet::new();
        for entry in entries {
            let generated = [RepositoryName::Log, RepositoryName::Marketplace];
            moved.extend(entry.repository.iter().cloned().chain(generated).map(|name| (entry.tenant, name)));
        }
        let mut first = Ok(());
        for (id, name) in moved {
            let tenant = self.store.tenant(&TenantKey::Id(id));
            let tenant = tenant.map_err(FollowerError::at("look the tenant up", id.to_string()))?;
            let Some(tenant) = tenant else { continue };
            let done = self.apply(&tenant, &name);
            if first.is_ok() {
                first = done;
            }
        }
        first
    }

    fn check(&mut self) -> Result<Progress, FollowerError> {
        let Some(tenant) = self.tenant.clone() else {
            sweep_folder(&self.data.derived().join("quarantine"))?;
            return self.next_tenant(None);
        };
        let page = self.store.repositories_by_name(tenant.tenant, self.repository.as_ref(), CHECK_REPOSITORIES);
        let page = page.map_err(FollowerError::at("list the repositories", tenant.name.to_string()))?;
        let Some(last) = page.last() else { return self.next_tenant(Some(&tenant)) };
        for record in &page {
            sweep_folder(&self.data.repository(&tenant.name, &record.name).join("objects/pack"))?;
            self.apply(&tenant, &record.name)?;
        }
        self.repository = Some(last.name.clone());
        Ok(Progress::More)
    }
}

fn sweep_folder(folder: &Path) -> Result<(), FollowerError> {
    let subject = || folder.display().to_string();
    let swept = sweep(folder).map_err(FollowerError::at("sweep leftovers", subject()))?;
    if swept > 0 {
        tracing::info!(files = swept, "removed {swept} files that a stopped push had left in {}", folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use skill_pool_domain::names::TenantName;
    use skill_pool_git::objects::{Kind, Objects};
    use skill_pool_git::receive::write_objects;
    use skill_pool_git::repo::RepoOptions;

    use super::*;
    use crate::store::StoreOptions;
    use crate::store::tests::world::{World, main, plugin, tenant, update};

    fn follower(world: &World, options: MaintainOptions) -> (Packs, Arc<Repo>) {
        let data = DataFolder::new(world.folder.path());
        let folder = data.repository(&TenantName::parse("acme").expect("a name"), &plugin("lint"));
        Repo::init(&folder).expect("made");
        let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 4));
        let repo = repositories.get(&folder).expect("opens");
        (Packs::new(world.store.clone(), data, repositories, options), repo)
    }

    fn packs(repo: &Repo) -> usize {
        let names = std::fs::read_dir(repo.path().join("objects/pack")).expect("a folder");
        names
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "pack")))
            .count()
    }

    fn check_all(follower: &mut Packs) {
        while follower.check().expect("checks") == Progress::More {}
    }

    fn commit(repo: &Repo, message: &str) -> ObjectId {
        let tree = write_objects(repo, &[(Kind::Tree, b"")]).expect("kept")[0];
        let who = "A <a@example.com> 1700000000 +0000";
        let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\n{message}\n");
        write_objects(repo, &[(Kind::Commit, text.as_bytes())]).expect("kept")[0]
    }

    #[test]
    fn what_pushes_left_is_merged_after_them_and_at_start() {
        let world = World::new(StoreOptions::default());
        world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
        let (mut follower, repo) = follower(&world, MaintainOptions::default());
        let write = |from: u16, to: u16| -> Vec<ObjectId> {
            (from..to).map(|n| write_objects(&repo, &[(Kind::Blob, &n.to_be_bytes())]).expect("kept")[0]).collect()
        };
        let mut ids = write(0, 49);
        let entries = world.store.outbox_since(crate::store::Position(0), 10).expect("reads");
        follower.keep_up(&entries).expect("looks");
        assert_eq!(packs(&repo), 49);
        ids.extend(write(49, 60));
        follower.keep_up(&entries).expect("merges");
        assert_eq!(packs(&repo), 1);
        ids.extend(write(60, 120));
        check_all(&mut follower);
        assert_eq!(packs(&repo), 1);
        assert!(ids.iter().all(|id| repo.contains(id).expect("readable")));
    }

    #[test]
    fn packing_anew_keeps_refs_and_everything_that_was_ever_one() {
        let world = World::new(StoreOptions::default());
        let options = MaintainOptions {
            small_pack_bytes_max: 0,
            packs_min: 4,
            small_packs_min: 4,
            garbage_age_min: Duration::ZERO,
            ..MaintainOptions::default()
        };
        let (mut follower, repo) = follower(&world, options);
        let (old, new, stray) = (commit(&repo, "old"), commit(&repo, "new"), commit(&repo, "stray"));
        for (from, to) in [(None, Some(old)), (Some(old), Some(new))] {
            let update = crate::store::commit::RefUpdate { old: from, new: to, ..update("refs/heads/main", 0, 1) };
            world.commit(world.push("lint", vec![update])).expect("commits");
        }
        check_all(&mut follower);
        assert_eq!(packs(&repo), 1);
        let there = |id: &ObjectId| repo.contains(id).expect("readable");
        assert!(there(&old) && there(&new) && !there(&stray));

        // A ref whose objects are gone: nothing more is thrown away.
        let late = commit(&repo, "late");
        let update = crate::store::commit::RefUpdate { old: Some(new), ..update("refs/heads/main", 0, 9) };
        world.commit(world.push("lint", vec![update])).expect("commits");
        write_objects(&repo, &[(Kind::Blob, b"1")]).expect("kept");
        write_objects(&repo, &[(Kind::Blob, b"2")]).expect("kept");
        let before = packs(&repo);
        check_all(&mut follower);
        assert_eq!(packs(&repo), before);
        assert!(there(&late));
        assert!(world.store.refs(tenant(), &plugin("lint")).expect("reads").is_some());
    }

    #[test]
    fn leftovers_of_a_crash_are_swept_at_start() {
        let world = World::new(StoreOptions::default());
        world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
        let (mut follower, repo) = follower(&world, MaintainOptions::default());
        let quarantine = DataFolder::new(world.folder.path()).derived().join("quarantine");
        std::fs::create_dir_all(&quarantine).expect("a folder");
        let left = [repo.path().join("objects/pack/tmp_pack_1-2_3"), quarantine.join("tmp_pack_1-2_4")];
        for path in &left {
            std::fs::write(path, b"x").expect("writes");
        }
        check_all(&mut follower);
        assert!(!left.iter().any(|path| path.exists()));
    }
}
