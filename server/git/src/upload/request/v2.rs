//! Requests of version 2: a command, capabilities, arguments.

use super::{
    FetchRequest, LsRefs, ObjectInfo, Packet, PacketError, Reader, Request, RequestError, SideBand, UploadLimits,
    UploadOptions, bounded, parse_id, pkt, refused, shown,
};
use crate::upload::filter::Filter;

#[derive(Clone, Copy)]
enum Command {
    LsRefs,
    Fetch,
    ObjectInfo,
}

pub fn parse(body: &[u8], options: &UploadOptions, limits: &UploadLimits) -> Result<Request, RequestError> {
    let mut reader = Reader::new(body);
    let mut command: Option<(Command, Vec<u8>)> = None;
    let mut seen = false;
    let arguments_follow = loop {
        let data = match reader.next_packet()? {
            Some(Packet::Data(data)) => pkt::line(data),
            Some(Packet::Flush) => break false,
            Some(Packet::Delim) => break true,
            Some(Packet::ResponseEnd) => return Err(refused("unexpected response end packet".to_owned())),
            None if !seen => return Ok(Request::Empty),
            None => return Err(RequestError::Packets(PacketError::Truncated)),
        };
        seen = true;
        if let Some(name) = data.strip_prefix(b"command=") {
            if let Some((_, before)) = &command {
                return Err(refused(format!(
                    "command '{}' requested after already requesting command '{}'",
                    shown(name),
                    shown(before)
                )));
            }
            let known = match name {
                b"ls-refs" => Command::LsRefs,
                b"fetch" => Command::Fetch,
                b"object-info" if options.object_info => Command::ObjectInfo,
                _ => return Err(refused(format!("invalid command '{}'", shown(name)))),
            };
            command = Some((known, name.to_vec()));
        } else if let Some(format) = data.strip_prefix(b"object-format=") {
            if format != b"sha1" {
                let format = shown(format);
                return Err(refused(format!("mismatched object format: server sha1; client {format}")));
            }
        } else if !is_capability(data) {
            return Err(refused(format!("unknown capability '{}'", shown(data))));
        }
    };
    let Some((command, _)) = command else {
        if !seen && !arguments_follow {
            return Ok(Request::Empty);
        }
        return Err(refused("no command requested".to_owned()));
    };
    let mut lines = Arguments { reader, open: arguments_follow };
    match command {
        Command::LsRefs => ls_refs(&mut lines, options, limits),
        Command::Fetch => fetch(&mut lines, options, limits),
        Command::ObjectInfo => object_info(&mut lines, limits),
    }
}

fn is_capability(data: &[u8]) -> bool {
    let value_of = |name: &[u8]| data == name || data.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="));
    value_of(b"agent") || value_of(b"server-option") || value_of(b"session-id")
}

/// The arguments of a command, to the flush packet that ends them.
struct Arguments<'a> {
    reader: Reader<'a>,
    open: bool,
}

impl<'a> Arguments<'a> {
    fn next_line(&mut self, command: &str) -> Result<Option<&'a [u8]>, RequestError> {
        if !self.open {
            return Ok(None);
        }
        match self.reader.next_packet()? {
            Some(Packet::Data(data)) => Ok(Some(pkt::line(data))),
            Some(Packet::Flush) => {
                self.open = false;
                Ok(None)
            }
            Some(Packet::Delim | Packet::ResponseEnd) => {
                Err(refused(format!("expected flush after {command} arguments")))
            }
            None => Err(RequestError::Packets(PacketError::Truncated)),
        }
    }
}

fn unexpected(line: &[u8]) -> RequestError {
    refused(format!("unexpected line: '{}'", shown(line)))
}

fn ls_refs(lines: &mut Arguments<'_>, options: &UploadOptions, limits: &UploadLimits) -> Result<Request, RequestError> {
    let mut request = LsRefs::default();
    let mut prefixes = Vec::new();
    let mut too_many = false;
    while let Some(line) = lines.next_line("ls-refs")? {
        match line {
            b"peel" => request.peel = true,
            b"symrefs" => request.symrefs = true,
            b"unborn" => request.unborn = options.unborn,
            line => {
                let prefix = line.strip_prefix(b"ref-prefix ").ok_or_else(|| unexpected(line))?;
                // Prefixes only spare bytes; a client that names too many gets all refs.
                too_many |= prefixes.len() + 1 >= limits.ref_prefixes_max;
                if !too_many {
                    prefixes.push(prefix.to_vec());
                }
            }
        }
    }
    request.prefixes = (!too_many && !prefixes.is_empty()).then_some(prefixes);
    Ok(Request::LsRefs(request))
}

