//! Logs and metrics. Any room may use them.

pub mod log;
pub mod metrics;
