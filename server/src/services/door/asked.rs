//! What a push asks for, command by command, and what has become of each so far.

use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{PluginName, RefName, RepositoryName, Version};
use skill_pool_domain::plugin::manifest::Manifest;
use skill_pool_domain::plugin::summary::PluginSummary;
use skill_pool_domain::push::{Protection, RefChange, judge_ref};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::Registry;
use skill_pool_domain::release::Known;
use skill_pool_domain::tree::Tree;
use skill_pool_git::history;
use skill_pool_git::objects::{Kind, Objects, Overlay};
use skill_pool_git::receive::commands::Command;
use skill_pool_git::receive::{Connectivity, ConnectivityError, Quarantine};

use super::arrival::Arrival;
use super::content::{self, Content};
use super::judge::{self, Passed, Stopped};
use super::{Door, words};

/// Commits that are looked through to tell a fast-forward.
const COMMITS_MAX: usize = 200_000;

/// One command.
pub struct One {
    /// As sent.
    pub command: Command,
    /// Its ref; commands whose name is none are stopped at once.
    pub name: Option<RefName>,
    /// Why it is not done; `None` as long as nothing stands against it.
    pub stopped: Option<Stopped>,
    /// For an annotated tag what it finally points at.
    pub peeled: Option<ObjectId>,
    /// The canonical digest of the new commit's tree.
    pub tree: Option<Sha256>,
    /// What the gate said.
    pub passed: Option<Passed>,
    /// The configuration that `registry.git`'s main is to hold.
    pub registry: Option<Arc<Registry>>,
}

impl One {
    fn new(command: Command) -> Self {
        let (name, stopped) = match &command.name {
            Ok(name) => (Some(name.clone()), None),
            Err(error) => {
                let refusal =
                    Refusal::new("ref-name", error.to_string(), "choose another name, such as refs/heads/topic");
                (None, Some(Stopped::from(refusal.at(&command.shown))))
            }
        };
        Self { command, name, stopped, peeled: None, tree: None, passed: None, registry: None }
    }

    fn is_main(&self) -> bool {
        self.name.as_ref() == Some(&RefName::main())
    }

    fn stop(&mut self, refusal: Refusal) {
        let refusal = if refusal.place.is_empty() { refusal.at(&self.command.shown) } else { refusal };
        self.stopped = Some(Stopped::from(refusal));
    }
}

/// All commands of a push, in their order.
pub struct Asked(pub Vec<One>);

impl Asked {
    /// Takes the commands.
    pub fn new(commands: Vec<Command>) -> Self {
        Self(commands.into_iter().map(One::new).collect())
    }

    /// Those against which nothing stands.
    pub fn open(&mut self) -> impl Iterator<Item = &mut One> {
        self.0.iter_mut().filter(|one| one.stopped.is_none())
    }

    /// True when nothing is left to do: all are stopped, or one of an atomic push is.
    pub fn is_hopeless(&self, atomic: bool) -> bool {
        let stopped = self.0.iter().filter(|one| one.stopped.is_some()).count();
        stopped == self.0.len() || (atomic && stopped > 0)
    }

    /// The new values that were not stopped.
    pub fn accepted(&self) -> Vec<ObjectId> {
        self.0.iter().filter(|one| one.stopped.is_none()).filter_map(|one| one.command.new).collect()
    }

    /// Judges each command by its ref's name and present value.
    pub fn judge_names(&mut self, arrival: &Arrival) {
        let protection = protection(arrival);
        for one in self.open() {
            let Some(name) = one.name.clone() else { continue };
            let present = arrival.refs.get(&name).map(|entry| entry.id);
            if one.command.old.is_none() && one.command.new.is_none() {
                let message = "this command neither creates, moves nor deletes the ref";
                one.stop(Refusal::new("nothing-to-do", message, "name a commit: git push origin HEAD:<branch>"));
                continue;
            }
            // Whether a move loses history is known only once the objects are here.
            let change = match (one.command.old, one.command.new) {
                (_, None) => RefChange::Delete,
                (None, Some(_)) => RefChange::Create,
                (Some(_), Some(_)) => RefChange::Move { fast_forward: true },
            };
            let exists = arrival.repository.is_some();
            let entrance = &arrival.entrance;
            if let Err(refusal) = judge_ref(&entrance.name, exists, &name, change, entrance.role, &protection) {
                one.stop(refusal);
            } else if one.command.old != present {
                one.stop(stale(&name, present, one.command.old));
            }
        }
    }

    /// Checks that all that the new values reach is here or readable by this pusher.
    pub fn connect(&mut self, connectivity: &mut Connectivity<'_>) {
        for one in self.open() {
            let Some(new) = one.command.new else { continue };
            match connectivity.check(&new) {
                Err(error) => {
                    if let ConnectivityError::Store(error) = &error {
                        tracing::error!(error = %chain(error), "could not read a repository while judging a push");
                    }
                    one.stopped = Some(Stopped::all(&error.refusals(), &one.command.shown));
                }
                Ok(tip) => {
                    one.peeled = (tip.kind == Kind::Tag).then_some(tip.peeled);
                    let is_branch = one.name.as_ref().is_some_and(|name| name.branch().is_some());
                    if is_branch && tip.kind != Kind::Commit {
                        let message = format!("a branch points at a commit, and {new} is a {}", tip.kind);
                        one.stop(Refusal::new(
                            "branch-not-commit",
                            message,
                            "push a commit: git push origin HEAD:<branch>",
                        ));
                    } else if !matches!(tip.peeled_kind, Kind::Commit | Kind::Tree) {
                        let message =
                            format!("tags here point at commits or trees, and this one at a {}", tip.peeled_kind);
                        one.stop(Refusal::new("tag-not-tree", message, "tag a commit: git tag <name> <commit>"));
                    }
                }
            }
        }
    }