fn fetch(lines: &mut Arguments<'_>, options: &UploadOptions, limits: &UploadLimits) -> Result<Request, RequestError> {
    let mut request = FetchRequest { band: SideBand::Large, ..FetchRequest::default() };
    let mut relative = false;
    let mut wanted = crate::ids::IdSet::default();
    while let Some(line) = lines.next_line("fetch")? {
        if let Some(hex) = line.strip_prefix(b"want ") {
            let wrong = || refused(format!("upload-pack: protocol error, expected to get oid, not '{}'", shown(line)));
            let id = parse_id(hex).ok_or_else(wrong)?;
            if wanted.insert(id) {
                bounded(request.wants.len(), limits.wants_max, "wants")?;
                request.wants.push(id);
            }
            continue;
        }
        if let Some(hex) = line.strip_prefix(b"have ") {
            let id = parse_id(hex).ok_or_else(|| refused(format!("expected SHA1 object, got '{}'", shown(hex))))?;
            bounded(request.haves.len(), limits.haves_max, "haves")?;
            request.haves.push(id);
            continue;
        }
        if request.take_shallow_line(line, limits)? {
            continue;
        }
        match line {
            b"done" => request.done = true,
            b"thin-pack" => request.thin_pack = true,
            b"ofs-delta" => request.ofs_delta = true,
            b"no-progress" => request.no_progress = true,
            b"include-tag" => request.include_tag = true,
            b"wait-for-done" => request.wait_for_done = true,
            b"deepen-relative" => relative = true,
            b"sideband-all" if options.sideband_all => request.sideband_all = true,
            line => {
                if let Some(name) = line.strip_prefix(b"want-ref ").filter(|_| options.ref_in_want) {
                    if request.want_refs.iter().any(|known| known == name) {
                        return Err(refused(format!("duplicate want-ref {}", shown(name))));
                    }
                    bounded(request.want_refs.len(), limits.wants_max.min(1_024), "want-refs")?;
                    request.want_refs.push(name.to_vec());
                } else if let Some(spec) = line.strip_prefix(b"filter ").filter(|_| options.filter) {
                    if request.filter.is_some() {
                        return Err(refused("multiple filter-specs cannot be combined".to_owned()));
                    }
                    request.filter = Some(Filter::parse(spec, &options.filter_rule).map_err(refused)?);
                } else if let Some(protocols) =
                    line.strip_prefix(b"packfile-uris ").filter(|_| !options.packfile_uris.is_empty())
                {
                    if !request.packfile_uris.is_empty() {
                        return Err(refused("multiple packfile-uris lines forbidden".to_owned()));
                    }
                    let list = protocols.split(|byte| *byte == b',').take(16);
                    request.packfile_uris = list.map(<[u8]>::to_vec).collect();
                } else {
                    return Err(unexpected(line));
                }
            }
        }
    }
    if request.wants.is_empty() && request.want_refs.is_empty() && !request.wait_for_done {
        return Err(refused("fetch: the request wants nothing".to_owned()));
    }
    request.finish(relative);
    Ok(Request::Fetch(Box::new(request)))
}

fn object_info(lines: &mut Arguments<'_>, limits: &UploadLimits) -> Result<Request, RequestError> {
    let mut request = ObjectInfo::default();
    while let Some(line) = lines.next_line("object-info")? {
        if line == b"size" {
            request.size = true;
        } else if let Some(hex) = line.strip_prefix(b"oid ") {
            let wrong = || refused(format!("object-info: protocol error, expected to get oid, not '{}'", shown(hex)));
            let id = parse_id(hex).ok_or_else(wrong)?;
            bounded(request.ids.len(), limits.wants_max, "objects")?;
            request.ids.push(id);
        } else {
            return Err(refused(format!("object-info: unexpected line: '{}'", shown(line))));
        }
    }
    Ok(Request::ObjectInfo(request))
}
