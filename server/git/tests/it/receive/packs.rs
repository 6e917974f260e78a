//! Packs of stock git are taken to the byte; packs that are broken are not, and leave nothing.

use proptest::prelude::*;
use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::objects::{Kind, ObjectId, Objects};
use skill_pool_git::receive::ReceiveError;

use super::craft::{self, Pack};
use super::target::{Target, contents, history, pack_objects};

#[test]
fn packs_of_stock_git_are_indexed_to_the_byte() {
    let mut target = Target::new();
    let folder = history(&target.world);
    let tag = target.world.id(&folder, "refs/tags/v1");
    for options in [&["--delta-base-offset"][..], &[], &["--window=0"], &["--delta-base-offset", "--depth=40"]] {
        let bytes = pack_objects(&target.world, &folder, options, "HEAD\nrefs/tags/v1\n");
        let quarantine = target.receive(&bytes).expect("sound");
        assert_eq!(contents(&quarantine).len(), target.world.all_objects(&folder).len());

        let pack_path = target.world.path("p.pack");
        std::fs::write(&pack_path, &bytes).expect("write");
        target.world.git(&folder, &["index-pack", pack_path.to_str().expect("text")]);
        let kept = target.keep(quarantine, &[tag]).expect("objects");
        assert!(std::fs::read(kept.index_path.with_extension("pack")).expect("read") == bytes);
        let index = std::fs::read(kept.index_path).expect("read");
        assert!(index == std::fs::read(target.world.path("p.idx")).expect("read"), "{options:?}");
    }
    target.visible.push(tag);
    target.fsck();
}

#[test]
fn thin_packs_are_completed_from_what_the_pusher_may_read() {
    let mut target = Target::new();
    let folder = history(&target.world);
    let (middle, tip) = (target.world.id(&folder, "HEAD~7"), target.world.id(&folder, "HEAD"));
    let first = pack_objects(&target.world, &folder, &[], &format!("{middle}\n"));
    target.push(&first, middle);
    for options in [&["--thin"][..], &["--thin", "--delta-base-offset"]] {
        let thin = pack_objects(&target.world, &folder, options, &format!("{tip}\n^{middle}\n"));
        let quarantine = target.receive(&thin).expect("sound");
        let kept = target.keep(quarantine, &[tip]).expect("objects");
        assert!(kept.pack_bytes > thin.len() as u64, "{options:?}: nothing was added");

        // Who may not see the bases is told that they are missing, in the same words as for what does not exist.
        let visible = std::mem::take(&mut target.visible);
        let Err(ReceiveError::MissingBase { id }) = target.receive(&thin) else { panic!("{options:?}") };
        assert!(target.repo.contains(&id).expect("readable"));
        target.visible = visible;
    }
    target.visible.push(tip);
    target.fsck();
    let out = target.world.git(target.repo.path(), &["log", "--oneline", &tip.to_string()]);
    assert_eq!(out.lines().count(), 15);
}

/// A commit over one file, and its pack.
fn simple(text: &str) -> (Pack, ObjectId) {
    let mut pack = Pack::new();
    let blob = pack.blob(text.as_bytes());
    let tree = pack.object(Kind::Tree, &craft::tree(&[("100644", "x.md", blob)]));
    let tip = pack.object(Kind::Commit, &craft::commit(&tree, &[], "one"));
    (pack, tip)
}

