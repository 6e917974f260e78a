//! The content checks between a push and its acceptance. A tree and a policy in, a verdict out; the order of rules never matters.
