//! Names and ids, each parsed once by one rule. Whoever holds one of these need not check again.

mod ids;
mod label;
mod ref_name;
mod repository;
mod version;

pub use ids::{LeafIndex, RepositoryId, TenantId};
pub use label::{ItemName, LabelError, MemberId, PluginName, TenantName, is_reserved_catalog_name};
pub use ref_name::{RefName, RefNameError};
pub use repository::RepositoryName;
pub use version::{Version, VersionError};