#[test]
fn what_nobody_refers_to_is_dropped_and_doubles_are_kept_once() {
    let mut target = Target::new();
    let (mut pack, tip) = simple("hello\n");
    let stray = pack.blob(b"stray, and long enough to be a base for the next one");
    let base = pack.offset();
    pack.blob(b"another stray object that nobody refers to");
    let text = b"another stray object that nobody refers to, but this one is".to_vec();
    pack.ofs_delta(base, &craft::append(b"another stray object that nobody refers to", &text[42..]));
    let wanted = craft::id(Kind::Blob, &text);
    // A delta that makes its own base again, and one upon the double.
    let start = pack.offset();
    pack.blob(b"twice");
    let double = pack.offset();
    pack.ofs_delta(start, &craft::delta(5, 5, &[craft::copy(0, 5)]));
    pack.ofs_delta(double, &craft::append(b"twice", b" upon"));
    let upon = craft::id(Kind::Blob, b"twice upon");
    let tree = pack.object(Kind::Tree, &craft::tree(&[("100644", "a", wanted), ("100644", "b", upon)]));
    let second = pack.object(Kind::Commit, &craft::commit(&tree, &[tip], "two"));
    pack.blob(b"hello\n");

    let kept = target.push(&pack.finish(), second).expect("objects");
    target.fsck();
    let index = kept.index_path.to_str().expect("text").to_owned();
    let listed = target.world.git(target.repo.path(), &["verify-pack", "-v", &index]);
    for (id, there) in [(tip, true), (wanted, true), (upon, true), (stray, false)] {
        assert_eq!(listed.contains(&id.to_string()), there, "{id}: {listed}");
    }
    assert!(!target.repo.contains(&stray).expect("readable"));
    let text_back = target.world.git(target.repo.path(), &["show", &format!("{second}:a")]);
    assert_eq!(text_back.as_bytes(), text);
}

#[test]
fn the_same_push_twice_gives_the_same_pack() {
    let mut target = Target::new();
    let (pack, tip) = simple("hello\n");
    let first = target.push(&pack.finish(), tip).expect("objects");
    let second = target.push(&pack.finish(), tip).expect("objects");
    assert_eq!(first, second);
    assert_eq!(target.files().len(), 2);
    target.fsck();
}

#[test]
fn a_push_without_objects_keeps_nothing() {
    let mut target = Target::new();
    let (pack, tip) = simple("hello\n");
    target.push(&pack.finish(), tip);
    let files = target.files();
    assert_eq!(target.push(&Pack::new().finish(), tip), None);
    assert_eq!(target.files(), files);
}

#[test]
fn large_packs_wait_in_a_file_and_small_ones_do_not() {
    let mut target = Target::new();
    let mut state = 1u64;
    let mut noise = |bytes: usize| -> Vec<u8> {
        (0..bytes)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    };
    let mut pack = Pack::new();
    let large = noise(900_000);
    let base = pack.offset();
    let blobs = [pack.blob(&large), pack.blob(&noise(800_000)), pack.blob(&noise(700_000))];
    pack.ofs_delta(base, &craft::append(&large, b"more"));
    let grown = craft::id(Kind::Blob, &[&large[..], b"more"].concat());
    let entries =
        [("100644", "a", blobs[0]), ("100644", "b", blobs[1]), ("100644", "c", blobs[2]), ("100644", "d", grown)];
    let tree = pack.object(Kind::Tree, &craft::tree(&entries));
    let tip = pack.object(Kind::Commit, &craft::commit(&tree, &[], "large"));
    let bytes = pack.finish();
    {
        let quarantine = target.receive(&bytes).expect("sound");
        assert_eq!(target.files().len(), 1);
        assert_eq!(contents(&quarantine).len(), 6);
    }
    assert_eq!(target.files(), [""; 0], "a dropped quarantine leaves nothing");
    let mut broken = bytes.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert!(matches!(target.receive(&broken), Err(ReceiveError::Checksum)));
    assert_eq!(target.files(), [""; 0]);
    target.push(&bytes, tip);
    target.fsck();
    // Thin, large, and with a stray object: rewritten from the file.
    let mut next = Pack::new();
    next.ref_delta(&grown, &craft::append(&[&large[..], b"more"].concat(), b" and more"));
    let again = craft::id(Kind::Blob, &[&large[..], b"more and more"].concat());
    next.blob(&noise(1_200_000));
    let other = next.blob(&noise(1_100_000));
    let tree = next.object(Kind::Tree, &craft::tree(&[("100644", "a", again), ("100644", "b", other)]));
    let second = next.object(Kind::Commit, &craft::commit(&tree, &[tip], "larger"));
    target.push(&next.finish(), second);
    target.fsck();
}

