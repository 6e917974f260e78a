//! Addresses: where the registry says it is, and which tenant an address means.
//!
//! In: the configured origins, a request's host and path. Out: the tenant that is meant, the path within it, and the
//! address that this tenant's links must carry. A request can choose among configured addresses; it can add none.

mod origin;
mod path;
mod place;

pub use origin::{Origin, OriginError};
pub use path::{PathError, decode_path};
pub use place::{Addresses, BaseId, Place, TenantPlace};
