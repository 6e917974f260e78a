use proptest::prelude::*;

use super::*;
use crate::digest::Sha256;
use crate::names::{LeafIndex, MemberId, PluginName, RefName, RepositoryId, RepositoryName, TenantId, Version};

const TENANT: &str = "0192d5a0-0000-7000-8000-000000000001";

fn tenant() -> TenantId {
    TENANT.parse().expect("an id")
}

fn repo(n: u128) -> RepositoryId {
    RepositoryId(uuid::Uuid::from_u128(n))
}

fn sha1(n: u8) -> GitId {
    GitId::Sha1([n; 20])
}

/// Every version 1 leaf in the fixture, as it was written for ever.
fn written() -> Vec<&'static [u8]> {
    let all: &[u8] = include_bytes!("../../tests/fixtures/leaf/v1.txt");
    let starts: Vec<usize> = (0..all.len()).filter(|at| all[*at..].starts_with(b"skill-pool/leaf/")).collect();
    let ends = starts.iter().skip(1).copied().chain([all.len()]);
    starts.iter().zip(ends).map(|(start, end)| &all[*start..end]).collect()
}

#[test]
fn leaves_written_once_are_read_for_ever() {
    let leaves: Vec<Leaf> = written().into_iter().map(|bytes| Leaf::parse(bytes).expect("a leaf")).collect();
    for (leaf, bytes) in leaves.iter().zip(written()) {
        assert_eq!(leaf.text().as_bytes(), bytes);
    }
    let kinds: Vec<Kind> = leaves.iter().map(|leaf| leaf.kind).collect();
    for kind in Kind::ALL {
        assert!(kinds.contains(&kind), "{kind:?} is in the fixture");
    }
    assert_eq!(leaves[0].hash().to_string(), "1745a104a8d8c7e11b1eb6d33d7bd025169d276cd6bbe4d60e4f28e55d7b2551");
    assert_eq!(leaves[3].hash().to_string(), "28f906fbb94db838fa267fc54c6b51555b0ac75e7b8e190fecd37a662e8b51bb");
    let state = fold(&leaves).expect("they follow each other").expect("there are some");
    assert_eq!((state.size, state.policy, state.restored), (leaves.len() as u64, Some(LeafIndex(2)), 1));
}

#[test]
fn a_push_that_releases_is_explained() {
    let leaves: Vec<Leaf> = written().into_iter().map(|bytes| Leaf::parse(bytes).expect("a leaf")).collect();
    let state = fold(&leaves[..9]).expect("they follow").expect("some");
    let (id, lint) = state.by_name(&RepositoryName::Plugin(PluginName::parse("lint").expect("a name"))).expect("lint");
    assert_eq!(id, repo(0xa2));
    let version = Version::parse("1.4.0").expect("a version");
    let release = &lint.releases[&version];
    assert_eq!(release.yanked, None);
    assert_eq!((release.leaf, release.newest), (LeafIndex(5), LeafIndex(8)));
    assert_eq!(lint.refs[&RefName::main()].value, release.commit);
    assert_eq!(state.by_name(&RepositoryName::Registry).map(|(id, _)| id), Some(repo(0xa1)));
    let yanked = fold(&leaves[..8]).expect("they follow").expect("some");
    assert_eq!(
        yanked.repositories[&repo(0xa2)].releases[&version].yanked,
        Some((LeafIndex(7), "leaks a key".to_owned()))
    );
}

fn text_of(lines: &[(&str, &str)]) -> String {
    let base = String::from_utf8(written()[4].to_vec()).expect("text");
    base.lines()
        .map(|line| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let value = lines.iter().find(|(k, _)| *k == key).map_or(value, |(_, v)| v);
            if value.is_empty() { format!("{key}\n") } else { format!("{key} {value}\n") }
        })
        .collect()
}

