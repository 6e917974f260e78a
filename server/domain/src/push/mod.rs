//! What a push may do to refs, before anything is said about its content.
//!
//! In: the kind of repository, the ref, what happens to it, the member's role and the protected refs. Out: allowed, or a
//! refusal worded for git's output.

mod ref_rule;

pub use ref_rule::{Protection, RefChange, judge_ref};
