//! Opens everything once, hands it down, and shuts it down in order.

pub mod listener;
pub mod lock;
mod paced;
pub mod signals;
mod tls;

pub use paced::PacedBodyError;
pub use tls::TlsError;