#[test]
fn other_texts_are_no_leaves() {
    let good = text_of(&[]);
    assert!(Leaf::parse(good.as_bytes()).is_ok());
    let zeros = format!("sha256:{}", "0".repeat(64));
    for (key, wrong) in [
        ("kind", "ref-updates"),
        ("kind", "-"),
        ("kind", "genesis"),
        ("kind", "yank"),
        ("kind", "release"),
        ("tenant", "0192D5A0-0000-7000-8000-000000000001"),
        ("tenant", "0192d5a0000070008000000000000001"),
        ("tenant", "-"),
        ("seq", "04"),
        ("seq", "0"),
        ("time", "1790000240.5"),
        ("repo", "-"),
        ("name", "Lint"),
        ("ref", "main"),
        ("old", "0000000000000000000000000000000000000000"),
        ("old", "-"),
        ("new", "sha1:ABCD"),
        ("tree", "sha1:0000000000000000000000000000000000000000"),
        ("version", "1.0.0"),
        ("prev", "4"),
        ("policy", "5"),
        ("cert", "-"),
        ("signer", "-"),
        ("actor", "mia"),
        ("review", &zeros),
        ("gate", &zeros),
        ("caps", "x"),
        ("ext", "because"),
    ] {
        assert!(Leaf::parse(text_of(&[(key, wrong)]).as_bytes()).is_err(), "{key} {wrong}");
    }
    for wrong in [
        String::new(),
        good.replace("leaf/v1", "leaf/v2"),
        good.replace('\n', "\r\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}more -\n"),
        format!("\u{feff}{good}"),
        good.replacen("kind ", "kind  ", 1),
        good.replacen("ext -", "ext - ", 1),
        good.replacen("caps", "ext", 1),
        good.lines().filter(|line| !line.starts_with("review")).map(|line| format!("{line}\n")).collect(),
        good.replacen("actor u:mia", &format!("actor u:{}", "m".repeat(8192)), 1),
    ] {
        assert!(Leaf::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(Leaf::parse(b"\xff"), Err(LeafError::NotUtf8));
}

/// A journal of a registry, a plugin with one branch, and whatever `more` adds.
fn begun() -> Vec<Leaf> {
    let update = |seq, id: u128, name: &str, kind, policy: Option<u64>| LeafFields {
        repo: Some(repo(id)),
        name: PluginName::parse(name).ok(),
        ref_name: Some(RefName::main()),
        old: Some(GitId::ABSENT),
        new: Some(sha1(1)),
        policy: policy.map(LeafIndex),
        ..LeafFields::new(kind, tenant(), LeafIndex(seq), 100)
    };
    let create = |seq, id: u128, name: &str, policy: Option<u64>| LeafFields {
        repo: Some(repo(id)),
        name: PluginName::parse(name).ok(),
        policy: policy.map(LeafIndex),
        ..LeafFields::new(Kind::RepoCreate, tenant(), LeafIndex(seq), 100)
    };
    [
        LeafFields::new(Kind::Genesis, tenant(), LeafIndex(0), 100),
        create(1, 1, "registry", None),
        update(2, 1, "registry", Kind::Policy, None),
        create(3, 2, "registry", Some(2)),
        update(4, 2, "registry", Kind::RefUpdate, Some(2)),
    ]
    .into_iter()
    .map(|fields| Leaf::new(fields).expect("a leaf"))
    .collect()
}

fn next() -> LeafFields {
    LeafFields {
        old: Some(sha1(1)),
        new: Some(sha1(2)),
        prev: Some(LeafIndex(4)),
        seq: LeafIndex(5),
        ..(*begun()[4]).clone()
    }
}

#[test]
fn what_does_not_follow_is_named() {
    let state = fold(&begun()).expect("they follow").expect("some");
    assert!(matches!(state.repositories[&repo(1)].name, RepositoryName::Registry));
    assert!(matches!(state.repositories[&repo(2)].name, RepositoryName::Plugin(_)));
    let fault = |change: &dyn Fn(&mut LeafFields)| {
        let mut fields = next();
        change(&mut fields);
        let mut state = state.clone();
        let before = state.clone();
        let error = state.push(&Leaf::new(fields).expect("a leaf")).expect_err("does not follow");
        assert_eq!(state, before);
        error.fault
    };
    assert!(state.clone().push(&Leaf::new(next()).expect("a leaf")).is_ok());
    assert_eq!(fault(&|f| f.seq = LeafIndex(6)), Fault::Place { expected: 5 });
    assert_eq!(fault(&|f| f.time = 99), Fault::Time(100));
    assert_eq!(fault(&|f| f.repo = Some(repo(7))), Fault::NoRepository(repo(7)));
    assert!(matches!(fault(&|f| f.old = Some(sha1(9))), Fault::Old { .. }));
    assert!(matches!(fault(&|f| f.prev = None), Fault::Prev { expected: Some(LeafIndex(4)), .. }));
    assert!(matches!(fault(&|f| f.policy = None), Fault::Policy { .. }));
    assert!(matches!(fault(&|f| f.name = PluginName::parse("other").ok()), Fault::Name(_)));
    assert!(matches!(
        fault(&|f| f.tenant = "0192d5a0-0000-7000-8000-000000000002".parse().expect("an id")),
        Fault::Tenant(_)
    ));
    let release = |f: &mut LeafFields| {
        f.kind = Kind::Release;
        f.old = None;
        f.version = Version::parse("1.0.0").ok();
        f.tree = Some(Sha256([0; 32]));
    };
    assert!(matches!(fault(&|f| release(f)), Fault::NotTheTip { .. }));
}

fn value<T: Clone + std::fmt::Debug + 'static>(of: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop_oneof![Just(None), of.prop_map(Some)].boxed()
}

prop_compose! {
    fn any_update()(
        seq in 1..u64::MAX,
        time in any::<u64>(),
        name in "[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}",
        branch in "[a-zA-Z0-9ü/_-]{1,30}",
        ids in any::<([u8; 20], [u8; 20])>(),
        tree in value(any::<[u8; 32]>()),
        prev in value(any::<u64>()),
        signed in value((any::<[u8; 32]>(), prop_oneof![
            any::<[u8; 32]>().prop_map(Signer::Ssh),
            any::<[u8; 20]>().prop_map(Signer::PgpV4),
            any::<[u8; 32]>().prop_map(Signer::PgpV6),
        ])),
        actor in value("[a-z0-9]{1,12}"),
        review in value((any::<u64>(), any::<[u8; 32]>())),
        gate in value((0..3usize, any::<[u8; 32]>())),
        ext in value(prop_oneof!["\\PC{0,60}".prop_map(|text| Ext::reason(&text)), any::<[u8; 32]>().prop_map(|d| Ext::Digest(Sha256(d)))]),
    ) -> Option<Leaf> {
        let outcomes = [GateOutcome::Pass, GateOutcome::Warn, GateOutcome::Forced];
        Leaf::new(LeafFields {
            repo: Some(repo(u128::from(seq))),
            name: PluginName::parse(&name).ok(),
            ref_name: Some(RefName::parse(format!("refs/heads/{branch}").as_bytes()).ok()?),
            old: Some(GitId::Sha1(ids.0)),
            new: Some(GitId::Sha1(ids.1)),
            tree: tree.map(Sha256),
            prev: prev.map(|n| LeafIndex(n % seq)),
            cert: signed.map(|(cert, _)| Sha256(cert)),
            signer: signed.map(|(_, signer)| signer),
            actor: actor.and_then(|id| MemberId::parse(&id).ok()),
            review: review.map(|(merge_request, d)| Review { merge_request, approvals: Sha256(d) }),
            gate: gate.map(|(n, d)| Gate { outcome: outcomes[n], report: Sha256(d) }),
            ext,
            ..LeafFields::new(Kind::RefUpdate, tenant(), LeafIndex(seq), time)
        })
        .ok()
    }
}

proptest! {
    #[test]
    fn a_leaf_is_read_as_it_was_written(leaf in any_update()) {
        if let Some(leaf) = leaf {
            let text = leaf.text();
            prop_assert!(text.len() <= LEAF_BYTES_MAX);
            prop_assert_eq!(Leaf::parse(text.as_bytes()), Ok(leaf));
        }
    }

    #[test]
    fn what_parses_prints_alike(at in 0..1000usize, with in any::<u8>(), which in 0..9usize) {
        let mut bytes = written()[which].to_vec();
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(leaf) = Leaf::parse(&bytes) {
            prop_assert_eq!(leaf.text().into_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Leaf::parse(&bytes);
    }
}
