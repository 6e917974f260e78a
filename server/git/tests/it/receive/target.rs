//! A repository to be pushed to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use skill_pool_domain::names::RefName;
use skill_pool_domain::refusal::Refusal;
use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::objects::{Kind, ObjectId, Objects, oid};
use skill_pool_git::receive::{
    Bases, Connectivity, ConnectivityError, Deadline, FactsCache, Kept, Quarantine, Reachable, ReceiveError, Tip,
    receive_pack,
};
use skill_pool_git::refs::{Head, RefEntry, RefSnapshot};
use skill_pool_git::repo::{Repo, RepoOptions};

use super::craft;
use crate::support::World;

/// A bare repository of ours, and what its pusher sees.
pub struct Target {
    pub world: World,
    pub repo: Repo,
    pub limits: ReceiveLimits,
    pub visible: Vec<ObjectId>,
    pub facts: FactsCache,
}

impl Target {
    pub fn new() -> Self {
        let world = World::new();
        let folder = world.path("target.git");
        Repo::init(&folder).expect("made");
        let repo = Repo::open(&folder, &RepoOptions::default()).expect("opens");
        Self { world, repo, limits: ReceiveLimits::default(), visible: Vec::new(), facts: FactsCache::default() }
    }

    pub fn refs(&self) -> RefSnapshot {
        let entry = |(number, id): (usize, &ObjectId)| RefEntry {
            name: RefName::parse(format!("refs/heads/b{number}").as_bytes()).expect("a name"),
            id: *id,
            peeled: None,
        };
        RefSnapshot::new(b"target", Head::Hidden, self.visible.iter().enumerate().map(entry).collect())
    }

    pub fn reachable(&self) -> Reachable<'_> {
        Reachable::new(&self.repo, &self.refs(), &self.visible, Deadline::after(self.limits.time_max))
    }

    pub fn receive(&self, bytes: &[u8]) -> Result<Quarantine, ReceiveError> {
        let mut reachable = self.reachable();
        let mut may_read = |id: &oid| reachable.contains(id, None).expect("readable");
        let mut bases = Bases { objects: &self.repo, may_read: &mut may_read };
        receive_pack(bytes, &self.limits, Deadline::after(self.limits.time_max), &mut bases, &self.pack_folder())
    }

    pub fn check(&self, quarantine: &Quarantine, tips: &[ObjectId]) -> Vec<Result<Tip, ConnectivityError>> {
        let mut check = self.connectivity(quarantine);
        tips.iter().map(|tip| check.check(tip)).collect()
    }

    pub fn connectivity<'a>(&'a self, quarantine: &'a Quarantine) -> Connectivity<'a> {
        let deadline = Deadline::after(self.limits.time_max);
        Connectivity::new(quarantine, &self.repo, self.reachable(), &self.facts, &self.limits, deadline)
    }

    /// Receives, checks and keeps a pack for one new value, which becomes visible.
    #[track_caller]
    pub fn push(&mut self, bytes: &[u8], tip: ObjectId) -> Option<Kept> {
        let quarantine = match self.receive(bytes) {
            Ok(quarantine) => quarantine,
            Err(error) => panic!("{error}: {:?}", error.refusals()),
        };
        let kept = self.keep(quarantine, &[tip]);
        self.visible.push(tip);
        kept
    }

    #[track_caller]
    pub fn keep(&self, quarantine: Quarantine, tips: &[ObjectId]) -> Option<Kept> {
        let mut check = self.connectivity(&quarantine);
        for tip in tips {
            check.check(tip).expect("connected");
        }
        let reached = check.reached(tips).expect("readable");
        quarantine.keep(&reached, &self.repo).expect("kept")
    }

    /// The codes of what is wrong with a pack or the values that it brings.
    #[track_caller]
    pub fn refused(&self, bytes: &[u8], tip: ObjectId) -> Vec<Refusal> {
        let before = self.files();
        let refusals = match self.receive(bytes) {
            Err(error) => error.refusals(),
            Ok(quarantine) => match self.check(&quarantine, &[tip]).remove(0) {
                Ok(tip) => panic!("it was taken: {tip:?}"),
                Err(error) => error.refusals(),
            },
        };
        assert_eq!(self.files(), before);
        assert!(!refusals.is_empty());
        for refusal in &refusals {
            assert!(!refusal.remedy.is_empty() && !refusal.message.is_empty());
            assert!(!refusal.to_string().chars().any(char::is_control), "{refusal}");
        }
        refusals
    }

    #[track_caller]
    pub fn refused_code(&self, bytes: &[u8], tip: ObjectId) -> &'static str {
        self.refused(bytes, tip)[0].code
    }

    pub fn pack_folder(&self) -> PathBuf {
        self.repo.path().join("objects/pack")
    }

    /// Names in the folder of packs.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.pack_folder())
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    /// Stock git finds nothing to say about the repository, with tags for the visible values.
    #[track_caller]
    pub fn fsck(&self) {
        let folder = self.repo.path();
        for (number, id) in self.visible.iter().enumerate() {
            let name = format!("refs/tags/b{number}");
            std::fs::create_dir_all(folder.join("refs/tags")).expect("folder");
            std::fs::write(folder.join(name), format!("{id}\n")).expect("ref");
        }
        let said = self.world.git(folder, &["fsck", "--full", "--strict", "--no-dangling", "--no-progress"]);
        assert_eq!(said, "", "fsck of {}", folder.display());
        for name in self.files().iter().filter(|name| name.ends_with(".idx")) {
            let index = self.pack_folder().join(name);
            self.world.git(folder, &["verify-pack", index.to_str().expect("text")]);
        }
    }
}

/// All objects of a quarantine, each read again and its id computed.
pub fn contents(quarantine: &Quarantine) -> Vec<(Kind, Vec<u8>)> {
    let mut out = Vec::new();
    let mut content = Vec::new();
    for (id, kind) in quarantine.objects() {
        assert_eq!(quarantine.read(&id, &mut content).expect("read"), Some(kind));
        assert_eq!(quarantine.header(&id).expect("header"), Some((kind, content.len() as u64)));
        assert_eq!(craft::id(kind, &content), id);
        out.push((kind, content.clone()));
    }
    out.sort_by(|a, b| a.1.cmp(&b.1));
    out
}

/// Runs `git pack-objects` over revisions and gives the pack.
pub fn pack_objects(world: &World, folder: &Path, options: &[&str], revisions: &str) -> Vec<u8> {
    let arguments = [&["pack-objects", "--stdout", "--revs", "-q"], options].concat();
    let mut child =
        world.command(folder, &arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git");
    child.stdin.take().expect("stdin").write_all(revisions.as_bytes()).expect("write");
    let output = child.wait_with_output().expect("git");
    assert!(output.status.success());
    output.stdout
}

/// A work tree with fifteen commits, long enough for git to make deltas.
pub fn history(world: &World) -> PathBuf {
    let folder = world.work_tree("work");
    for at in 0..15u64 {
        let text: String = (0..300).map(|line| format!("line {line} {}\n", if line == at { at } else { 7 })).collect();
        let name = format!("d{}/f{at}.md", at % 3);
        world.commit(&folder, 1_700_000_000 + at, &[("a/long.md", &text), (&name, &format!("short {at}\n"))]);
    }
    world.git(&folder, &["tag", "-a", "-m", "one", "v1"]);
    folder
}
