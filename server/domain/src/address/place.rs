//! Which tenant a request's host and path mean.

use std::collections::HashMap;

use super::Origin;
use super::origin::split_authority;
use crate::names::TenantName;

/// All addresses under which the registry answers.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The canonical origin first, then the listed aliases, then tenants' own.
    origins: Vec<Origin>,
    /// How many of them serve every tenant.
    shared: usize,
    /// The tenant at the root of each own host; the index is that of its origin.
    own: HashMap<Box<str>, (u16, TenantName)>,
    /// `pool.example.com` in `acme.pool.example.com`, with the scheme and port for links.
    base_domain: Option<Origin>,
    /// The tenant that answers at the root where nothing else does.
    dedicated: Option<TenantName>,
}

/// Which of the addresses of a tenant is meant. Small, so that caches can key on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BaseId(u16);

impl BaseId {
    /// The canonical public address: `<origin>/t/<tenant>`.
    pub const CANONICAL: Self = Self(0);
    const SUBDOMAIN: Self = Self(u16::MAX);
}

/// What a request's host and path mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place<'a> {
    /// The server itself.
    Server {
        /// The whole path, with its leading slash.
        path: &'a str,
    },
    /// A tenant, whether or not it exists.
    Tenant(TenantPlace<'a>),
}

/// An address within a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TenantPlace<'a> {
    /// The name as it stands in the address; it may be no name at all.
    pub name: &'a str,
    /// The path within the tenant: empty or beginning with a slash.
    pub path: &'a str,
    /// What stands before `path` in the addresses of this tenant's pages: `/t/acme`, or nothing.
    pub prefix: &'a str,
    /// The address that links to this tenant carry.
    pub base: BaseId,
}

/// Paths that belong to the server on every host, also where a tenant answers at the root.
const SERVER_PATHS: &[&str] = &["healthz", "readyz", "static", ".well-known", "register"];

impl Addresses {
    /// Makes the table. `own` holds tenants' own origins, at most 1,000 with the aliases.
    pub fn new(
        canonical: Origin,
        aliases: impl IntoIterator<Item = Origin>,
        own: impl IntoIterator<Item = (Origin, TenantName)>,
        base_domain: Option<Origin>,
        dedicated: Option<TenantName>,
    ) -> Self {
        let mut origins = vec![canonical];
        origins.extend(aliases);
        let shared = origins.len();
        let mut hosts = HashMap::new();
        for (origin, tenant) in own {
            // More than a table of this size cannot be configured; what lies beyond is left out rather than mixed up.
            let Ok(index) = u16::try_from(origins.len()) else { break };
            hosts.insert(origin.host().into(), (index, tenant));
            origins.push(origin);
        }
        Self { origins, shared, own: hosts, base_domain, dedicated }
    }

    /// The canonical origin.
    pub fn canonical(&self) -> &Origin {
        &self.origins[0]
    }

    /// Resolves a request. `authority` is its `Host`, `path` its path as [`super::decode_path`] gave it.
    pub fn resolve<'a>(&'a self, authority: Option<&'a str>, path: &'a str) -> Place<'a> {
        let shared = || {
            let known = |authority: &str| self.origins[..self.shared].iter().position(|o| o.answers_to(authority));
            let index = authority.and_then(known).unwrap_or(0);
            BaseId(u16::try_from(index).unwrap_or(0))
        };
        if let Some(rest) = path.strip_prefix("/t/") {
            let name = &rest[..rest.find('/').unwrap_or(rest.len())];
            let (prefix, path) = path.split_at("/t/".len() + name.len());
            return Place::Tenant(TenantPlace { name, path, prefix, base: shared() });
        }
        let first = path[1..].split('/').next().unwrap_or("");
        if SERVER_PATHS.contains(&first) {
            return Place::Server { path };
        }
        if let Some((host, _)) = authority.and_then(split_authority) {
            let host = host.strip_suffix('.').unwrap_or(host);
            if !self.own.is_empty()
                && let Some((index, tenant)) = self.own.get(host.to_ascii_lowercase().as_str())
            {
                return Place::Tenant(TenantPlace { name: tenant.as_str(), path, prefix: "", base: BaseId(*index) });
            }
            if let Some(domain) = &self.base_domain
                && let Some(label) = label_below(host, domain.host())
            {
                return Place::Tenant(TenantPlace { name: label, path, prefix: "", base: BaseId::SUBDOMAIN });
            }
        }
        match &self.dedicated {
            Some(tenant) => Place::Tenant(TenantPlace { name: tenant.as_str(), path, prefix: "", base: shared() }),
            None => Place::Server { path },
        }
    }

    /// The address of `tenant` that links carry, without a final slash: `https://skills.example.com/t/acme`.
    pub fn base(&self, id: BaseId, tenant: &TenantName) -> String {
        if id == BaseId::SUBDOMAIN
            && let Some(domain) = &self.base_domain
        {
            return domain.below(tenant.as_str());
        }
        match self.origins.get(usize::from(id.0)) {
            Some(origin) if usize::from(id.0) >= self.shared => origin.as_str().to_owned(),
            Some(origin) => format!("{origin}/t/{tenant}"),
            None => format!("{}/t/{tenant}", self.canonical()),
        }
    }

    /// True when the address is reached by https, so that cookies can be bound to it.
    pub fn is_https(&self, id: BaseId) -> bool {
        let origin = match (id, &self.base_domain) {
            (BaseId::SUBDOMAIN, Some(domain)) => domain,
            _ => self.origins.get(usize::from(id.0)).unwrap_or_else(|| self.canonical()),
        };
        origin.is_https()
    }

    /// Every address of `tenant` that a client may have been given, the canonical one first: what a push certificate may
    /// name. Dedicated mode adds the shared origins without `/t/<tenant>`.
    pub fn bases(&self, tenant: &TenantName) -> Vec<String> {
        let mut bases: Vec<String> =
            self.origins[..self.shared].iter().map(|origin| format!("{origin}/t/{tenant}")).collect();
        if self.dedicated.as_ref() == Some(tenant) {
            bases.extend(self.origins[..self.shared].iter().map(ToString::to_string));
        }
        let own = self.own.values().filter(|(_, name)| name == tenant).map(|(index, _)| *index);
        bases.extend(own.filter_map(|index| self.origins.get(usize::from(index))).map(ToString::to_string));
        bases.extend(self.base_domain.as_ref().map(|domain| domain.below(tenant.as_str())));
        bases
    }
}

