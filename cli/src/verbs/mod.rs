//! The verbs, one file each: arguments in, an exit code out.

pub mod credential;
pub mod login;
pub mod validate;
