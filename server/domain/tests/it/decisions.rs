//! What a certificate is worth: stock git's weaknesses one by one, and who must sign.

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use skill_pool_domain::access::Role;
use skill_pool_domain::certificate::nonce::{Nonce, NonceFault, NonceKey, NoncePlace};
use skill_pool_domain::certificate::ssh::{SshHash, SshPublicKey, SshSignature, put_string, signed_data};
use skill_pool_domain::certificate::{PushCertificate, PushToJudge, SignedCommand, SignerId, Standing, decide, parse};
use skill_pool_domain::names::{MemberId, RefName, RepositoryId, RepositoryName, TenantId};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::{CertificateDemand, Registry};

use crate::world::{ADDRESS, NOW, ann, registry, signers};

/// A person's SSH key.
struct Person(Ed25519KeyPair);

impl Person {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed"))
    }

    fn public(&self) -> SshPublicKey {
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, self.0.public_key().as_ref());
        SshPublicKey::from_blob(&blob).expect("a key")
    }

    fn line(&self) -> String {
        self.public().to_openssh()
    }

    fn id(&self) -> SignerId {
        SignerId::ssh(&self.public())
    }

    fn sign(&self, namespace: &str, text: &str) -> PushCertificate {
        let raw = self.0.sign(&signed_data(namespace, SshHash::Sha512, text.as_bytes()));
        let mut signature = Vec::new();
        put_string(&mut signature, b"ssh-ed25519");
        put_string(&mut signature, raw.as_ref());
        let armor = SshSignature::new(&self.public(), namespace, SshHash::Sha512, signature).to_armor();
        parse(format!("{text}{armor}").as_bytes()).expect("well-formed")
    }
}

fn lint() -> RepositoryName {
    RepositoryName::parse_path("plugins/lint.git").expect("a repository")
}

fn repository() -> RepositoryId {
    "00000000-0000-4000-8000-00000000000a".parse().expect("an id")
}

fn tenant() -> TenantId {
    "00000000-0000-4000-8000-000000000001".parse().expect("an id")
}

fn issue(place: &RepositoryName, age_ms: i64) -> Nonce {
    let place = NoncePlace { tenant: tenant(), name: place };
    NonceKey::new(&[1; 32]).issue(place, repository(), NOW.plus_ms(-age_ms), [2; 16])
}

fn check_nonce(text: &str) -> Result<Nonce, NonceFault> {
    let place = NoncePlace { tenant: tenant(), name: &lint() };
    NonceKey::new(&[1; 32]).check(text, place, Some(repository()), NOW)
}

/// A good certificate's text; tests change one thing in it before it is signed.
fn text() -> String {
    let (a, b) = ("1".repeat(40), "2".repeat(40));
    let nonce = issue(&lint(), 60_000);
    format!(
        "certificate version 0.1\npusher somebody else 0 +0000\npushee {ADDRESS}/\nnonce {nonce}\npush-option draft\n\n\
         {a} {b} refs/heads/main\n"
    )
}

/// One push and everything that it is judged by; tests change one thing.
struct Case {
    certificate: Option<PushCertificate>,
    updates: Vec<SignedCommand>,
    push_options: Vec<String>,
    pusher: MemberId,
    role: Role,
    protected: bool,
    registry: Registry,
}

impl Case {
    fn new(certificate: Option<PushCertificate>) -> Self {
        let good = Person::new(1).sign("git", &text());
        Self {
            certificate,
            updates: good.commands,
            push_options: good.push_options,
            pusher: ann(),
            role: Role::Publisher,
            protected: true,
            registry: registry(signers(&[("signers/ann/laptop.pub", &Person::new(1).line())])),
        }
    }

    fn signed(text: &str) -> Self {
        Self::new(Some(Person::new(1).sign("git", text)))
    }

    fn decide(&self) -> Result<Standing, Refusal> {
        // The last one is no address, and so equal to nothing.
        let addresses = [ADDRESS, "http://localhost:8080/git/plugins/lint.git", "lint"].map(str::to_owned);
        let push = PushToJudge {
            certificate: self.certificate.as_ref(),
            updates: &self.updates,
            push_options: &self.push_options,
            pusher: &self.pusher,
            role: self.role,
            protected: self.protected,
            addresses: &addresses,
            registry_address: "https://pool.example/t/acme/git/registry.git",
            registry: &self.registry,
            at: NOW,
        };
        decide(&push, check_nonce)
    }

    fn demanding(mut self, demand: CertificateDemand) -> Self {
        self.registry.certificates = demand;
        self
    }

