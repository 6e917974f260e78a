//! HTTP to one registry.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::exit::Exit;
use crate::report::Failure;

/// The whole answer must come within this.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// An answer is read up to this, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Where systems keep the certificates that they trust; the first that is there counts.
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
];

/// An address of a registry: scheme, host, and the path of the tenant, without a final slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistryUrl {
    text: String,
    /// Where the host begins in `text`.
    host_at: usize,
}

impl RegistryUrl {
    /// Reads an address as people paste it: with a final slash, or with the path of the catalog behind it.
    ///
    /// # Errors
    /// What is wrong, for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or("an address begins with https://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return Err(format!("{scheme}:// is not spoken here; use https://"));
        }
        let rest = rest.trim_end_matches('/');
        let rest = rest.strip_suffix("/.claude-plugin/marketplace.json").unwrap_or(rest).trim_end_matches('/');
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        if host.contains('@') {
            return Err("leave user and password out of the address; the token goes to --token".into());
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if host.is_empty() || !host.chars().all(sound) {
            return Err("the address has no host".into());
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !path.chars().all(sound) || path.split('/').any(|part| matches!(part, ".." | ".")) {
            return Err("the address has a path that no registry has".into());
        }
        let mut text = format!("{scheme}://{}", host.to_ascii_lowercase());
        let host_at = scheme.len() + 3;
        if !path.is_empty() {
            text.push('/');
            text.push_str(path);
        }
        Ok(Self { text, host_at })
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.text[self.host_at..].split('/').next().unwrap_or_default()
    }

    /// The path without slashes at its ends; empty for a tenant with a host of its own.
    pub fn path(&self) -> &str {
        self.text[self.host_at..].split_once('/').map_or("", |(_, path)| path)
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        &self.text[..self.host_at - 3]
    }

    /// True for an address on this machine, where http is no risk.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// What a registry says about a token.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct WhoAmI {
    /// The tenant.
    pub tenant: String,
    /// Whose token.
    pub member: String,
    /// The member's role.
    pub role: String,
    /// What the token may do now.
    #[serde(default)]
    pub power: Vec<String>,
}

/// Asks the registry whose token this is.
///
/// # Errors
/// Not reachable, not allowed, or no registry at that address.
pub fn who_am_i(url: &RegistryUrl, token: &str) -> Result<WhoAmI, Failure> {
    let address = format!("{}/api/v1/whoami", url.as_str());
    let agent = agent()?;
    let request =
        agent.get(&address).header("Authorization", format!("Bearer {token}")).header("Accept", "application/json");
    let mut answer = request.call().map_err(|error| unreachable(url, error))?;
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
    match answer.status().as_u16() {
        200 => serde_json::from_str(&body).map_err(|_| no_registry(url)),
        401 => Err(Failure::new(Exit::NotAllowed, format!("{} does not accept this token", url.as_str()))
            .hinted("it may be mistyped, expired or revoked; ask for a new one")),
        403 => Err(Failure::new(Exit::NotAllowed, format!("{} does not let this token ask whose it is", url.as_str()))),
        404 => Err(Failure::new(Exit::NotAllowed, format!("{} has no registry that this token opens", url.as_str()))
            .hinted("compare the address with the one that came with the token")),
        429 | 500.. => Err(Failure::new(Exit::Unreachable, format!("{} answered {}", url.as_str(), answer.status()))
            .hinted("try again later")),
        _ => Err(no_registry(url)),
    }
}

fn no_registry(url: &RegistryUrl) -> Failure {
    Failure::new(Exit::No, format!("no skill-pool registry answers at {}", url.as_str()))
        .hinted("the address ends in /t/<tenant>, or is a tenant's own host")
}

fn unreachable(url: &RegistryUrl, error: ureq::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("could not reach {}", url.as_str())).because(&error)
}

fn agent() -> Result<ureq::Agent, Failure> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()));
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider.clone()).root_certs(roots()?).build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(ANSWER_MAX))
        // A token goes where it was told to go, and not where an answer points.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("skill-pool/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.new_agent())
}

/// The system's certificates, or those of the file that `SSL_CERT_FILE` names, as curl and git take them.
fn roots() -> Result<RootCerts, Failure> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = named.or_else(|| SYSTEM_CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file()));
    // Without any, http to this machine still works, and https says that the certificate is not trusted.
    let Some(path) = path else { return Ok(RootCerts::new_with_certs(&[])) };
    let pem = std::fs::read(&path).map_err(|error| {
        Failure::new(Exit::Usage, format!("could not read the certificates in {}", path.display())).because(&error)
    })?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_paste_them() {
        for text in [
            "https://skills.example.com/t/acme",
            "https://skills.example.com/t/acme/",
            " HTTPS://Skills.Example.com/t/acme/.claude-plugin/marketplace.json ",
        ] {
            let url = RegistryUrl::parse(text).expect(text);
            assert_eq!(url.as_str(), "https://skills.example.com/t/acme");
            assert_eq!((url.scheme(), url.host(), url.path()), ("https", "skills.example.com", "t/acme"));
        }
        let own = RegistryUrl::parse("http://127.0.0.1:8080").expect("an address");
        assert!(own.is_loopback() && own.path().is_empty());
        for wrong in [
            "skills.example.com",
            "ftp://x",
            "https://",
            "https://u:p@x",
            "https://x/a b",
            "https://x/../y",
            "https://x/?q",
            "https://x\n.y",
        ] {
            assert!(RegistryUrl::parse(wrong).is_err(), "{wrong:?}");
        }
        for (text, loopback) in [
            ("http://[::1]:80", true),
            ("http://acme.localhost", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(RegistryUrl::parse(text).expect(text).is_loopback(), loopback, "{text}");
        }
    }
}
