//! `skill-pool-server demo`: a registry with a starter set, ready in seconds.
