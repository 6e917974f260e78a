use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use gix::ObjectId;
use skill_pool_domain::certificate::ssh::{GIT_NAMESPACE, SshSignature};
use skill_pool_domain::timestamp::Timestamp;
use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let keys = folder.path().join("data/keys");
    (folder, keys)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

fn run(command: &mut Command, home: &Path) -> Output {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("a path"))
        .env("HOME", home)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("runs")
}

#[test]
fn keys_are_made_once_and_only_read_afterwards() {
    let (_folder, path) = folder();
    let first = Keys::open(&path, WhenAbsent::Make).expect("made");
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("signing")), 0o600);
    assert_eq!(mode(&path.join("secret")), 0o600);
    let list = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).expect("a folder").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(list(&path), ["secret", "signing", "signing.pub"]);
    // Nothing can be written here from now on, not even by root: every file and the folder keep their bytes and times.
    let times = |path: &Path| {
        list(path).iter().map(|n| path.join(n).metadata().expect("m").modified().expect("t")).collect::<Vec<_>>()
    };
    let before = times(&path);
    let second = Keys::open(&path, WhenAbsent::Make).expect("read");
    assert_eq!(times(&path), before);
    assert_eq!(first.signing().public(), second.signing().public());
    let token = first.derived_token(TokenKind::User, "demo admin");
    assert_eq!(token, second.derived_token(TokenKind::User, "demo admin"));
    assert_eq!(token.hash(&first.pepper()), token.hash(&second.pepper()));
    assert_ne!(first.derived("a"), first.derived("b"));
}

#[test]
fn two_installations_share_nothing() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let (a, b) = (Keys::open(&a, WhenAbsent::Make).expect("made"), Keys::open(&b, WhenAbsent::Make).expect("made"));
    assert_ne!(a.signing().public(), b.signing().public());
    assert_ne!(a.derived_token(TokenKind::User, "x"), b.derived_token(TokenKind::User, "x"));
}

#[test]
fn what_is_missing_beside_data_is_not_made_anew() {
    for name in ["secret", "signing"] {
        let (_folder, path) = folder();
        Keys::open(&path, WhenAbsent::Make).expect("made");
        fs::remove_file(path.join(name)).expect("removed");
        let error = Keys::open(&path, WhenAbsent::Refuse).expect_err(name);
        assert!(matches!(&error, KeysError::Missing { path: p } if *p == path.join(name)), "{error}");
        assert!(error.to_string().contains("restore it from a backup"));
    }
}

#[test]
fn what_others_may_read_is_refused_with_the_command_that_mends_it() {
    let (_folder, path) = folder();
    Keys::open(&path, WhenAbsent::Make).expect("made");
    for name in ["secret", "signing"] {
        let file = path.join(name);
        set_mode(&file, 0o640);
        let error = Keys::open(&path, WhenAbsent::Refuse).expect_err(name).to_string();
        assert!(error.ends_with(&format!("chmod 600 {}", file.display())), "{error}");
        set_mode(&file, 0o600);
    }
    set_mode(&path, 0o770);
    let error = Keys::open(&path, WhenAbsent::Refuse).expect_err("folder").to_string();
    assert!(error.ends_with(&format!("chmod 700 {}", path.display())), "{error}");
    set_mode(&path, 0o700);
    Keys::open(&path, WhenAbsent::Refuse).expect("mended");
}

#[test]
fn damage_is_found_wherever_it_is() {
    let (_folder, path) = folder();
    Keys::open(&path, WhenAbsent::Make).expect("made");
    for name in ["secret", "signing"] {
        let file = path.join(name);
        let good = fs::read(&file).expect("read");
        let mut wrong = vec![vec![], good[..good.len() / 2].to_vec(), vec![b'x'; 100_000], vec![0xFF; 40]];
        // One other character at every place; in base64 some of the last bits and the comment carry no meaning.
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] = if changed[at] == b'b' { b'c' } else { b'b' };
            wrong.push(changed);
        }
        let mut accepted = 0;
        for bytes in wrong {
            fs::write(&file, &bytes).expect("write");
            match Keys::open(&path, WhenAbsent::Refuse) {
                Err(KeysError::Damaged { path, .. }) => assert_eq!(path, file),
                Err(other) => panic!("{other}"),
                Ok(_) => accepted += 1,
            }
        }
        let harmless = if name == "signing" { 50 } else { 0 };
        assert!(accepted <= harmless, "{name}: {accepted} damaged files were taken");
        fs::write(&file, &good).expect("write");
    }
    Keys::open(&path, WhenAbsent::Refuse).expect("whole again");
}

