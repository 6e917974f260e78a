//! Git's wire and disk formats, served in-process.
//!
//! In: bytes of a request, a bare repository, the refs that its reader may see. Out: bytes of an answer, or a
//! quarantined set of objects. This crate knows repositories, never tenants: who may do what is decided by its caller,
//! who hands in a [`refs::RefSnapshot`] that holds only what the reader may see.

pub mod compose;
pub mod history;
pub mod ids;
pub mod limits;
pub mod lru;
pub mod maintain;
pub mod objects;
pub mod pkt;
pub mod receive;
pub mod refs;
pub mod repo;
mod request_text;
pub mod upload;
