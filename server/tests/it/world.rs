//! A started registry and a person's machine beside it, for scenarios.
//!
//! The server is the real binary on a free port of the loopback address with a fresh data folder; git is the machine's own,
//! with an empty home and no configuration but what a scenario writes. Everything goes away with the [`World`].

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

/// How long a state may take to come about on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `demo --json` prints.
#[derive(Clone, Debug, Deserialize)]
pub struct Printed {
    /// Origin, without a slash at the end.
    pub url: String,
    /// The tenant's name.
    pub tenant: String,
    /// The catalog.
    pub marketplace_url: String,
    /// The catalog as a repository.
    pub marketplace_git_url: String,
    /// The demo's tokens.
    pub tokens: Tokens,
}

/// The demo's tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    /// May do everything in the tenant.
    pub admin: String,
    /// May publish.
    pub publisher: String,
    /// May read.
    pub reader: String,
}

/// A running demo and a folder for the scenario.
pub struct World {
    folder: TempDir,
    server: Option<Child>,
    is_public: bool,
    /// What the server printed when it began to listen.
    pub printed: Printed,
}

impl World {
    /// A private demo.
    pub fn private() -> Self {
        Self::start(false)
    }

    /// A demo that everybody may read.
    pub fn public() -> Self {
        Self::start(true)
    }

    fn start(is_public: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("skill-pool-world-").tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("home")).expect("a home");
        let (server, printed) = spawn(folder.path(), is_public, "127.0.0.1:0");
        Self { folder, server: Some(server), is_public, printed }
    }

    /// Stops the server as an operator does and says how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let mut server = self.server.take().expect("the server runs");
        let id = i32::try_from(server.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("our own child can be signalled");
        wait_until("the server to stop", || server.try_wait().expect("our own child can be asked"))
    }

    /// Kills the server without a word, as a power cut does.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("the server runs");
        server.kill().expect("our own child can be killed");
        server.wait().expect("our own child can be waited for");
    }

    /// Starts the server again on the same data and the same port.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "stop it first");
        let listen = self.printed.url.strip_prefix("http://").expect("the demo speaks plain http").to_owned();
        let (server, printed) = spawn(self.folder.path(), self.is_public, &listen);
        self.server = Some(server);
        self.printed = printed;
    }

    /// A new empty folder of the scenario.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("a folder below the temporary one");
        path
    }

    /// A path of the scenario that does not exist yet.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address of a tenant's path, such as `git/registry.git`, with a token as password.
    pub fn with_token(&self, token: &str, path: &str) -> String {
        let host = self.printed.url.strip_prefix("http://").expect("the demo speaks plain http");
        format!("http://x:{token}@{host}/t/{}/{path}", self.printed.tenant)
    }

    /// The address of a tenant's path without a credential.
    pub fn address(&self, path: &str) -> String {
        format!("{}/t/{}/{path}", self.printed.url, self.printed.tenant)
    }

    /// A command in a clean environment: the machine's PATH, an own home, no configuration, fixed identity.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("LANG", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Ana")
            .env("GIT_AUTHOR_EMAIL", "ana@example.org")
            .env("GIT_COMMITTER_NAME", "Ana")
            .env("GIT_COMMITTER_EMAIL", "ana@example.org")
            .stdin(Stdio::null());
        command
    }

    /// Runs git in a folder and returns what it said, whether it worked or not.
    pub fn try_git(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = self.command("git");
        command.args(["-c", "init.defaultBranch=main", "-c", "protocol.version=2"]).args(arguments);
        command.current_dir(folder).output().expect("git is installed")
    }

    /// Runs git in a folder and returns its trimmed output; a failure ends the test with git's words.
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.try_git(folder, arguments);
        assert!(output.status.success(), "git {arguments:?} in {}:\n{}", folder.display(), said(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A repository with these files in one commit on `main`. A path that ends in `*` is executable.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder(name);
        self.git(&folder, &["init", "--quiet"]);
        self.commit(&folder, files, "first");
        folder
    }

    /// Writes files into a work tree and commits everything.
    pub fn commit(&self, folder: &Path, files: &[(&str, &str)], message: &str) -> String {
        for (path, text) in files {
            let file = folder.join(path.trim_end_matches('*'));
            fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder");
            fs::write(&file, text).expect("a file");
            if path.ends_with('*') {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("an executable file");
            }
        }
        self.git(folder, &["add", "--all"]);
        self.git(folder, &["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(folder, &["rev-parse", "HEAD"])
    }

    /// Status and body of a GET. `path` begins behind the tenant's address.
    pub fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        get(&self.address(path), token)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Status and body of a GET of a whole address.
pub fn get(address: &str, token: Option<&str>) -> (u16, String) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
    let mut request = agent.get(address);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut answer = request.call().unwrap_or_else(|error| panic!("GET {address}: {error}"));
    let body = answer.body_mut().read_to_string().unwrap_or_else(|error| panic!("GET {address}: {error}"));
    (answer.status().as_u16(), body)
}

/// A small plugin that the gate has nothing to say about.
pub fn plugin(name: &str, version: &str) -> Vec<(String, String)> {
    let manifest = format!(
        r#"{{
  "name": "{name}",
  "version": "{version}",
  "description": "Greets the people of a project by name",
  "author": {{ "name": "Ana" }},
  "license": "Apache-2.0",
  "keywords": ["greeting"]
}}
"#
    );
    let skill = "---\nname: greet\ndescription: Greets people by name. Use when somebody joins or says hello.\n\
                 license: Apache-2.0\n---\n\n# Greet\n\nRun `scripts/greet NAME` and read its line aloud.\n";
    let script = "#!/bin/sh\n# Prints one greeting.\nprintf 'Hello, %s\\n' \"${1:?whom?}\"\n";
    vec![
        (".claude-plugin/plugin.json".to_owned(), manifest),
        ("skills/greet/SKILL.md".to_owned(), skill.to_owned()),
        ("skills/greet/scripts/greet*".to_owned(), script.to_owned()),
        ("README.md".to_owned(), format!("# {name}\n\nGreets people by name.\n")),
    ]
}

/// Borrowed forms of owned files, as [`World::commit`] takes them.
pub fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// Everything that a program said, for messages.
pub fn said(output: &Output) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", output.status);
    let _ = write!(text, "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    text
}

/// Waits for a state and returns what was found; ends the test when it does not come about in time.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the demo and waits for its line.
fn spawn(folder: &Path, is_public: bool, listen: &str) -> (Child, Printed) {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("server.log")).expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_skill-pool-server"));
    command.args(["demo", "--json", "--listen", listen, "--data"]).arg(folder.join("data"));
    if is_public {
        command.arg("--public");
    }
    // The admin socket lies below the temporary folder of the process.
    command.env_remove("XDG_RUNTIME_DIR").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut server = command.spawn().expect("the server was built");
    let mut stdout = BufReader::new(server.stdout.take().expect("stdout is piped"));
    let (send, receive) = mpsc::channel();
    // The reader lives as long as the server: what comes after the first line must not fill the pipe.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdout.read_line(&mut line);
        let _ = send.send(line);
        let _ = stdout.read_to_end(&mut Vec::new());
    });
    let line = receive.recv_timeout(PATIENCE).unwrap_or_default();
    let printed = serde_json::from_str(&line).unwrap_or_else(|error| {
        let _ = server.kill();
        let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        panic!("the demo printed {line:?}, which is not its JSON line ({error}); its log:\n{log}")
    });
    (server, printed)
}
