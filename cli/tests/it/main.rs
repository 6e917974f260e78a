//! The binary as people and scripts meet it: streams, exit codes, files, and stock git.

mod login;
mod validate;
mod world;
