//! The web room as its clients see it: a whole registry behind the router, without a socket.

mod files;
mod pages;
mod strangers;
mod world;
