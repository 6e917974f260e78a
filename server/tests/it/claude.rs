//! The real Claude Code, two versions of it, in a fresh home: adds the marketplace, installs, updates, and says what it sees.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::clients::clients_folder;
use crate::world::{World, borrowed, plugin, said, wait_until};

/// The versions that the lock file of `.ci/clients` pins: the newest when it was written, and the oldest that we promise.
const VERSIONS: [&str; 2] = ["new", "old"];

fn client(version: &str) -> PathBuf {
    let machine = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let program = clients_folder().join(format!("node_modules/claude-{version}-{machine}/claude"));
    assert!(program.is_file(), "{} is missing; run .ci/fetch", program.display());
    program
}

/// One person's machine.
struct Person<'a> {
    world: &'a World,
    home: PathBuf,
    version: &'static str,
}

impl<'a> Person<'a> {
    fn new(world: &'a World, version: &'static str) -> Self {
        Self { world, home: world.folder(&format!("home-{version}")), version }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.world.command(program);
        command
            .env("HOME", &self.home)
            .env("GIT_CONFIG_GLOBAL", self.home.join(".gitconfig"))
            .current_dir(&self.home)
            // What is not our server ends nowhere.
            .envs([("HTTPS_PROXY", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9")])
            .envs([("NO_PROXY", "127.0.0.1,localhost"), ("no_proxy", "127.0.0.1,localhost")])
            .envs([("DISABLE_AUTOUPDATER", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")]);
        command
    }

    fn try_claude(&self, arguments: &[&str]) -> Output {
        self.command(client(self.version)).args(arguments).output().expect("the client starts")
    }

    fn claude(&self, arguments: &[&str]) -> String {
        let output = self.try_claude(arguments);
        assert!(output.status.success(), "{} claude {arguments:?}: {}", self.version, said(&output));
        said(&output)
    }

    /// Stores a token where git, and so the client, finds it.
    fn stores_token(&self, token: &str) {
        let host = self.world.printed.url.strip_prefix("http://").expect("plain http");
        fs::write(self.home.join(".git-credentials"), format!("http://x:{token}@{host}\n")).expect("a file");
        fs::write(self.home.join(".gitconfig"), "[credential]\n\thelper = store\n").expect("a file");
    }

    /// What the client says is installed: name with marketplace, version, folder.
    fn installed(&self) -> Vec<(String, String, PathBuf)> {
        let said = said_on_stdout(&self.try_claude(&["plugin", "list", "--json"]));
        let array = said.find('[').zip(said.rfind(']')).map(|(from, to)| &said[from..=to]);
        let list: Value =
            array.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| panic!("no list: {said}"));
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let entries = list.as_array().expect("a list");
        entries
            .iter()
            .map(|entry| (text(entry, "id"), text(entry, "version"), text(entry, "installPath").into()))
            .collect()
    }

    /// The folder of one installed plugin at a version.
    fn folder_of(&self, id: &str, version: &str) -> PathBuf {
        let installed = self.installed();
        let found = installed.iter().find(|(name, at, _)| name == id && at == version);
        found.unwrap_or_else(|| panic!("{} has not {id} {version} but {installed:?}", self.version)).2.clone()
    }

    /// What the session hook tells this person.
    fn session_hook(&self) -> String {
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("hooks/session-start.sh");
        let output = self.command(hook).arg("--text").output().expect("a shell");
        assert!(output.status.success());
        said_on_stdout(&output)
    }
}

fn said_on_stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn same_files(folder: &Path, files: &[(String, String)]) {
    for (path, text) in files {
        let is_executable = path.ends_with('*');
        let file = folder.join(path.trim_end_matches('*'));
        assert_eq!(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())), text);
        let mode = fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o100 != 0, is_executable, "{} has mode {mode:o}", file.display());
    }
}

/// Publishes a version and waits until the catalog has it.
fn publish(world: &World, name: &str, version: &str) -> Vec<(String, String)> {
    let files = plugin(name, version);
    let folder = world.path(name);
    if folder.exists() {
        world.commit(&folder, &borrowed(&files), version);
    } else {
        world.repository(name, &borrowed(&files));
    }
    let address = world.with_token(&world.printed.tokens.publisher, &format!("git/plugins/{name}.git"));
    world.git(&folder, &["push", "--quiet", &address, "HEAD:main"]);
    wait_until("the catalog to have it", || {
        let (status, body) = world.get(".claude-plugin/marketplace.json", Some(&world.printed.tokens.reader));
        assert_eq!(status, 200, "{body}");
        let catalog: Value = serde_json::from_str(&body).expect("JSON");
        let entries = catalog["plugins"].as_array().expect("a list");
        entries.iter().any(|entry| entry["name"] == name && entry["version"] == version).then_some(())
    });
    files
}

#[test]
fn the_starter_set_passes_the_clients_own_validator() {
    let home = tempfile::tempdir().expect("a home");
    let plugins =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("registry-template/plugins");
    let mut judged = 0;
    for entry in fs::read_dir(plugins).expect("the starter set") {
        let folder = entry.expect("an entry").path();
        for version in VERSIONS {
            let mut command = Command::new(client(version));
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home.path());
            let output =
                command.args(["plugin", "validate", "--strict"]).arg(&folder).output().expect("the client starts");
            assert!(output.status.success(), "{version} about {}: {}", folder.display(), said(&output));
            judged += 1;
        }
    }
    assert!(judged >= 20, "{judged}");
}

#[test]
fn a_private_tenant_is_installed_from_with_one_credential() {
    let world = World::private();
    let tenant = world.printed.tenant.clone();
    let id = format!("greeter@{tenant}");
    let first = publish(&world, "greeter", "1.0.0");
    let catalog = world.printed.marketplace_git_url.clone();
    let people = VERSIONS.map(|version| Person::new(&world, version));
    for person in &people {
        let refused = person.try_claude(&["plugin", "marketplace", "add", &catalog]);
        assert!(!refused.status.success(), "without a credential nothing is added: {}", said(&refused));

        person.stores_token(&world.printed.tokens.reader);
        person.claude(&["plugin", "marketplace", "add", &catalog]);
        person.claude(&["plugin", "install", &id]);
        same_files(&person.folder_of(&id, "1.0.0"), &first);
        assert_eq!(person.session_hook(), "", "all is current");
    }
    let second = publish(&world, "greeter", "1.1.0");
    for person in &people {
        let expected = format!("skill-pool: {tenant}: greeter 1.0.0 -> 1.1.0; update with: claude plugin update {id}");
        // The repository of the catalog follows the catalog.
        wait_until("the hook to see the release", || (person.session_hook() == expected).then_some(()));
        person.claude(&["plugin", "marketplace", "update", &tenant]);
        person.claude(&["plugin", "update", &id]);
        same_files(&person.folder_of(&id, "1.1.0"), &second);
        assert_eq!(person.session_hook(), "", "all is current again");

        person.stores_token("skp_0000000000000000000000000000000000000000");
        let refused = person.try_claude(&["plugin", "install", &format!("docs@{tenant}")]);
        assert!(!refused.status.success(), "a wrong token opens nothing: {}", said(&refused));
    }
}

#[test]
fn a_public_tenant_is_installed_from_without_any() {
    let world = World::public();
    let tenant = world.printed.tenant.clone();
    let first = publish(&world, "greeter", "1.0.0");
    for version in VERSIONS {
        let person = Person::new(&world, version);
        person.claude(&["plugin", "marketplace", "add", &world.printed.marketplace_url]);
        person.claude(&["plugin", "install", &format!("greeter@{tenant}")]);
        same_files(&person.folder_of(&format!("greeter@{tenant}"), "1.0.0"), &first);
        // The starter set, with its hook, its server and its executable scripts.
        for name in ["git-hygiene", "sqlite-explorer"] {
            person.claude(&["plugin", "install", &format!("{name}@{tenant}")]);
        }
        let folder = person.folder_of(&format!("git-hygiene@{tenant}"), "1.0.0");
        let mode = fs::metadata(folder.join("hooks/session-note.sh")).expect("the hook").permissions().mode();
        assert_ne!(mode & 0o100, 0, "the hook is executable");
        assert_eq!(person.session_hook(), "", "all is current");
    }
}
