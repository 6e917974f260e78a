//! The files of one commit, or of one folder, as the rules see them; and the digest that binds them to a leaf.

use std::fmt;

use crate::digest::{Sha256, Sha256Hasher};

/// What an entry of a tree is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// An ordinary file (100644).
    File,
    /// A file that may be run (100755).
    Executable,
    /// A symbolic link (120000); its content is its target.
    Link,
    /// Anything else that is not a folder, by its octal mode: a submodule (160000), an old group-writable file (100664),
    /// or, when a folder on disk was read, an empty folder (40000) or a device. No rule accepts it.
    Other(u32),
}

/// One entry that is not a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeFile {
    /// Path from the root with `/` between its parts; raw bytes, since git allows any.
    pub path: Vec<u8>,
    /// Its kind.
    pub mode: Mode,
    /// Length of the content in bytes, also where the content was not read.
    pub size_bytes: u64,
    /// The content (a link's target). `None` when it is larger than the reader's limit, or has none (a submodule).
    pub content: Option<Vec<u8>>,
}

impl TreeFile {
    /// The path as text, `None` when it is not UTF-8.
    pub fn path_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.path).ok()
    }

    /// The content as text, `None` when it was not read or is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.content.as_deref()?).ok()
    }
}

/// All files of a tree, sorted by the bytes of their whole paths. Paths may repeat when a hostile tree says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    files: Vec<TreeFile>,
}

impl Tree {
    /// Takes files in any order.
    pub fn new(mut files: Vec<TreeFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// The files in order of their paths.
    pub fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// The file at exactly `path`.
    pub fn get(&self, path: &str) -> Option<&TreeFile> {
        let at = self.files.binary_search_by(|file| file.path.as_slice().cmp(path.as_bytes())).ok()?;
        Some(&self.files[at])
    }

    /// The files below the folder `prefix`, which ends in `/`.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a TreeFile> + 'a {
        let start = self.files.partition_point(|file| file.path.as_slice() < prefix.as_bytes());
        self.files[start..].iter().take_while(move |file| file.path.starts_with(prefix.as_bytes()))
    }
}

/// One file as the tree digest counts it: everything but the content itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestRecord {
    /// The path from the root.
    pub path: Vec<u8>,
    /// Its kind; [`Mode::Other`] has no digest.
    pub mode: Mode,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// The digest of the content.
    pub content: Sha256,
}

/// Why a tree has no digest.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeDigestError {
    /// An entry is neither file, executable nor link.
    #[error("{} has mode {mode:o}; a release holds files, executables and links only", Shown(path))]
    Mode {
        /// The entry's path.
        path: Vec<u8>,
        /// Its mode.
        mode: u32,
    },
    /// Two entries have one path.
    #[error("two entries are called {}", Shown(path))]
    Repeated {
        /// The path.
        path: Vec<u8>,
    },
    /// A file's content was not read.
    #[error("{} is too large to be digested", Shown(path))]
    TooLarge {
        /// The path.
        path: Vec<u8>,
    },
}

/// Bytes of a path made safe to print.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() { write!(f, "{}", c.escape_unicode())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The canonical tree digest `skill-pool/tree/v1`: what binds the bytes of a release to its leaf.
///
/// Each record is a type byte (`f`, `x`, `l`), the path's length as u32 and the path, the content's length as u64 and
/// its SHA-256, numbers big-endian; records stand in the byte order of whole paths. The digest is SHA-256 over
/// `skill-pool/tree/v1\n`, the number of records as u64, and the records.
///
/// # Errors
/// [`TreeDigestError`] for an entry of another kind or a path that occurs twice.
pub fn digest_records(mut records: Vec<DigestRecord>) -> Result<Sha256, TreeDigestError> {
    records.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(pair) = records.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(TreeDigestError::Repeated { path: pair[0].path.clone() });
    }
    let mut hasher = Sha256Hasher::new();
    hasher.update(b"skill-pool/tree/v1\n");
    hasher.update(&(records.len() as u64).to_be_bytes());
    for record in records {
        let kind = match record.mode {
            Mode::File => b'f',
            Mode::Executable => b'x',
            Mode::Link => b'l',
            Mode::Other(mode) => {
                return Err(TreeDigestError::Mode { path: record.path, mode });
            }
        };
        hasher.update(&[kind]);
        hasher.update(&u32::try_from(record.path.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(&record.path);
        hasher.update(&record.size_bytes.to_be_bytes());
        hasher.update(&record.content.0);
    }
    Ok(hasher.finish())
}

/// [`digest_records`] of a tree whose contents are all at hand.
///
/// # Errors
/// As there; and [`TreeDigestError::TooLarge`] for a file without content.
pub fn tree_digest(tree: &Tree) -> Result<Sha256, TreeDigestError> {
    let mut records = Vec::with_capacity(tree.files().len());
    for file in tree.files() {
        let content = match (&file.content, file.mode) {
            (_, Mode::Other(mode)) => {
                return Err(TreeDigestError::Mode { path: file.path.clone(), mode });
            }
            (Some(content), _) => Sha256::of(content),
            (None, _) => {
                return Err(TreeDigestError::TooLarge { path: file.path.clone() });
            }
        };
        records.push(DigestRecord { path: file.path.clone(), mode: file.mode, size_bytes: file.size_bytes, content });
    }
    digest_records(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: Mode, content: &str) -> TreeFile {
        TreeFile { path: path.into(), mode, size_bytes: content.len() as u64, content: Some(content.into()) }
    }

    #[test]
    fn the_digest_is_the_published_one() {
        let tree = Tree::new(vec![
            file("skills/a/SKILL.md", Mode::File, "---\nname: a\ndescription: A.\n---\n"),
            file("bin/run", Mode::Executable, "#!/bin/sh\necho hi\n"),
            file(".claude-plugin/plugin.json", Mode::File, "{\"name\":\"a\",\"version\":\"1.0.0\"}\n"),
            file("skills/a/link.md", Mode::Link, "SKILL.md"),
            file("skills/a-b/x.md", Mode::File, ""),
        ]);
        let digest = tree_digest(&tree).expect("a plain tree").to_string();
        assert_eq!(digest, "6b739722ebb2d8912406352588e42269923309aea31611ab465ba8d97e3f3ab1");
        assert_eq!(tree.below("skills/a/").count(), 2);
        assert!(tree.get("bin/run").is_some() && tree.get("bin").is_none());
    }

    #[test]
    fn what_is_no_release_has_no_digest() {
        let twice = Tree::new(vec![file("a", Mode::File, ""), file("a", Mode::Link, "b")]);
        assert_eq!(tree_digest(&twice), Err(TreeDigestError::Repeated { path: b"a".to_vec() }));
        let submodule = Tree::new(vec![file("a", Mode::Other(0o160000), "")]);
        let error = tree_digest(&submodule).expect_err("a submodule");
        assert_eq!(error.to_string(), "a has mode 160000; a release holds files, executables and links only");
        assert_eq!(Shown(b"a\x1b\xff\xc3\xbc").to_string(), "a\\u{1b}\\xffü");
    }
}
