//! Verbs that reach a running server through its admin socket, or take the data folder themselves.
