use super::*;
use crate::names::{TenantName, Version};
use crate::tree::{Mode, Tree, TreeFile};

const ID: &str = "0192d5a0-0000-7000-8000-000000000001";

fn tree(files: &[(&str, &str)]) -> Tree {
    let file = |(path, text): &(&str, &str)| TreeFile {
        path: path.as_bytes().to_vec(),
        mode: Mode::File,
        size_bytes: text.len() as u64,
        content: Some(text.as_bytes().to_vec()),
    };
    Tree::new(files.iter().map(file).collect())
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB bob\n";

/// A valid state with `files` added or put in place of its own.
fn with(files: &[(&str, &str)]) -> Tree {
    let own = format!("# Ours.\ntenant = \"{ID}\"\ntitle = \"Acme\"\nvisibility = \"private\" # for now\n");
    let mut all = BTreeMap::from([("registry.toml", own.as_str()), ("members/ann.toml", "role = \"admin\"\n")]);
    all.extend(files.iter().copied());
    tree(&all.into_iter().collect::<Vec<_>>())
}

fn told(files: &[(&str, &str)]) -> Vec<String> {
    let findings = Registry::read(&with(files)).expect_err("is refused");
    findings.iter().map(|f| format!("{} {}: {} | {}", f.rule, f.place(), f.message, f.fix)).collect()
}

fn apply(tree: &Tree, changes: &Changes) -> Tree {
    let kept = tree.files().iter().filter(|file| !changes.contains_key(file.path_str().expect("text"))).cloned();
    let new = changes.iter().filter_map(|(path, content)| {
        let content = content.clone()?;
        let size_bytes = content.len() as u64;
        Some(TreeFile { path: path.clone().into_bytes(), mode: Mode::File, size_bytes, content: Some(content) })
    });
    Tree::new(kept.chain(new).collect())
}

fn text_of<'a>(tree: &'a Tree, path: &str) -> &'a str {
    tree.get(path).and_then(TreeFile::text).expect("a text")
}

#[test]
fn a_whole_state_is_read() {
    let registry = Registry::read(&with(&[
        ("members/bob.toml", "role = \"publisher\"\ngroups = [\"web\", \"security\", \"web\"]\n"),
        ("status/lint/1.2.0.toml", "yanked = \"deletes files\"\n"),
        (
            "policy.toml",
            "[rules]\nversion-missing = \"refuse\"\n[push]\nprotected = [\"release-*\"]\napprovals = 0\ncertificates = \"always\"\n",
        ),
        ("signers/ann/laptop.pub", KEY),
        ("projects/shop/project.toml", "anything"),
        ("theme/logo.svg", "<svg/>"),
        ("OWNERS", "* ann\n"),
        ("README.md", "# Acme\n"),
        ("members/README.md", "Who is here.\n"),
    ]))
    .expect("valid");
    assert_eq!(registry.title, "Acme");
    assert_eq!(registry.visibility, Visibility::Private);
    let bob = &registry.members[&MemberId::parse("bob").expect("a name")];
    assert_eq!((bob.role, bob.groups.as_slice()), (Role::Publisher, &["security".to_owned(), "web".to_owned()][..]));
    let lint = PluginName::parse("lint").expect("a name");
    assert_eq!(registry.yanks[&lint]["1.2.0"], "deletes files");
    assert!(registry.protection.covers("release-2"));
    assert_eq!(registry.certificates, CertificateDemand::Always);
    assert_eq!(registry.gate.level("version-missing"), gate::Level::Refuse);
    let json = serde_json::to_string(&registry).expect("JSON");
    assert_eq!(serde_json::from_str::<Registry>(&json).expect("the same"), registry);
}