    /// Refuses moves of protected branches that lose history.
    pub fn judge_moves(&mut self, arrival: &Arrival, quarantine: &Quarantine) {
        let protection = protection(arrival);
        let both = Overlay { first: quarantine, second: arrival.objects() };
        for one in self.open() {
            let (Some(name), Some(old), Some(new)) = (one.name.clone(), one.command.old, one.command.new) else {
                continue;
            };
            if !name.branch().is_some_and(|branch| protection.covers(branch)) {
                continue;
            }
            let fast_forward = match history::is_ancestor(&both, &old, &new, COMMITS_MAX) {
                Ok(fast_forward) => fast_forward,
                Err(error) => {
                    one.stop(words::internal("could not compare the commits", &error));
                    continue;
                }
            };
            let (entrance, change) = (&arrival.entrance, RefChange::Move { fast_forward });
            if let Err(refusal) = judge_ref(&entrance.name, true, &name, change, entrance.role, &protection) {
                one.stop(refusal);
            }
        }
    }

    /// Judges the trees: the whole gate for what main is to hold, the format alone elsewhere.
    pub fn judge_content(&mut self, door: &Door, arrival: &Arrival, quarantine: &Quarantine) {
        let both = Overlay { first: quarantine, second: arrival.objects() };
        for one in self.open() {
            let Some(new) = one.command.new else { continue };
            let commit = one.peeled.unwrap_or(new);
            let whole = one.is_main();
            match content::read(door, arrival, &both, commit, whole) {
                Err(refusal) => one.stop(refusal),
                Ok(content) => {
                    one.tree = Some(content.digest);
                    let judged = judged(door, arrival, &both, one, &content);
                    match judged {
                        Ok((passed, registry)) => (one.passed, one.registry) = (Some(passed), registry),
                        Err(stopped) => one.stopped = Some(stopped),
                    }
                }
            }
        }
    }

    /// The release that main's update makes.
    pub fn release(&self) -> Option<(&One, &Version, &PluginSummary)> {
        self.0.iter().filter(|one| one.stopped.is_none()).find_map(|one| {
            let (version, summary) = one.passed.as_ref()?.release.as_ref()?;
            Some((one, version, summary.as_ref()))
        })
    }
}

type Judged = (Passed, Option<Arc<Registry>>);

fn judged(door: &Door, arrival: &Arrival, both: &dyn Objects, one: &One, content: &Content) -> Result<Judged, Stopped> {
    let gate = arrival.registry.as_ref().map(|registry| registry.gate.clone()).unwrap_or_default();
    if !one.is_main() {
        return Ok((judge::other_ref(&content.tree, &gate)?, None));
    }
    match &arrival.entrance.name {
        RepositoryName::Registry => {
            let (passed, registry) = judge::main_of_registry(arrival.entrance.tenant, &content.tree)?;
            Ok((passed, Some(Arc::new(registry))))
        }
        RepositoryName::Plugin(plugin) => {
            let releases = known_releases(door, arrival, plugin, &content.tree)?;
            let old = match arrival.main() {
                Some(old) => Some(content::digest(door, arrival, both, old)?),
                None => None,
            };
            let before = judge::Before { tree: old, releases: &releases };
            Ok((judge::main_of_plugin(plugin, &content.tree, content.digest, before, &gate)?, None))
        }
        RepositoryName::Marketplace | RepositoryName::Log => {
            let refusal = Refusal::new("generated-repository", "the registry alone writes here", "push to a plugin");
            Err(Stopped::from(refusal))
        }
    }
}

/// The releases that matter for the plan: none when the version is new, which is the ordinary push; else all.
fn known_releases(door: &Door, arrival: &Arrival, plugin: &PluginName, tree: &Tree) -> Result<Vec<Known>, Stopped> {
    let tenant = arrival.entrance.tenant;
    let version = Manifest::read(tree).and_then(|manifest| manifest.text("version"));
    let Some(version) = version.and_then(|text| Version::parse(&text).ok()) else { return Ok(Vec::new()) };
    let failed = |error| Stopped::from(words::internal("could not look up the releases", &error));
    let Some(released) = door.store.release(tenant, plugin, &version).map_err(failed)? else { return Ok(Vec::new()) };
    let all = door.store.released_versions(tenant, plugin).map_err(failed)?;
    // Only the date of the release that stands in the way is told.
    Ok(all.into_iter().map(|(version, tree)| Known { version, tree, at: released.at }).collect())
}

fn protection(arrival: &Arrival) -> Protection {
    arrival.registry.as_ref().map(|registry| registry.protection.clone()).unwrap_or_default()
}

fn stale(name: &RefName, present: Option<ObjectId>, claimed: Option<ObjectId>) -> Refusal {
    let message = match (present, claimed) {
        (Some(present), Some(_)) => format!("the ref moved meanwhile: it is at {present} now"),
        (Some(present), None) => format!("the ref exists already, at {present}"),
        (None, _) => "the ref does not exist any more".to_owned(),
    };
    let short = name.branch().or_else(|| name.tag()).unwrap_or(name.as_str());
    Refusal::new("fetch-first", message, format!("git fetch && git rebase origin/{short} && git push"))
        .at(name.as_str())
}

/// An error with its causes, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        out.push_str(": ");
        out.push_str(&error.to_string());
        cause = error.source();
    }
    out
}
