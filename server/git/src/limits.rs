//! Bounds on everything that a stranger can send.

use std::time::Duration;

/// Bounds for one push. Every number is checked before the memory or time that it bounds is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Bytes of the pack as sent.
    pub pack_bytes_max: u64,
    /// Objects that the pack's header may announce.
    pub objects_max: u32,
    /// Inflated bytes of one object, declared or made by a delta.
    pub object_bytes_max: u64,
    /// Sum of the inflated bytes of all objects, delta results included.
    pub inflated_bytes_max: u64,
    /// Length of a chain of deltas.
    pub delta_depth_max: u32,
    /// Entries of one tree object.
    pub tree_entries_max: usize,
    /// Files that a tree stands for, counted with repetition.
    pub tree_files_max: u64,
    /// Folders within folders.
    pub tree_depth_max: usize,
    /// Bytes of a path from the root.
    pub path_bytes_max: usize,
    /// Ref updates in one push.
    pub commands_max: usize,
    /// Bytes of commands, certificate and options together.
    pub commands_bytes_max: usize,
    /// Time from the first byte of the pack to the end of the checks.
    pub time_max: Duration,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self {
            pack_bytes_max: 32 << 20,
            objects_max: 20_000,
            object_bytes_max: 8 << 20,
            inflated_bytes_max: 256 << 20,
            delta_depth_max: 50,
            tree_entries_max: 2_000,
            tree_files_max: 5_000,
            tree_depth_max: 16,
            path_bytes_max: 400,
            commands_max: 50,
            commands_bytes_max: 1 << 20,
            time_max: Duration::from_secs(60),
        }
    }
}

/// Bounds for one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Inflated bytes of the request.
    pub request_bytes_max: usize,
    /// Distinct wants.
    pub wants_max: usize,
    /// Haves in one request.
    pub haves_max: usize,
    /// `ref-prefix` lines that are honoured; with more, all refs are sent.
    pub ref_prefixes_max: usize,
    /// Depth of a shallow request.
    pub depth_max: u32,
    /// Objects of one answer.
    pub objects_max: usize,
    /// Time to choose and write the objects of one answer.
    pub time_max: Duration,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 8 << 20,
            wants_max: 4_096,
            haves_max: 65_536,
            ref_prefixes_max: 65_536,
            depth_max: 1_000_000,
            objects_max: 2_000_000,
            time_max: Duration::from_secs(120),
        }
    }
}
