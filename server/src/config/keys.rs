//! Every key: its type, its default and what it means. The documentation that `config print` shows comes from here.

use std::net::SocketAddr;
use std::path::PathBuf;

use skill_pool_domain::address::Origin;
use skill_pool_domain::names::TenantName;

use super::setting::{HostName, Hosts, Network, Rate, Raw, Setting, Size, Time};

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means, one sentence a line.
    pub doc: &'static [&'static str],
    /// Its default as text.
    pub default: &'static str,
    /// What is expected, with an example.
    pub expects: &'static str,
}

/// A table of the file.
pub trait Section {
    /// Its keys in the order in which they are shown.
    fn keys(&self) -> &'static [Key];
    /// Reads one of its keys. False when the value is not of the expected form.
    fn set(&mut self, key: &str, raw: &Raw) -> bool;
    /// One of its values as TOML.
    fn show(&self, key: &str) -> String;
}

macro_rules! section {
    (
        $(#[doc = $section_doc:literal])+
        $name:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:literal, )+
        }
    ) => {
        $(#[doc = $section_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $key: <$type as Setting>::read(&Raw::Text($default.to_owned()))
                        .expect(concat!("the default of ", stringify!($key), " is valid")), )+
                }
            }
        }

        impl Section for $name {
            fn keys(&self) -> &'static [Key] {
                const KEYS: &[Key] = &[
                    $( Key {
                        name: stringify!($key),
                        doc: &[$($doc),+],
                        default: $default,
                        expects: <$type as Setting>::EXPECTS,
                    }, )+
                ];
                KEYS
            }

            fn set(&mut self, key: &str, raw: &Raw) -> bool {
                match key {
                    $( stringify!($key) => match <$type as Setting>::read(raw) {
                        Some(value) => {
                            self.$key = value;
                            true
                        }
                        None => false,
                    }, )+
                    _ => false,
                }
            }

            fn show(&self, key: &str) -> String {
                match key {
                    $( stringify!($key) => self.$key.show(), )+
                    _ => String::new(),
                }
            }
        }
    };
}

section! {
    /// Where the server listens, where its data is, and under which names it is reached.
    Server {
        /// The address and port of the public listener.
        listen: SocketAddr = "127.0.0.1:8080",
        /// The data folder. One process owns it.
        data: PathBuf = "./data",
        /// The canonical origin under which people and clients reach the server; catalogs carry it.
        /// Empty: `http://` (or `https://` with own TLS) and the listen address.
        public_url: Option<Origin> = "",
        /// Other origins under which the server is reached; catalogs asked for there carry them.
        public_url_aliases: Vec<Origin> = "",
        /// The domain whose subdomains are tenants: with `skills.example.org`, tenant acme answers at
        /// `acme.skills.example.org`. Empty: none.
        base_domain: Option<HostName> = "",
        /// The tenant that answers at the root of every host (dedicated mode). Empty: none.
        dedicated_tenant: Option<TenantName> = "",
        /// Host names of single tenants.
        hosts: Hosts = "",
    }
}

section! {
    /// TLS of our own. Without it the listener speaks plain HTTP, for a proxy on the same machine or network.
    Tls {
        /// The certificate chain as PEM. The file is read again on SIGHUP. Empty: no TLS.
        certificate: Option<PathBuf> = "",
        /// Its private key as PEM.
        key: Option<PathBuf> = "",
    }
}

section! {
    /// The proxy in front of the server, if there is one.
    Proxy {
        /// Addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` count. From anybody else they are ignored.
        trusted: Vec<Network> = "",
    }
}

section! {
    /// Bounds per token, per address and for the whole server: against abuse, not quotas of work.
    Limits {
        /// Requests with one token.
        requests_per_token: Rate = "6000/min",
        /// Requests from one address.
        requests_per_address: Rate = "12000/min",
        /// Requests with a wrong credential from one address.
        failures_per_address: Rate = "60/min",
        /// Fetches that one address has under way at once; more wait for their turn.
        fetches_at_once_per_address: u32 = "64",
        /// Pushes that one address has under way at once; more wait for their turn.
        pushes_at_once_per_address: u32 = "16",
        /// Open connections of one address.
        connections_per_address: u32 = "1024",
        /// Open connections.
        connections: u32 = "8192",
        /// Whether the bounds per token and per address leave out callers on loopback.
        exempt_loopback: bool = "false",
    }
}

section! {
    /// Bounds of one push.
    Push {
        /// Bytes of the pack as sent.
        pack_bytes_max: Size = "32MiB",
        /// Objects in the pack.
        objects_max: u32 = "20000",
        /// Inflated bytes of one object.
        object_bytes_max: Size = "8MiB",
        /// Inflated bytes of all objects together.
        inflated_bytes_max: Size = "256MiB",
        /// Length of a chain of deltas.
        delta_depth_max: u32 = "50",
        /// Entries of one folder.
        tree_entries_max: u32 = "2000",
        /// Files of one commit.
        tree_files_max: u32 = "5000",
        /// Folders within folders.
        tree_depth_max: u32 = "16",
        /// Bytes of a path.
        path_bytes_max: u32 = "400",
        /// Ref updates in one push.
        commands_max: u32 = "50",
        /// Time from the first byte of the pack to the end of the checks.
        time_max: Time = "60s",
        /// Refs of one repository.
        refs_max: u32 = "2000",
        /// Repositories of one tenant.
        repositories_max: u32 = "2000",
    }
}

section! {
    /// Bounds of one fetch, and the cache of answers.
    Fetch {
        /// Inflated bytes of a request.
        request_bytes_max: Size = "8MiB",
        /// Commits asked for.
        wants_max: u32 = "4096",
        /// Commits that the client says it has.
        haves_max: u32 = "65536",
        /// Objects of one answer.
        objects_max: u32 = "2000000",
        /// Time to choose and write the objects of one answer.
        time_max: Time = "120s",
        /// Memory for answers that were built before.
        cache_memory_bytes: Size = "32MiB",
        /// Disk below `derived/` for answers that were built before.
        cache_disk_bytes: Size = "1GiB",
    }
}

section! {
    /// How long clients are waited for.
    Timeouts {
        /// For a request's header, and for the next request on an open connection.
        header: Time = "10s",
        /// For a body before it has to keep a pace of 1 KiB/s, and for a client that does not read its answer.
        stalled: Time = "30s",
        /// For an answer that is not a stream.
        request: Time = "60s",
        /// For requests under way when the server stops.
        drain: Time = "20s",
    }
}

section! {
    /// Tokens.
    Tokens {
        /// How long a token lives unless said otherwise.
        lifetime: Time = "90d",
        /// How long a token may live at most.
        lifetime_max: Time = "365d",
    }
}

section! {
    /// Metrics for Prometheus.
    Metrics {
        /// The address of the listener that answers `/metrics`. Empty: none.
        listen: Option<SocketAddr> = "127.0.0.1:9464",
    }
}

section! {
    /// The log on stderr.
    Log {
        /// `text` or `json`.
        format: LogFormat = "text",
        /// `error`, `warn`, `info`, `debug` or `trace`; also by room, such as `info,skill_pool_server::web=debug`.
        level: String = "info",
    }
}

section! {
    /// Pages.
    Pages {
        /// A folder whose templates take the place of the built-in ones and are read anew on each request. Empty: none.
        templates: Option<PathBuf> = "",
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    const EXPECTS: &'static str = "text or json";
    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) if text == "text" => Some(Self::Text),
            Raw::Text(text) if text == "json" => Some(Self::Json),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Text => "\"text\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        }
    }
}
