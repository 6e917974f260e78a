//! Why the server did not start, in words for the operator.

use std::net::SocketAddr;

use skill_pool_domain::refusal::Refusal;

use super::lock::LockError;
use super::tls::TlsError;
use crate::keys::KeysError;
use crate::store::StoreError;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be had.
    #[error(transparent)]
    Folder(#[from] LockError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("could not listen on {address} ({what})")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The key that names it.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// The demo could not be filled.
    #[error("{0}\n{hint}", hint = .0.remedy)]
    Demo(Refusal),
    /// A signal handler could not be set.
    #[error("could not {what}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}

impl StartError {
    /// True when trying again later may help: somebody else has the folder or the address now.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Folder(LockError::Taken { .. }) | Self::Listen { .. })
    }

    /// The message and the causes, one a line; no cause repeats what the message says.
    pub fn chain(&self) -> String {
        let mut out = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            out.push_str("\n  caused by: ");
            out.push_str(&cause.to_string());
            source = cause.source();
        }
        out
    }
}
