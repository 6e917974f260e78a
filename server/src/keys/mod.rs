//! Secrets of this installation: the signing key and the pepper of token hashes. 0600 on disk, unprintable in memory.
