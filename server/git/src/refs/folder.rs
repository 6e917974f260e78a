//! Refs of a plain bare repository, read from its folder: `HEAD`, files below `refs/`, `packed-refs`.
//!
//! The engine of the example server and of tests. Each snapshot looks at the disk; when nothing has changed since the
//! last one it costs one look at each file and folder that was read then.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gix_hash::ObjectId;
use gix_object::Kind;
use parking_lot::Mutex;
use skill_pool_domain::names::RefName;

use super::{Head, RefEntry, RefSnapshot, RefStore, RefStoreError};
use crate::ids::IdMap;
use crate::lru::Lru;
use crate::objects::Objects;
use crate::repo::{Repo, RepoCache};

/// Symbolic refs are followed so far.
const SYMREF_DEPTH_MAX: usize = 5;
/// Folders within folders below `refs/`.
const FOLDER_DEPTH_MAX: usize = 64;
/// Annotated tags are followed so far.
const TAG_CHAIN_MAX: usize = 64;
/// A file changed less than this before it was looked at may change again without showing it.
const TICK: Duration = Duration::from_millis(50);

/// Reads refs from folders of bare repositories.
pub struct FolderRefs {
    repos: Arc<RepoCache>,
    known: Mutex<Lru<PathBuf, Arc<Known>>>,
}

/// A snapshot and what it was read from.
struct Known {
    looked_at: Vec<(PathBuf, Stamp)>,
    snapshot: Arc<RefSnapshot>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<(SystemTime, u64, u64)>,
    fresh: bool,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let meta = fs::symlink_metadata(path).ok();
        let modified = meta.and_then(|meta| Some((meta.modified().ok()?, meta.ino(), meta.len())));
        let limit = SystemTime::now().checked_sub(TICK);
        let fresh = modified.is_some_and(|(time, ..)| limit.is_none_or(|limit| time > limit));
        Self { modified, fresh }
    }
}

/// What a ref holds.
enum Value {
    Id(ObjectId),
    Symbolic(RefName),
}

impl FolderRefs {
    /// Peels tags by the repositories of `repos`.
    pub fn new(repos: Arc<RepoCache>) -> Self {
        Self { repos, known: Mutex::new(Lru::new(256)) }
    }

    fn read(&self, folder: &Path, before: Option<&Known>) -> Result<Known, RefStoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| RefStoreError {
            repository: folder.display().to_string(),
            source,
        };
        let repo = self.repos.get(folder).map_err(|error| failed(error.into()))?;
        let mut reader = Reader { looked_at: Vec::new(), values: std::collections::BTreeMap::new() };
        reader.all(folder).map_err(|error| failed(error.into()))?;
        let head = reader.head(folder);
        let mut refs = Vec::new();
        let mut symrefs = Vec::new();
        let mut peeled = Peeler::new(&repo, before);
        for (name, value) in &reader.values {
            if let Value::Symbolic(target) = value {
                symrefs.push((name.clone(), target.clone()));
            }
            // A ref to nothing is left out, as git does.
            let Some(id) = reader.resolve(value, 0) else { continue };
            if let Some(peeled) = peeled.peel(id) {
                refs.push(RefEntry { name: name.clone(), id, peeled: (peeled != id).then_some(peeled) });
            }
        }
        symrefs.retain(|(name, _)| refs.binary_search_by(|entry| entry.name.cmp(name)).is_ok());
        let snapshot = RefSnapshot::new(folder.as_os_str().as_encoded_bytes(), head, refs).with_symrefs(symrefs);
        Ok(Known { looked_at: reader.looked_at, snapshot: Arc::new(snapshot) })
    }
}

impl RefStore for FolderRefs {
    type Repository = Path;

    fn snapshot(&self, folder: &Path) -> Result<Arc<RefSnapshot>, RefStoreError> {
        let known = self.known.lock().get(&folder.to_owned()).cloned();
        if let Some(known) = &known
            && known.looked_at.iter().all(|(path, stamp)| !stamp.fresh && *stamp == Stamp::of(path))
        {
            return Ok(Arc::clone(&known.snapshot));
        }
        let read = Arc::new(self.read(folder, known.as_deref())?);
        self.known.lock().insert(folder.to_owned(), Arc::clone(&read), 1);
        Ok(Arc::clone(&read.snapshot))
    }
}

