//! Releases in, the bytes of `marketplace.json` out, the same bytes every time.