#[test]
fn every_unknown_thing_names_the_nearest_known_one() {
    assert_eq!(
        told(&[
            ("registry.toml", &format!("tenant = \"{ID}\"\nvisiblity = \"public\"\n")),
            ("members/bob.toml", "role = \"reader\"\n\ngroup = []\n"),
            ("policy.toml", "[push]\nprotect = []\n[rulez]\n"),
            ("status/lint/1.0.0.toml", "yanked = \"x\"\nreason = \"y\"\n"),
            ("polcy.toml", ""),
            ("member/eve.toml", "role = \"admin\"\n"),
        ]),
        [
            "registry-path member/eve.toml: the registry reads no `member/` | did you mean `members/`?",
            "registry-path polcy.toml: the registry reads no `polcy.toml` | did you mean `policy.toml`?",
            "registry-key registry.toml:2: `visiblity` is not a key | did you mean `visibility`?",
            "registry-key members/bob.toml:3: `group` is not a key | did you mean `groups`?",
            "registry-key status/lint/1.0.0.toml:2: `reason` is not a key | the keys here are `yanked`",
            "registry-key policy.toml:3: `rulez` is not a key | did you mean `rules`?",
            "registry-key policy.toml:2: `protect` is not a key in [push] | did you mean `protected`?",
        ]
    );
}

#[test]
fn every_wrong_value_says_what_is_expected() {
    assert_eq!(
        told(&[
            ("registry.toml", "tenant = \"acme\"\nvisibility = \"open\"\ntitle = 3\n"),
            ("members/Bob.toml", "role = \"reader\"\n"),
            ("members/cid.toml", "role = \"publishr\"\n"),
            ("members/dan.toml", "groups = []\n"),
            ("members/eve.toml", "role = \"reader\"\ngroups = \"web\"\n"),
            ("members/fay.toml", "role = \n"),
            ("members/deep/gus.toml", "role = \"reader\"\n"),
            ("status/lint/1.0.toml", "yanked = \"x\"\n"),
            ("status/lint/1.0.0.toml", "yanked = \" \"\n"),
            (
                "policy.toml",
                "[push]\napprovals = 1\ncertificates = \"sometimes\"\nprotected = [\"a b\"]\n[limits]\nfiles_max = 0\n"
            ),
        ]),
        [
            "registry-value registry.toml:1: `tenant` is not the tenant's id, a UUID that never changes | write the tenant's id, a UUID that never changes",
            "registry-value registry.toml:2: `visibility` is not \"private\" or \"public\" | write \"private\" or \"public\"",
            "registry-value registry.toml:3: `title` is not a text in quotes | write a text in quotes",
            "registry-path members/Bob.toml: member name `Bob` has `B` at 1; use a-z, 0-9 and single `-` between them | rename the file to the member's id",
            "registry-value members/cid.toml:1: `publishr` is no role; there are `reader`, `publisher`, `reviewer` and `admin` | write role = \"publisher\"",
            "registry-value members/dan.toml: `role` is missing | add a line such as role = \"reader\"",
            "registry-path members/deep/gus.toml: a member's file is called members/<id>.toml | rename it or take it out",
            "registry-value members/eve.toml:2: `groups` is not a list of texts, such as [\"security\"] | write a list of texts, such as [\"security\"]",
            "registry-syntax members/fay.toml:1: this is not TOML: string values must be quoted, expected literal string | see https://toml.io for the form",
            "registry-value status/lint/1.0.0.toml:1: `yanked` is not the reason, in a sentence | write the reason, in a sentence",
            "registry-path status/lint/1.0.toml: `1.0` is not a semantic version such as 1.4.0 | name the file like the release",
            "registry-policy policy.toml:6: [limits] files_max: expected a whole number from 1 to 50000 | write a whole number from 1 to 50000",
            "registry-value policy.toml:4: [push] protected is not a list of branches, such as [\"release-*\"] | write a list of branches, such as [\"release-*\"]",
            "registry-value policy.toml:2: [push] approvals is not 0, since this registry takes no merge requests | write 0, since this registry takes no merge requests",
            "registry-value policy.toml:3: [push] certificates is not \"if-registered\", \"always\" or \"never\" | write \"if-registered\", \"always\" or \"never\"",
        ]
    );
}