    #[track_caller]
    fn refused(&self, code: &str, words: &str) {
        // What does not fit is refused whoever signed it, and whatever is demanded.
        let refusal = self.decide().expect_err(words);
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.message.contains(words), "{refusal}");
        assert!(refusal.remedy.contains("git push --signed") || refusal.remedy.contains("git config"), "{refusal:?}");
    }

    #[track_caller]
    fn notice(&self) -> Option<Refusal> {
        match self.decide().expect("goes on") {
            Standing::Uncertified { notice } => notice,
            covered @ Standing::Covered { .. } => panic!("{covered:?}"),
        }
    }
}

fn member(name: &str) -> MemberId {
    MemberId::parse(name).expect("a name")
}

#[test]
fn a_good_certificate_covers_the_push() {
    let expected = Standing::Covered { member: ann(), signer: Person::new(1).id(), nonce: issue(&lint(), 60_000) };
    assert_eq!(Case::signed(&text()).decide(), Ok(expected.clone()));
    // Under an alias, and pushed by a colleague's token: it is the signature that counts.
    let alias = text().replace(ADDRESS, "HTTP://LocalHost:8080/git/plugins/lint.git");
    assert_eq!(Case::signed(&alias).decide(), Ok(expected.clone()));
    let by_ben = Case { pusher: member("ben"), ..Case::signed(&text()) };
    assert_eq!(by_ben.decide(), Ok(expected.clone()));
    // Where nothing is demanded it covers all the same.
    let never = Case { protected: false, ..Case::signed(&text()) }.demanding(CertificateDemand::Never);
    assert_eq!(never.decide(), Ok(expected));
}

#[test]
fn commands_beside_the_certificate_are_refused() {
    let words = "not those that were signed";
    let mut case = Case::signed(&text());
    let extra =
        SignedCommand { old: None, new: case.updates[0].new, name: RefName::parse(b"refs/heads/x").expect("x") };
    case.updates.push(extra.clone());
    case.refused("certificate-commands", words);
    case.updates = vec![extra];
    case.refused("certificate-commands", words);
    case.updates.clear();
    case.refused("certificate-commands", words);
    let moved = text().replace(&"2".repeat(40), &"3".repeat(40));
    Case::signed(&moved).refused("certificate-commands", words);
}

#[test]
fn push_options_are_those_that_were_signed() {
    let words = "push options are not those that were signed";
    for options in [vec![], vec!["draft", "draft"], vec!["draft", "topic=x"], vec!["Draft"]] {
        let push_options = options.into_iter().map(str::to_owned).collect();
        Case { push_options, ..Case::signed(&text()) }.refused("certificate-options", words);
    }
    Case::signed(&text().replace("push-option draft\n", "")).refused("certificate-options", words);
}

#[test]
fn a_certificate_for_another_place_is_refused() {
    for pushee in [
        "https://pool.example/t/acme/git/plugins/other.git",
        "https://pool.example/t/rival/git/plugins/lint.git",
        "https://evil.example/t/acme/git/plugins/lint.git",
        "http://pool.example/t/acme/git/plugins/lint.git",
        "pool:plugins/lint.git",
        "/srv/git/plugins/lint.git",
    ] {
        let elsewhere = text().replace(&format!("{ADDRESS}/"), pushee);
        Case::signed(&elsewhere).refused("certificate-pushee", "this repository's address is https://pool.example/");
    }
    let nowhere = text().replace(&format!("pushee {ADDRESS}/\n"), "");
    Case::signed(&nowhere).refused("certificate-pushee", "does not say where");
}

#[test]
fn a_certificate_for_another_time_or_with_another_nonce_is_refused() {
    let with = |nonce: String| Case::signed(&text().replace(&issue(&lint(), 60_000).to_string(), &nonce));
    with(issue(&lint(), 16 * 60_000).to_string()).refused("certificate-nonce", "no longer valid");
    with(issue(&lint(), -2 * 60_000).to_string()).refused("certificate-nonce", "no longer valid");
    with("1795235200-0123456789abcdef".into()).refused("certificate-nonce", "not one that this registry hands out");
    let other = RepositoryName::parse_path("plugins/other").expect("a repository");
    with(issue(&other, 0).to_string()).refused("certificate-nonce", "for this repository");
    let forged = issue(&lint(), 60_000).to_string().replace("0202", "0203");
    with(forged).refused("certificate-nonce", "for this repository");
    let none = text().lines().filter(|l| !l.starts_with("nonce ")).fold(String::new(), |t, l| t + l + "\n");
    Case::signed(&none).refused("certificate-nonce", "has no nonce");
}

#[test]
fn a_wrong_signature_is_refused_even_by_a_stranger() {
    for key in [Person::new(1), Person::new(9)] {
        for demand in [CertificateDemand::IfRegistered, CertificateDemand::Always, CertificateDemand::Never] {
            let for_files = Case::new(Some(key.sign("file", &text()))).demanding(demand);
            for_files.refused("certificate-signature", "namespace `file`");
            let good = key.sign("git", &text());
            let tampered = [text().replace("somebody", "Somebody").as_bytes(), good.signature()].concat();
            let tampered = parse(&tampered).expect("well-formed");
            Case::new(Some(tampered)).demanding(demand).refused("certificate-signature", "does not fit the text");
        }
    }
}

