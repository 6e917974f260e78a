//! The one door: whatever moves a ref goes through these steps, in this order.
//!
//! In: a proof of access, the head of a push and its pack, or an edit that the server makes for a person. Out: a report
//! in words. What holds when the process dies stands between the steps.
//!
//! - `arrival`: where the push goes and what stands there now
//! - `asked`: each command and what has become of it so far; `content`: the trees; `judge`: what the rules say of them
//! - `signed`: the certificate; `release`: the tag that a release needs
//! - `commit`: objects into the repository, then the one transaction; `words`: what the person reads
//! - `edit`: changes that the server makes for somebody, as a commit through the same steps

mod arrival;
mod asked;
mod commit;
mod content;
mod edit;
mod judge;
mod release;
mod signed;
mod turnstile;
mod words;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::access::{Granted, Push};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::receive::commands::Head;
use skill_pool_git::receive::report::Report;
use skill_pool_git::receive::{
    Bases, Connectivity, Deadline, FactsCache, Quarantine, Reachable, ReceiveError, receive_pack,
};
use skill_pool_git::repo::RepoCache;

use crate::keys::Keys;
use crate::store::{DataFolder, Store};

pub use arrival::Entrance;
pub use edit::{Edit, Edited};

use arrival::Arrival;
use asked::Asked;
use turnstile::Turnstile;

/// What the door works with. One for the process.
pub struct Door {
    store: Arc<Store>,
    repositories: Arc<RepoCache>,
    keys: Arc<Keys>,
    data: DataFolder,
    limits: ReceiveLimits,
    facts: FactsCache,
    digests: content::BlobDigests,
    clock: fn() -> Timestamp,
    judging: Turnstile,
}

/// Pushes that are received from their bodies and judged at the same time. Each may take some 40 MiB when it is hostile.
const JUDGED_AT_ONCE: usize = 3;

impl Door {
    /// Puts the parts together. `clock` tells the present time.
    pub fn new(
        store: Arc<Store>,
        repositories: Arc<RepoCache>,
        keys: Arc<Keys>,
        data: DataFolder,
        limits: ReceiveLimits,
        clock: fn() -> Timestamp,
    ) -> Self {
        let (facts, digests) = (FactsCache::default(), content::BlobDigests::default());
        let judging = Turnstile::new(JUDGED_AT_ONCE);
        Self { store, repositories, keys, data, limits, facts, digests, clock, judging }
    }

    /// Where large bodies and packs wait; what a killed process left there goes away at start.
    pub fn quarantine(&self) -> PathBuf {
        self.data.derived().join("quarantine")
    }

    /// Bounds of one push.
    pub fn limits(&self) -> &ReceiveLimits {
        &self.limits
    }

    /// Takes one push. `pack` is what follows the head in the request; it is read only as far as needed. `addresses` are
    /// the repository's addresses, the canonical one first: a certificate must name one of them.
    ///
    /// Blocking; memory stays bounded whatever is sent.
    pub fn push(&self, proof: &Granted<Push>, mut head: Head, pack: impl Read, addresses: &[String]) -> Report {
        if let Some(refusal) = &head.refusal {
            return Report::refused(&head.commands, false, refusal);
        }
        let deadline = Deadline::after(self.limits.time_max);
        let arrival = match Arrival::look_up(self, Entrance::of(proof)) {
            Ok(arrival) => arrival,
            Err(refusal) => return Report::refused(&head.commands, false, &refusal),
        };
        // The certificate first: it holds the commands when there is one, and a push that may not happen without one is
        // refused before its pack is read.
        let signed = match signed::check(self, &arrival, &mut head, addresses) {
            Ok(signed) => signed,
            // Commands that stand in an unreadable certificate cannot be answered one by one.
            Err(refusal) => return Report::refused(&head.commands, head.commands.is_empty(), &refusal),
        };
        let atomic = head.capabilities.atomic;
        let mut asked = Asked::new(head.commands.clone());
        asked.judge_names(&arrival);
        if asked.is_hopeless(atomic) {
            return words::nothing_done(&asked, &signed.warnings);
        }
        let turn = self.judging.enter();
        let tips: Vec<ObjectId> = head.commands.iter().filter_map(|command| command.old).collect();
        let mut readable = Reachable::new(arrival.objects(), &arrival.refs, &tips, deadline);
        let mut quarantine = match self.receive(&arrival, &head, pack, &mut readable, deadline) {
            Ok(quarantine) => quarantine,
            Err(error) => return words::not_received(&head.commands, &error),
        };
        // The objects are in quarantine: sound by themselves, visible to nobody. Dying here leaves a temporary file.
        let reached = {
            let mut connectivity =
                Connectivity::new(&quarantine, arrival.objects(), readable, &self.facts, &self.limits, deadline);
            asked.connect(&mut connectivity);
            asked.judge_moves(&arrival, &quarantine);
            asked.judge_content(self, &arrival, &quarantine);
            if asked.is_hopeless(atomic) {
                return words::nothing_done(&asked, &signed.warnings);
            }
            match connectivity.reached(&asked.accepted()) {
                Ok(reached) => reached,
                Err(error) => return words::not_connected(&head.commands, &error),
            }
        };
        // What comes now waits for the disk, and the more pushes wait for it together the better.
        drop(turn);
        let release = match release::prepare(self, &arrival, &asked, &mut quarantine) {
            Ok(release) => release,
            Err(refusal) => return Report::refused(&head.commands, false, &refusal),
        };
        match commit::commit(self, &arrival, &asked, &signed, release, (quarantine, reached), atomic) {
            // Nothing of it can be lost now, whatever is killed; followers bring the rest in line.
            Ok(committed) => words::done(&arrival, &asked, &committed, &signed.warnings),
            Err(refusal) => Report::refused(&head.commands, false, &refusal),
        }
    }

    fn receive(
        &self,
        arrival: &Arrival,
        head: &Head,
        pack: impl Read,
        readable: &mut Reachable<'_>,
        deadline: Deadline,
    ) -> Result<Quarantine, ReceiveError> {
        if !head.expects_pack() {
            return Ok(Quarantine::empty(&arrival.quarantine));
        }
        // A base that cannot be told readable counts as one that is not: the push is refused, nothing is given away.
        let mut may_read = |id: &gix::oid| readable.contains(id, None).unwrap_or(false);
        let mut bases = Bases { objects: arrival.objects(), may_read: &mut may_read };
        receive_pack(pack, &self.limits, deadline, &mut bases, &arrival.quarantine)
    }
}
