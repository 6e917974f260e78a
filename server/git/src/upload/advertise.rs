//! The first answer: what the server can do, and before version 2 its refs.
//!
//! Source: gitprotocol-http(5), gitprotocol-pack(5), gitprotocol-v2(5).

use gix_hash::ObjectId;

use super::options::{AdvertiseOptions, Version};
use crate::pkt;
use crate::refs::{Head, RefSnapshot};

/// One of git's two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Reading.
    UploadPack,
    /// Pushing.
    ReceivePack,
}

impl Service {
    /// Reads the name that requests carry.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    /// The name that requests carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// The body of the answer to `GET info/refs`. Pushing knows no version 2: it is answered as version 0.
pub fn advertise(service: Service, version: Version, refs: &RefSnapshot, options: &AdvertiseOptions) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + 80 * refs.refs.len());
    let version = match (service, version) {
        (Service::ReceivePack, Version::V2) => Version::V0,
        (_, version) => version,
    };
    if version == Version::V2 {
        capabilities_v2(&mut out, options);
        return out;
    }
    pkt::write_line(&mut out, &format!("# service={}", service.name()));
    out.extend_from_slice(pkt::FLUSH);
    if version == Version::V1 {
        pkt::write_line(&mut out, "version 1");
    }
    let mut lines = Lines { out, capabilities: Some(capabilities(service, refs, options)) };
    match service {
        Service::UploadPack => {
            if let Some(id) = refs.head_id() {
                lines.push(&id, "HEAD");
            }
            for entry in &refs.refs {
                lines.push(&entry.id, entry.name.as_str());
                if let Some(peeled) = entry.peeled {
                    lines.push(&peeled, &format!("{}^{{}}", entry.name));
                }
            }
        }
        Service::ReceivePack => {
            for entry in &refs.refs {
                lines.push(&entry.id, entry.name.as_str());
            }
            for id in &options.push.extra_haves {
                lines.push(id, ".have");
            }
        }
    }
    if lines.capabilities.is_some() {
        lines.push(&ObjectId::null(gix_hash::Kind::Sha1), "capabilities^{}");
    }
    let mut out = lines.out;
    let mut shallow: Vec<_> = options.upload.shallow.iter().collect();
    shallow.sort_unstable();
    for id in shallow {
        pkt::write_line(&mut out, &format!("shallow {id}"));
    }
    out.extend_from_slice(pkt::FLUSH);
    out
}

struct Lines {
    out: Vec<u8>,
    /// What the first line carries behind a NUL.
    capabilities: Option<String>,
}

impl Lines {
    fn push(&mut self, id: &ObjectId, name: &str) {
        match self.capabilities.take() {
            Some(capabilities) => pkt::write_line(&mut self.out, &format!("{id} {name}\0{capabilities}")),
            None => pkt::write_line(&mut self.out, &format!("{id} {name}")),
        }
    }
}

fn capabilities(service: Service, refs: &RefSnapshot, options: &AdvertiseOptions) -> String {
    let mut list = Vec::new();
    match service {
        Service::UploadPack => {
            list.push(
                "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not".to_owned(),
            );
            list.push("deepen-relative no-progress include-tag multi_ack_detailed".to_owned());
            if options.upload.advertise_tip_in_want {
                list.push("allow-tip-sha1-in-want".to_owned());
            }
            if options.upload.advertise_reachable_in_want {
                list.push("allow-reachable-sha1-in-want".to_owned());
            }
            list.push("no-done".to_owned());
            if let (Head::Symbolic(target), Some(_)) = (&refs.head, refs.head_id()) {
                list.push(format!("symref=HEAD:{target}"));
            }
            if options.upload.filter {
                list.push("filter".to_owned());
            }
        }
        Service::ReceivePack => {
            list.push("report-status report-status-v2 delete-refs side-band-64k quiet".to_owned());
            if options.push.atomic {
                list.push("atomic".to_owned());
            }
            list.push("ofs-delta".to_owned());
            if let Some(nonce) = &options.push.certificate_nonce {
                list.push(format!("push-cert={nonce}"));
            }
            if options.push.push_options {
                list.push("push-options".to_owned());
            }
        }
    }
    if let Some(id) = &options.session_id {
        list.push(format!("session-id={id}"));
    }
    list.push("object-format=sha1".to_owned());
    list.push(format!("agent={}", options.agent));
    list.join(" ")
}

fn capabilities_v2(out: &mut Vec<u8>, options: &AdvertiseOptions) {
    let upload = &options.upload;
    pkt::write_line(out, "version 2");
    pkt::write_line(out, &format!("agent={}", options.agent));
    pkt::write_line(out, if upload.unborn { "ls-refs=unborn" } else { "ls-refs" });
    let mut fetch = "fetch=shallow wait-for-done".to_owned();
    for (offered, word) in [
        (upload.filter, " filter"),
        (upload.ref_in_want, " ref-in-want"),
        (upload.sideband_all, " sideband-all"),
        (!upload.packfile_uris.is_empty(), " packfile-uris"),
    ] {
        if offered {
            fetch.push_str(word);
        }
    }
    pkt::write_line(out, &fetch);
    pkt::write_line(out, "server-option");
    pkt::write_line(out, "object-format=sha1");
    if let Some(id) = &options.session_id {
        pkt::write_line(out, &format!("session-id={id}"));
    }
    if upload.object_info {
        pkt::write_line(out, "object-info");
    }
    out.extend_from_slice(pkt::FLUSH);
}
