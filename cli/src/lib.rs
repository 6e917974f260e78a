//! People's hands on a registry, as a library so that tests can call the verbs.
