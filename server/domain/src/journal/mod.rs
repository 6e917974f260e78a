//! The append-only record of accepted ref updates: its entries as typed values and as text, and what they add up to.
//!
//! In: leaf text, or fields. Out: [`Leaf`] values whose text has exactly one spelling, their hash as RFC 6962 takes it,
//! and [`Fold`], the state that a sequence of leaves explains. Must hold: `Leaf::parse(leaf.text()) == leaf`, and no two
//! texts parse to the same leaf, since clients hash the text.

mod fold;
mod leaf;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use fold::{Fault, Fold, FoldError, RefState, ReleaseState, RepositoryState, fold, leaf_name};
pub use leaf::{Kind, Leaf, LeafError, LeafFields};
pub use text::LEAF_BYTES_MAX;
pub use values::{Ext, Gate, GateOutcome, GitId, Review, Signer};
