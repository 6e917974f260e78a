//! Many packs into one, entry by entry as they are: no inflating, no new deltas.

use std::path::Path;
use std::sync::Arc;

use gix_hash::ObjectId;

use super::{Consolidated, MaintainError, MaintainOptions, Retired, Source, sources, spool_error};
use crate::ids::{IdMap, IdSet};
use crate::receive::{Form, PackWriter, Sealed, move_in};
use crate::repo::{Pack, RawKind, Repo};

/// Merges the small packs of `repo`, if they are enough. Nothing is dropped but doubles.
///
/// # Errors
/// [`MaintainError`]; the repository is as it was.
pub fn merge(repo: &Repo, options: &MaintainOptions) -> Result<Option<Consolidated>, MaintainError> {
    let mut small: Vec<Source> = sources(repo)?;
    small.retain(|source| source.bytes <= options.small_pack_bytes_max);
    small.truncate(options.merged_packs_max);
    if small.len() < options.small_packs_min.max(2) {
        return Ok(None);
    }
    replace(repo, &small, |_| true).map(Some)
}

/// Puts one pack in the place of `old`, with the objects that are `wanted` and the bases that their deltas need.
pub(super) fn replace(
    repo: &Repo,
    old: &[Source],
    wanted: impl Fn(&ObjectId) -> bool,
) -> Result<Consolidated, MaintainError> {
    let folder = repo.path().join("objects/pack");
    let (sealed, objects) = copy(&folder, old, wanted)?;
    // The new pack is as old as the youngest object in it: garbage does not become young by being moved.
    let modified = old.iter().map(|source| source.modified).max();
    install(repo, old, sealed, objects, modified)
}

/// Moves a new pack in and stops serving those that it replaces.
pub(super) fn install(
    repo: &Repo,
    old: &[Source],
    sealed: Sealed,
    objects: usize,
    modified: Option<std::time::SystemTime>,
) -> Result<Consolidated, MaintainError> {
    for source in old {
        // Readers may hold a pack that they have not read from yet: opened now, it stays readable when its file goes.
        source.pack.data()?;
    }
    let kept = move_in(sealed, repo, modified)?;
    // New and old are served side by side for a moment: every object is findable at all times.
    let packs: Vec<Arc<Pack>> = old.iter().map(|source| Arc::clone(&source.pack)).collect();
    repo.drop_packs(&packs);
    let retired = Retired::of(old, &kept.index_path.with_extension("pack"));
    Ok(Consolidated { objects, pack_bytes: kept.pack_bytes, retired })
}

/// One copy of an object.
#[derive(Clone, Copy)]
struct Copy {
    source: u32,
    position: u32,
    /// Deltas that it takes to make it.
    depth: u32,
}

fn copy(folder: &Path, old: &[Source], wanted: impl Fn(&ObjectId) -> bool) -> Result<(Sealed, usize), MaintainError> {
    let disk = spool_error(folder);
    let best = best_copies(old)?;
    // Bases come along with what needs them.
    let mut kept = IdSet::default();
    let mut stack: Vec<ObjectId> = best.keys().filter(|id| wanted(id)).copied().collect();
    while let Some(id) = stack.pop() {
        if kept.insert(id) {
            let copy = best[&id];
            if let RawKind::Delta(base) = old[copy.source as usize].pack.raw_entry(copy.position)?.kind {
                stack.push(base);
            }
        }
    }
    let mut order: Vec<(u32, u64, u32, ObjectId)> = kept
        .iter()
        .map(|id| {
            let copy = best[id];
            (copy.source, old[copy.source as usize].pack.offset_at(copy.position), copy.position, *id)
        })
        .collect();
    order.sort_unstable();
    let mut out = PackWriter::new(folder, order.len()).map_err(&disk)?;
    let mut offsets: IdMap<u64> = IdMap::default();
    for (source, _, position, id) in &order {
        let entry = old[*source as usize].pack.raw_entry(*position)?;
        let offset = out.offset();
        let form = match entry.kind {
            RawKind::Whole(kind) => Form::Whole(kind),
            RawKind::Delta(base) => match offsets.get(&base) {
                Some(at) => Form::OfsDelta(offset - at),
                None => Form::RefDelta(base),
            },
        };
        out.begin(*id, form, entry.size_bytes).map_err(&disk)?;
        out.data(entry.compressed).map_err(&disk)?;
        out.end();
        offsets.insert(*id, offset);
    }
    Ok((out.finish().map_err(&disk)?, order.len()))
}

/// For each object the copy that takes the fewest deltas. A delta's base, taken likewise, then takes fewer than the delta
/// itself, so that copies from different packs never make a circle.
fn best_copies(old: &[Source]) -> Result<IdMap<Copy>, MaintainError> {
    let mut best: IdMap<Copy> = IdMap::default();
    for (source, from) in old.iter().enumerate() {
        let depths = depths(&from.pack)?;
        for (position, depth) in depths.into_iter().enumerate() {
            let copy = Copy { source: source as u32, position: position as u32, depth };
            let known = best.entry(from.pack.id_at(copy.position)).or_insert(copy);
            if depth < known.depth {
                *known = copy;
            }
        }
    }
    Ok(best)
}

/// For each object of a pack how many deltas it takes.
fn depths(pack: &Pack) -> Result<Vec<u32>, MaintainError> {
    const UNKNOWN: u32 = u32::MAX;
    let mut depths = vec![UNKNOWN; pack.objects() as usize];
    for start in 0..pack.objects() {
        let mut chain = Vec::new();
        let mut at = start;
        let mut depth = loop {
            if depths[at as usize] != UNKNOWN {
                break depths[at as usize];
            }
            // A pack whose deltas lead in circles or out of it is damaged.
            let unsound = || MaintainError::Unsound(format!("{} has a delta without base", pack.path().display()));
            match pack.raw_entry(at)?.kind {
                RawKind::Whole(_) => {
                    depths[at as usize] = 0;
                    break 0;
                }
                RawKind::Delta(base) => {
                    chain.push(at);
                    at = pack.position_of(&base).ok_or_else(unsound)?;
                    if chain.len() > depths.len() {
                        return Err(unsound());
                    }
                }
            }
        };
        while let Some(at) = chain.pop() {
            depth += 1;
            depths[at as usize] = depth;
        }
    }
    Ok(depths)
}
