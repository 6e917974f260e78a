//! The walk over pushed trees: every entry is there and is what its mode says, links stay inside, limits hold.
//!
//! Each tree is looked at once, wherever it stands; what it amounts to is remembered and judged again at every place.

use std::collections::{HashMap, HashSet};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::connectivity::{ConnectivityError, missing};
use super::facts::{FactsCache, TreeFacts};
use super::fsck::names::{is_git_file, is_gitattributes};
use super::fsck::{Entries, EntryMode, Fault, ObjectFault};
use super::link;
use super::pack::Deadline;
use super::quarantine::Quarantine;
use super::reachable::Reachable;
use super::text::printable_bytes;
use crate::ids::{IdMap, IdSet};
use crate::limits::ReceiveLimits;
use crate::objects::Objects;

/// Faults that are told at once.
const FAULTS_MAX: usize = 20;
const TOO_LARGE: &str = "tree-too-large";
/// The longest line of `.gitattributes` that git reads, and its largest size for us.
const ATTRIBUTE_LINE_BYTES_MAX: usize = 2048;
const ATTRIBUTES_BYTES_MAX: u64 = 1 << 20;

/// Walks trees of one quarantine.
pub(super) struct TreeWalk<'a> {
    quarantine: &'a Quarantine,
    base: &'a dyn Objects,
    cache: &'a FactsCache,
    limits: &'a ReceiveLimits,
    deadline: Deadline,
    /// Facts of trees in the quarantine. They go to the cache only when all faults are known to be none.
    facts: IdMap<TreeFacts>,
    faults: Vec<ObjectFault>,
    clean: bool,
    /// The folder at work, ending in `/` unless it is the root.
    path: Vec<u8>,
}

/// What is known about the folder that a new one is compared with.
#[derive(Default)]
struct Known {
    entries: HashSet<(ObjectId, bool)>,
    folders: HashMap<Vec<u8>, Vec<ObjectId>>,
}

struct Context<'c, 'r> {
    reachable: &'c mut Reachable<'r>,
    done: &'c mut IdSet,
}

impl<'a> TreeWalk<'a> {
    pub fn new(
        quarantine: &'a Quarantine,
        base: &'a dyn Objects,
        cache: &'a FactsCache,
        limits: &'a ReceiveLimits,
        deadline: Deadline,
    ) -> Self {
        let (facts, faults, path) = (IdMap::default(), Vec::new(), Vec::new());
        Self { quarantine, base, cache, limits, deadline, facts, faults, clean: true, path }
    }

    /// Takes the faults found since the last call.
    pub fn take_faults(&mut self) -> Vec<ObjectFault> {
        std::mem::take(&mut self.faults)
    }

    /// Forgets which trees were looked at.
    pub fn forget(&mut self) {
        self.facts.clear();
        self.clean = true;
    }

    /// Checks the tree `id` of the quarantine as the root of a commit. `against` are root trees that this pusher may read.
    pub fn root(
        &mut self,
        id: &oid,
        against: &[ObjectId],
        reachable: &mut Reachable<'_>,
        done: &mut IdSet,
    ) -> Result<(), ConnectivityError> {
        self.path.clear();
        let facts = self.tree(id, against, 0, &mut Context { reachable, done })?;
        self.judge(id, &facts, 0);
        if facts.up > 0 {
            let message = "a link in it leads out of the tree";
            self.fault(id, Kind::Tree, b"", Fault::new("link-escapes", message, link::REMEDY));
        }
        Ok(())
    }

