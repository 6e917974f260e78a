//! Few bytes that ask for much memory or time.

use std::io::Write;
use std::time::{Duration, Instant};

use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::objects::{Kind, ObjectId};
use skill_pool_git::receive::ReceiveError;

use super::craft::{self, Pack};
use super::target::{Target, contents};

fn zeros(bytes: u64) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let block = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&block).expect("memory");
    }
    encoder.finish().expect("memory")
}

fn error(target: &Target, pack: &Pack) -> ReceiveError {
    let start = Instant::now();
    let Err(error) = target.receive(&pack.finish()) else { panic!("it was taken") };
    assert!(start.elapsed() < Duration::from_secs(20), "{error} took {:?}", start.elapsed());
    assert_eq!(target.files(), [""; 0]);
    error
}

#[test]
fn whole_objects_stay_within_their_limit() {
    let target = Target::new();
    let size = 64 << 20;
    for (number, declared) in [(3, size), (1, size), (2, size), (4, size), (1, 3 << 20), (2, 3 << 20)] {
        let mut pack = Pack::new();
        pack.raw(&craft::header(number, declared), &zeros(declared));
        assert!(matches!(error(&target, &pack), ReceiveError::ObjectTooLarge { .. }), "{number} {declared}");
    }
    let mut lying = Pack::new();
    lying.raw(&craft::header(3, 100), &zeros(size));
    assert!(matches!(error(&target, &lying), ReceiveError::Inflate { .. }));
}

#[test]
fn many_objects_stay_within_their_sum() {
    let mut target = Target::new();
    target.limits.inflated_bytes_max = 16 << 20;
    let mut pack = Pack::new();
    for _ in 0..20 {
        pack.raw(&craft::header(3, 1 << 20), &zeros(1 << 20));
    }
    assert!(matches!(error(&target, &pack), ReceiveError::InflatedTooLarge { .. }));
}

/// Deltas that double their base, one upon the other.
fn tower(steps: u32) -> Pack {
    let mut pack = Pack::new();
    let mut size = 64 << 10;
    let mut at = pack.offset();
    pack.blob(&vec![b'x'; size]);
    for _ in 0..steps {
        let next = pack.offset();
        let half: Vec<Vec<u8>> =
            (0..size).step_by(0xff_ffff).map(|at| craft::copy(at as u32, (size - at).min(0xff_ffff) as u32)).collect();
        pack.ofs_delta(at, &craft::delta(size, size * 2, &[half.concat(), half.concat()]));
        (at, size) = (next, size * 2);
    }
    pack
}

#[test]
fn deltas_stay_within_the_limits() {
    let target = Target::new();
    assert!(target.receive(&tower(7).finish()).is_ok(), "8 MiB are allowed");
    assert!(matches!(error(&target, &tower(14)), ReceiveError::ObjectTooLarge { .. }));
    let mut fan = Pack::new();
    let base = fan.offset();
    fan.blob(&vec![b'x'; 1 << 20]);
    for round in 0..300u32 {
        let copies = craft::copy(round, (1 << 20) - 1000).repeat(8);
        fan.ofs_delta(base, &craft::delta(1 << 20, 8 * ((1 << 20) - 1000), &[copies]));
    }
    assert!(matches!(error(&target, &fan), ReceiveError::InflatedTooLarge { .. }));
    let mut lying = Pack::new();
    let base = lying.offset();
    lying.blob(&vec![b'x'; 1 << 20]);
    lying.ofs_delta(base, &craft::delta(1 << 20, 100, &[craft::copy(0, 1 << 20).repeat(1000)]));
    assert!(matches!(error(&target, &lying), ReceiveError::Delta { .. }));
}

#[test]
fn long_chains_are_refused_early_however_they_are_written() {
    let target = Target::new();
    let mut contents_of: Vec<Vec<u8>> = vec![b"base".to_vec()];
    for _ in 0..3000 {
        let next = [&contents_of[contents_of.len() - 1][..], b"+"].concat();
        contents_of.push(next);
    }
    let delta = |number: usize| craft::append(&contents_of[number - 1], b"+");
    let id = |number: usize| craft::id(Kind::Blob, &contents_of[number]);
    let (mut offsets, mut forward, mut backward) = (Pack::new(), Pack::new(), Pack::new());
    let mut at = offsets.offset();
    offsets.blob(&contents_of[0]);
    forward.blob(&contents_of[0]);
    for number in 1..contents_of.len() {
        let next = offsets.offset();
        offsets.ofs_delta(at, &delta(number));
        at = next;
        forward.ref_delta(&id(number - 1), &delta(number));
    }
    for number in (1..contents_of.len()).rev() {
        backward.ref_delta(&id(number - 1), &delta(number));
    }
    backward.blob(&contents_of[0]);
    for pack in [offsets, forward, backward] {
        assert!(matches!(error(&target, &pack), ReceiveError::TooDeep { limit: 50 }));
    }
}

/// A comb: a chain of large objects, each with a second delta that is only taken on the way back. More bytes are bases
/// at the same time than are ever held.
#[test]
fn bases_that_were_dropped_are_made_again() {
    let mut target = Target::new();
    target.limits = ReceiveLimits { object_bytes_max: 64 << 10, inflated_bytes_max: 200 << 20, ..target.limits };
    let mut pack = Pack::new();
    let mut content: Vec<u8> = (0..50 << 10).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut base = pack.offset();
    let mut expected = vec![craft::id(Kind::Blob, &content)];
    pack.blob(&content);
    for step in 0..12u8 {
        // Two branches of equal weight: the side one has a delta of its own.
        let side = [&content[..], b"side", &[step]].concat();
        let at = pack.offset();
        pack.ofs_delta(base, &craft::append(&content, &[b"side", &[step][..]].concat()));
        pack.ofs_delta(at, &craft::append(&side, b"more"));
        expected.push(craft::id(Kind::Blob, &side));
        expected.push(craft::id(Kind::Blob, &[&side[..], b"more"].concat()));
        let next = pack.offset();
        pack.ofs_delta(base, &craft::append(&content, &[step]));
        content.push(step);
        expected.push(craft::id(Kind::Blob, &content));
        base = next;
    }
    let quarantine = target.receive(&pack.finish()).expect("sound");
    let mut found: Vec<ObjectId> = quarantine.objects().map(|(id, _)| id).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(contents(&quarantine).len(), expected.len());
}

#[test]
fn time_is_limited() {
    let mut target = Target::new();
    target.limits.time_max = Duration::ZERO;
    let mut pack = Pack::new();
    pack.blob(b"x");
    assert!(matches!(error(&target, &pack), ReceiveError::TooSlow { .. }));
}
