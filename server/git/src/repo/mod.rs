//! Bare repositories on disk: opening, reading objects, moving packs in. The one seam through which packs are opened.
