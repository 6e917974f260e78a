//! Every weakness of stock git's handling of certificates, tried on this server: each is refused, and no ref moves.

use super::request::{Answer, ZERO, begin, finish, lines, packet, signed};
use super::{Scene, assert_accepted};

/// A scene whose publisher has a registered key, and two plugin repositories with one commit.
struct Lab {
    scene: Scene,
    head: String,
}

/// What a certificate says; tests change one thing.
struct Text {
    version: &'static str,
    pusher: &'static str,
    pushee: String,
    nonces: Vec<String>,
    options: Vec<&'static str>,
    commands: Vec<String>,
}

impl Text {
    fn text(&self) -> String {
        let mut text = format!("certificate version {}\npusher {}\n", self.version, self.pusher);
        if !self.pushee.is_empty() {
            text += &format!("pushee {}\n", self.pushee);
        }
        text.extend(self.nonces.iter().map(|nonce| format!("nonce {nonce}\n")));
        text.extend(self.options.iter().map(|option| format!("push-option {option}\n")));
        text.push('\n');
        text.extend(self.commands.iter().map(|command| format!("{command}\n")));
        text
    }
}

impl Lab {
    fn new() -> Self {
        let scene = Scene::new();
        let line = scene.ssh_key("laptop", &["ed25519"]);
        scene.ssh_key("stranger", &["ed25519"]);
        assert_accepted(&scene.world.try_git(&scene.work, &["push", &scene.remote(), "main"]));
        let other = crate::world::plugin("other", "1.0.0");
        let other = scene.world.repository("other", &crate::world::borrowed(&other));
        let remote = scene.world.with_token(&scene.world.printed.tokens.publisher, "git/plugins/other.git");
        assert_accepted(&scene.world.try_git(&other, &["push", &remote, "main"]));
        scene.register(&[("laptop.pub", &line)]);
        let head = scene.value("refs/heads/main");
        Self { scene, head }
    }

    /// A good certificate's text that creates the branch `name`.
    fn creating(&self, name: &str) -> Text {
        Text {
            version: "0.1",
            pusher: "SHA256:whoever 1790000000 +0000",
            pushee: self.scene.world.address("git/plugins/greeter.git/"),
            nonces: vec![self.scene.nonce("greeter")],
            options: Vec::new(),
            commands: vec![format!("{ZERO} {} refs/heads/{name}", self.head)],
        }
    }

    fn certificate(&self, text: &Text) -> String {
        self.signed_by("laptop", "git", &text.text())
    }

    fn signed_by(&self, key: &str, namespace: &str, text: &str) -> String {
        format!("{text}{}", self.scene.ssh_sign(key, namespace, text))
    }

    fn post(&self, body: &[u8]) -> Answer {
        self.scene.post("greeter", body)
    }

    /// The push is refused in these words, as a report or as a client's error, and makes no ref of this name.
    #[track_caller]
    fn refused(&self, name: &str, body: &[u8], words: &str) {
        let answer = self.post(body);
        assert!(answer.status == 200 || (400..500).contains(&answer.status), "{}: {}", answer.status, answer.body);
        assert!(answer.body.contains(words), "`{words}` is not in {}: {}", answer.status, answer.body);
        assert!(!answer.body.contains("unpack ok\n") || !answer.body.contains(&format!("ok refs/heads/{name}\n")));
        assert_eq!(self.scene.value(&format!("refs/heads/{name}")), "", "{name} was made");
    }

    #[track_caller]
    fn accepted(&self, body: &[u8], name: &str) {
        let answer = self.post(body);
        assert!(answer.status == 200 && answer.body.contains(&format!("ok refs/heads/{name}\n")), "{}", answer.body);
    }
}

