//! One binary for all integration tests of the server, because linking is what costs.
