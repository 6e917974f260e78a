//! Making one answer to a fetch: wants allowed, haves acknowledged, objects chosen, pack planned.

use std::sync::Arc;

use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use skill_pool_domain::names::RefName;

use super::{Ask, FetchError};
use crate::ids::IdSet;
use crate::objects::Objects;
use crate::pkt::{self, Band};
use crate::request_text::shown;
use crate::upload::commits::Commits;
use crate::upload::deadline::Deadline;
use crate::upload::frame::Frame;
use crate::upload::negotiate::Common;
use crate::upload::options::{Version, WantRule};
use crate::upload::pack::PackStream;
use crate::upload::reach::{Reach, ReachCache};
use crate::upload::request::{Deepen, FetchRequest, MultiAck, SideBand};
use crate::upload::select::{self, Selection};
use crate::upload::shallow::{self, Cut};

/// Wants up to this number are looked for among the refs one by one.
const LOOKED_FOR_MAX: usize = 4;

/// What was made.
pub enum Built {
    /// Lines only: another round of the client is due.
    Lines(Bytes),
    /// An answer that ends in a pack.
    Pack(Box<PackStream>),
}

/// One request's view of the repository.
pub struct Session<'a> {
    ask: Ask<'a>,
    commits: Commits<'a>,
    reach_cache: &'a ReachCache,
    reach: Option<Arc<Reach>>,
}

impl<'a> Session<'a> {
    pub fn new(ask: &Ask<'a>, reach_cache: &'a ReachCache) -> Self {
        let deadline = Deadline::new(ask.limits.time_max);
        let commits = Commits::new(ask.repo, &ask.options.shallow, deadline);
        Self { ask: *ask, commits, reach_cache, reach: None }
    }

    fn reach(&mut self) -> Result<Arc<Reach>, FetchError> {
        if let Some(reach) = &self.reach {
            return Ok(Arc::clone(reach));
        }
        let reach = self.reach_cache.get(&mut self.commits, self.ask.refs, self.ask.limits.objects_max)?;
        self.reach = Some(Arc::clone(&reach));
        Ok(reach)
    }

    /// True when the reader's refs reach `id`, whatever kind of object it is.
    pub fn is_visible(&mut self, id: &ObjectId) -> Result<bool, FetchError> {
        let reach = self.reach()?;
        let was_whole = reach.is_whole();
        let visible = reach.has(id, &mut self.commits, self.ask.limits.objects_max)?;
        if reach.is_whole() != was_whole {
            self.reach_cache.keep(self.ask.refs.state, &reach);
        }
        Ok(visible)
    }

    /// Checks that each of `wants` may be served.
    fn allow(&mut self, wants: &[ObjectId]) -> Result<(), FetchError> {
        let refs = self.ask.refs;
        let tips: Option<IdSet> =
            (wants.len() > LOOKED_FOR_MAX).then(|| refs.refs.iter().map(|entry| entry.id).collect());
        for want in wants {
            let is_tip = match &tips {
                Some(tips) => tips.contains(want),
                None => refs.refs.iter().any(|entry| entry.id == *want),
            };
            if is_tip || refs.head_id() == Some(*want) {
                continue;
            }
            let allowed = match &self.ask.options.wants {
                WantRule::Any => self.ask.repo.contains(want)?,
                WantRule::ReachableOr(more) if more.contains(want) => self.ask.repo.contains(want)?,
                WantRule::Reachable | WantRule::ReachableOr(_) => self.is_visible(want)?,
            };
            if !allowed {
                // The same words for what is hidden and what does not exist.
                return Err(FetchError::Refused(format!("upload-pack: not our ref {want}")));
            }
        }
        Ok(())
    }
}