#[test]
fn a_start_that_was_killed_leaves_nothing_in_the_way() {
    let (_folder, path) = folder();
    fs::create_dir_all(&path).expect("folder");
    fs::write(path.join("secret.new"), "half").expect("write");
    fs::write(path.join("signing.pub"), "from a key that never came to be").expect("write");
    let keys = Keys::open(&path, WhenAbsent::Make).expect("made");
    assert!(!path.join("secret.new").exists());
    let public = fs::read_to_string(path.join("signing.pub")).expect("read");
    assert!(public.starts_with(&keys.signing().public().to_openssh()));
}

#[test]
fn nothing_prints_a_secret() {
    let (_folder, path) = folder();
    let keys = Keys::open(&path, WhenAbsent::Make).expect("made");
    let shown = format!("{keys:?} {:?} {:?}", keys.pepper(), keys.nonce_key());
    assert_eq!(
        shown,
        format!(
            "Keys {{ signing: SigningKey({}), secret: Secret(…) }} Pepper(…) NonceKey(…)",
            keys.signing().public().fingerprint()
        )
    );
}

#[test]
fn ssh_keygen_reads_the_key_and_agrees_on_its_public_part() {
    let (folder, path) = folder();
    let keys = Keys::open(&path, WhenAbsent::Make).expect("made");
    let out =
        run(Command::new("ssh-keygen").arg("-y").arg("-P").arg("").arg("-f").arg(path.join("signing")), folder.path());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let line = String::from_utf8(out.stdout).expect("text");
    assert_eq!(line, format!("{} {REGISTRY_PRINCIPAL}\n", keys.signing().public().to_openssh()));
    // And we read what ssh-keygen writes, so that a key can be brought along.
    fs::remove_file(path.join("signing")).expect("removed");
    let out = run(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "a comment of another length", "-f"])
            .arg(path.join("signing")),
        folder.path(),
    );
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let brought = Keys::open(&path, WhenAbsent::Refuse).expect("read");
    let line = fs::read_to_string(path.join("signing.pub")).expect("read");
    assert!(line.starts_with(&brought.signing().public().to_openssh()), "{line}");
}

#[test]
fn git_verifies_a_release_tag() {
    let (folder, path) = folder();
    let keys = Keys::open(&path, WhenAbsent::Make).expect("made");
    let repository = folder.path().join("repository");
    let git = |args: &[&str]| run(Command::new("git").arg("-C").arg(&repository).args(args), folder.path());
    fs::create_dir(&repository).expect("folder");
    assert!(git(&["init", "-q", "-b", "main"]).status.success());
    let out = git(&["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let commit = String::from_utf8(git(&["rev-parse", "HEAD"]).stdout).expect("text");
    let tag = ReleaseTag {
        commit: ObjectId::from_hex(commit.trim().as_bytes()).expect("an id"),
        name: "lint--v1.4.0",
        message: "lint 1.4.0\n\n-----BEGIN SSH SIGNATURE-----\nIt says \u{1b}[31mred.\n\n",
        at: Timestamp(1_790_000_000_123),
    };
    let bytes = keys.signing().sign_tag(&tag);
    assert_eq!(bytes, keys.signing().sign_tag(&tag));
    let (text, signature) = bytes.split_at(bytes.windows(10).position(|w| w == b"-----BEGIN").expect("signed"));
    assert_eq!(
        String::from_utf8_lossy(text),
        format!(
            "object {}\ntype commit\ntag lint--v1.4.0\ntagger skill-pool <{REGISTRY_PRINCIPAL}> 1790000000 +0000\n\n\
             lint 1.4.0\n\nIt says [31mred.\n",
            commit.trim()
        )
    );
    let signature = SshSignature::parse(signature).expect("a signature");
    assert_eq!(signature.verify(keys.signing().public(), GIT_NAMESPACE, text), Ok(()));

    fs::write(folder.path().join("tag"), &bytes).expect("write");
    fs::write(folder.path().join("allowed"), keys.signing().allowed_signers_line()).expect("write");
    let tag_file = folder.path().join("tag");
    let id = git(&["hash-object", "-t", "tag", "-w", tag_file.to_str().expect("utf-8")]);
    let id = String::from_utf8(id.stdout).expect("text");
    assert!(git(&["update-ref", "refs/tags/lint--v1.4.0", id.trim()]).status.success());
    let allowed = format!("gpg.ssh.allowedSignersFile={}", folder.path().join("allowed").display());
    let out = git(&["-c", &allowed, "verify-tag", "lint--v1.4.0"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.starts_with("Good \"git\" signature for registry@"), "{said}");
    let out = git(&["fsck", "--strict"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
