use gix::ObjectId;
use skill_pool_domain::access::{Scope, Scopes};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, PluginName, RepositoryId, RepositoryName, TenantId, TenantName};
use skill_pool_domain::token::TokenHash;
use uuid::Uuid;

use super::world::{NOW, World, id, main, mia, plugin, tenant, version};
use crate::store::{NewToken, Position, StoreError, StoreOptions, TenantKey, TokenId};

fn world() -> World {
    World::new(StoreOptions::default())
}

#[test]
fn tenants_are_found_by_each_of_their_names() {
    let world = world();
    let name = TenantName::parse("acme").expect("a name");
    world.store.set_tenant_host(tenant(), Some("skills.acme.test")).expect("free");
    for key in [TenantKey::Id(tenant()), TenantKey::Name(name.clone()), TenantKey::Host("skills.acme.test".to_owned())]
    {
        assert_eq!(world.store.tenant(&key).expect("reads").expect("found").tenant, tenant());
    }
    let other = TenantId(Uuid::from_u128(2));
    assert!(matches!(world.store.create_tenant(&name, other, NOW), Err(StoreError::TenantTaken(_))));
    let second = TenantName::parse("beta").expect("a name");
    assert!(matches!(world.store.create_tenant(&second, tenant(), NOW), Err(StoreError::TenantTaken(_))));
    world.store.create_tenant(&second, other, NOW).expect("free");
    assert!(matches!(world.store.set_tenant_host(other, Some("skills.acme.test")), Err(StoreError::Conflict(_))));
    world.store.set_tenant_host(tenant(), None).expect("ours");
    assert_eq!(world.store.tenant(&TenantKey::Host("skills.acme.test".to_owned())).expect("reads"), None);
    world.store.set_tenant_disabled(tenant(), Some(NOW)).expect("ours");
    assert_eq!(world.store.tenant(&TenantKey::Name(name)).expect("reads").expect("found").disabled_at, Some(NOW));
    let names = |after: Option<&TenantName>, max| -> Vec<String> {
        let found = world.store.tenants_by_name(after, max).expect("reads");
        found.into_iter().map(|tenant| tenant.name.to_string()).collect()
    };
    assert_eq!(names(None, 9), ["acme", "beta"]);
    assert_eq!(names(None, 1), ["acme"]);
    assert_eq!(names(Some(&second), 9), Vec::<String>::new());
    assert!(matches!(
        world.store.set_tenant_disabled(TenantId(Uuid::from_u128(9)), None),
        Err(StoreError::Absent("tenant"))
    ));
}

fn token(n: u8, member: &str) -> NewToken {
    NewToken {
        token: TokenId(Uuid::from_u128(n.into())),
        tenant: tenant(),
        member: member.parse().expect("a name"),
        hash: TokenHash([n; 32]),
        last_four: "abcd".to_owned(),
        label: "laptop".to_owned(),
        scopes: Scopes::of(&[Scope::Publish]),
        created_at: NOW,
        created_by: Some(mia()),
        expires_at: Some(NOW.plus_ms(1000)),
    }
}

