//! A temporary folder with keys, where programs run with a clean environment; and certificates made there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use skill_pool_domain::certificate::{PushCertificate, parse};
use skill_pool_domain::names::MemberId;
use skill_pool_domain::registry::{Registry, Signers};
use skill_pool_domain::timestamp::Timestamp;
use tempfile::TempDir;

pub const A: &str = "1111111111111111111111111111111111111111";
pub const B: &str = "2222222222222222222222222222222222222222";
pub const ADDRESS: &str = "https://pool.example/t/acme/git/plugins/lint.git";
/// The moment at which everything is judged: 2026-11-21 04:26:40Z.
pub const NOW: Timestamp = Timestamp(1_795_235_200_000);

pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("gnupg")).expect("a folder");
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.path().join("gnupg"), fs::Permissions::from_mode(0o700)).expect("chmod");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Runs a program with nothing of the environment but the search path.
    pub fn try_run(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a search path"))
            .env("HOME", self.folder.path())
            .env("GNUPGHOME", self.folder.path().join("gnupg"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .unwrap_or_else(|e| {
                panic!("could not run {program}: {e}\ninstall it: apt-get install git openssh-client gnupg")
            })
    }

    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let out = self.try_run(program, args);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{program} {args:?}: {stderr}");
        String::from_utf8(out.stdout).expect("text")
    }

    /// Makes an SSH key without a passphrase; the line of its public file.
    pub fn ssh_key(&self, name: &str, kind: &[&str]) -> String {
        let path = self.path(name);
        let args = [&["-q", "-N", "", "-C", "ann@laptop", "-f", path_str(&path), "-t"], kind].concat();
        self.run("ssh-keygen", &args);
        fs::read_to_string(path.with_extension("pub")).expect("a public key")
    }

    /// Signs as git does it with an SSH key.
    pub fn ssh_sign(&self, key: &str, text: &str, options: &[&str]) -> String {
        let file = self.write("text", text);
        let key = self.path(key);
        let args = [&["-Y", "sign", "-f", path_str(&key)], options, &[path_str(&file)]].concat();
        self.run("ssh-keygen", &args);
        let signature = self.path("text.sig");
        let armor = fs::read_to_string(&signature).expect("a signature");
        fs::remove_file(signature).expect("removed");
        armor
    }

    /// Runs gpg at `time`, such as `20261121T000000`.
    pub fn gpg(&self, time: &str, args: &[&str]) -> String {
        let time = format!("--faked-system-time={time}!");
        let fixed = ["--batch", "--quiet", "--no-tty", "--pinentry-mode=loopback", "--passphrase=", &time];
        self.run("gpg", &[&fixed, args].concat())
    }

    /// Signs as git does it with gpg.
    pub fn gpg_sign(&self, time: &str, key: &str, text: &str, options: &[&str]) -> String {
        let file = self.write("text", text);
        let args = [options, &["--output=-", "-bsau", key, path_str(&file)]].concat();
        self.gpg(time, &args)
    }
}

impl Drop for World {
    /// Ends the agent that gpg started for this folder.
    fn drop(&mut self) {
        if self.path("gnupg").join("private-keys-v1.d").exists() {
            let _ = self.try_run("gpgconf", &["--kill", "all"]);
        }
    }
}

pub fn path_str(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A certificate's text that moves `main`, addressed to [`ADDRESS`].
pub fn text() -> String {
    format!(
        "certificate version 0.1\npusher somebody 1795235200 +0000\npushee {ADDRESS}/\nnonce v1.nonce\n\n\
         {A} {B} refs/heads/main\n"
    )
}

pub fn certificate(text: &str, signature: &str) -> PushCertificate {
    parse(format!("{text}{signature}").as_bytes()).expect("well-formed")
}

pub fn ann() -> MemberId {
    MemberId::parse("ann").expect("a name")
}

pub fn signers(files: &[(&str, &str)]) -> Signers {
    Signers::read(files.iter().map(|(path, text)| (*path, text.as_bytes())), |_| true).expect("good files")
}

/// A tenant with ann (admin), ben (publisher) and rae (reader).
pub fn registry(signers: Signers) -> Registry {
    let json = serde_json::json!({
        "tenant": "00000000-0000-4000-8000-000000000001",
        "title": "Acme",
        "description": "",
        "visibility": "private",
        "members": {
            "ann": { "role": "admin", "groups": [] },
            "ben": { "role": "publisher", "groups": [] },
            "rae": { "role": "reader", "groups": [] },
        },
        "yanks": {},
    });
    let mut registry: Registry = serde_json::from_value(json).expect("a registry");
    registry.signers = signers;
    registry
}
