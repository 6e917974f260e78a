//! Makes the objects of commits that the server itself writes: trees from files, commits on top of parents.

use std::collections::BTreeMap;
use std::fmt::Write;

use gix_hash::ObjectId;
use gix_object::Kind;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::tree::{Mode, Tree, TreeFile};

use crate::objects::{ObjectError, Objects};
use crate::receive::{Quarantine, ReceiveError};

/// Why objects could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The repository could not be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The quarantine took no more.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A file has no content, or its path is not one that a tree can hold.
    #[error("{0} cannot be written into a tree")]
    File(String),
}

/// A folder being put together.
#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a [u8], &'a TreeFile>,
    folders: BTreeMap<&'a [u8], Folder<'a>>,
}

/// Writes `tree` into `quarantine` and gives its id. What `present` has already is not written again.
///
/// # Errors
/// [`ComposeError`]; [`ComposeError::File`] for entries that no tree can hold (an empty part in a path, a path that is
/// file and folder at once, a mode that is neither file, executable nor link).
pub fn write_tree(tree: &Tree, present: &dyn Objects, quarantine: &mut Quarantine) -> Result<ObjectId, ComposeError> {
    let mut root = Folder::default();
    for file in tree.files() {
        let unfit = || ComposeError::File(skill_pool_domain::tree::Shown(&file.path).to_string());
        let mut parts: Vec<&[u8]> = file.path.split(|byte| *byte == b'/').collect();
        let name = parts.pop().ok_or_else(unfit)?;
        if name.is_empty() || parts.iter().any(|part| part.is_empty()) {
            return Err(unfit());
        }
        let mut folder = &mut root;
        for part in parts {
            if folder.files.contains_key(part) {
                return Err(unfit());
            }
            folder = folder.folders.entry(part).or_default();
        }
        if folder.folders.contains_key(name) || folder.files.insert(name, file).is_some() {
            return Err(unfit());
        }
    }
    write_folder(&root, present, quarantine)
}

fn write_folder(
    folder: &Folder<'_>,
    present: &dyn Objects,
    quarantine: &mut Quarantine,
) -> Result<ObjectId, ComposeError> {
    // git orders entries as if folders ended in a slash.
    let mut entries: Vec<(Vec<u8>, &'static str, &[u8], ObjectId)> = Vec::new();
    for (name, file) in &folder.files {
        let unfit = || ComposeError::File(skill_pool_domain::tree::Shown(&file.path).to_string());
        let mode = match file.mode {
            Mode::File => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Other(_) => return Err(unfit()),
        };
        let content = file.content.as_deref().ok_or_else(unfit)?;
        let id = add_if_absent(Kind::Blob, content, present, quarantine)?;
        entries.push((name.to_vec(), mode, name, id));
    }
    for (name, inner) in &folder.folders {
        let id = write_folder(inner, present, quarantine)?;
        entries.push(([name, b"/".as_slice()].concat(), "40000", name, id));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut content = Vec::new();
    for (_, mode, name, id) in entries {
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(name);
        content.push(0);
        content.extend_from_slice(id.as_bytes());
    }
    add_if_absent(Kind::Tree, &content, present, quarantine)
}

fn add_if_absent(
    kind: Kind,
    content: &[u8],
    present: &dyn Objects,
    quarantine: &mut Quarantine,
) -> Result<ObjectId, ComposeError> {
    if let Ok(id) = gix_object::compute_hash(gix_hash::Kind::Sha1, kind, content)
        && present.contains(&id)?
    {
        return Ok(id);
    }
    Ok(quarantine.add(kind, content)?)
}

/// What a commit says.
#[derive(Clone, Copy, Debug)]
pub struct CommitText<'a> {
    /// The tree.
    pub tree: ObjectId,
    /// The parents, in order.
    pub parents: &'a [ObjectId],
    /// Author and committer: a name and an address, without `<`, `>` and control characters.
    pub person: (&'a str, &'a str),
    /// When, to the second; shown as UTC.
    pub at: Timestamp,
    /// The message.
    pub message: &'a str,
}

/// Writes a commit into `quarantine`. The same text always gives the same id.
///
/// # Errors
/// [`ComposeError::Receive`].
pub fn write_commit(text: &CommitText<'_>, quarantine: &mut Quarantine) -> Result<ObjectId, ComposeError> {
    Ok(quarantine.add(Kind::Commit, commit_text(text).as_bytes())?)
}

/// The bytes of a commit object.
pub fn commit_text(text: &CommitText<'_>) -> String {
    let mut out = format!("tree {}\n", text.tree);
    for parent in text.parents {
        let _ = writeln!(out, "parent {parent}");
    }
    let clean = |part: &str| -> String {
        part.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect::<String>().trim().to_owned()
    };
    let (name, address) = (clean(text.person.0), clean(text.person.1));
    let seconds = text.at.seconds().max(0);
    for role in ["author", "committer"] {
        let _ = writeln!(out, "{role} {name} <{address}> {seconds} +0000");
    }
    out.push('\n');
    out.push_str(text.message.replace('\0', "").trim_end());
    out.push('\n');
    out
}
