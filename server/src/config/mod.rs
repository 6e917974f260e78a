//! One typed configuration value, read once: defaults, then the file, then `SKILL_POOL_SERVER__…` variables, then flags.
//!
//! In: a TOML file, the environment, flags. Out: a [`Config`], or every problem at once, each naming the place and the
//! nearest valid key. Must hold: nothing else in the server reads the environment; what `config print` shows is read
//! back as the same value. [`keys`] lists the keys, [`setting`] their types.

mod keys;
mod print;
mod setting;
mod sources;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use skill_pool_domain::address::{Addresses, Origin};
use skill_pool_git::limits::{ReceiveLimits, UploadLimits};

pub use keys::{
    Fetch, Key, Limits, Log, LogFormat, Metrics, Pages, Proxy, Push, Section, Server, Timeouts, Tls, Tokens,
};
pub use setting::{HostName, Hosts, Network, Rate, Setting, Size, Time};
pub use sources::{ConfigErrors, Problem, Sources};

/// Begins the names of the variables; `__` stands between section and key.
pub const VARIABLE_PREFIX: &str = "SKILL_POOL_SERVER__";

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Keys outside any table.
    pub server: Server,
    /// `[tls]`
    pub tls: Tls,
    /// `[proxy]`
    pub proxy: Proxy,
    /// `[limits]`
    pub limits: Limits,
    /// `[push]`
    pub push: Push,
    /// `[fetch]`
    pub fetch: Fetch,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[tokens]`
    pub tokens: Tokens,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[log]`
    pub log: Log,
    /// `[pages]`
    pub pages: Pages,
}

/// The section of keys that stand outside any table.
const ROOT: &str = "";