#[test]
fn a_token_opens_one_tenant_until_it_is_revoked() {
    let world = world();
    world.store.create_token(token(1, "mia")).expect("new");
    world.store.create_token(token(2, "tom")).expect("new");
    assert!(matches!(world.store.create_token(token(1, "mia")), Err(StoreError::Conflict(_))));
    let stranger = NewToken { tenant: TenantId(Uuid::from_u128(9)), ..token(3, "mia") };
    assert!(matches!(world.store.create_token(stranger), Err(StoreError::Conflict(_))));
    let find = |n| world.store.token_by_hash(&TokenHash([n; 32])).expect("reads");
    let found = find(1).expect("known");
    assert_eq!(
        (found.tenant, found.member.as_str(), found.scopes.to_string()),
        (tenant(), "mia", "read,publish".into())
    );
    assert!(found.is_good(NOW) && !found.is_good(NOW.plus_ms(1000)));
    assert_eq!(find(9), None);
    let tom = "tom".parse().expect("a name");
    assert_eq!(world.store.tokens_by_id(tenant(), Some(&tom), None, 9).expect("reads").len(), 1);
    assert_eq!(world.store.tokens_by_id(tenant(), None, Some(found.token), 9).expect("reads").len(), 1);
    world.store.revoke_token(tenant(), found.token, Some(&mia()), NOW).expect("known");
    assert!(!find(1).expect("still listed").is_good(NOW));
    world.store.revoke_token(tenant(), found.token, None, NOW.plus_ms(5)).expect("known");
    assert_eq!(find(1).expect("still listed").revoked_at, Some(NOW));
    let elsewhere = TenantId(Uuid::from_u128(9));
    assert!(matches!(
        world.store.revoke_token(elsewhere, TokenId(Uuid::from_u128(2)), None, NOW),
        Err(StoreError::Absent("token"))
    ));
    world.store.touch_token(&find(2).expect("known"), NOW);
    let world = world.again(StoreOptions::default());
    let used = world.store.token_by_hash(&TokenHash([2; 32])).expect("reads").expect("known").last_used_on;
    assert_eq!(used.map(|day| day.date()), Some(NOW.date()));
}

#[test]
fn releases_are_listed_by_version_and_by_time() {
    let world = world();
    for (n, text) in [(1, "1.0.0"), (2, "2.0.0"), (3, "1.0.1"), (4, "2.1.0-rc.1")] {
        world.commit(world.release("lint", n - 1, n, text)).expect("commits");
    }
    world.commit(world.release("audit", 0, 9, "0.1.0")).expect("commits");
    world.commit(world.release("draft", 0, 8, "0.1.0-a")).expect("commits");
    let lint = PluginName::parse("lint").expect("a name");
    let highest: Vec<String> = world
        .store
        .releases_highest_first(tenant(), &lint, Some(&version("2.1.0-rc.1")), 2)
        .expect("reads")
        .into_iter()
        .map(|release| release.version.to_string())
        .collect();
    assert_eq!(highest, ["2.0.0", "1.0.1"]);
    let newest = world.store.releases_newest_first(tenant(), None, 3).expect("reads");
    let names: Vec<String> = newest.iter().map(|r| format!("{} {}", r.plugin, r.version)).collect();
    assert_eq!(names, ["draft 0.1.0-a", "audit 0.1.0", "lint 2.1.0-rc.1"]);
    assert_eq!(world.store.releases_newest_first(tenant(), Some(newest[2].leaf), 9).expect("reads").len(), 3);
    let mut latest = Vec::new();
    world.store.latest_releases(tenant(), |r| latest.push(format!("{} {}", r.plugin, r.version))).expect("reads");
    assert_eq!(latest, ["audit 0.1.0", "lint 2.0.0"], "a later 1.0.1 does not hide 2.0.0");
    let release = world.store.release(tenant(), &lint, &version("1.0.1")).expect("reads").expect("known");
    assert_eq!((release.commit, release.tag, release.tree), (id(3), id(103), Sha256::of(&[3])));
    assert_eq!(release.summary["description"], "lint");
    assert_eq!(release.actor, Some(mia()));
    assert_eq!(world.store.released_versions(tenant(), &lint).expect("reads").len(), 4);
}

#[test]
fn an_archive_has_one_digest_for_ever() {
    let world = world();
    world.commit(world.release("lint", 0, 1, "1.0.0")).expect("commits");
    let lint = PluginName::parse("lint").expect("a name");
    let set = |digest, text: &str| world.store.set_archive(tenant(), &lint, &version(text), Sha256(digest), 77);
    set([1; 32], "1.0.0").expect("the first");
    set([1; 32], "1.0.0").expect("the same");
    assert!(matches!(set([2; 32], "1.0.0"), Err(StoreError::Conflict(_))));
    assert!(matches!(set([2; 32], "1.0.1"), Err(StoreError::Absent("release"))));
    let archive = world.store.release(tenant(), &lint, &version("1.0.0")).expect("reads").expect("known").archive;
    assert_eq!(archive, Some((Sha256([1; 32]), 77)));
}