#[test]
fn certificates_that_say_something_else_than_the_push() {
    let lab = Lab::new();
    // What follows differs from this in one thing each.
    lab.accepted(&signed(&lab.certificate(&lab.creating("good"))), "good");
    assert_eq!(lab.scene.value("refs/heads/good"), lab.head);

    // Commands beside the certificate.
    let plain = format!("{ZERO} {} refs/heads/beside", lab.head);
    let certificate = lab.certificate(&lab.creating("signed"));
    let end = packet("push-cert-end\n");
    let behind = [begin(""), lines(&certificate), end.clone(), packet(&plain), finish()].concat();
    let before = [packet(format!("{plain}\0 report-status")), begin(""), lines(&certificate), end, finish()].concat();
    for (body, words) in [(behind, "a command beside the certificate"), (before, "a NUL behind the first command")] {
        lab.refused("signed", &body, words);
        lab.refused("beside", &body, words);
    }

    // Push options that nobody signed, and signed ones that were not sent.
    let options = |certificate: &str, sent: &[&str]| {
        let sent: Vec<u8> = sent.iter().flat_map(packet).collect();
        [begin(" push-options"), lines(certificate), packet("push-cert-end\n"), b"0000".to_vec(), sent, finish()]
            .concat()
    };
    let unsigned = options(&lab.certificate(&lab.creating("option")), &["draft"]);
    lab.refused("option", &unsigned, "certificate-options");
    let with_option = Text { options: vec!["draft"], ..lab.creating("option") };
    let with_option = lab.certificate(&with_option);
    lab.refused("option", &options(&with_option, &[]), "certificate-options");
    lab.refused("option", &options(&with_option, &["draft", "more"]), "certificate-options");
    lab.refused("option", &signed(&with_option), "certificate-options");
    lab.accepted(&options(&with_option, &["draft"]), "option");
}

#[test]
fn certificates_for_another_place_or_time() {
    let lab = Lab::new();
    let elsewhere = |pushee: String| lab.certificate(&Text { pushee, ..lab.creating("place") });
    let world = &lab.scene.world;
    for pushee in [
        String::new(),
        world.address("git/plugins/other.git/"),
        world.address("git/registry.git"),
        "https://pool.example/t/demo/git/plugins/greeter.git".to_owned(),
        world.address("git/plugins/greeter.git/").replace("/t/demo/", "/t/rival/"),
        "/srv/greeter.git".to_owned(),
    ] {
        lab.refused("place", &signed(&elsewhere(pushee)), "certificate-pushee");
    }
    lab.accepted(&signed(&elsewhere(world.address("git/plugins/greeter"))), "place");

    let nonces = |nonces: Vec<String>| lab.certificate(&Text { nonces, ..lab.creating("time") });
    let good = lab.scene.nonce("greeter");
    lab.refused("time", &signed(&nonces(vec![])), "certificate-nonce");
    lab.refused("time", &signed(&nonces(vec!["1790000000-0123456789abcdef".into()])), "certificate-nonce");
    lab.refused("time", &signed(&nonces(vec![lab.scene.nonce("other")])), "certificate-nonce");
    lab.refused("time", &signed(&nonces(vec![good.clone() + "0"])), "certificate-nonce");
    lab.refused("time", &signed(&nonces(vec![good.clone(), good.clone()])), "certificate-malformed");

    // The same certificate again, after its branch was deleted without a signature.
    let once = signed(&nonces(vec![good.clone()]));
    lab.accepted(&once, "time");
    let delete = [packet(format!("{} {ZERO} refs/heads/time\0 report-status", lab.head)), b"0000".to_vec()].concat();
    lab.accepted(&delete, "time");
    lab.refused("time", &once, "used before");
    // Another certificate with the nonce that was spent.
    let spent = Text { nonces: vec![good], ..lab.creating("spent") };
    lab.refused("spent", &signed(&lab.certificate(&spent)), "used before");
    // A signed deletion, tried again after the branch came back.
    lab.accepted(&signed(&nonces(vec![lab.scene.nonce("greeter")])), "time");
    let commands = vec![format!("{} {ZERO} refs/heads/time", lab.head)];
    let deletion = lab.certificate(&Text { commands, ..lab.creating("time") });
    let deletion = [begin(""), lines(&deletion), packet("push-cert-end\n"), b"0000".to_vec()].concat();
    lab.accepted(&deletion, "time");
    lab.accepted(&signed(&nonces(vec![lab.scene.nonce("greeter")])), "time");
    let again = lab.post(&deletion);
    assert!(again.body.contains("used before"), "{}", again.body);
    assert_eq!(lab.scene.value("refs/heads/time"), lab.head);

    // One nonce, many at once: one wins.
    let nonce = lab.scene.nonce("greeter");
    let bodies: Vec<_> = (0..4)
        .map(|n| lab.certificate(&Text { nonces: vec![nonce.clone()], ..lab.creating(&format!("race-{n}")) }))
        .map(|certificate| signed(&certificate))
        .collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let sent: Vec<_> = bodies.iter().map(|body| scope.spawn(|| lab.post(body))).collect();
        sent.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let won = answers.iter().filter(|answer| answer.body.contains("ok refs/heads/race-")).count();
    let lost = answers.iter().filter(|answer| answer.body.contains("used before")).count();
    assert_eq!((won, lost), (1, 3), "{:?}", answers.iter().map(|a| &a.body).collect::<Vec<_>>());
}