/// Makes the answer to `request`.
///
/// # Errors
/// [`FetchError`].
pub fn build(ask: &Ask<'_>, request: &FetchRequest, reach_cache: &ReachCache) -> Result<Built, FetchError> {
    let mut session = Session::new(ask, reach_cache);
    let mut wants = request.wants.clone();
    let wanted_refs = resolve_wanted(request, ask)?;
    wants.extend(wanted_refs.iter().map(|(id, _)| *id));
    let mut distinct = IdSet::default();
    wants.retain(|id| distinct.insert(*id));
    session.allow(&wants)?;

    let mut client = IdSet::default();
    if !request.shallow.is_empty() {
        let reach = session.reach()?;
        client.extend(request.shallow.iter().filter(|id| reach.has_commit(id)).copied());
    }
    let cut = cut(request, &wants, client, &mut session)?;

    let mut lines = Lines { out: Vec::new(), all_banded: request.sideband_all };
    let common = match ask.version {
        Version::V0 | Version::V1 => {
            if request.deepen != Deepen::No {
                lines.cut(&cut);
                lines.out.extend_from_slice(pkt::FLUSH);
                if request.wants_only {
                    return Ok(Built::Lines(lines.out.into()));
                }
            }
            negotiate_v0(request, &wants, &mut session, &mut lines)?
        }
        Version::V2 => negotiate_v2(request, &wants, &mut session, &mut lines)?,
    };
    let Some(common) = common else { return Ok(Built::Lines(lines.out.into())) };

    if ask.version == Version::V2 {
        if request.deepen != Deepen::No || !request.shallow.is_empty() || !ask.options.shallow.is_empty() {
            lines.line("shallow-info\n");
            lines.cut(&cut);
            lines.out.extend_from_slice(pkt::DELIM);
        }
        if !wanted_refs.is_empty() {
            lines.line("wanted-refs\n");
            for (id, name) in &wanted_refs {
                lines.line(&format!("{id} {name}\n"));
            }
            lines.out.extend_from_slice(pkt::DELIM);
        }
    }
    let commits = &mut session.commits;
    let mut selection = select::select(request, &wants, &common, &cut, ask.refs, commits, ask.limits.objects_max)?;
    if ask.version == Version::V2 {
        point_elsewhere(request, ask, &mut selection, &mut lines);
        lines.line("packfile\n");
    }
    let band = if ask.version == Version::V2 { SideBand::Large } else { request.band };
    let frame = Frame::new(lines.out, band);
    let pack = PackStream::new(Arc::clone(ask.repo), selection, request, frame, session.commits.deadline)?;
    Ok(Built::Pack(Box::new(pack)))
}

fn cut(
    request: &FetchRequest,
    wants: &[ObjectId],
    client: IdSet,
    session: &mut Session<'_>,
) -> Result<Cut, FetchError> {
    let commits = &mut session.commits;
    // A repository whose own history is cut tells version 2 where, also unasked.
    if request.deepen == Deepen::No && session.ask.version == Version::V2 && !session.ask.options.shallow.is_empty() {
        let deepen = Deepen::Depth { commits: crate::upload::request::DEPTH_INFINITE, relative: false };
        let whole = FetchRequest { deepen, ..FetchRequest::default() };
        return shallow::cut(&whole, wants, client, session.ask.refs, commits);
    }
    shallow::cut(request, wants, client, session.ask.refs, commits)
}

/// The values of refs that are wanted by name.
fn resolve_wanted(request: &FetchRequest, ask: &Ask<'_>) -> Result<Vec<(ObjectId, String)>, FetchError> {
    let find = |name: &Vec<u8>| {
        let known = RefName::parse(name).ok().and_then(|name| ask.refs.get(&name));
        let head = (name == b"HEAD").then(|| ask.refs.head_id()).flatten();
        match (known, head) {
            (Some(entry), _) => Ok((entry.id, entry.name.to_string())),
            (None, Some(id)) => Ok((id, "HEAD".to_owned())),
            (None, None) => Err(FetchError::Refused(format!("unknown ref {}", shown(name)))),
        }
    };
    request.want_refs.iter().map(find).collect()
}

