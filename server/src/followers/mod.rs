//! What is owed after a commit. Every follower is idempotent, keeps its own position, and is the same code at start as at run time.
