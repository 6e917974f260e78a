//! Push certificates: parsed exactly, and verified against the signers of that moment.
//!
//! In: bytes between `push-cert` and `push-cert-end`, the push's own commands and options, the signers of the tenant,
//! the time. Out: who signed, or why it does not count and what mends it.

mod address;
mod decide;
pub mod nonce;
pub mod openpgp;
mod parse;
mod signer_id;
pub mod ssh;
mod verify;

pub use address::normalise_address;
pub use decide::{PushToJudge, Standing, decide};
pub use parse::{CERTIFICATE_BYTES_MAX, CertificateError, PushCertificate, SignatureKind, SignedCommand, parse};
pub use signer_id::{NotASignerId, SignerId};
pub use verify::{Signature, SignatureFault, verify};
