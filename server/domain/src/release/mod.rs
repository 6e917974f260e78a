//! Old state, new tree and known releases in; a release, nothing or a refusal out.

mod plan;

pub use plan::{Held, Known, NoRelease, Plan, plan};
