//! People's hands on a registry, as a library so that tests can call the verbs.
//!
//! In: arguments, files, one registry over HTTP, the person's git. Out: data on stdout, conversation on stderr, and an
//! answer in the exit code. Rules are the domain's; nothing is decided here.
//!
//! - `args`: what can be typed; `verbs/`: one file per verb
//! - `ui`: streams and colour; `report`: errors as words; `exit`: codes
//! - `folder`: a folder as a tree; `client`: HTTP; `git`: the person's git; `store`: tokens on disk

pub mod args;
pub mod client;
pub mod exit;
pub mod folder;
pub mod git;
pub mod report;
pub mod store;
pub mod ui;
pub mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::Exit;
use ui::Ui;

/// Runs one command line and prints what it says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; anything else is a wrong line, which clap explains on stderr.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Yes };
            let _ = error.print();
            return exit.into();
        }
    };
    let ui = Ui::new(cli.color);
    let (result, json) = match &cli.verb {
        Verb::Validate(arguments) => (verbs::validate::run(arguments, &ui), arguments.json),
        Verb::Login(arguments) => (verbs::login::run(arguments, &ui), arguments.json),
        Verb::Credential(arguments) => (verbs::credential::run(arguments, &ui), false),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print(&ui, json);
            failure.exit.into()
        }
    }
}