/// Runs one broken pack through and names the error.
fn error_of(target: &Target, bytes: &[u8]) -> String {
    let Err(error) = target.receive(bytes) else { panic!("it was taken") };
    assert_eq!(target.files(), [""; 0], "{error}");
    assert!(!error.is_ours(), "{error}");
    assert!(error.refusals().iter().all(|refusal| !refusal.remedy.is_empty()));
    let debug = format!("{error:?}");
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

#[test]
fn a_broken_frame_is_refused() {
    let target = Target::new();
    let (pack, _) = simple("hello\n");
    let good = pack.finish();
    for (bytes, expected) in [
        (Vec::new(), "Truncated"),
        (good[..8].to_vec(), "Truncated"),
        (good[..good.len() / 2].to_vec(), "Truncated"),
        (good[..good.len() - 20].to_vec(), "Truncated"),
        (good[..good.len() - 10].to_vec(), "Truncated"),
        (craft::seal([b"KCAP", &pack.bytes[4..]].concat()), "Signature"),
        ([b"# v2 git bundle\n\n", &good[..]].concat(), "Signature"),
        (pack.finish_as(1, 3), "Version"),
        (pack.finish_as(3, 3), "Version"),
        (pack.finish_as(u32::MAX, 3), "Version"),
        (pack.finish_as(2, 2), "Checksum"),
        (pack.finish_as(2, 0), "Checksum"),
        (pack.finish_as(2, u32::MAX), "TooManyObjects"),
        (pack.finish_as(2, 20_001), "TooManyObjects"),
        ([&good[..], b"garbage"].concat(), "Trailing"),
        ([&good[..], &good[..]].concat(), "Trailing"),
    ] {
        assert_eq!(error_of(&target, &bytes), expected);
    }
    for at in 12..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 4;
        error_of(&target, &flipped);
    }
}

#[test]
fn a_broken_entry_is_refused() {
    let target = Target::new();
    let entry = |header: &[u8], stream: &[u8]| {
        let mut pack = Pack::new();
        pack.raw(header, stream);
        pack.finish()
    };
    let text = b"some text, some text, some text".repeat(8);
    let (size, stream) = (text.len() as u64, craft::deflate(&text));
    let blob = |size: u64, stream: &[u8]| entry(&craft::header(3, size), stream);
    let mut checksum = stream.clone();
    *checksum.last_mut().expect("some") ^= 1;
    let raw = stream[2..stream.len() - 4].to_vec();
    for (bytes, expected) in [
        (entry(&craft::header(0, size), &stream), "Header"),
        (entry(&craft::header(5, size), &stream), "Header"),
        (entry(&[0xb0, 0x80, 0x00], &stream), "Header"),
        (entry(&[&[0xbf][..], &[0xff; 20], &[1]].concat(), &stream), "Header"),
        (entry(&[&[0xbf][..], &[0xff; 100_000]].concat(), b""), "Header"),
        (entry(&[0xbf], b""), "Inflate"),
        (blob(size + 1, &stream), "Inflate"),
        (blob(size - 1, &stream), "Inflate"),
        (blob(0, &stream), "Inflate"),
        (blob(1 << 31, &stream), "ObjectTooLarge"),
        (blob(1 << 50, &stream), "ObjectTooLarge"),
        (blob(u64::MAX >> 1, &stream), "ObjectTooLarge"),
        (blob(size, &checksum), "Inflate"),
        (blob(size, &raw), "Inflate"),
        (blob(size, b""), "Inflate"),
        (blob(size, &stream[..stream.len() - 9]), "Inflate"),
        (blob(size, &[&stream[..], b"junk"].concat()), "Checksum"),
        (blob(size, &[&stream[..], &stream[..]].concat()), "Checksum"),
    ] {
        assert_eq!(error_of(&target, &bytes), expected);
    }
}

