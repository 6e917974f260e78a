//! The person's git: what it ignores, and its configuration.

use std::path::Path;
use std::process::{Command, Stdio};

/// Why git did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It is not installed, or could not be started.
    #[error("could not start git")]
    Start(#[source] std::io::Error),
    /// It refused.
    #[error("git said: {0}")]
    Refused(String),
}

/// Git without questions, without hooks of file systems, and in plain words.
fn git() -> Command {
    let mut command = Command::new("git");
    command
        // A repository's own configuration may name a program to watch its files; nothing of a folder is run here.
        .args(["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// Paths below `folder` that git ignores and does not track, folders with a final `/`: they would not be pushed. Empty where
/// the folder is not the root of a repository, or git is not there.
pub fn ignored_paths(folder: &Path) -> Vec<Vec<u8>> {
    if !folder.join(".git").exists() {
        return Vec::new();
    }
    let output = git()
        .arg("-C")
        .arg(folder)
        .args(["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"])
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
        }
        _ => Vec::new(),
    }
}

/// Replaces all values of `key` in the person's own configuration by `values`, in order.
///
/// # Errors
/// [`GitError`].
pub fn set_global(key: &str, values: &[&str]) -> Result<(), GitError> {
    let Some((first, rest)) = values.split_first() else { return Ok(()) };
    config(&["--replace-all", key, first])?;
    for value in rest {
        config(&["--add", key, value])?;
    }
    Ok(())
}

fn config(arguments: &[&str]) -> Result<(), GitError> {
    let output = git().args(["config", "--global"]).args(arguments).output().map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(GitError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
