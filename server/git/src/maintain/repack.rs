//! All packs into one, with new deltas and without old garbage.

use std::path::Path;
use std::time::{Duration, SystemTime};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::merge::{install, replace};
use super::reach::{Reached, reached};
use super::{Consolidated, MaintainError, MaintainOptions, Source, sources, spool_error};
use crate::ids::{IdMap, IdSet};
use crate::limits::ReceiveLimits;
use crate::objects::{ObjectError, Objects};
use crate::receive::fsck::Inspector;
use crate::receive::{Bases, Deadline, Sealed, Spool, SpoolReader, read_pack, seal};
use crate::repo::Repo;

/// Packs everything that `roots` reach into one pack, and what is younger than the age of garbage at `now` besides.
///
/// `roots` must hold every value that a ref has or may still get: present refs, and all values that the journal knows,
/// for a push that is under way may rest on a ref that was deleted a moment ago.
///
/// # Errors
/// [`MaintainError`]; the repository is as it was. [`MaintainError::Missing`] when the roots reach what is not there:
/// nothing is thrown away then.
pub fn repack(
    repo: &Repo,
    roots: &[ObjectId],
    now: SystemTime,
    options: &MaintainOptions,
) -> Result<Option<Consolidated>, MaintainError> {
    let old = sources(repo)?;
    let reached = reached(repo, roots)?;
    let mut keep: IdSet = reached.iter().map(|object| object.id).collect();
    let mut young: Vec<Reached> = Vec::new();
    for source in old.iter().filter(|source| is_young(source, now, options.garbage_age_min)) {
        for position in 0..source.pack.objects() {
            let id = source.pack.id_at(position);
            if keep.insert(id) {
                young.push(Reached { id, name: Vec::new() });
            }
        }
    }
    let garbage = old.iter().any(|source| (0..source.pack.objects()).any(|at| !keep.contains(&source.pack.id_at(at))));
    if old.is_empty() || (old.len() < 2 && !garbage) {
        return Ok(None);
    }
    if old.iter().map(|source| source.bytes).sum::<u64>() > options.compressed_bytes_max {
        return replace(repo, &old, |id| keep.contains(id)).map(Some);
    }
    let folder = repo.path().join("objects/pack");
    let (sealed, objects) = compress(repo, &folder, reached.iter().chain(&young), &keep)?;
    let modified = old.iter().map(|source| source.modified).max();
    install(repo, &old, sealed, objects, modified).map(Some)
}

fn is_young(source: &Source, now: SystemTime, age: Duration) -> bool {
    now.duration_since(source.modified).is_ok_and(|passed| passed < age) || source.modified > now
}

/// Has the packing library make a pack, reads it back as if a stranger had sent it, and checks that it holds exactly what
/// it should.
fn compress<'a>(
    repo: &Repo,
    folder: &Path,
    objects: impl Iterator<Item = &'a Reached>,
    keep: &IdSet,
) -> Result<(Sealed, usize), MaintainError> {
    let disk = spool_error(folder);
    let odb = git2::Odb::new()?;
    let path = repo.path().join("objects");
    odb.add_disk_alternate(path.to_str().ok_or_else(|| git2::Error::from_str("the path is not UTF-8"))?)?;
    let repository = git2::Repository::from_odb(odb)?;
    let mut builder = repository.packbuilder()?;
    builder.set_threads(1);
    for object in objects {
        let name = std::str::from_utf8(&object.name).ok().filter(|name| !name.is_empty());
        builder.insert_object(git2::Oid::from_bytes(object.id.as_bytes())?, name)?;
    }
    let mut spool = Spool::new(folder);
    let mut failed = None;
    let written = builder.foreach(|bytes| {
        failed = spool.append(bytes).err();
        failed.is_none()
    });
    if let Some(error) = failed {
        return Err(disk(error));
    }
    written?;
    spool.flush().map_err(&disk)?;
    let limits = ReceiveLimits {
        pack_bytes_max: u64::MAX,
        objects_max: u32::MAX,
        object_bytes_max: 1 << 30,
        inflated_bytes_max: u64::MAX,
        delta_depth_max: 250,
        ..ReceiveLimits::default()
    };
    let mut nothing = |_: &oid| false;
    let mut bases = Bases { objects: &Nothing, may_read: &mut nothing };
    let deadline = Deadline::after(Duration::from_secs(3600));
    let read = read_pack(SpoolReader::new(&spool), &limits, deadline, &mut bases, Inspector::blind(), folder)?;
    let ids: IdMap<u32> = read.entries.iter().enumerate().map(|(at, entry)| (entry.id, at as u32)).collect();
    if ids.len() != keep.len() || read.entries.len() != keep.len() || !keep.iter().all(|id| ids.contains_key(id)) {
        let (found, wanted) = (read.entries.len(), keep.len());
        return Err(MaintainError::Unsound(format!("it has {found} objects in place of {wanted}")));
    }
    // The library writes all deltas by id; written again by distance they are shorter and faster to read.
    let all = vec![true; read.entries.len()];
    let unasked = |_| unreachable!("every base is kept");
    let sealed = seal(folder, &read.spool, &read.entries, &all, |number| number, unasked)?;
    Ok((sealed, all.len()))
}

/// A repository without objects: a pack that was made whole needs none.
struct Nothing;

impl Objects for Nothing {
    fn read(&self, _: &oid, _: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        Ok(None)
    }

    fn header(&self, _: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
        Ok(None)
    }
}