#[test]
fn a_broken_delta_is_refused() {
    let target = Target::new();
    let text = b"a base that deltas are made of";
    let with = |make: &dyn Fn(&mut Pack, u64, ObjectId)| {
        let mut pack = Pack::new();
        let base = pack.offset();
        let id = pack.blob(text);
        make(&mut pack, base, id);
        error_of(&target, &pack.finish())
    };
    let delta = |delta: Vec<u8>| with(&|pack, base, _| pack.ofs_delta(base, &delta));
    let good = craft::append(text, b"!");
    assert_eq!(delta(craft::delta(text.len() + 1, 5, &[craft::copy(0, 5)])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 6, &[craft::copy(0, 5)])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 4, &[craft::copy(0, 5)])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[craft::copy(28, 5)])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[craft::copy(u32::MAX, 5)])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[vec![0]])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[vec![5, b'x']])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[vec![0x91, 0]])), "Delta");
    assert_eq!(delta(craft::delta(text.len(), 5, &[craft::copy(0, 5), vec![1, b'x']])), "Delta");
    assert_eq!(delta(Vec::new()), "Delta");
    assert_eq!(delta(vec![text.len() as u8, 0]), "Delta");
    assert_eq!(delta(vec![0x80; 12]), "Delta");
    assert_eq!(delta([vec![text.len() as u8], craft::varint(1 << 40), craft::copy(0, 5)].concat()), "ObjectTooLarge");
    assert_eq!(with(&|pack, _, _| pack.ref_delta(&ObjectId::Sha1([7; 20]), &good)), "MissingBase");
    assert_eq!(with(&|pack, _, _| pack.ref_delta(&ObjectId::Sha1([0; 20]), &good)), "MissingBase");
    let own = craft::id(Kind::Blob, &[&text[..], b"!"].concat());
    assert_eq!(with(&|pack, _, _| pack.ref_delta(&own, &craft::delta(31, 31, &[craft::copy(0, 31)]))), "MissingBase");
    for distance in [0u64, 1, 13, 1 << 40] {
        let header = [craft::header(6, good.len() as u64), craft::distance(distance)].concat();
        assert_eq!(with(&|pack, _, _| pack.raw(&header, &craft::deflate(&good))), "NoEntry", "{distance}");
    }
    let endless = [craft::header(6, good.len() as u64), vec![0xff; 5000]].concat();
    assert_eq!(with(&|pack, _, _| pack.raw(&endless, b"")), "Header");
    // Two deltas, each the base of the other, whose ids are what they claim only if one of them exists.
    let circle = |pack: &mut Pack, _: u64, _: ObjectId| {
        let (a, b) = (craft::id(Kind::Blob, b"aaaa"), craft::id(Kind::Blob, b"bbbb"));
        pack.ref_delta(&b, &craft::delta(4, 4, &[craft::insert(b"aaaa")]));
        pack.ref_delta(&a, &craft::delta(4, 4, &[craft::insert(b"bbbb")]));
    };
    assert_eq!(with(&circle), "MissingBase");
}

#[test]
fn unusual_but_sound_packs_are_taken() {
    let target = Target::new();
    let text = b"some text to be put in odd streams".repeat(20);
    let stored = {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&text).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut pack = Pack::new();
    pack.raw(&craft::header(3, text.len() as u64), &stored);
    // A delta before its base, by id; a chain as deep as allowed; copies that overlap.
    let (base, grown) = (b"the base stands behind".to_vec(), b"the base stands behind it".to_vec());
    pack.ref_delta(&craft::id(Kind::Blob, &base), &craft::append(&base, b" it"));
    pack.blob(&base);
    pack.blob(b"");
    let mut content = b"chain".to_vec();
    let mut at = pack.offset();
    pack.blob(&content);
    for _ in 0..50 {
        let delta = craft::append(&content, b"+");
        content = [&content[..], b"+"].concat();
        let next = pack.offset();
        pack.ofs_delta(at, &delta);
        at = next;
    }
    let quarantine = target.receive(&pack.finish()).expect("sound");
    let objects: Vec<Vec<u8>> = contents(&quarantine).into_iter().map(|(_, content)| content).collect();
    for wanted in [&text, &base, &grown, &Vec::new(), &content] {
        assert!(objects.contains(wanted));
    }
    // One more link is too many.
    let mut deeper = pack.clone();
    deeper.ofs_delta(at, &craft::append(&content, b"+"));
    assert!(matches!(target.receive(&deeper.finish()), Err(ReceiveError::TooDeep { limit: 50 })));
}

