//! Everything that a pushed ref reaches is there: in the quarantine, or among what this pusher may read.
//!
//! Existence somewhere in the repository is not enough: naming the id of a hidden or forgotten object would give it
//! away. On the way the trees are measured and the links followed, since both depend on where things stand.

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use skill_pool_domain::refusal::Refusal;

use super::facts::FactsCache;
use super::fsck::{ObjectFault, commit_links, tag_links};
use super::pack::{Deadline, ReceiveError};
use super::quarantine::{Quarantine, Reached};
use super::reachable::{ReachError, Reachable};
use super::trees::TreeWalk;
use crate::ids::IdSet;
use crate::limits::ReceiveLimits;
use crate::objects::{ObjectError, Objects, Overlay};

/// Tags of tags that are followed.
const TAG_DEPTH_MAX: usize = 10;
/// Parents outside the quarantine whose trees a new tree is compared with.
const PARENTS_COMPARED_MAX: usize = 4;

/// What a new value of a ref is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The object's own kind.
    pub kind: Kind,
    /// For a tag what it finally points at, else the object itself.
    pub peeled: ObjectId,
    /// The kind of that.
    pub peeled_kind: Kind,
}

/// Why a new value is refused, or could not be judged.
#[derive(Debug)]
pub enum ConnectivityError {
    /// It may not be; at most a screenful of reasons.
    Refused(Vec<Refusal>),
    /// It took too long.
    TooSlow,
    /// The repository or the quarantine could not be read.
    Store(ObjectError),
}

impl From<ReachError> for ConnectivityError {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::TooSlow => Self::TooSlow,
            ReachError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ObjectError> for ConnectivityError {
    fn from(error: ObjectError) -> Self {
        Self::Store(error)
    }
}

impl ConnectivityError {
    /// What the client is told. A [`ConnectivityError::Store`] is ours and has to be logged besides.
    pub fn refusals(&self) -> Vec<Refusal> {
        match self {
            Self::Refused(refusals) => refusals.clone(),
            Self::TooSlow => vec![Refusal::new(
                "push-too-slow",
                "looking through this push took too long",
                "push fewer commits at once, or try again later",
            )],
            Self::Store(_) => vec![Refusal::new(
                "internal",
                "the repository could not be read",
                "try again; if it stays, tell the operator",
            )],
        }
    }
}

/// The check of one push, ref by ref.
pub struct Connectivity<'a> {
    quarantine: &'a Quarantine,
    both: Overlay<'a>,
    reachable: Reachable<'a>,
    walk: TreeWalk<'a>,
    deadline: Deadline,
    /// Objects known to be complete, inside or outside.
    done: IdSet,
    checked: Vec<ObjectId>,
    /// Some value was refused, so `done` may hold what only that value reaches.
    failed: bool,
}

impl<'a> Connectivity<'a> {
    /// Begins the check. `base` is the repository, `reachable` what this pusher may read of it.
    pub fn new(
        quarantine: &'a Quarantine,
        base: &'a dyn Objects,
        reachable: Reachable<'a>,
        facts: &'a FactsCache,
        limits: &'a ReceiveLimits,
        deadline: Deadline,
    ) -> Self {
        Self {
            quarantine,
            both: Overlay { first: quarantine, second: base },
            reachable,
            walk: TreeWalk::new(quarantine, base, facts, limits, deadline),
            deadline,
            done: IdSet::default(),
            checked: Vec::new(),
            failed: false,
        }
    }

    /// Checks one new value.
    ///
    /// # Errors
    /// [`ConnectivityError`]. Other values can be checked after it.
    pub fn check(&mut self, id: &oid) -> Result<Tip, ConnectivityError> {
        let outcome = self.tip(id);
        let faults = self.walk.take_faults();
        if outcome.is_err() || !faults.is_empty() {
            // What was looked at on the way may be at fault: for the next value it is looked at again.
            self.failed = true;
            self.done.clear();
            self.walk.forget();
        }
        let tip = outcome?;
        if !faults.is_empty() {
            return Err(ConnectivityError::Refused(faults.iter().map(ObjectFault::refusal).collect()));
        }
        self.checked.push(id.to_owned());
        Ok(tip)
    }

