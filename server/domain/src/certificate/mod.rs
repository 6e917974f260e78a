//! Push certificates: parsed exactly, and verified against the signers of that moment.
