//! The packs of a repository at one moment, and how an id is found in them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gix_hash::{ObjectId, oid};

use super::pack::Pack;
use crate::ids::IdHasher;
use crate::objects::ObjectError;

/// Packs with more objects are asked one by one.
const SMALL_OBJECTS_MAX: u32 = 4_096;
/// Objects of small packs that are listed together; packs beyond are asked one by one.
const LISTED_OBJECTS_MAX: usize = 1 << 16;
/// With so few packs listing them together gains nothing.
const ASKED_MAX: usize = 4;
/// A folder that changed less than this before it was read may change again without showing it: clocks of file systems
/// tick in milliseconds.
const TICK: Duration = Duration::from_millis(50);

/// Immutable: readers keep the one they began with.
pub struct Snapshot {
    /// Newest first: what was pushed last is asked for most.
    pub packs: Vec<Arc<Pack>>,
    /// Ids of the objects in small packs, with the newest pack and the place in it.
    listed: HashMap<ObjectId, (u32, u32), IdHasher>,
    /// Places in `packs` of those that are not listed.
    asked: Vec<u32>,
    folders: Vec<Folder>,
}

/// One `objects` folder.
struct Folder {
    objects: PathBuf,
    /// Which of the 256 folders for loose objects exist.
    loose: [bool; 256],
    stamp: Stamp,
}

/// Tells whether a folder has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    objects: Option<SystemTime>,
    pack: Option<SystemTime>,
    /// Read so soon after a change that another one may have the same time.
    fresh: bool,
}

impl Snapshot {
    /// Reads the folders, taking packs over from `before` where they are the same files.
    ///
    /// # Errors
    /// [`ObjectError::Io`] when the first folder cannot be listed. A pack whose files vanish meanwhile is left out; one
    /// whose index is damaged is left out with a log line, since all others can still be served.
    pub fn scan(folders: &[PathBuf], before: Option<&Snapshot>) -> Result<Self, ObjectError> {
        let known: HashMap<&Path, &Arc<Pack>> =
            before.map(|snapshot| snapshot.packs.iter().map(|pack| (pack.path(), pack)).collect()).unwrap_or_default();
        let mut packs = Vec::new();
        let mut read = Vec::new();
        for (at, objects) in folders.iter().enumerate() {
            // The times are taken before the folders are listed: a change in between then shows as a later time.
            let stamp = Stamp::of(objects);
            let folder = list(objects).and_then(|loose| Ok((loose, index_files(&objects.join("pack"))?)));
            let (loose, indexes) = match folder {
                Ok(folder) => folder,
                // An alternate may be gone; the repository itself may not.
                Err(_) if at > 0 => continue,
                Err(source) => return Err(ObjectError::Io { path: objects.clone(), source }),
            };
            for index_path in indexes {
                if let Some(pack) = known.get(index_path.with_extension("pack").as_path()) {
                    packs.push(Arc::clone(pack));
                    continue;
                }
                match Pack::open(&index_path) {
                    Ok(pack) => packs.push(Arc::new(pack)),
                    Err(ObjectError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "left out a pack that cannot be read"
                        );
                    }
                }
            }
            read.push(Folder { objects: objects.clone(), loose, stamp });
        }
        packs.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.path().cmp(b.path())));
        Ok(Self::of(packs, read))
    }

    /// The same with one more pack, the newest.
    pub fn with(&self, pack: Arc<Pack>) -> Self {
        let mut packs = Vec::with_capacity(self.packs.len() + 1);
        packs.push(pack);
        packs.extend(self.packs.iter().filter(|old| old.path() != packs[0].path()).cloned().collect::<Vec<_>>());
        self.of_packs(packs)
    }

    /// The same without these packs. One that was written again since, under the same name, stays.
    pub fn without(&self, packs: &[Arc<Pack>]) -> Self {
        let gone: HashSet<u64> = packs.iter().map(|pack| pack.serial).collect();
        self.of_packs(self.packs.iter().filter(|pack| !gone.contains(&pack.serial)).cloned().collect())
    }

    fn of_packs(&self, packs: Vec<Arc<Pack>>) -> Self {
        let folders = self
            .folders
            .iter()
            .map(|folder| Folder { objects: folder.objects.clone(), loose: folder.loose, stamp: folder.stamp })
            .collect();
        Self::of(packs, folders)
    }

    fn of(packs: Vec<Arc<Pack>>, folders: Vec<Folder>) -> Self {
        let mut listed: HashMap<ObjectId, (u32, u32), IdHasher> = HashMap::default();
        let mut asked = Vec::new();
        let few = packs.len() <= ASKED_MAX;
        for (at, pack) in packs.iter().enumerate() {
            let objects = pack.objects();
            if few || objects > SMALL_OBJECTS_MAX || listed.len() + objects as usize > LISTED_OBJECTS_MAX {
                asked.push(at as u32);
                continue;
            }
            for position in 0..objects {
                listed.entry(pack.id_at(position)).or_insert((at as u32, position));
            }
        }
        Self { packs, listed, asked, folders }
    }

    /// The pack that holds `id`, and its position there.
    pub fn packed(&self, id: &oid) -> Option<(&Arc<Pack>, u32)> {
        let (at, position) = self.packed_at(id)?;
        Some((&self.packs[at as usize], position))
    }

    /// As [`Snapshot::packed`], the pack by its place in [`Snapshot::packs`].
    pub fn packed_at(&self, id: &oid) -> Option<(u32, u32)> {
        if !self.listed.is_empty()
            && let Some(place) = self.listed.get(id)
        {
            return Some(*place);
        }
        self.asked.iter().find_map(|at| Some((*at, self.packs[*at as usize].position_of(id)?)))
    }

    /// The files in which `id` may lie as a loose object. Most often none.
    pub fn loose(&self, id: &oid) -> impl Iterator<Item = PathBuf> {
        self.folders
            .iter()
            .filter(|folder| folder.loose[usize::from(id.first_byte())])
            .map(|folder| super::loose::path(&folder.objects, id))
    }

    /// True when the folders may have changed since they were listed. Costs two looks at the disk for each.
    pub fn is_stale(&self) -> bool {
        self.folders.iter().any(|folder| folder.stamp.fresh || folder.stamp != Stamp::of(&folder.objects))
    }
}

impl Stamp {
    fn of(objects: &Path) -> Self {
        let time = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let (objects, pack) = (time(objects), time(&objects.join("pack")));
        let limit = SystemTime::now().checked_sub(TICK);
        let fresh = [objects, pack].into_iter().flatten().any(|time| limit.is_none_or(|limit| time > limit));
        Self { objects, pack, fresh }
    }
}

/// Which folders for loose objects exist.
fn list(objects: &Path) -> io::Result<[bool; 256]> {
    let mut loose = [false; 256];
    for entry in std::fs::read_dir(objects)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str()
            && name.len() == 2
            && let Ok(at) = u8::from_str_radix(name, 16)
        {
            loose[usize::from(at)] = true;
        }
    }
    Ok(loose)
}

/// Index files that have their pack beside them. A pack is complete once its index has its name: it is moved in last.
fn index_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut indexes = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "idx") {
            indexes.push(path);
        }
    }
    Ok(indexes)
}
