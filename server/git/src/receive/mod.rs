//! Receives pushes: commands, certificate, pack into quarantine, object checks, connectivity, report. Nothing here is visible to readers until the caller commits.