#[test]
fn a_state_that_locks_everybody_out_is_refused() {
    let lockout = "registry-admin members: nobody would be an admin: all would be locked out \
                   | give somebody `role = \"admin\"` in members/<id>.toml";
    assert_eq!(told(&[("members/ann.toml", "role = \"reviewer\"\n")]), [lockout]);
    let always = ("policy.toml", "[push]\ncertificates = \"always\"\n");
    let unsigned = "registry-admin policy.toml: pushes must be signed, but no admin has a key in signers/: all would be \
                    locked out | add signers/<admin>/<name>.pub, or write certificates = \"if-registered\"";
    assert_eq!(told(&[always]), [unsigned]);
    let bobs = [("members/bob.toml", "role = \"publisher\"\n"), ("signers/bob/laptop.pub", KEY)];
    assert_eq!(told(&[&[always], &bobs[..]].concat()), [unsigned]);
    assert!(Registry::read(&with(&[always, ("signers/ann/laptop.pub", KEY)])).is_ok());
    let nothing = Registry::read(&tree(&[])).expect_err("nothing there");
    assert_eq!(nothing.iter().map(|f| f.rule).collect::<Vec<_>>(), ["registry-missing", "registry-admin"]);
    let registry = Registry::read(&with(&[])).expect("valid");
    assert_eq!(judge_change(registry.tenant, &registry), []);
    let other = judge_change("0192d5a0-0000-7000-8000-00000000000f".parse().expect("an id"), &registry);
    assert_eq!(other[0].fix, "write tenant = \"0192d5a0-0000-7000-8000-00000000000f\"");
}

#[test]
fn hostile_trees_are_bounded_and_never_panic() {
    let long = "x".repeat(70 << 10);
    let wide = "[a]\n".to_owned() + &"[[b]]\n".repeat(5_000);
    let deep = format!("role = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    for text in [long.as_str(), &wide, &deep, "role = \"\\u001b\"", "role"] {
        assert!(Registry::read(&with(&[("members/eve.toml", text)])).is_err(), "{:.20}", text);
    }
    let mut files = with(&[]).files().to_vec();
    files.push(TreeFile { path: b"members/\xff\x1b".to_vec(), mode: Mode::File, size_bytes: 0, content: Some(vec![]) });
    files.push(TreeFile { path: b"OWNERS".to_vec(), mode: Mode::Link, size_bytes: 1, content: Some(b"x".to_vec()) });
    files.push(TreeFile { path: b"members/bob.toml".to_vec(), mode: Mode::File, size_bytes: 9 << 20, content: None });
    let findings = Registry::read(&Tree::new(files)).expect_err("refused");
    let places: Vec<String> = findings.iter().map(|f| format!("{} {}", f.rule, f.path)).collect();
    assert_eq!(
        places,
        ["registry-path OWNERS", "registry-path members/\\xff\\u{1b}", "registry-size members/bob.toml"]
    );
    let many: Vec<TreeFile> = (0..25_000)
        .map(|n| TreeFile { path: format!("x{n}").into_bytes(), mode: Mode::File, size_bytes: 0, content: None })
        .collect();
    assert!(Registry::read(&Tree::new(many)).expect_err("too many").len() <= 3);
}

#[test]
fn a_new_tenant_has_one_admin_and_the_templates_files() {
    let template = tree(&[
        ("registry.toml", "# What people see.\nvisibility = \"private\"\n"),
        ("policy.toml", "# Nothing is demanded.\n"),
        ("members/README.md", "…"),
    ]);
    let (name, admin) = (TenantName::parse("acme").expect("a name"), MemberId::parse("ann").expect("a name"));
    let first = genesis(&template, ID.parse().expect("an id"), &name, &admin);
    let registry = Registry::read(&first).expect("valid");
    assert_eq!((registry.tenant.to_string().as_str(), registry.title.as_str()), (ID, "acme"));
    assert_eq!(registry.members.keys().collect::<Vec<_>>(), [&admin]);
    assert!(text_of(&first, "registry.toml").ends_with("\n# What people see.\nvisibility = \"private\"\n"));
    assert!(first.get("policy.toml").is_some());
    assert!(Registry::read(&genesis(&Tree::default(), registry.tenant, &name, &admin)).is_ok());
}

