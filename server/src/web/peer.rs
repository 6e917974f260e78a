//! Under which host and from which address a request came. What proxies add counts only from proxies that are configured.

use std::net::IpAddr;

use http::{HeaderMap, Uri};

use super::problem::Problem;

/// Which peers are proxies of ours.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<(IpAddr, u8)>,
}

impl TrustedProxies {
    /// Networks by address and length of their prefix in bits.
    pub fn new(networks: impl IntoIterator<Item = (IpAddr, u8)>) -> Self {
        Self { networks: networks.into_iter().map(|(address, bits)| (canonical(address), bits)).collect() }
    }

    /// True when `address` is a proxy of ours.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|(network, bits)| same_prefix(*network, canonical(address), *bits))
    }

    /// The client's address: the peer itself, or the nearest address in `X-Forwarded-For` that is no proxy of ours. An
    /// entry that is no address ends the walk, since what stands before it was written by somebody unknown.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = canonical(peer);
        if !self.contains(client) {
            return client;
        }
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = forwarded_address(entry.trim_ascii()) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }

    /// The host that the client asked for. From a proxy of ours `X-Forwarded-Host` counts before `Host`.
    ///
    /// # Errors
    /// When the request names two hosts.
    pub fn host<'a>(
        &self,
        peer: Option<IpAddr>,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a str>, Problem> {
        let twice = || Problem::Malformed("the request names its host twice".to_owned());
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (value, None) => Ok(value.and_then(|value| value.to_str().ok())),
                _ => Err(twice()),
            }
        };
        // Both are looked at first, so that a doubled header is refused wherever it stands.
        let host = one("host")?;
        if peer.is_some_and(|peer| self.contains(peer))
            && let Some(forwarded) = one("x-forwarded-host")?
        {
            return Ok(Some(forwarded));
        }
        // An absolute request target counts before the header. Source: RFC 9112, 3.2.2.
        Ok(uri.authority().map(http::uri::Authority::as_str).or(host))
    }
}

/// IPv4 addresses that came as IPv6 are IPv4 addresses.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// `1.2.3.4`, `1.2.3.4:5678`, `::1` or `[::1]:5678`.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.parse().ok();
    bare.or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip())).map(canonical)
}

fn same_prefix(network: IpAddr, address: IpAddr, bits: u8) -> bool {
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> TrustedProxies {
        let network = |text: &str, bits| (text.parse().expect("an address"), bits);
        TrustedProxies::new([network("10.0.0.0", 8), network("fd00::", 64)])
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().expect("a header value"));
        }
        proxies().client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_proxy_of_ours() {
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "a stranger's header counts for nothing");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.2.3.4"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "203.0.113.9:55,10.2.3.4"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, nonsense, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("fd00::5", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("fd00:0:0:1::5", &["203.0.113.9"]), "fd00:0:0:1::5");
    }

    #[test]
    fn the_host_comes_from_the_request_and_from_our_proxies_only() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "a.example".parse().expect("a header value"));
        headers.insert("x-forwarded-host", "b.example".parse().expect("a header value"));
        let host = |peer: &str, uri: &str, headers: &HeaderMap| {
            let uri: Uri = uri.parse().expect("a target");
            proxies().host(peer.parse().ok(), &uri, headers).map(|host| host.map(str::to_owned)).ok().flatten()
        };
        assert_eq!(host("192.0.2.1", "/", &headers).as_deref(), Some("a.example"));
        assert_eq!(host("10.0.0.1", "/", &headers).as_deref(), Some("b.example"));
        assert_eq!(host("192.0.2.1", "http://c.example/", &headers).as_deref(), Some("c.example"));
        headers.append("host", "d.example".parse().expect("a header value"));
        assert_eq!(host("192.0.2.1", "/", &headers), None);
        let uri: Uri = "/".parse().expect("a target");
        assert!(proxies().host(None, &uri, &headers).is_err());
    }
}
