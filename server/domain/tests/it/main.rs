//! Tests of the domain against programs that people use: git, ssh-keygen, gpg. They need `git`, `openssh-client` and
//! `gnupg` installed.

mod decisions;
mod openpgp;
mod openpgp_crafted;
mod ssh_keys;
mod stock_git;
mod world;
