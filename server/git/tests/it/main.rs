//! Tests of the git room with stock git as the judge: one binary, a module for each part.

mod answers;
mod clones;
mod history;
mod maintain;
mod random;
mod receive;
mod refs;
mod repo;
mod serve;
mod support;
mod walls;
