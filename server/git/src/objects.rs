//! Reading objects: the one interface over a repository, a quarantine, and both together.

use std::path::PathBuf;

pub use gix_hash::{ObjectId, oid};
pub use gix_object::Kind;

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The object is larger than the reader allows.
    #[error("object {id} has {size_bytes} bytes; the limit is {limit_bytes}")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// Its inflated size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The store holds something that is not an object.
    #[error("object {id} in {path} is damaged: {reason}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// The file that holds it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk failed.
    #[error("could not read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// A set of objects that can be asked by id. Implementations may be asked from several threads at once.
pub trait Objects: Send + Sync {
    /// Reads the whole object into `out`, which is emptied first. `None` when there is no such object.
    ///
    /// # Errors
    /// [`ObjectError`]; never for an object that is merely absent.
    fn read(&self, id: &oid, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError>;

    /// Kind and inflated size in bytes, without inflating the object.
    ///
    /// # Errors
    /// As [`Objects::read`].
    fn header(&self, id: &oid) -> Result<Option<(Kind, u64)>, ObjectError>;

    /// True when [`Objects::read`] would find the object.
    ///
    /// # Errors
    /// As [`Objects::read`].
    fn contains(&self, id: &oid) -> Result<bool, ObjectError> {
        Ok(self.header(id)?.is_some())
    }
}

/// Asks `first`, then `second`: a quarantine before the repository that it belongs to.
pub struct Overlay<'a> {
    /// Asked first.
    pub first: &'a dyn Objects,
    /// Asked for what `first` lacks.
    pub second: &'a dyn Objects,
}

impl Objects for Overlay<'_> {
    fn read(&self, id: &oid, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        match self.first.read(id, out)? {
            Some(kind) => Ok(Some(kind)),
            None => self.second.read(id, out),
        }
    }

    fn header(&self, id: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
        match self.first.header(id)? {
            Some(header) => Ok(Some(header)),
            None => self.second.header(id),
        }
    }
}
