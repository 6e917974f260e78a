//! The only SQL. Credentials, journal, refs, outbox and projections in one SQLite database (WAL, synchronous=FULL).
//!
//! In: typed values that begin with the tenant. Out: typed values. One writer thread owns the writing connection and
//! commits what has queued up in one transaction (group commit); readers have connections of their own.

pub mod commit;
