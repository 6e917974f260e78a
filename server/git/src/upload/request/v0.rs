//! Requests of versions 0 and 1: wants, then what the client has.

use super::{
    FetchRequest, MultiAck, Packet, Reader, Request, RequestError, SideBand, UploadLimits, UploadOptions, bounded,
    parse_id, pkt, refused, shown,
};
use crate::upload::filter::Filter;

pub fn parse(body: &[u8], options: &UploadOptions, limits: &UploadLimits) -> Result<Request, RequestError> {
    let mut reader = Reader::new(body);
    let mut request = FetchRequest::default();
    let mut relative = false;
    let mut filter_agreed = false;
    let mut lines = 0;
    let mut wanted = crate::ids::IdSet::default();
    loop {
        let data = match reader.next_packet()? {
            Some(Packet::Data(data)) => pkt::line(data),
            Some(Packet::Flush) => break,
            None if lines == 0 => break,
            None => return Err(RequestError::Packets(super::PacketError::Truncated)),
            Some(Packet::Delim | Packet::ResponseEnd) => {
                return Err(refused("a delimiter packet has no place in this version of the protocol".to_owned()));
            }
        };
        lines += 1;
        if request.take_shallow_line(data, limits)? {
            continue;
        }
        if let Some(spec) = data.strip_prefix(b"filter ") {
            if !filter_agreed {
                return Err(refused("filtering capability not negotiated".to_owned()));
            }
            if request.filter.is_some() {
                return Err(refused("multiple filter-specs cannot be combined".to_owned()));
            }
            request.filter = Some(Filter::parse(spec, &options.filter_rule).map_err(refused)?);
            continue;
        }
        let wrong =
            || refused(format!("upload-pack: protocol error, expected to get object ID, not '{}'", shown(data)));
        let want = data.strip_prefix(b"want ").ok_or_else(wrong)?;
        let id = want.get(..40).and_then(parse_id).ok_or_else(wrong)?;
        let words = &want[40..];
        if !words.is_empty() && words[0] != b' ' {
            return Err(wrong());
        }
        if wanted.insert(id) {
            bounded(request.wants.len(), limits.wants_max, "wants")?;
            request.wants.push(id);
        }
        for word in words.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            match word {
                b"deepen-relative" => relative = true,
                b"multi_ack_detailed" => request.multi_ack = MultiAck::Detailed,
                b"multi_ack" if request.multi_ack == MultiAck::None => request.multi_ack = MultiAck::Basic,
                b"no-done" => request.no_done = true,
                b"thin-pack" => request.thin_pack = true,
                b"ofs-delta" => request.ofs_delta = true,
                b"side-band-64k" => request.band = SideBand::Large,
                b"side-band" if request.band == SideBand::None => request.band = SideBand::Small,
                b"no-progress" => request.no_progress = true,
                b"include-tag" => request.include_tag = true,
                b"filter" => filter_agreed = options.filter,
                word => {
                    if let Some(format) = word.strip_prefix(b"object-format=")
                        && format != b"sha1"
                    {
                        let format = shown(format);
                        return Err(refused(format!("mismatched object format: server sha1; client {format}")));
                    }
                }
            }
        }
    }
    if request.wants.is_empty() {
        if lines > 0 {
            return Err(refused("upload-pack: the request wants nothing".to_owned()));
        }
        return Ok(Request::Empty);
    }
    request.wants_only = reader.rest().is_empty();
    loop {
        let data = match reader.next_packet()? {
            Some(Packet::Data(data)) => pkt::line(data),
            // One round a request: the client sends what follows with the next.
            Some(Packet::Flush) | None => break,
            Some(Packet::Delim | Packet::ResponseEnd) => {
                return Err(refused("a delimiter packet has no place in this version of the protocol".to_owned()));
            }
        };
        if data == b"done" {
            request.done = true;
            break;
        }
        let id = data.strip_prefix(b"have ").and_then(parse_id);
        let id = id.ok_or_else(|| refused(format!("upload-pack: expected SHA1 list, got '{}'", shown(data))))?;
        bounded(request.haves.len(), limits.haves_max, "haves")?;
        request.haves.push(id);
    }
    request.finish(relative);
    Ok(Request::Fetch(Box::new(request)))
}