#[test]
fn followers_learn_of_each_commit_once() {
    let world = world();
    let mut watch = world.store.watch();
    let seen = *watch.borrow_and_update();
    assert_eq!(seen, world.store.newest_position());
    world.commit(world.release("lint", 0, 1, "1.0.0")).expect("commits");
    world.commit(world.push("lint", vec![super::world::update("refs/heads/a", 0, 1)])).expect("commits");
    assert!(watch.has_changed().expect("open"));
    let entries = world.store.outbox_since(seen, 9).expect("reads");
    let told: Vec<(String, u64, u64, bool)> = entries
        .iter()
        .map(|e| {
            (e.repository.as_ref().map(ToString::to_string).unwrap_or_default(), e.first_leaf.0, e.leaves, e.catalog)
        })
        .collect();
    assert_eq!(told, [("plugins/lint.git".to_owned(), 3, 4, true), ("plugins/lint.git".to_owned(), 7, 1, false)]);
    assert_eq!(world.store.follower_position("one").expect("reads"), None);
    world.store.note_follower_position("one", entries[1].position);
    world.store.note_follower_position("two", entries[0].position);
    let world = world.again(StoreOptions::default());
    assert_eq!(world.store.follower_position("one").expect("reads"), Some(entries[1].position));
    let left = world.store.outbox_since(Position(0), 9).expect("reads");
    assert_eq!(left.iter().map(|e| e.position).collect::<Vec<_>>(), [entries[1].position], "all are past the others");
    assert_eq!(world.store.newest_position(), entries[1].position);
    world.store.retain_followers(&["one"]).expect("writes");
    assert_eq!(world.store.follower_position("two").expect("reads"), None);
}

#[test]
fn leaves_and_repositories_come_in_pages() {
    let world = world();
    for name in ["a", "b", "c"] {
        world.commit(world.push(name, vec![main(0, 1)])).expect("commits");
    }
    let page = world.store.repositories_by_name(tenant(), Some(&plugin("a")), 1).expect("reads");
    assert_eq!(page[0].name, plugin("b"));
    assert_eq!(world.store.repository_count(tenant()).expect("reads"), 4);
    let leaves = world.store.leaves(tenant(), LeafIndex(4), 2).expect("reads");
    assert_eq!(leaves.iter().map(|leaf| leaf.index.0).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(world.store.journal_size(TenantId(Uuid::from_u128(9))).expect("reads"), None);
}

#[test]
fn generated_repositories_have_refs_without_leaves() {
    let world = world();
    let log = RepositoryName::Log;
    let set = |name: &RepositoryName, n: u8| {
        let commit = ObjectId::from([n; 20]);
        world.store.set_generated_main(tenant(), name, RepositoryId(Uuid::from_u128(77)), commit, NOW)
    };
    set(&log, 1).expect("new");
    set(&log, 2).expect("moves");
    assert!(set(&plugin("lint"), 1).is_err());
    let size = world.store.journal_size(tenant()).expect("reads");
    assert_eq!(size, Some(3));
    let world = world.again(StoreOptions::default());
    let refs = world.store.refs(tenant(), &log).expect("reads").expect("there");
    assert_eq!((refs.snapshot.head_id(), refs.repository), (Some(id(2)), RepositoryId(Uuid::from_u128(77))));
}

#[test]
fn a_restored_tenant_opens_an_epoch() {
    let world = world();
    world.store.open_epoch(tenant(), "restored", NOW).expect("writes");
    assert_eq!(world.whole().restored, 1);
    world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
    world.whole();
}
