//! Tests of the git room with stock git as the judge: one binary, a module for each part.

mod answers;
mod clones;
mod history;
mod maintain;
mod receive;
mod repo;
mod serve;
mod support;
mod walls;