#[test]
fn edits_change_one_thing_and_keep_what_people_wrote() {
    let before = with(&[("members/bob.toml", "# A guest.\nrole = 'reader' # until May\ngroups = [\"web\"]\n")]);
    let registry = Registry::read(&before).expect("valid");
    let (ann, bob) = (MemberId::parse("ann").expect("a name"), MemberId::parse("bob").expect("a name"));

    let changes = with_member(&before, &registry, &bob, Role::Publisher).expect("may");
    let after = apply(&before, &changes);
    let expected = "# A guest.\nrole = \"publisher\" # until May\ngroups = [\"web\"]\n";
    assert_eq!(text_of(&after, "members/bob.toml"), expected);
    let registry = Registry::read(&after).expect("valid");
    assert_eq!(with_member(&after, &registry, &bob, Role::Publisher), Ok(Changes::new()), "nothing to do");

    let public = apply(&after, &with_visibility(&after, &registry, Visibility::Public));
    let head = format!("# Ours.\ntenant = \"{ID}\"\ntitle = \"Acme\"\nvisibility = \"public\" # for now\n");
    assert_eq!(text_of(&public, "registry.toml"), head);
    let registry = Registry::read(&public).expect("valid");
    assert!(with_visibility(&public, &registry, Visibility::Public).is_empty());

    let refused = with_member(&public, &registry, &ann, Role::Reader).expect_err("the last admin");
    assert_eq!((refused.code, refused.place.as_str()), ("last-admin", "members/ann.toml"));
    assert!(without_member(&public, &registry, &ann).is_err());
    assert_eq!(
        without_member(&public, &registry, &MemberId::parse("bobb").expect("a name")).expect_err("absent").remedy,
        "did you mean `bob`?"
    );
    let gone = apply(&public, &without_member(&public, &registry, &bob).expect("may"));
    assert!(gone.get("members/bob.toml").is_none());
    assert!(Registry::read(&gone).is_ok());
}

#[test]
fn a_member_goes_with_their_keys() {
    let before = with(&[("members/bob.toml", "role = \"reader\"\n"), ("signers/bob/laptop.pub", KEY)]);
    let registry = Registry::read(&before).expect("valid");
    let bob = MemberId::parse("bob").expect("a name");
    let changes = without_member(&before, &registry, &bob).expect("may");
    assert_eq!(changes.keys().collect::<Vec<_>>(), ["members/bob.toml", "signers/bob/laptop.pub"]);
    let orphan = with(&[("signers/bob/laptop.pub", KEY)]);
    assert_eq!(Registry::read(&orphan).expect_err("no member")[0].rule, "registry-signer");
}

#[test]
fn a_yank_has_a_reason_and_can_be_taken_back() {
    let before = with(&[]);
    let registry = Registry::read(&before).expect("valid");
    let lint = PluginName::parse("lint").expect("a name");
    let version = Version::parse("1.2.0").expect("a version");
    for wrong in ["", "  ", "a\nb", &"x".repeat(501)] {
        assert!(with_yank(&registry, &lint, &version, wrong).is_err(), "{wrong:?}");
    }
    let changes = with_yank(&registry, &lint, &version, " says \"no\" \\ ü ").expect("may");
    let after = apply(&before, &changes);
    let registry = Registry::read(&after).expect("valid");
    assert_eq!(registry.yanks[&lint]["1.2.0"], "says \"no\" \\ ü");
    assert_eq!(with_yank(&registry, &lint, &version, "says \"no\" \\ ü"), Ok(Changes::new()));
    let back = apply(&after, &without_yank(&registry, &lint, &version));
    assert_eq!(back, before);
    assert!(without_yank(&Registry::read(&back).expect("valid"), &lint, &version).is_empty());
}