#[test]
fn the_pusher_line_is_nobodys_word() {
    let claimed = text().replace("somebody else 0", "Ann <ann@example.org> 1795235200");
    let by_stranger = Case::new(Some(Person::new(9).sign("git", &claimed)));
    assert_eq!(by_stranger.decide().expect_err("unknown").code, "signer-unknown");
}

#[test]
fn an_unknown_key_counts_as_none_where_none_is_demanded_and_is_refused_otherwise() {
    let stranger = || Some(Person::new(9).sign("git", &text()));
    let refusal = Case::new(stranger()).decide().expect_err("ann has a key");
    assert_eq!(refusal.code, "signer-unknown");
    assert!(refusal.message.contains(Person::new(9).id().as_str()), "{refusal}");
    assert!(refusal.remedy.contains("commit the public key as signers/ann/<name>.pub"), "{}", refusal.remedy);
    assert!(refusal.remedy.contains("to https://pool.example/t/acme/git/registry.git"), "{}", refusal.remedy);
    assert!(refusal.remedy.contains(Person::new(1).id().as_str()), "{}", refusal.remedy);

    let by_ben = Case { pusher: member("ben"), ..Case::new(stranger()) };
    let notice = by_ben.notice().expect("a warning");
    assert_eq!(notice.code, "signer-unknown");
    assert!(notice.message.ends_with("it counts as unsigned"), "{notice}");
    let always = by_ben.demanding(CertificateDemand::Always);
    assert_eq!(always.decide().expect_err("demanded").code, "signer-unknown");
}

#[test]
fn who_must_sign() {
    let unsigned = || Case::new(None);
    // Ann has a key, so main wants her signature; other branches do not, and ben has none.
    let refusal = unsigned().decide().expect_err("demanded");
    assert_eq!(refusal.code, "certificate-required");
    assert!(refusal.message.contains("signers/ann/laptop.pub:1"), "{refusal}");
    assert_eq!(
        refusal.remedy,
        "git config gpg.format ssh\ngit config user.signingKey ~/.ssh/id_ed25519.pub\ngit push --signed"
    );
    assert_eq!(Case { protected: false, ..unsigned() }.notice(), None);
    assert_eq!(Case { pusher: member("ben"), ..unsigned() }.notice(), None);
    assert_eq!(unsigned().demanding(CertificateDemand::Never).notice(), None);
    let by_ben = Case { pusher: member("ben"), ..unsigned() }.demanding(CertificateDemand::Always);
    let refusal = by_ben.decide().expect_err("demanded of everybody");
    assert_eq!(refusal.code, "certificate-required");
    assert!(refusal.remedy.contains("signers/ben/<name>.pub"), "{}", refusal.remedy);
    assert_eq!(Case { protected: false, ..by_ben }.notice(), None);
}

#[test]
fn a_key_that_does_not_count_any_more_is_refused_but_locks_nobody_out() {
    let old = format!("valid-before=\"20260101Z\" {}", Person::new(1).line());
    let registry = registry(signers(&[("signers/ann/laptop.pub", &old)]));
    let signed = Case { registry: registry.clone(), ..Case::signed(&text()) };
    let refusal = signed.decide().expect_err("over");
    assert_eq!(refusal.code, "signer-not-valid");
    assert!(refusal.message.contains("counted until 2026-01-01"), "{refusal}");
    let unsigned = Case { registry, ..Case::new(None) };
    assert_eq!(unsigned.notice().expect("a warning").code, "signer-expired");
    // Where everybody must sign, the registry repository stays open to the admin who renews the key.
    let always = unsigned.demanding(CertificateDemand::Always);
    assert_eq!(always.decide().expect_err("demanded").code, "certificate-required");
    let renewing = Case { role: Role::Admin, ..always };
    assert_eq!(renewing.notice().expect("a warning").code, "signer-expired");
}

#[test]
fn whoever_signs_may_push() {
    let registry = || registry(signers(&[("signers/rae/key.pub", &Person::new(1).line())]));
    let by_reader = Case { registry: registry(), ..Case::signed(&text()) };
    let refusal = by_reader.decide().expect_err("a reader");
    assert_eq!(refusal.code, "signer-role");
    assert!(refusal.message.contains("`rae`"), "{refusal}");
    // A key of somebody who is no member any more.
    let mut gone = registry();
    gone.members.remove(&member("rae"));
    assert_eq!(Case { registry: gone, ..Case::signed(&text()) }.decide().expect_err("gone").code, "signer-role");
    // The registry repository wants admins.
    let by_admin = Case { role: Role::Admin, ..Case::signed(&text()) };
    assert!(matches!(by_admin.decide(), Ok(Standing::Covered { .. })));
}
