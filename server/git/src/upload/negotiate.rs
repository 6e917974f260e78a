//! Finding out what the client has: which haves are acknowledged, and when that is enough.

use gix_hash::ObjectId;
use gix_object::Kind;

use super::commits::Commits;
use super::fetch::FetchError;
use crate::ids::{IdMap, IdSet};

/// Whether enough is known is asked so often while the haves of one request are read; after that once more at its end.
const ASKED_MAX: usize = 32;

/// What is known to be on both sides.
#[derive(Default)]
pub struct Common {
    /// In the order in which the client named them.
    pub ids: Vec<ObjectId>,
    /// The same, and parents of those that are commits.
    set: IdSet,
    oldest: Option<i64>,
    /// The answer to [`Common::is_enough`] for so many ids.
    asked: Option<(usize, bool)>,
    times: usize,
}

impl Common {
    /// Takes in an id that both sides have.
    ///
    /// # Errors
    /// [`FetchError`] when it cannot be read.
    pub fn add(&mut self, id: ObjectId, commits: &mut Commits<'_>) -> Result<(), FetchError> {
        self.ids.push(id);
        if !self.set.insert(id) {
            return Ok(());
        }
        if let Some(peeled) = commits.peel(&id)?
            && peeled.kind == Kind::Commit
        {
            let commit = commits.get(&peeled.target)?;
            self.set.insert(peeled.target);
            self.set.extend(commit.parents.iter().copied());
            self.oldest = Some(self.oldest.map_or(commit.time, |oldest| oldest.min(commit.time)));
        }
        Ok(())
    }

    /// True when every want has an ancestor among the common commits: nothing more needs to be found out.
    ///
    /// A wrong yes costs bytes, a wrong no a round: it is asked only now and then unless this is the `last` time.
    ///
    /// # Errors
    /// [`FetchError`] when history cannot be read in time.
    pub fn is_enough(&mut self, wants: &[ObjectId], commits: &mut Commits<'_>, last: bool) -> Result<bool, FetchError> {
        if self.ids.is_empty() {
            return Ok(false);
        }
        match self.asked {
            Some((_, true)) => return Ok(true),
            Some((count, false)) if count == self.ids.len() => return Ok(false),
            _ if self.times >= ASKED_MAX && !last => return Ok(false),
            _ => {}
        }
        self.times += 1;
        let mut known = IdMap::default();
        let mut enough = true;
        for want in wants {
            let Some(peeled) = commits.peel(want)? else { continue };
            // Trees and blobs have no ancestors to look for.
            if peeled.kind == Kind::Commit && !self.reaches(peeled.target, commits, &mut known)? {
                enough = false;
                break;
            }
        }
        self.asked = Some((self.ids.len(), enough));
        Ok(enough)
    }

    /// True when the history of `start`, as far as it is not older than all commons, has a common commit.
    fn reaches(&self, start: ObjectId, commits: &mut Commits<'_>, known: &mut IdMap<bool>) -> Result<bool, FetchError> {
        // Each commit on the way, and how many of its parents were looked at. A commit is marked before its parents
        // are: history has no cycles, and a mark of another branch that is still open is corrected when it closes.
        let mut path: Vec<(ObjectId, usize)> = Vec::new();
        let mut next = Some(start);
        let mut found = false;
        loop {
            if let Some(id) = next.take() {
                found = match known.get(&id) {
                    Some(known) => *known,
                    None if self.set.contains(&id) => true,
                    None => {
                        known.insert(id, false);
                        path.push((id, 0));
                        false
                    }
                };
            }
            let Some((id, looked_at)) = path.last_mut() else { return Ok(found) };
            if found {
                known.insert(*id, true);
                path.pop();
                continue;
            }
            let commit = commits.get(id)?;
            let recent = self.oldest.is_none_or(|oldest| commit.time >= oldest);
            match commit.parents.get(*looked_at).filter(|_| recent) {
                Some(parent) => {
                    *looked_at += 1;
                    next = Some(*parent);
                }
                None => {
                    path.pop();
                }
            }
        }
    }
}