    /// What of the quarantine is reached by `accepted`, values that passed [`Connectivity::check`].
    ///
    /// # Errors
    /// [`ConnectivityError::Store`].
    pub fn reached(mut self, accepted: &[ObjectId]) -> Result<Reached, ConnectivityError> {
        if !self.failed && self.checked.iter().all(|id| accepted.contains(id)) {
            return Ok(Reached(std::mem::take(&mut self.done)));
        }
        collect(self.quarantine, accepted)
    }

    fn tip(&mut self, id: &oid) -> Result<Tip, ConnectivityError> {
        let (mut at, mut first) = (id.to_owned(), None);
        let mut expected: Option<(Kind, ObjectId)> = None;
        let mut content = Vec::new();
        for _ in 0..=TAG_DEPTH_MAX {
            let kind = self.found(&at, expected)?;
            let first_kind = *first.get_or_insert(kind);
            match kind {
                Kind::Commit => self.commits(&at)?,
                Kind::Tree if self.quarantine.kind(&at).is_some() => {
                    self.walk.root(&at, &[], &mut self.reachable, &mut self.done)?;
                }
                Kind::Tree | Kind::Blob => drop(self.done.insert(at)),
                Kind::Tag => {
                    self.done.insert(at);
                    self.both.read(&at, &mut content)?;
                    let links = tag_links(&content).ok_or_else(|| damaged(&at, kind))?;
                    expected = Some((links.kind, at));
                    at = links.target;
                    continue;
                }
            }
            return Ok(Tip { kind: first_kind, peeled: at, peeled_kind: kind });
        }
        let message = format!("this is a chain of more than {TAG_DEPTH_MAX} tags");
        let refusal = Refusal::new("tag-chain", message, "tag the commit itself: git tag -f -a <name> <commit>");
        Err(ConnectivityError::Refused(vec![refusal]))
    }

    /// The kind of an object that is in the quarantine or may be read. `expected` is what its referrer says of it.
    fn found(&mut self, id: &oid, expected: Option<(Kind, ObjectId)>) -> Result<Kind, ConnectivityError> {
        let by = |referrer: ObjectId, kind: Kind| format!("{kind} {referrer}");
        let kind = match self.quarantine.kind(id) {
            Some(kind) => kind,
            None => {
                let hint = expected.map(|(kind, _)| kind);
                let may_read = self.done.contains(id) || self.reachable.contains(id, hint)?;
                let header = if may_read { self.both.header(id)? } else { None };
                let Some((kind, _)) = header else {
                    let referrer = expected.map(|(_, referrer)| by(referrer, Kind::Tag));
                    return Err(missing(id, "object", referrer));
                };
                kind
            }
        };
        match expected {
            Some((said, referrer)) if said != kind => {
                let message = format!("it says that {id} is a {said}, but that is a {kind}");
                Err(refused("bad-type", message, by(referrer, Kind::Tag), super::fsck::RETAG))
            }
            _ => Ok(kind),
        }
    }

    /// Checks `tip` and all commits in the quarantine behind it, parents first.
    fn commits(&mut self, tip: &oid) -> Result<(), ConnectivityError> {
        let mut stack = vec![(tip.to_owned(), false)];
        let mut content = Vec::new();
        while let Some((id, parents_done)) = stack.pop() {
            if self.done.contains(&id) {
                continue;
            }
            if self.deadline.passed() {
                return Err(ConnectivityError::TooSlow);
            }
            if self.quarantine.kind(&id).is_none() {
                // Known to be reachable: whoever put it on the stack asked.
                self.done.insert(id);
                continue;
            }
            self.quarantine.read(&id, &mut content)?;
            let links = commit_links(&content).ok_or_else(|| damaged(&id, Kind::Commit))?;
            if !parents_done {
                stack.push((id, true));
                for parent in &links.parents {
                    self.named(&id, parent, Kind::Commit, "parent")?;
                    stack.push((*parent, false));
                }
                continue;
            }
            self.root(&id, &links.tree, &links.parents)?;
            self.done.insert(id);
        }
        Ok(())
    }