impl Config {
    /// The sections in the order in which they are shown, by name.
    fn sections(&self) -> [(&'static str, &dyn Section); 11] {
        [
            (ROOT, &self.server),
            ("tls", &self.tls),
            ("proxy", &self.proxy),
            ("limits", &self.limits),
            ("push", &self.push),
            ("fetch", &self.fetch),
            ("timeouts", &self.timeouts),
            ("tokens", &self.tokens),
            ("metrics", &self.metrics),
            ("log", &self.log),
            ("pages", &self.pages),
        ]
    }

    fn section_mut(&mut self, name: &str) -> Option<&mut dyn Section> {
        Some(match name {
            ROOT => &mut self.server,
            "tls" => &mut self.tls,
            "proxy" => &mut self.proxy,
            "limits" => &mut self.limits,
            "push" => &mut self.push,
            "fetch" => &mut self.fetch,
            "timeouts" => &mut self.timeouts,
            "tokens" => &mut self.tokens,
            "metrics" => &mut self.metrics,
            "log" => &mut self.log,
            "pages" => &mut self.pages,
            _ => return None,
        })
    }

    /// Reads all sources, the later ones winning.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem found.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut config = sources.defaults.clone();
        let mut problems = sources.apply(&mut config);
        if problems.is_empty() {
            problems.extend(config.contradictions());
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigErrors(problems)) }
    }

    /// The configuration as annotated TOML.
    pub fn print(&self) -> String {
        print::annotated(self)
    }

    /// The values as JSON, as `config print --json` shows them: by section and key, each as its TOML text.
    pub fn json(&self) -> serde_json::Value {
        let mut out = serde_json::Map::new();
        for (name, section) in self.sections() {
            let values = section.keys().iter().map(|key| (key.name.to_owned(), as_json(&section.show(key.name))));
            match name {
                ROOT => out.extend(values),
                name => {
                    out.insert(name.to_owned(), serde_json::Value::Object(values.collect()));
                }
            }
        }
        out.into()
    }

    /// True when the server speaks TLS itself.
    pub fn has_tls(&self) -> bool {
        self.tls.certificate.is_some()
    }

    /// The canonical origin: the configured one, else that of the listener.
    pub fn origin(&self) -> Origin {
        self.server.public_url.clone().unwrap_or_else(|| origin_of(self.server.listen, self.has_tls()))
    }

    /// All addresses under which the registry answers. Tenants' own hosts and subdomains share scheme and port with the
    /// canonical origin.
    pub fn addresses(&self) -> Addresses {
        let canonical = self.origin();
        let beside = |host: &HostName| {
            let start = &canonical.as_str()[..canonical.as_str().len() - canonical.authority().len()];
            let port = &canonical.authority()[canonical.host().len()..];
            let host = if host.as_str().contains(':') { format!("[{host}]") } else { host.to_string() };
            Origin::parse(&format!("{start}{host}{port}")).expect("a host beside an origin makes an origin")
        };
        let server = &self.server;
        let own: Vec<_> = server.hosts.0.iter().map(|(host, tenant)| (beside(host), tenant.clone())).collect();
        let base_domain = server.base_domain.as_ref().map(beside);
        let (aliases, dedicated) = (server.public_url_aliases.clone(), server.dedicated_tenant.clone());
        Addresses::new(canonical.clone(), aliases, own, base_domain, dedicated)
    }

    /// The bounds of a push, as the git room takes them.
    pub fn receive_limits(&self) -> ReceiveLimits {
        let push = &self.push;
        ReceiveLimits {
            pack_bytes_max: push.pack_bytes_max.0,
            objects_max: push.objects_max,
            object_bytes_max: push.object_bytes_max.0,
            inflated_bytes_max: push.inflated_bytes_max.0,
            delta_depth_max: push.delta_depth_max,
            tree_entries_max: push.tree_entries_max as usize,
            tree_files_max: u64::from(push.tree_files_max),
            tree_depth_max: push.tree_depth_max as usize,
            path_bytes_max: push.path_bytes_max as usize,
            commands_max: push.commands_max as usize,
            time_max: push.time_max.0,
            ..ReceiveLimits::default()
        }
    }

    /// The bounds of a fetch, as the git room takes them.
    pub fn upload_limits(&self) -> UploadLimits {
        let fetch = &self.fetch;
        UploadLimits {
            request_bytes_max: usize::try_from(fetch.request_bytes_max.0).unwrap_or(usize::MAX),
            wants_max: fetch.wants_max as usize,
            haves_max: fetch.haves_max as usize,
            objects_max: fetch.objects_max as usize,
            time_max: fetch.time_max.0,
            ..UploadLimits::default()
        }
    }

    /// Values that are each well formed and do not fit together, or lie beyond what the server can hold to.
    fn contradictions(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            found.push(Problem::new("[tls] certificate and key come together: name both files, or none"));
        }
        if self.tokens.lifetime > self.tokens.lifetime_max {
            found.push(Problem::new("[tokens] lifetime is longer than lifetime_max; lower the one or raise the other"));
        }
        if self.metrics.listen == Some(self.server.listen) && self.server.listen.port() != 0 {
            found.push(Problem::new(
                "[metrics] listen is the public listener's address; give metrics a port of its own",
            ));
        }
        let push = &self.push;
        for (key, value, ceiling) in [
            ("pack_bytes_max", push.pack_bytes_max, Size(512 << 20)),
            ("object_bytes_max", push.object_bytes_max, Size(64 << 20)),
            ("inflated_bytes_max", push.inflated_bytes_max, Size(2 << 30)),
        ] {
            if value > ceiling {
                found.push(Problem::new(format!("[push] {key} = \"{value}\": at most {ceiling}")));
            }
        }
        for (section, key, value, ceiling) in [
            ("push", "delta_depth_max", push.delta_depth_max, 250),
            ("push", "tree_entries_max", push.tree_entries_max, 20_000),
            ("push", "tree_files_max", push.tree_files_max, 50_000),
            ("push", "tree_depth_max", push.tree_depth_max, 32),
            ("push", "path_bytes_max", push.path_bytes_max, 1_024),
            ("push", "commands_max", push.commands_max, 500),
            ("push", "refs_max", push.refs_max, 20_000),
            ("push", "repositories_max", push.repositories_max, 50_000),
            ("fetch", "wants_max", self.fetch.wants_max, 65_536),
            ("fetch", "haves_max", self.fetch.haves_max, 1_000_000),
        ] {
            if value == 0 || value > ceiling {
                found.push(Problem::new(format!("[{section}] {key} = {value}: between 1 and {ceiling}")));
            }
        }
        for (key, value, ceiling) in [
            ("header", self.timeouts.header.0, Duration::from_secs(15)),
            ("stalled", self.timeouts.stalled.0, Duration::from_secs(300)),
        ] {
            if value.is_zero() || value > ceiling {
                let (value, ceiling) = (Time(value), Time(ceiling));
                found.push(Problem::new(format!("[timeouts] {key} = \"{value}\": more than 0 and at most {ceiling}")));
            }
        }
        found
    }
}

/// A TOML value as JSON.
fn as_json(toml: &str) -> serde_json::Value {
    let table: Option<toml::Table> = toml::from_str(&format!("value = {toml}")).ok();
    table.and_then(|table| serde_json::to_value(table.get("value")?).ok()).unwrap_or_default()
}

/// The origin of a listener. One that listens everywhere is reached on loopback.
fn origin_of(address: SocketAddr, tls: bool) -> Origin {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() });
    }
    let scheme = if tls { "https" } else { "http" };
    Origin::parse(&format!("{scheme}://{address}")).expect("an address and port make an origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_hosts_share_scheme_and_port_with_the_canonical_origin() {
        let mut config = Config::default();
        config.server.public_url = Origin::parse("https://pool.example:8443").ok();
        config.server.base_domain = "pool.example".parse().ok();
        config.server.hosts = Hosts(vec![(
            "skills.acme.example".parse().expect("a host"),
            skill_pool_domain::names::TenantName::parse("acme").expect("a name"),
        )]);
        let bases = config.addresses().bases(&config.server.hosts.0[0].1);
        assert_eq!(
            bases,
            ["https://pool.example:8443/t/acme", "https://skills.acme.example:8443", "https://acme.pool.example:8443"]
        );
    }

    #[test]
    fn without_a_public_url_the_listener_names_the_origin() {
        for (address, tls, expected) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:443", true, "https://127.0.0.1"),
            ("[::]:8080", false, "http://[::1]:8080"),
        ] {
            assert_eq!(origin_of(address.parse().expect(address), tls).as_str(), expected);
        }
    }
}
