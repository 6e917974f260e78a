//! The command `object-info` of version 2: sizes of objects.

use gix_hash::ObjectId;

use super::fetch::FetchError;
use super::request::ObjectInfo;
use crate::pkt;

/// The body of the answer. `size_of` says what the reader may know: an object that is hidden is as one that is absent.
pub fn answer(
    request: &ObjectInfo,
    mut size_of: impl FnMut(&ObjectId) -> Result<Option<u64>, FetchError>,
) -> Result<Vec<u8>, FetchError> {
    let mut out = Vec::with_capacity(64 * request.ids.len() + 16);
    if !request.ids.is_empty() && request.size {
        pkt::write(&mut out, b"size");
    }
    for id in &request.ids {
        let line = match size_of(id)? {
            _ if !request.size => id.to_string(),
            Some(size_bytes) => format!("{id} {size_bytes}"),
            None => format!("{id} "),
        };
        pkt::write(&mut out, line.as_bytes());
    }
    out.extend_from_slice(pkt::FLUSH);
    Ok(out)
}