    /// The facts of a tree of the quarantine that stands `depth` folders deep at the present path.
    fn tree(
        &mut self,
        id: &oid,
        against: &[ObjectId],
        depth: usize,
        context: &mut Context<'_, '_>,
    ) -> Result<TreeFacts, ConnectivityError> {
        if let Some(facts) = self.facts.get(id) {
            return Ok(*facts);
        }
        if self.deadline.passed() {
            return Err(ConnectivityError::TooSlow);
        }
        let known = self.known(against, context)?;
        let mut content = Vec::new();
        self.quarantine.read(id, &mut content)?;
        let mut facts = TreeFacts::default();
        for entry in Entries(&content) {
            // The inspector has refused the pack if this could happen.
            let Ok(entry) = entry else { break };
            let Some(mode) = entry.mode() else { continue };
            let (child, name, folder) = (entry.id.to_owned(), entry.name, mode == EntryMode::Folder);
            let wanted = if folder { Kind::Tree } else { Kind::Blob };
            let inside = self.quarantine.kind(&child);
            if inside.is_none() && !known.entries.contains(&(child, folder)) {
                self.outside(id, &child, name, wanted, context)?;
            } else if inside.is_some_and(|kind| kind != wanted) {
                self.wrong_kind(id, &child, name, wanted, inside);
                continue;
            }
            if folder {
                let inner = if depth >= self.limits.tree_depth_max {
                    // Not looked into: it is too deep here whatever it holds.
                    TreeFacts { depth: 0, ..TreeFacts::default() }
                } else if inside.is_some() {
                    let length = self.path.len();
                    self.path.extend_from_slice(name);
                    self.path.push(b'/');
                    let same = known.folders.get(name).map_or(&[][..], Vec::as_slice);
                    let inner = self.tree(&child, same, depth + 1, context)?;
                    self.path.truncate(length);
                    inner
                } else {
                    self.outside_facts(&child, depth + 1)?.0
                };
                facts.add_folder(name, &inner);
            } else {
                let up = self.file(&child, mode, name, depth)?;
                facts.add_file(name, up);
            }
            context.done.insert(child);
        }
        self.judge(id, &facts, depth);
        context.done.insert(id.to_owned());
        self.facts.insert(id.to_owned(), facts);
        if self.clean {
            self.cache.insert(id.to_owned(), facts);
        }
        Ok(facts)
    }

    /// What the compared folders hold.
    fn known(&mut self, against: &[ObjectId], context: &mut Context<'_, '_>) -> Result<Known, ConnectivityError> {
        let mut known = Known::default();
        let mut content = Vec::new();
        for id in against {
            self.base.read(id, &mut content)?;
            for entry in Entries(&content).flatten() {
                let folder = entry.is_folder();
                known.entries.insert((entry.id.to_owned(), folder));
                if folder {
                    known.folders.entry(entry.name.to_vec()).or_default().push(entry.id.to_owned());
                }
            }
            context.done.insert(*id);
        }
        Ok(known)
    }

    /// Makes sure that an entry from outside the quarantine may be read, and is what its mode says.
    fn outside(
        &mut self,
        tree: &oid,
        id: &oid,
        name: &[u8],
        wanted: Kind,
        context: &mut Context<'_, '_>,
    ) -> Result<(), ConnectivityError> {
        let may_read = context.done.contains(id) || context.reachable.contains(id, Some(wanted))?;
        let header = if may_read { self.base.header(id)? } else { None };
        let Some((kind, _)) = header else {
            let place = [&self.path[..], name].concat();
            let what = if wanted == Kind::Tree { "folder" } else { "file" };
            return Err(missing(id, what, Some(printable_bytes(&place))));
        };
        if kind != wanted {
            self.wrong_kind(tree, id, name, wanted, Some(kind));
        }
        Ok(())
    }

    fn wrong_kind(&mut self, tree: &oid, id: &oid, name: &[u8], wanted: Kind, found: Option<Kind>) {
        let found = found.map_or("nothing", |kind| match kind {
            Kind::Tree => "a tree",
            Kind::Blob => "a blob",
            Kind::Commit => "a commit",
            Kind::Tag => "a tag",
        });
        let message = format!("its mode says {wanted}, but {id} is {found}");
        self.fault(tree, Kind::Tree, name, Fault::new("broken-link", message, "check your clone: git fsck"));
    }

    /// Checks a file by its name and mode. Gives how many folders up a link goes.
    fn file(&mut self, id: &ObjectId, mode: EntryMode, name: &[u8], depth: usize) -> Result<usize, ConnectivityError> {
        if mode == EntryMode::Link {
            let up = match self.link_up(id)? {
                Ok(up) => up,
                Err(fault) => {
                    self.fault(id, Kind::Blob, name, fault);
                    return Ok(0);
                }
            };
            if is_git_file(name) {
                let message = "git reads this file and does not follow links for it";
                let fault = Fault::new("link-git-file", message, "put the file itself there");
                self.fault(id, Kind::Blob, name, fault);
            }
            if up > depth {
                let fault = Fault::new("link-escapes", "this link leads out of the tree", link::REMEDY);
                self.fault(id, Kind::Blob, name, fault);
                return Ok(0);
            }
            return Ok(up);
        }
        if is_gitattributes(name) {
            self.attributes(id, name)?;
        }
        Ok(0)
    }

