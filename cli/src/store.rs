//! Tokens on disk: one file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::RegistryUrl;

/// The file is read up to this size, in bytes.
const STORE_BYTES_MAX: u64 = 1 << 20;

/// One kept token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The registry's address.
    pub url: String,
    /// Its tenant.
    pub tenant: String,
    /// Whose token.
    pub member: String,
    /// The token.
    pub token: String,
}

/// Shows everything but the token.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("url", &self.url).field("member", &self.member).finish_non_exhaustive()
    }
}

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    login: Vec<Login>,
}

/// Why tokens could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither XDG_CONFIG_HOME nor HOME is set.
    #[error("neither XDG_CONFIG_HOME nor HOME says where configuration lies")]
    NoHome,
    /// Somebody else could read the tokens.
    #[error("others may read {path}; tokens in it are no secret any more")]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The file is none of ours.
    #[error("{path} is no file of tokens: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; without any of its text, which may be a token.
        message: String,
    },
    /// The file system did not answer.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The file of tokens.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// The person's own: `$XDG_CONFIG_HOME/skill-pool/credentials.toml`, else below `~/.config`.
    ///
    /// # Errors
    /// [`StoreError::NoHome`].
    pub fn of_person() -> Result<Self, StoreError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let config = config.or_else(|| set("HOME").map(|home| home.join(".config"))).ok_or(StoreError::NoHome)?;
        Ok(Self::at(config.join("skill-pool/credentials.toml")))
    }

    /// The file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::Io { what, path, source }
    }

    /// All kept tokens; none where there is no file.
    ///
    /// # Errors
    /// [`StoreError`]; a file that others may read is refused.
    pub fn read(&self) -> Result<Vec<Login>, StoreError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read")(error)),
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(StoreError::Open { path: self.path.clone() });
        }
        let wrong = |message: &str| StoreError::Content { path: self.path.clone(), message: message.to_owned() };
        if metadata.len() > STORE_BYTES_MAX {
            return Err(wrong("too large"));
        }
        let text = fs::read_to_string(&self.path).map_err(self.failed("read"))?;
        let content: Content =
            toml::from_str(&text).map_err(|_| wrong("not the TOML that `skill-pool login` writes"))?;
        Ok(content.login)
    }

    /// Keeps `login`, in the place of another for the same address. The file is replaced whole: a crash leaves the old or
    /// the new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep(&self, login: Login) -> Result<(), StoreError> {
        let mut all = self.read()?;
        all.retain(|known| known.url != login.url);
        all.push(login);
        all.sort_by(|a, b| a.url.cmp(&b.url));
        let text = toml::to_string(&Content { login: all }).map_err(|_| StoreError::Content {
            path: self.path.clone(),
            message: "could not be written as TOML".into(),
        })?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(self.failed("make the folder of"))?;
        let temporary = self.path.with_extension(format!("toml.{}", std::process::id()));
        let written = write_private(&temporary, text.as_bytes()).and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(self.failed("write")(error));
        }
        Ok(())
    }

    /// The token for a request of git: same scheme and host, and a path below the address. Of several the longest address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, scheme: &str, host: &str, path: &str) -> Result<Option<Login>, StoreError> {
        let path = path.trim_matches('/');
        let fits = |login: &Login| {
            let Ok(url) = RegistryUrl::parse(&login.url) else { return false };
            let below = match url.path() {
                "" => true,
                own => path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            };
            url.scheme() == scheme && url.host() == host.to_ascii_lowercase() && below
        };
        Ok(self.read()?.into_iter().filter(fits).max_by_key(|login| login.url.len()))
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    // `create_new` with its mode: the file is never readable by others, not even for a moment.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(url: &str, token: &str) -> Login {
        Login { url: url.into(), tenant: "acme".into(), member: "mara".into(), token: token.into() }
    }

    #[test]
    fn a_token_is_kept_privately_and_found_for_its_address_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path().join("a/credentials.toml"));
        assert_eq!(store.read().expect("nothing"), []);
        store.keep(login("https://x.example/t/acme", "one")).expect("kept");
        store.keep(login("https://x.example/t/acme-two", "two")).expect("kept");
        store.keep(login("https://x.example/t/acme", "three")).expect("kept");
        store.keep(login("https://own.example", "four")).expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!((mode(store.path()), mode(&folder.path().join("a"))), (0o600, 0o700));
        let token = |scheme, host, path| store.find(scheme, host, path).expect("read").map(|login| login.token);
        assert_eq!(token("https", "x.example", "t/acme/git/registry.git").as_deref(), Some("three"));
        assert_eq!(token("https", "X.example", "/t/acme-two/git/log.git").as_deref(), Some("two"));
        assert_eq!(token("https", "own.example", "git/plugins/a.git").as_deref(), Some("four"));
        for (scheme, host, path) in [
            ("http", "x.example", "t/acme"),
            ("https", "x.example", "t/other"),
            ("https", "x.example", ""),
            ("https", "x.example:8443", "t/acme"),
            ("https", "evil.example", "t/acme"),
        ] {
            assert_eq!(token(scheme, host, path), None, "{scheme} {host} {path}");
        }
        assert!(!format!("{:?}", store.read()).contains("three"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(folder.path().join("credentials.toml"));
        store.keep(login("https://x.example", "one")).expect("kept");
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(store.read(), Err(StoreError::Open { .. })));
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).expect("set");
        fs::write(store.path(), "token = secret-value = 5").expect("written");
        let error = store.read().expect_err("no TOML").to_string();
        assert!(!error.contains("secret-value"), "{error}");
    }
}