    fn root(&mut self, commit: &oid, tree: &oid, parents: &[ObjectId]) -> Result<(), ConnectivityError> {
        // A new tree shares most with those of its parents. Of parents in the quarantine everything is known already.
        let mut against = Vec::new();
        let mut content = Vec::new();
        for parent in parents.iter().filter(|parent| self.quarantine.kind(parent).is_none()) {
            if against.len() < PARENTS_COMPARED_MAX
                && self.both.read(parent, &mut content)? == Some(Kind::Commit)
                && let Some(links) = commit_links(&content)
            {
                self.done.insert(links.tree);
                against.push(links.tree);
            }
        }
        // Also when it is done: what is done may be of another kind.
        self.named(commit, tree, Kind::Tree, "tree")?;
        if self.done.contains(tree) {
            return Ok(());
        }
        if self.quarantine.kind(tree).is_none() {
            self.done.insert(tree.to_owned());
            return Ok(());
        }
        self.walk.root(tree, &against, &mut self.reachable, &mut self.done)
    }

    /// Makes sure that what a commit names is there and is what it should be.
    fn named(&mut self, commit: &oid, id: &oid, kind: Kind, what: &str) -> Result<(), ConnectivityError> {
        let referrer = format!("commit {commit}");
        let found = match self.quarantine.kind(id) {
            Some(found) => found,
            None if self.done.contains(id) || self.reachable.contains(id, Some(kind))? => {
                match self.both.header(id)? {
                    Some((found, _)) => found,
                    None => return Err(missing(id, what, Some(referrer))),
                }
            }
            None => return Err(missing(id, what, Some(referrer))),
        };
        if found != kind {
            let message = format!("its {what} {id} is a {found}");
            let remedy = "check your clone: git fsck";
            return Err(refused("broken-link", message, referrer, remedy));
        }
        Ok(())
    }
}

/// Everything of the quarantine that `tips` reach. They are known to be sound.
fn collect(quarantine: &Quarantine, tips: &[ObjectId]) -> Result<Reached, ConnectivityError> {
    let mut reached = IdSet::default();
    let mut stack = tips.to_vec();
    let mut content = Vec::new();
    while let Some(id) = stack.pop() {
        let Some(kind) = quarantine.kind(&id) else { continue };
        if !reached.insert(id) || kind == Kind::Blob {
            continue;
        }
        quarantine.read(&id, &mut content)?;
        match kind {
            Kind::Commit => {
                if let Some(links) = commit_links(&content) {
                    stack.push(links.tree);
                    stack.extend(links.parents);
                }
            }
            Kind::Tag => stack.extend(tag_links(&content).map(|links| links.target)),
            Kind::Tree => stack.extend(super::fsck::Entries(&content).flatten().map(|entry| entry.id.to_owned())),
            Kind::Blob => {}
        }
    }
    Ok(Reached(reached))
}

pub(super) fn refused(code: &'static str, message: String, place: String, remedy: &str) -> ConnectivityError {
    ConnectivityError::Refused(vec![Refusal::new(code, message, remedy).at(place)])
}

/// The words for an object that is not there for this pusher, whether it exists or not.
pub(super) fn missing(id: &oid, what: &str, referrer: Option<String>) -> ConnectivityError {
    let message = format!("missing necessary objects: {what} {id} is neither in the pack nor in this repository");
    let remedy = "fetch and push again; a shallow clone may need its history first: git fetch --unshallow";
    refused("missing-objects", message, referrer.unwrap_or_default(), remedy)
}

fn damaged(id: &oid, kind: Kind) -> ConnectivityError {
    refused("broken-object", format!("this {kind} cannot be read"), format!("{kind} {id}"), "check it: git fsck")
}

impl From<ReceiveError> for ConnectivityError {
    fn from(error: ReceiveError) -> Self {
        Self::Refused(error.refusals())
    }
}
