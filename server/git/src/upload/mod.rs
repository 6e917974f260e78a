//! Answers clones and fetches: git-upload-pack in protocol versions 0, 1 and 2.
//!
//! In: the bytes of a request, a repository, the refs that its reader may see. Out: the bytes of the answer, whole or as
//! a stream of chunks. Holds: nothing is sent, acknowledged or used as the base of a delta unless it is reachable from
//! those refs; a wrong request is answered in words; memory and time are bounded by [`crate::limits::UploadLimits`].
//!
//! - `advertise`, `ls_refs`, `object_info`: the small answers. `request`, `filter`: what a client may say.
//! - `fetch`: [`Fetcher`], which everything above the crate calls; `cache`, `flight`: answers kept, and made once.
//! - `commits`, `reach`, `negotiate`, `shallow`, `select`: which objects an answer holds.
//! - `pack`, `frame`: the pack and the packets around it.

mod advertise;
mod cache;
mod commits;
mod deadline;
mod fetch;
mod filter;
mod flight;
mod frame;
mod ls_refs;
mod negotiate;
mod object_info;
mod options;
mod pack;
mod reach;
mod request;
mod select;
mod shallow;
mod trees;

pub use advertise::{Service, advertise};
pub use cache::CacheOptions;
pub(crate) use commits::parse_tag;
pub use fetch::{Answer, AnswerStream, Ask, FetchError, Fetcher, error_packet};
pub use options::{AdvertiseOptions, FilterRule, PackfileUri, PushOptions, UploadOptions, Version, WantRule};
pub use pack::PackStream;