/// Acknowledges as versions 0 and 1 do. `None`: the round is over, and no pack follows.
fn negotiate_v0(
    request: &FetchRequest,
    wants: &[ObjectId],
    session: &mut Session<'_>,
    lines: &mut Lines,
) -> Result<Option<Vec<ObjectId>>, FetchError> {
    let detailed = request.multi_ack == MultiAck::Detailed;
    let mut common = Common::default();
    let reach = if request.haves.is_empty() { None } else { Some(session.reach()?) };
    let (mut got_other, mut ready) = (false, false);
    for have in &request.haves {
        if reach.as_ref().is_some_and(|reach| reach.has_commit(have)) {
            common.add(*have, &mut session.commits)?;
            match request.multi_ack {
                MultiAck::Detailed => lines.line(&format!("ACK {have} common\n")),
                MultiAck::Basic => lines.line(&format!("ACK {have} continue\n")),
                MultiAck::None if common.ids.len() == 1 => lines.line(&format!("ACK {have}\n")),
                MultiAck::None => {}
            }
        } else {
            got_other = true;
            if request.multi_ack != MultiAck::None && common.is_enough(wants, &mut session.commits, false)? {
                ready |= detailed;
                // Stock git repeats the unknown id here. Which id it is makes no difference to clients, and an id that
                // this reader may not see is never acknowledged.
                let word = if detailed { "ready" } else { "continue" };
                common.ids.last().iter().for_each(|last| lines.line(&format!("ACK {last} {word}\n")));
            }
        }
    }
    let last = common.ids.last().copied();
    if request.done {
        match last {
            Some(last) if request.multi_ack != MultiAck::None => lines.line(&format!("ACK {last}\n")),
            Some(_) => {}
            None => lines.line("NAK\n"),
        }
        return Ok(Some(common.ids));
    }
    if let Some(last) = last
        && detailed
        && !got_other
        && common.is_enough(wants, &mut session.commits, true)?
    {
        ready = true;
        lines.line(&format!("ACK {last} ready\n"));
    }
    if last.is_none() || request.multi_ack != MultiAck::None {
        lines.line("NAK\n");
    }
    match last {
        Some(last) if request.no_done && ready => {
            lines.line(&format!("ACK {last}\n"));
            Ok(Some(common.ids))
        }
        _ => Ok(None),
    }
}

/// Acknowledges as version 2 does. `None`: the round is over, and no pack follows.
fn negotiate_v2(
    request: &FetchRequest,
    wants: &[ObjectId],
    session: &mut Session<'_>,
    lines: &mut Lines,
) -> Result<Option<Vec<ObjectId>>, FetchError> {
    let mut common = Common::default();
    if request.haves.is_empty() {
        return Ok(Some(common.ids));
    }
    let reach = session.reach()?;
    let mut named = IdSet::default();
    for have in &request.haves {
        if reach.has_commit(have) && named.insert(*have) {
            common.add(*have, &mut session.commits)?;
        }
    }
    if request.done {
        return Ok(Some(common.ids));
    }
    lines.line("acknowledgments\n");
    if common.ids.is_empty() {
        lines.line("NAK\n");
    }
    for id in &common.ids {
        lines.line(&format!("ACK {id}\n"));
    }
    if !request.wait_for_done && common.is_enough(wants, &mut session.commits, true)? {
        lines.line("ready\n");
        lines.out.extend_from_slice(pkt::DELIM);
        return Ok(Some(common.ids));
    }
    lines.out.extend_from_slice(pkt::FLUSH);
    Ok(None)
}

/// Leaves out blobs that the client will fetch from elsewhere, and says where.
fn point_elsewhere(request: &FetchRequest, ask: &Ask<'_>, selection: &mut Selection, lines: &mut Lines) {
    if request.packfile_uris.is_empty() {
        return;
    }
    let speaks = |uri: &str| {
        let protocol = uri.split(':').next().unwrap_or_default();
        request.packfile_uris.iter().any(|known| known == protocol.as_bytes())
    };
    let mut left_out = IdSet::default();
    let mut told = false;
    for uri in ask.options.packfile_uris.iter().filter(|uri| speaks(&uri.uri)) {
        let is_sent =
            selection.objects.contains(&uri.blob) && matches!(ask.repo.header(&uri.blob), Ok(Some((Kind::Blob, _))));
        if is_sent && left_out.insert(uri.blob) {
            if !told {
                lines.line("packfile-uris\n");
                told = true;
            }
            lines.line(&format!("{} {}\n", uri.pack, uri.uri));
        }
    }
    if told {
        lines.out.extend_from_slice(pkt::DELIM);
        selection.objects.retain(|id| !left_out.contains(id));
    }
}

/// Lines before the pack.
struct Lines {
    out: Vec<u8>,
    /// Each line is on band 1.
    all_banded: bool,
}

impl Lines {
    fn line(&mut self, text: &str) {
        if self.all_banded {
            pkt::write_band(&mut self.out, Band::Data, text.as_bytes());
        } else {
            pkt::write(&mut self.out, text.as_bytes());
        }
    }

    /// Without line ends: libgit2 1.9 takes a shallow line with one for no packet at all.
    fn cut(&mut self, cut: &Cut) {
        for id in &cut.shallow {
            self.line(&format!("shallow {id}"));
        }
        for id in &cut.unshallow {
            self.line(&format!("unshallow {id}"));
        }
    }
}