#[test]
fn broken_objects_are_named() {
    let target = Target::new();
    let mut pack = Pack::new();
    let blob = pack.blob(b"x");
    let tree = pack.object(Kind::Tree, &craft::tree(&[("100644", ".git", blob), ("100664", "b", blob)]));
    pack.object(Kind::Commit, b"");
    // A tree made by a delta is looked at as well.
    let sound = craft::tree(&[("100644", "c", blob)]);
    let base = pack.offset();
    pack.object(Kind::Tree, &sound);
    let twice = [&sound[..], &sound[..]].concat();
    pack.ofs_delta(base, &craft::append(&sound, &sound));
    let refusals = match target.receive(&pack.finish()) {
        Err(error @ ReceiveError::Objects(_)) => error.refusals(),
        other => panic!("{:?}", other.err()),
    };
    let told: Vec<String> = refusals.iter().map(|refusal| format!("{} {}", refusal.code, refusal.place)).collect();
    assert_eq!(
        told,
        [
            format!("has-dotgit .git (tree {tree})"),
            format!("bad-filemode b (tree {tree})"),
            format!("unterminated-header commit {}", craft::id(Kind::Commit, b"")),
            format!("duplicate-entries c (tree {})", craft::id(Kind::Tree, &twice)),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens to the bytes of a sound pack, the answer is an error or objects with right ids.
    #[test]
    fn mutated_packs_never_panic(changes in proptest::collection::vec((0usize..2000, any::<u8>()), 1..6), sealed: bool) {
        let target = Target::new();
        let (mut pack, _) = simple("hello, hello, hello\n");
        let base = pack.offset();
        pack.blob(b"a base of some length for a delta");
        pack.ofs_delta(base, &craft::append(b"a base of some length for a delta", b"!"));
        let mut bytes = if sealed { pack.bytes.clone() } else { pack.finish() };
        bytes[8..12].copy_from_slice(&pack.count.to_be_bytes());
        bytes[7] = 2;
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let bytes = if sealed { craft::seal(bytes) } else { bytes };
        if let Ok(quarantine) = target.receive(&bytes) {
            contents(&quarantine);
        }
        prop_assert_eq!(target.files(), [""; 0]);
    }

    /// Deltas in any order and shape, by offset and by id, before and behind their bases, with doubles: all come out,
    /// and what is kept of them is sound to stock git.
    #[test]
    fn any_forest_of_deltas_is_resolved(shape in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..40)) {
        let mut target = Target::new();
        let mut objects: Vec<Vec<u8>> = vec![b"the first object, of which all others are made".to_vec()];
        let mut plan: Vec<(usize, u8)> = vec![(0, 3)];
        for (base, form, more) in &shape {
            let base = base.index(objects.len());
            let content = [&objects[base][..], &[b'a' + more % 5]].concat();
            objects.push(content);
            plan.push((base, *form));
        }
        let mut pack = Pack::new();
        let mut late = Vec::new();
        let mut offsets = vec![None; objects.len()];
        for (number, (base, form)) in plan.iter().enumerate() {
            let more = objects[number].last().copied().unwrap_or_default();
            let delta = craft::append(&objects[*base], &[more]);
            let at = pack.offset();
            match (form, offsets[*base]) {
                (0, Some(base)) => pack.ofs_delta(base, &delta),
                (1, _) => pack.ref_delta(&craft::id(Kind::Blob, &objects[*base]), &delta),
                (2, _) => {
                    late.push(number);
                    continue;
                }
                _ => drop(pack.blob(&objects[number])),
            }
            offsets[number] = Some(at);
        }
        for number in late {
            pack.blob(&objects[number]);
        }
        let mut entries: Vec<(String, ObjectId)> = Vec::new();
        for (number, content) in objects.iter().enumerate().filter(|(number, _)| number % 3 != 1) {
            entries.push((format!("f{number:03}"), craft::id(Kind::Blob, content)));
        }
        let entries: Vec<(&str, &str, ObjectId)> = entries.iter().map(|(name, id)| ("100644", name.as_str(), *id)).collect();
        let tree = pack.object(Kind::Tree, &craft::tree(&entries));
        let tip = pack.object(Kind::Commit, &craft::commit(&tree, &[], "forest"));
        let limits = ReceiveLimits { delta_depth_max: 100, ..target.limits };
        target.limits = limits;
        let mut expected = objects.clone();
        expected.sort();
        expected.dedup();
        let quarantine = target.receive(&pack.finish()).expect("sound");
        let found: Vec<Vec<u8>> =
            contents(&quarantine).into_iter().filter(|(kind, _)| *kind == Kind::Blob).map(|(_, content)| content).collect();
        prop_assert_eq!(found, expected);
        target.push(&pack.finish(), tip);
        target.fsck();
    }
}
