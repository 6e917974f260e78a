//! Old tree, new tree and known releases in; a release, nothing or a refusal out.
