//! Serves fetches: advertisement, ls-refs, negotiation, shallow boundaries, filters, packs, and the cache of finished answers.