struct Reader {
    looked_at: Vec<(PathBuf, Stamp)>,
    values: std::collections::BTreeMap<RefName, Value>,
}

impl Reader {
    fn all(&mut self, folder: &Path) -> io::Result<()> {
        let packed = folder.join("packed-refs");
        self.look_at(&packed);
        self.look_at(&folder.join("HEAD"));
        // Loose refs first: git packs a ref before it removes the file, so that none is missed in between. A loose one
        // outweighs a packed one.
        self.folder(&folder.join("refs"), "refs", 0)?;
        let text = match fs::read(&packed) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for (name, id) in packed_refs(&text) {
            self.values.entry(name).or_insert(Value::Id(id));
        }
        Ok(())
    }

    fn look_at(&mut self, path: &Path) {
        let stamp = Stamp::of(path);
        self.looked_at.push((path.to_owned(), stamp));
    }

    fn folder(&mut self, path: &Path, name: &str, depth: usize) -> io::Result<()> {
        // Its time is taken before it is listed: what comes in between shows.
        self.look_at(path);
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else { continue };
            let name = format!("{name}/{file_name}");
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if depth < FOLDER_DEPTH_MAX {
                    self.folder(&path, &name, depth + 1)?;
                }
            } else if let Ok(name) = RefName::parse(name.as_bytes()) {
                self.look_at(&path);
                if let Some(value) = read_value(&path) {
                    self.values.insert(name, value);
                }
            }
        }
        Ok(())
    }

    fn head(&self, folder: &Path) -> Head {
        match read_value(&folder.join("HEAD")) {
            Some(Value::Symbolic(mut target)) => {
                for _ in 0..SYMREF_DEPTH_MAX {
                    match self.values.get(&target) {
                        Some(Value::Symbolic(next)) => target = next.clone(),
                        _ => break,
                    }
                }
                Head::Symbolic(target)
            }
            Some(Value::Id(id)) => Head::Detached(id),
            None => Head::Hidden,
        }
    }

    fn resolve(&self, value: &Value, depth: usize) -> Option<ObjectId> {
        match value {
            Value::Id(id) => Some(*id),
            Value::Symbolic(target) if depth < SYMREF_DEPTH_MAX => {
                self.values.get(target).and_then(|value| self.resolve(value, depth + 1))
            }
            Value::Symbolic(_) => None,
        }
    }
}

/// What the file of a ref says; `None` when it is gone or no ref.
fn read_value(path: &Path) -> Option<Value> {
    let content = fs::read(path).ok()?;
    let text = content.trim_ascii();
    if let Some(target) = text.strip_prefix(b"ref:") {
        return RefName::parse(target.trim_ascii()).ok().map(Value::Symbolic);
    }
    ObjectId::from_hex(text.get(..40)?).ok().map(Value::Id)
}

/// Names and values in a `packed-refs` file; lines that are neither are left out.
pub(super) fn packed_refs(text: &[u8]) -> impl Iterator<Item = (RefName, ObjectId)> + '_ {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        if line.len() < 42 || line[40] != b' ' {
            return None;
        }
        let id = ObjectId::from_hex(&line[..40]).ok()?;
        Some((RefName::parse(line[41..].trim_ascii_end()).ok()?, id))
    })
}

/// Finds what refs finally point at, remembering what is known.
struct Peeler<'a> {
    repo: &'a Repo,
    known: IdMap<ObjectId>,
    buffer: Vec<u8>,
}

impl<'a> Peeler<'a> {
    fn new(repo: &'a Repo, before: Option<&Known>) -> Self {
        let refs = before.map(|known| known.snapshot.refs.as_slice()).unwrap_or_default();
        let known = refs.iter().map(|entry| (entry.id, entry.peeled.unwrap_or(entry.id))).collect();
        Self { repo, known, buffer: Vec::new() }
    }

    /// `None` when `id` or what it points at is not there.
    fn peel(&mut self, id: ObjectId) -> Option<ObjectId> {
        if let Some(known) = self.known.get(&id) {
            return Some(*known);
        }
        let mut target = id;
        for _ in 0..TAG_CHAIN_MAX {
            let (kind, _) = self.repo.header(&target).ok()??;
            if kind != Kind::Tag {
                self.known.insert(id, target);
                return Some(target);
            }
            self.repo.read(&target, &mut self.buffer).ok()??;
            target = crate::upload::parse_tag(&self.buffer)?;
        }
        None
    }
}
