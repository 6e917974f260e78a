//! The lines that make a tenant known to Claude Code.

use skill_pool_domain::names::TenantName;

use crate::web::call::Call;

/// Lines to type.
pub struct Connect {
    /// Gives git a token; only where one is needed.
    pub credential_command: Option<String>,
    /// Adds the catalog.
    pub add_command: String,
}

/// The lines for a tenant under the address at which it was asked for. A private tenant is added by git: one credential
/// then serves catalog and plugins, and no token stands in a settings file.
pub fn lines(call: &Call, tenant: &TenantName, is_public: bool) -> Connect {
    let base = call.site.addresses.base(call.base, tenant);
    if is_public {
        return Connect { credential_command: None, add_command: format!("claude plugin marketplace add {base}") };
    }
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", &base));
    let host = rest.split('/').next().unwrap_or(rest);
    Connect {
        credential_command: Some(format!(
            "printf 'protocol={scheme}\\nhost={host}\\nusername=token\\npassword=%s\\n\\n' \"$SKILL_POOL_TOKEN\" | git credential approve"
        )),
        add_command: format!("claude plugin marketplace add {base}/git/marketplace.git"),
    }
}
