//! Cutting history for clients that want less of it: `deepen`, `deepen-since`, `deepen-not`.
//!
//! Source: gitprotocol-pack(5), "shallow-list"; gitprotocol-v2(5), "shallow-info".

use gix_hash::ObjectId;
use gix_object::Kind;

use super::commits::Commits;
use super::fetch::FetchError;
use super::request::{DEPTH_INFINITE, Deepen, FetchRequest};
use crate::ids::IdSet;
use crate::refs::RefSnapshot;
use crate::request_text::shown;

/// Where the client's history ends, before and after this fetch.
#[derive(Debug, Default)]
pub struct Cut {
    /// Commits whose parents the client lacks now.
    pub client: IdSet,
    /// New ends, to be told: `shallow` lines.
    pub shallow: Vec<ObjectId>,
    /// Ends that are none any more, to be told: `unshallow` lines.
    pub unshallow: Vec<ObjectId>,
    /// Commits whose parents the client will lack.
    pub ends: IdSet,
}

/// Computes the cut for `request`, whose wants are `wants` and whose shallow lines that its reader may see are
/// `client`.
///
/// # Errors
/// [`FetchError`]; [`FetchError::Refused`] when nothing would be left.
pub fn cut(
    request: &FetchRequest,
    wants: &[ObjectId],
    client: IdSet,
    refs: &RefSnapshot,
    commits: &mut Commits<'_>,
) -> Result<Cut, FetchError> {
    let mut cut = Cut { client, ..Cut::default() };
    let levels = match &request.deepen {
        Deepen::No => {
            cut.ends.clone_from(&cut.client);
            return Ok(cut);
        }
        Deepen::Depth { commits: DEPTH_INFINITE, .. } => {
            let starts = tips(wants, commits)?;
            Levels::below(starts, u32::MAX, commits)?
        }
        Deepen::Depth { commits: depth, relative: false } => {
            let starts = tips(wants, commits)?;
            Levels::below(starts, *depth, commits)?
        }
        Deepen::Depth { commits: depth, relative: true } => {
            let whole = Levels::below(tips(wants, commits)?, u32::MAX, commits)?;
            let starts = cut.client.iter().filter(|id| whole.inner.contains(*id)).copied().collect();
            Levels::below(starts, depth.saturating_add(1), commits)?
        }
        Deepen::Bounds { since, not } => bounds(wants, *since, not, refs, commits)?,
    };
    cut.shallow = levels.ends.iter().filter(|id| !cut.client.contains(*id)).copied().collect();
    cut.unshallow = cut.client.iter().filter(|id| levels.inner.contains(*id)).copied().collect();
    cut.shallow.sort_unstable();
    cut.unshallow.sort_unstable();
    cut.ends = cut.client.iter().filter(|id| !levels.inner.contains(*id)).copied().collect();
    cut.ends.extend(cut.shallow.iter().copied());
    Ok(cut)
}

/// The commits behind the wants.
fn tips(wants: &[ObjectId], commits: &mut Commits<'_>) -> Result<Vec<ObjectId>, FetchError> {
    let mut tips = Vec::new();
    for want in wants {
        if let Some(peeled) = commits.peel(want)?
            && peeled.kind == Kind::Commit
        {
            tips.push(peeled.target);
        }
    }
    Ok(tips)
}

/// Commits that keep their parents, and those at which history ends.
struct Levels {
    inner: IdSet,
    ends: Vec<ObjectId>,
}

impl Levels {
    /// Level by level from `starts`; the commits of level `depth` are the ends, and those at which the repository's own
    /// history is cut.
    fn below(starts: Vec<ObjectId>, depth: u32, commits: &mut Commits<'_>) -> Result<Self, FetchError> {
        let mut levels = Self { inner: IdSet::default(), ends: Vec::new() };
        let mut seen: IdSet = starts.iter().copied().collect();
        let mut level: Vec<ObjectId> = seen.iter().copied().collect();
        let mut number = 1;
        while !level.is_empty() {
            let mut next = Vec::new();
            for id in level {
                if number >= depth || commits.is_graft(&id) {
                    levels.ends.push(id);
                    continue;
                }
                let parents = commits.get(&id)?;
                levels.inner.insert(id);
                next.extend(parents.parents.iter().copied().filter(|parent| seen.insert(*parent)));
            }
            level = next;
            number += 1;
        }
        Ok(levels)
    }
}

/// The commits from the wants on that are neither too old nor excluded. Those that lack a parent among them are ends.
fn bounds(
    wants: &[ObjectId],
    since: Option<i64>,
    not: &[Vec<u8>],
    refs: &RefSnapshot,
    commits: &mut Commits<'_>,
) -> Result<Levels, FetchError> {
    let mut excluded = IdSet::default();
    let mut open = Vec::new();
    for name in not {
        let id = resolve(name, refs)?;
        open.extend(tips(&[id], commits)?);
    }
    while let Some(id) = open.pop() {
        if excluded.insert(id) {
            open.extend(commits.get(&id)?.parents.iter().copied());
        }
    }
    let mut chosen = IdSet::default();
    let mut order = Vec::new();
    let mut open = tips(wants, commits)?;
    while let Some(id) = open.pop() {
        if excluded.contains(&id) || chosen.contains(&id) {
            continue;
        }
        let commit = commits.get(&id)?;
        if since.is_some_and(|since| commit.time < since) {
            continue;
        }
        chosen.insert(id);
        order.push(id);
        open.extend(commit.parents.iter().copied());
    }
    if chosen.is_empty() {
        return Err(FetchError::Refused("no commits selected for shallow requests".to_owned()));
    }
    let mut levels = Levels { inner: IdSet::default(), ends: Vec::new() };
    for id in order {
        let whole = !commits.is_graft(&id) && commits.get(&id)?.parents.iter().all(|parent| chosen.contains(parent));
        if whole {
            levels.inner.insert(id);
        } else {
            levels.ends.push(id);
        }
    }
    Ok(levels)
}

/// The visible ref that a client's short name means.
fn resolve(name: &[u8], refs: &RefSnapshot) -> Result<ObjectId, FetchError> {
    let text = std::str::from_utf8(name).unwrap_or_default();
    let mut found = Vec::new();
    if text == "HEAD" {
        found.extend(refs.head_id());
    }
    for prefix in ["", "refs/", "refs/tags/", "refs/heads/"] {
        let full = format!("{prefix}{text}");
        if let Ok(full) = skill_pool_domain::names::RefName::parse(full.as_bytes()) {
            found.extend(refs.get(&full).map(|entry| entry.id));
        }
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(FetchError::Refused(format!("deepen-not is not a ref: {}", shown(name)))),
        _ => Err(FetchError::Refused(format!("ambiguous deepen-not: {}", shown(name)))),
    }
}
