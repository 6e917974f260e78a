//! Changes that the server makes for somebody, as a commit on main through the same steps as a push: a yank, a role, the
//! first state of a tenant, a starter plugin.

use std::collections::BTreeMap;

use gix::ObjectId;
use skill_pool_domain::names::RefName;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::tree::{Mode, Tree, TreeFile};
use skill_pool_git::compose::{self, CommitText, ComposeError};
use skill_pool_git::history::{self, Contents, TreeBounds};
use skill_pool_git::receive::commands::Command;
use skill_pool_git::receive::{Connectivity, Deadline, Quarantine, Reachable};

use super::arrival::{Arrival, Entrance};
use super::asked::Asked;
use super::signed::Signed;
use super::{Door, commit, release, words};
use crate::store::commit::{Committed, UpdateOutcome};

/// What is edited.
pub struct Edit<'a> {
    /// Who, where: made from a proof of access.
    pub entrance: Entrance,
    /// The commit's message; its first line says what was done.
    pub message: &'a str,
}

/// What became of an edit.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The commit that main holds now: the new one, or the old one when nothing was to change.
    pub commit: ObjectId,
    /// The transaction; `None` when nothing was to change.
    pub committed: Option<Committed>,
    /// Warnings of the gate, as lines.
    pub words: String,
}

/// An edit races with pushes; it is made again on top of what won so many times.
const TRIES_MAX: usize = 5;
/// What is read of a repository to be edited.
const BOUNDS: TreeBounds =
    TreeBounds { files_max: 50_000, depth_max: 32, file_bytes_max: 64 << 20, bytes_max: 256 << 20 };

impl Door {
    /// Changes the files of main. `change` gets the files that main holds (none before the first commit) and says which
    /// to write (`Some` mode and content) or to delete (`None`); it may be asked again when a push came first.
    ///
    /// Blocking.
    ///
    /// # Errors
    /// The refusal of `change`, or of any step of the door.
    pub fn edit(
        &self,
        edit: &Edit<'_>,
        mut change: impl FnMut(&Tree) -> Result<BTreeMap<String, Option<(Mode, Vec<u8>)>>, Refusal>,
    ) -> Result<Edited, Refusal> {
        for _ in 0..TRIES_MAX {
            if let Some(edited) = self.try_edit(edit, &mut change)? {
                return Ok(edited);
            }
        }
        Err(Refusal::new("busy", "others changed this repository again and again meanwhile", "try again"))
    }

    /// `None`: somebody else was faster.
    fn try_edit(
        &self,
        edit: &Edit<'_>,
        change: &mut impl FnMut(&Tree) -> Result<BTreeMap<String, Option<(Mode, Vec<u8>)>>, Refusal>,
    ) -> Result<Option<Edited>, Refusal> {
        let deadline = Deadline::after(self.limits.time_max);
        let arrival = Arrival::look_up(self, edit.entrance.clone())?;
        let old = arrival.main();
        let before = match old {
            None => Tree::default(),
            Some(old) => {
                let read = history::root_tree_id(arrival.objects(), &old)
                    .and_then(|root| history::read_tree(arrival.objects(), &root, &BOUNDS, Contents::All));
                read.map_err(|error| words::internal("could not read what is to be edited", &error))?
            }
        };
        let changes = change(&before)?;
        let after = apply(&before, changes);
        if let (Some(commit), true) = (old, after == before) {
            return Ok(Some(Edited { commit, committed: None, words: String::new() }));
        }
        let mut quarantine = Quarantine::empty(&arrival.quarantine);
        let new = self.compose(&arrival, &after, old, edit.message, &mut quarantine)?;
        let name = RefName::main();
        let command = Command { shown: name.to_string(), name: Ok(name), old, new: Some(new) };
        let mut asked = Asked::new(vec![command]);
        asked.judge_names(&arrival);
        let readable = Reachable::new(arrival.objects(), &arrival.refs, old.as_slice(), deadline);
        let reached = {
            let mut connectivity =
                Connectivity::new(&quarantine, arrival.objects(), readable, &self.facts, &self.limits, deadline);
            asked.connect(&mut connectivity);
            asked.judge_content(self, &arrival, &quarantine);
            if let Some(stopped) = asked.0.iter().find_map(|one| one.stopped.clone()) {
                return Err(Refusal::new("edit-refused", stopped.words.trim_end().to_owned(), "mend it and try again"));
            }
            connectivity.reached(&[new]).map_err(|error| words::first(&error.refusals()))?
        };
        let release = release::prepare(self, &arrival, &asked, &mut quarantine)?;
        let signed = Signed::default();
        let committed = match commit::commit(self, &arrival, &asked, &signed, release, (quarantine, reached), true) {
            Ok(committed) => committed,
            Err(refusal) if refusal.code == "policy-moved" => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        if committed.updates.first() != Some(&UpdateOutcome::Moved) {
            return Ok(None);
        }
        let words = asked.0.iter().filter_map(|one| Some(one.passed.as_ref()?.words.as_str())).collect();
        Ok(Some(Edited { commit: new, committed: Some(committed), words }))
    }

    fn compose(
        &self,
        arrival: &Arrival,
        tree: &Tree,
        parent: Option<ObjectId>,
        message: &str,
        quarantine: &mut Quarantine,
    ) -> Result<ObjectId, Refusal> {
        let failed = |error: ComposeError| words::internal("could not write the commit", &error);
        let tree = compose::write_tree(tree, arrival.objects(), quarantine).map_err(failed)?;
        let actor = arrival.entrance.actor.as_ref().map_or("skill-pool", |member| member.as_str());
        let address = format!("{actor}@{}", arrival.entrance.tenant_name);
        let text = CommitText { tree, parents: parent.as_slice(), person: (actor, &address), at: arrival.at, message };
        compose::write_commit(&text, quarantine).map_err(failed)
    }
}

fn apply(before: &Tree, changes: BTreeMap<String, Option<(Mode, Vec<u8>)>>) -> Tree {
    let mut files: BTreeMap<Vec<u8>, TreeFile> =
        before.files().iter().map(|file| (file.path.clone(), file.clone())).collect();
    for (path, change) in changes {
        match change {
            None => {
                files.remove(path.as_bytes());
            }
            Some((mode, content)) => {
                let path = path.into_bytes();
                let file =
                    TreeFile { path: path.clone(), mode, size_bytes: content.len() as u64, content: Some(content) };
                files.insert(path, file);
            }
        }
    }
    Tree::new(files.into_values().collect())
}
