//! Git's four requests: parsed into one value, authorised as that value, served as that value.

pub mod body;
pub mod request;
