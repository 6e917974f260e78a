//! Signed pushes against the running server: as people make them with stock git, and as nobody should.

mod crafted;
mod people;
mod request;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::world::{World, said};

/// A world with a plugin repository, and the publisher's keys at hand. Nothing is registered yet.
struct Scene {
    world: World,
    /// The publisher's id: the name of a file in `members/`.
    publisher: String,
    /// A work tree with a plugin that was not pushed.
    work: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let world = World::private();
        let files = crate::world::plugin("greeter", "1.0.0");
        let work = world.repository("greeter", &crate::world::borrowed(&files));
        let registry = clone_registry(&world, "registry-to-read");
        let publisher = member_with_role(&registry, "publisher");
        Self { world, publisher, work }
    }

    /// The plugin repository's address, with the publisher's token in it.
    fn remote(&self) -> String {
        self.world.with_token(&self.world.printed.tokens.publisher, "git/plugins/greeter.git")
    }

    /// Makes an SSH key; its public line.
    fn ssh_key(&self, name: &str, kind: &[&str]) -> String {
        let path = self.world.path(name);
        let mut command = self.world.command("ssh-keygen");
        command.args(["-q", "-N", "", "-C", "somebody", "-f"]).arg(&path).arg("-t").args(kind);
        assert!(command.output().expect("openssh-client is installed").status.success());
        fs::read_to_string(path.with_extension("pub")).expect("a public key")
    }

    /// Signs a text with an SSH key, as git does it.
    fn ssh_sign(&self, key: &str, namespace: &str, text: &str) -> String {
        let file = self.world.path("to-sign");
        fs::write(&file, text).expect("written");
        let mut command = self.world.command("ssh-keygen");
        let output = command.args(["-Y", "sign", "-n", namespace, "-f"]).arg(self.world.path(key)).arg(&file).output();
        let output = output.expect("openssh-client is installed");
        assert!(output.status.success(), "{}", said(&output));
        let signature = self.world.path("to-sign.sig");
        let armor = fs::read_to_string(&signature).expect("a signature");
        fs::remove_file(signature).expect("removed");
        armor
    }

    /// Commits files to `registry.git` as the admin and pushes with these further arguments.
    fn configure(&self, files: &[(&str, &str)], arguments: &[&str]) -> Output {
        let name = format!(
            "registry-{}",
            fs::read_dir(self.world.path("home").parent().expect("root")).expect("list").count()
        );
        let registry = clone_registry(&self.world, &name);
        self.world.commit(&registry, files, "configure");
        self.world.try_git(&registry, &[&["push"], arguments, &["origin", "HEAD:main"]].concat())
    }

    /// Registers keys of the publisher.
    fn register(&self, files: &[(&str, &str)]) {
        let files: Vec<_> =
            files.iter().map(|(name, text)| (format!("signers/{}/{name}", self.publisher), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let output = self.configure(&files, &[]);
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Pushes the plugin, signed with an SSH key of the world.
    fn push_signed(&self, key: &str, arguments: &[&str]) -> Output {
        let signing = format!("user.signingKey={}", self.world.path(&format!("{key}.pub")).display());
        let remote = self.remote();
        let fixed = ["-c", "gpg.format=ssh", "-c", &signing, "push", "--signed", &remote];
        self.world.try_git(&self.work, &[&fixed, arguments].concat())
    }

    /// Raises the plugin's version, so that the next push to main has something to release.
    fn raise(&self, version: &str) {
        let files = crate::world::plugin("greeter", version);
        self.world.commit(&self.work, &crate::world::borrowed(&files), version);
    }

    /// The value of a ref as the server advertises it; empty when there is none.
    fn value(&self, name: &str) -> String {
        let listed = self.world.git(&self.work, &["ls-remote", &self.remote(), name]);
        listed.split('\t').next().unwrap_or_default().to_owned()
    }
}

fn clone_registry(world: &World, name: &str) -> PathBuf {
    let remote = world.with_token(&world.printed.tokens.admin, "git/registry.git");
    let root = world.folder(".");
    world.git(&root, &["clone", "--quiet", &remote, name]);
    world.path(name)
}

fn member_with_role(registry: &Path, role: &str) -> String {
    let wanted = format!("role = \"{role}\"");
    let all = fs::read_dir(registry.join("members")).expect("members").map(|entry| entry.expect("entry").path());
    let mut files = all.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let file = files.find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&wanted)));
    file.expect("there is one").file_stem().expect("a name").to_str().expect("text").to_owned()
}

#[track_caller]
fn assert_accepted(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// The push failed, and git showed every one of these lines.
#[track_caller]
fn assert_refused(output: &Output, lines: &[&str]) {
    let said = said(output);
    assert!(!output.status.success(), "{said}");
    for line in lines {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
}
