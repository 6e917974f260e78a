//! Bytes of a tree in; a plugin, its items and its capabilities out.
