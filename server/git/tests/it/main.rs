//! Tests of the git room with stock git as the judge: one binary, a module for each part.

mod history;
mod maintain;
mod receive;
mod repo;
mod support;