    fn link_up(&self, id: &ObjectId) -> Result<Result<usize, Fault>, ConnectivityError> {
        let limit = self.limits.path_bytes_max;
        let Some((_, size)) = self.either(id).header(id)? else { return Ok(Ok(0)) };
        if size > limit as u64 {
            let message = format!("the link's target has {size} bytes; the limit is {limit}");
            return Ok(Err(Fault::new("link-too-long", message, link::REMEDY)));
        }
        let mut target = Vec::new();
        self.either(id).read(id, &mut target)?;
        Ok(link::check(&target, limit))
    }

    /// Git itself calls a repository broken for such a file.
    fn attributes(&mut self, id: &ObjectId, name: &[u8]) -> Result<(), ConnectivityError> {
        let Some((_, size)) = self.either(id).header(id)? else { return Ok(()) };
        let mut content = Vec::new();
        if size <= ATTRIBUTES_BYTES_MAX {
            self.either(id).read(id, &mut content)?;
        }
        let long = content.split(|byte| *byte == b'\n').any(|line| line.len() >= ATTRIBUTE_LINE_BYTES_MAX);
        if size > ATTRIBUTES_BYTES_MAX || long {
            let message = format!("git reads no line of more than {ATTRIBUTE_LINE_BYTES_MAX} bytes here");
            self.fault(id, Kind::Blob, name, Fault::new("gitattributes-line-length", message, "shorten its lines"));
        }
        Ok(())
    }

    /// The facts of a tree outside the quarantine, which this pusher may read. False with them when something was too
    /// deep here to be looked into.
    fn outside_facts(&mut self, id: &ObjectId, depth: usize) -> Result<(TreeFacts, bool), ConnectivityError> {
        if let Some(facts) = self.cache.get(id) {
            return Ok((facts, true));
        }
        if self.deadline.passed() {
            return Err(ConnectivityError::TooSlow);
        }
        let mut content = Vec::new();
        self.base.read(id, &mut content)?;
        let (mut facts, mut whole) = (TreeFacts::default(), true);
        for entry in Entries(&content).flatten() {
            match entry.mode() {
                Some(EntryMode::Folder) if depth >= self.limits.tree_depth_max => {
                    whole = false;
                    facts.add_folder(entry.name, &TreeFacts::default());
                }
                Some(EntryMode::Folder) => {
                    let (inner, inner_whole) = self.outside_facts(&entry.id.to_owned(), depth + 1)?;
                    whole &= inner_whole;
                    facts.add_folder(entry.name, &inner);
                }
                Some(EntryMode::Link) => {
                    let up = self.link_up(&entry.id.to_owned())?.unwrap_or(0);
                    facts.add_file(entry.name, up);
                }
                _ => facts.add_file(entry.name, 0),
            }
        }
        if whole {
            self.cache.insert(*id, facts);
        }
        Ok((facts, whole))
    }

    fn either(&self, id: &oid) -> &dyn Objects {
        if self.quarantine.kind(id).is_some() { self.quarantine } else { self.base }
    }

    /// Refuses a tree that is too much at this place.
    fn judge(&mut self, id: &oid, facts: &TreeFacts, depth: usize) {
        // Told once, for the innermost folder: those around it are too large for the same reason.
        if self.faults.iter().any(|fault| fault.fault.code == TOO_LARGE) {
            return;
        }
        let path_bytes = self.path.len().saturating_sub(1);
        if let Some((what, limit)) = facts.over(self.limits, depth, path_bytes) {
            let message = format!("this folder has more than {limit} {what}");
            let fault = Fault::new(TOO_LARGE, message, "take files out, or spread them over several plugins");
            self.fault(id, Kind::Tree, b"", fault);
        }
    }

    fn fault(&mut self, id: &oid, kind: Kind, name: &[u8], fault: Fault) {
        self.clean = false;
        let path = [&self.path[..], name].concat();
        let path = (!path.is_empty()).then_some(path);
        let fault = ObjectFault { id: id.to_owned(), kind, path, fault };
        if self.faults.len() < FAULTS_MAX && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}