/// `acme` for `acme.pool.example.com` below `pool.example.com`; hosts with more labels mean nothing.
fn label_below<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let at = host.len().checked_sub(domain.len())?;
    let (label, tail) = (host.get(..at)?, host.get(at..)?);
    let label = label.strip_suffix('.')?;
    (tail.eq_ignore_ascii_case(domain) && !label.is_empty() && !label.contains('.')).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).expect(text)
    }

    fn tenant(name: &str) -> TenantName {
        TenantName::parse(name).expect(name)
    }

    fn addresses(dedicated: Option<&str>) -> Addresses {
        Addresses::new(
            origin("https://pool.example.com"),
            [origin("http://10.0.0.5:8080")],
            [(origin("https://skills.globex.example"), tenant("globex"))],
            Some(origin("https://pool.example.com:8443")),
            dedicated.map(tenant),
        )
    }

    /// `name|path|prefix|base` of the tenant that is meant, or `server|path`.
    fn shown(addresses: &Addresses, host: &str, path: &str) -> String {
        match addresses.resolve(Some(host).filter(|host| !host.is_empty()), path) {
            Place::Server { path } => format!("server|{path}"),
            Place::Tenant(place) => {
                let base = addresses.base(place.base, &tenant("x"));
                format!("{}|{}|{}|{base}", place.name, place.path, place.prefix)
            }
        }
    }

    #[test]
    fn host_and_path_say_which_tenant_is_meant() {
        let shared = addresses(None);
        for (host, path, expected) in [
            ("pool.example.com", "/t/acme/api", "acme|/api|/t/acme|https://pool.example.com/t/x"),
            ("pool.example.com", "/t/acme", "acme||/t/acme|https://pool.example.com/t/x"),
            ("pool.example.com", "/t/acme/", "acme|/|/t/acme|https://pool.example.com/t/x"),
            ("pool.example.com", "/t/", "||/t/|https://pool.example.com/t/x"),
            ("10.0.0.5:8080", "/t/acme", "acme||/t/acme|http://10.0.0.5:8080/t/x"),
            ("evil.example", "/t/acme", "acme||/t/acme|https://pool.example.com/t/x"),
            ("10.0.0.5:9090", "/t/acme", "acme||/t/acme|https://pool.example.com/t/x"),
            ("", "/t/acme", "acme||/t/acme|https://pool.example.com/t/x"),
            ("pool.example.com", "/", "server|/"),
            ("pool.example.com", "/t", "server|/t"),
            ("pool.example.com", "/healthz", "server|/healthz"),
            ("acme.pool.example.com", "/git/x", "acme|/git/x||https://x.pool.example.com:8443"),
            ("ACME.pool.example.com:8443", "/", "ACME|/||https://x.pool.example.com:8443"),
            ("acme.pool.example.com", "/t/other/a", "other|/a|/t/other|https://pool.example.com/t/x"),
            ("a.b.pool.example.com", "/", "server|/"),
            (".pool.example.com", "/", "server|/"),
            ("xpool.example.com", "/", "server|/"),
            ("Skills.Globex.Example.:443", "/git", "globex|/git||https://skills.globex.example"),
            ("skills.globex.example", "/healthz", "server|/healthz"),
            ("skills.globex.example", "/static/a.css", "server|/static/a.css"),
            ("skills.globex.example", "/statics", "globex|/statics||https://skills.globex.example"),
            ("skills.globex.example", "/t/acme/", "acme|/|/t/acme|https://pool.example.com/t/x"),
            ("é.pool.example.com", "/", "é|/||https://x.pool.example.com:8443"),
        ] {
            assert_eq!(shown(&shared, host, path), expected, "{host} {path}");
        }
        let dedicated = addresses(Some("demo"));
        for (host, path, expected) in [
            ("127.0.0.1", "/", "demo|/||https://pool.example.com/t/x"),
            ("10.0.0.5:8080", "/plugins/a", "demo|/plugins/a||http://10.0.0.5:8080/t/x"),
            ("127.0.0.1", "/t/other/api", "other|/api|/t/other|https://pool.example.com/t/x"),
            ("127.0.0.1", "/readyz", "server|/readyz"),
            ("127.0.0.1", "/register", "server|/register"),
            ("acme.pool.example.com", "/", "acme|/||https://x.pool.example.com:8443"),
        ] {
            assert_eq!(shown(&dedicated, host, path), expected, "{host} {path}");
        }
    }

    #[test]
    fn a_certificate_may_name_every_address_that_was_given_out() {
        assert_eq!(
            addresses(Some("globex")).bases(&tenant("globex")),
            [
                "https://pool.example.com/t/globex",
                "http://10.0.0.5:8080/t/globex",
                "https://pool.example.com",
                "http://10.0.0.5:8080",
                "https://skills.globex.example",
                "https://globex.pool.example.com:8443",
            ]
        );
        assert_eq!(addresses(None).bases(&tenant("acme")).len(), 3);
        assert!(addresses(None).is_https(BaseId::SUBDOMAIN) && !addresses(None).is_https(BaseId(1)));
    }
}
