//! The command line's binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    skill_pool::run(std::env::args_os())
}
