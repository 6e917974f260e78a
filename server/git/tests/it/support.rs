//! Stock git in a temporary folder, with nothing of the machine's own configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use skill_pool_git::objects::ObjectId;
use tempfile::TempDir;

/// A folder with a fixed identity and clock, in which git can be run.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A git command in `folder`, ready to run.
    pub fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH"))
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.com")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.com")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::null());
        command
    }

    /// Runs git, which must succeed, and returns what it printed without the last line end.
    #[track_caller]
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.command(folder, arguments).output().expect("git runs");
        assert!(
            output.status.success(),
            "git {arguments:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A new repository with a work tree at `name`.
    pub fn work_tree(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        self.git(self.folder.path(), &["init", "-q", "-b", "main", name]);
        folder
    }

    /// Writes `files` (path, content) and commits all of `folder` at `time`.
    pub fn commit(&self, folder: &Path, time: u64, files: &[(&str, &str)]) -> ObjectId {
        for (path, content) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, content).expect("file");
        }
        self.git(folder, &["add", "-A"]);
        let date = format!("{time} +0000");
        let mut command = self.command(folder, &["commit", "-q", "--allow-empty", "-m", &format!("at {time}")]);
        let status = command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).status();
        assert!(status.expect("git runs").success());
        self.id(folder, "HEAD")
    }

    pub fn id(&self, folder: &Path, name: &str) -> ObjectId {
        let hex = self.git(folder, &["rev-parse", "--verify", name]);
        ObjectId::from_hex(hex.as_bytes()).expect("an id")
    }

    /// Ids, kinds and sizes of all objects of the repository in `folder`.
    pub fn all_objects(&self, folder: &Path) -> Vec<(ObjectId, String, u64)> {
        self.git(folder, &["cat-file", "--batch-check", "--batch-all-objects"])
            .lines()
            .map(|line| {
                let mut words = line.split(' ');
                let id = ObjectId::from_hex(words.next().expect("id").as_bytes()).expect("an id");
                let kind = words.next().expect("kind").to_owned();
                (id, kind, words.next().expect("size").parse().expect("a size"))
            })
            .collect()
    }
}
