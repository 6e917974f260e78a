//! HTTP in, HTTP out: no rule, no SQL.
pub mod git;
