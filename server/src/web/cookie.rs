//! The cookie of a session.

use skill_pool_domain::names::TenantName;

use crate::services::sessions::{AGE_MAX, SessionId};

/// The name of the cookie of a tenant's sessions: each tenant has its own, so that a person can be signed in to several on
/// one host, and no tenant's pages are ever asked for with another's session.
pub fn cookie_name(tenant: &TenantName, https: bool) -> String {
    let host_only = if https { "__Host-" } else { "" };
    format!("{host_only}skill-pool-{tenant}")
}

/// The `Set-Cookie` value that gives a browser its session, or, without an id, takes it away.
pub fn set_cookie(tenant: &TenantName, https: bool, id: Option<&SessionId>) -> String {
    let name = cookie_name(tenant, https);
    let secure = if https { "; Secure" } else { "" };
    match id {
        Some(id) => {
            let age_seconds = AGE_MAX.as_secs();
            format!("{name}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_seconds}{secure}", id.expose())
        }
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_bound_to_host_and_tenant() {
        let acme = TenantName::parse("acme").expect("a name");
        let id = SessionId::parse(&"ab".repeat(32)).expect("an id");
        let cookie = set_cookie(&acme, true, Some(&id));
        assert!(cookie.starts_with("__Host-skill-pool-acme=abab"));
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!set_cookie(&acme, false, None).contains("Secure"));
        assert_eq!(cookie_name(&acme, false), "skill-pool-acme");
    }
}
