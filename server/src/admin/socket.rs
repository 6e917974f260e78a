//! The admin socket: how a verb reaches the process that owns the data folder.
//!
//! One line of JSON asks, one line answers. The socket lies where only its owner can reach it: in `$XDG_RUNTIME_DIR`, else
//! in a folder of its own below the system's temporary one; the file `admin` in the data folder names it. A data folder's
//! own path may be too long for a socket, which has room for 107 bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skill_pool_domain::digest::{Sha256, hex};
use skill_pool_domain::refusal::Refusal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio_util::task::TaskTracker;

use super::outcome::Outcome;
use super::verbs::Verb;

/// Which form requests and answers have. A program of another version is refused in words.
const PROTOCOL: u32 = 1;
/// The longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// For a request to come in whole.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);

/// What goes in.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    protocol: u32,
    verb: Verb,
}

/// Where the socket of a data folder lies, for the present user and environment.
fn socket_path(data: &Path) -> io::Result<PathBuf> {
    let data = data.canonicalize()?;
    let name = hex(&Sha256::of(data.as_os_str().as_encoded_bytes()).0[..8]);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
    Ok(match runtime {
        Some(folder) => folder.join(format!("skill-pool-{name}.sock")),
        None => {
            let user = rustix::process::geteuid().as_raw();
            std::env::temp_dir().join(format!("skill-pool-{user}-{name}")).join("admin.sock")
        }
    })
}

/// An open admin socket; it goes away when this is dropped.
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Opens the socket of a data folder that this process owns, and names it in the folder's file `admin`.
    ///
    /// # Errors
    /// When the socket's folder belongs to somebody else, or the disk fails.
    pub fn open(data: &Path, note: &Path) -> io::Result<Self> {
        let path = socket_path(data)?;
        if let Some(folder) = path.parent()
            && !folder.is_dir()
        {
            std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        }
        private_folder(&path)?;
        // We own the data folder, so whoever left a socket here is gone.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let text = format!("{}\n", path.display());
        // Written only when it differs, so that a restart needs no space on the disk.
        if std::fs::read_to_string(note).ok().as_deref() != Some(text.as_str()) {
            std::fs::write(note, text)?;
        }
        Ok(Self { listener, path })
    }

    /// Answers verbs until it is dropped; those under way go on.
    pub async fn serve(self, run: Arc<dyn Fn(Verb) -> Outcome + Send + Sync>, tracker: TaskTracker) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of files: trying again at once would only burn the processor.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
            let run = run.clone();
            tracker.spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut line = Vec::new();
                let mut read = tokio::io::BufReader::new(read.take(REQUEST_BYTES_MAX));
                let whole = tokio::time::timeout(REQUEST_TIME_MAX, read.read_until(b'\n', &mut line)).await;
                if !allowed || !matches!(whole, Ok(Ok(_))) {
                    return;
                }
                let outcome = match serde_json::from_slice::<Request>(&line) {
                    Ok(request) if request.protocol == PROTOCOL => {
                        let done = tokio::task::spawn_blocking(move || run(request.verb)).await;
                        done.unwrap_or_else(|_| Outcome::refused(&cut_off()))
                    }
                    _ => Outcome::refused(&Refusal::new(
                        "admin-protocol",
                        "the running server is of another version than this program",
                        "restart the server with the new program, or use the program that the server was started with",
                    )),
                };
                let mut answer = serde_json::to_vec(&outcome).unwrap_or_default();
                answer.push(b'\n');
                let _ = write.write_all(&answer).await;
            });
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        // The folder of our own below the temporary one; the runtime folder is not empty or not ours to remove.
        if let Some(folder) = self.path.parent().filter(|_| self.path.ends_with("admin.sock")) {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Refuses a folder that others could have made or could write: they would get our requests.
fn private_folder(socket: &Path) -> io::Result<()> {
    let Some(folder) = socket.parent() else { return Ok(()) };
    let found = std::fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is not a folder of this user alone", folder.display())))
}

fn cut_off() -> Refusal {
    Refusal::new("cut-off", "the running server did not finish this", "look into the server's log")
}

/// What asking a running server came to.
pub enum Asked {
    /// It answered.
    Answered(Outcome),
    /// Nobody listens.
    Nobody,
}

/// Asks the server that owns the data folder, if one runs. `note` is the folder's file `admin`.
pub fn ask(note: &Path, verb: &Verb) -> Asked {
    let Ok(text) = std::fs::read_to_string(note) else { return Asked::Nobody };
    let path = Path::new(text.trim_end());
    // Only a socket in a folder of our own can be the server's; root may use any user's.
    let is_root = rustix::process::geteuid().is_root();
    if !is_root && private_folder(path).is_err() {
        return Asked::Nobody;
    }
    let Ok(stream) = UnixStream::connect(path) else { return Asked::Nobody };
    Asked::Answered(exchange(stream, verb).unwrap_or_else(|_| Outcome::refused(&cut_off())))
}

fn exchange(mut stream: UnixStream, verb: &Verb) -> io::Result<Outcome> {
    let request = Request { protocol: PROTOCOL, verb: verb.clone() };
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::verbs::TenantVerb;

    fn list() -> Verb {
        Verb::Tenant(TenantVerb::List)
    }

    #[tokio::test]
    async fn a_verb_goes_in_and_its_outcome_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("admin");
        assert!(matches!(ask(&note, &list()), Asked::Nobody));
        let socket = AdminSocket::open(folder.path(), &note).expect("opens");
        let path = socket.path.clone();
        assert_eq!(std::fs::metadata(&path).expect("a socket").mode() & 0o777, 0o600);
        let run = Arc::new(|verb| match verb {
            Verb::Tenant(TenantVerb::List) => Outcome::done(json!({ "sound": true }), "Sound.\n"),
            other => panic!("{other:?}"),
        });
        let tracker = TaskTracker::new();
        let serving = tokio::spawn(socket.serve(run, tracker.clone()));
        let asked = {
            let note = note.clone();
            tokio::task::spawn_blocking(move || ask(&note, &list())).await.expect("joins")
        };
        assert!(matches!(asked, Asked::Answered(outcome) if outcome.text == "Sound.\n"));
        serving.abort();
        let _ = serving.await;
        assert!(!path.exists(), "the socket goes away with the server");
        assert!(matches!(ask(&note, &list()), Asked::Nobody));
    }

    #[tokio::test]
    async fn what_is_no_request_is_answered_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("admin");
        let socket = AdminSocket::open(folder.path(), &note).expect("opens");
        let path = socket.path.clone();
        let run = Arc::new(|_| panic!("no verb came"));
        let _serving = tokio::spawn(socket.serve(run, TaskTracker::new()));
        for request in ["\n", "{}\n", "{\"protocol\":99,\"verb\":\"fsck\"}\n"] {
            let mut stream = tokio::net::UnixStream::connect(&path).await.expect("connects");
            stream.write_all(request.as_bytes()).await.expect("writes");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.contains("admin-protocol"), "{request:?}: {answer}");
        }
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_trusted() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
        assert!(private_folder(&folder.path().join("admin.sock")).is_err());
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(private_folder(&folder.path().join("admin.sock")).is_ok());
    }
}