#[test]
fn certificates_that_stock_git_reads_too_kindly() {
    let lab = Lab::new();
    let text = || lab.creating("odd");
    let malformed = "certificate-malformed";
    lab.refused("odd", &signed(&lab.certificate(&Text { version: "9.9", ..text() })), malformed);
    lab.refused("odd", &signed(&lab.certificate(&Text { pusher: "nobody", ..text() })), malformed);
    let good = lab.certificate(&text());
    let unsigned = text().text();
    lab.refused("odd", &signed(&unsigned), malformed);
    lab.refused("odd", &signed(&format!("{good}{good}")), malformed);
    lab.refused("odd", &signed(&good.replace('\n', "\r\n")), malformed);
    lab.refused("odd", &signed(&format!("{good}{ZERO} {} refs/heads/late\n", lab.head)), malformed);
    let other_header = good.replacen("\nnonce ", "\nlater yes\nnonce ", 1);
    lab.refused("odd", &signed(&other_header), malformed);

    // Bytes behind a NUL in a packet, which stock git drops before it verifies.
    let with_nul: Vec<u8> = good
        .split_inclusive('\n')
        .flat_map(|line| packet(line.replace("refs/heads/odd\n", "refs/heads/odd\0x")))
        .collect();
    lab.refused("odd", &[begin(""), with_nul, packet("push-cert-end\n"), finish()].concat(), "NUL");
    // No end, an empty certificate before plain commands, two certificates.
    lab.refused("odd", &[begin(""), lines(&good), finish()].concat(), "push-cert-end");
    let plain = packet(format!("{ZERO} {} refs/heads/odd", lab.head));
    let end = packet("push-cert-end\n");
    lab.refused("odd", &[begin(""), end.clone(), plain, finish()].concat(), "beside the certificate");
    lab.refused("odd", &[begin(""), end.clone(), finish()].concat(), malformed);
    let twice = [begin(""), lines(&good), end.clone(), begin(""), lines(&good), end.clone(), finish()].concat();
    lab.refused("odd", &twice, "beside the certificate");

    // Packet borders carry no meaning: the whole certificate in one packet is the same certificate.
    lab.accepted(&[begin(""), packet(&good), end, finish()].concat(), "odd");
}

#[test]
fn signatures_that_are_not_what_they_seem() {
    let lab = Lab::new();
    let text = lab.creating("seem").text();
    let wrong = "certificate-signature";
    lab.refused("seem", &signed(&lab.signed_by("laptop", "file", &text)), wrong);
    let good = lab.signed_by("laptop", "git", &text);
    lab.refused("seem", &signed(&good.replace("SHA256:whoever", "SHA256:whomever")), wrong);
    // A stranger's signature over a text that names the publisher's key: the branch is free, so it is a warning.
    let claimed = Text { pusher: "Ana <ana@example.org> 1790000000 +0000", ..lab.creating("claimed") };
    let answer = lab.post(&signed(&lab.signed_by("stranger", "git", &claimed.text())));
    assert!(answer.body.contains("signer-unknown") && answer.body.contains("ok refs/heads/claimed"), "{}", answer.body);
    // On main it is refused.
    let main = format!("{} {} refs/heads/main", lab.head, lab.head.replace('a', "b"));
    let on_main = Text { commands: vec![main], ..lab.creating("main") };
    let answer = lab.post(&signed(&lab.signed_by("stranger", "git", &on_main.text())));
    assert!(answer.body.contains("signer-unknown") && !answer.body.contains("ok refs/heads/main"), "{}", answer.body);
    // Nothing of all this hurt the good one.
    lab.accepted(&signed(&good), "seem");
}
