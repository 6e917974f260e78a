//! The catalog as a page: what there is, how far it reaches, how to get it.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Serialize;
use skill_pool_domain::access::ReadTenant;
use skill_pool_domain::names::PluginName;
use skill_pool_domain::registry::Visibility;

use super::connect::{self, Connect};
use super::render::{Frame, page};
use super::words::{CountView, ReachView, counts, grouped, plural, reach};
use crate::services::catalog::{self, Listed};
use crate::web::call::Call;
use crate::web::problem::Problem;

/// Plugins on one page.
const PAGE_PLUGINS_MAX: usize = 60;
/// Characters of descriptions that a session with a window of 200,000 tokens shows in full.
///
/// Source: Claude Code 2.1.329, one hundredth of the window at four characters a token.
const LISTING_CHARACTERS_MAX: u64 = 8_000;
/// Characters of a search that are looked at.
const QUERY_CHARS_MAX: usize = 100;

#[derive(Serialize)]
struct View {
    frame: Frame,
    heading: String,
    description: String,
    total: String,
    query: String,
    found_words: String,
    plugins: Vec<PluginView>,
    next: Option<String>,
    budget: Option<BudgetView>,
    publish_command: String,
    credential_command: Option<String>,
    add_command: String,
    install_command: String,
}

#[derive(Serialize)]
struct PluginView {
    name: String,
    version: String,
    url: String,
    description: String,
    counts: Vec<CountView>,
    reach: ReachView,
}

#[derive(Serialize)]
struct BudgetView {
    used: String,
    limit: String,
    used_number: u64,
    limit_number: u64,
    max_number: u64,
    is_over: bool,
}

/// The handler.
///
/// # Errors
/// As access decides.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let proof = call.grant(ReadTenant)?;
    let state = catalog::state(&call.site.catalogs, &proof).await.map_err(Problem::internal)?;
    let brand = brand(&state.head.title, proof.tenant_name().as_str());
    let query: String = call.query_value("q").unwrap_or_default().trim().chars().take(QUERY_CHARS_MAX).collect();
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let after = call.query_value("after").and_then(|name| PluginName::parse(&name).ok());
    let found = || state.plugins.values().filter(|listed| matches(listed, &words));
    let mut rest = found().filter(|listed| after.as_ref().is_none_or(|after| listed.entry.plugin() > after));
    let shown: Vec<&Listed> = rest.by_ref().take(PAGE_PLUGINS_MAX).map(AsRef::as_ref).collect();
    let next = rest.next().and(shown.last()).map(|last| {
        let query = super::words::query_encoded(&query);
        format!("{}/?q={query}&after={}", call.prefix, last.entry.plugin())
    });
    let is_public = call.tenant.as_ref().is_some_and(|tenant| tenant.visibility == Visibility::Public);
    let Connect { credential_command, add_command } = connect::lines(&call, proof.tenant_name(), is_public);
    let example = shown.first().map_or("<plugin>", |listed| listed.entry.plugin().as_str());
    let tenant = proof.tenant_name();
    let base = call.site.addresses.base(call.base, tenant);
    let used = state.listing_characters;
    let view = View {
        frame: Frame::of_tenant(&call, "Catalog", &brand),
        heading: brand,
        description: state.head.description.clone(),
        total: grouped(state.plugins.len() as u64),
        found_words: if query.is_empty() {
            String::new()
        } else {
            format!("{} found", plural(found().count() as u64, "plugin"))
        },
        query,
        plugins: shown.iter().map(|listed| plugin_view(listed, &call.prefix)).collect(),
        next,
        budget: (used > 0).then(|| BudgetView {
            used: grouped(used),
            limit: grouped(LISTING_CHARACTERS_MAX),
            used_number: used,
            limit_number: LISTING_CHARACTERS_MAX,
            max_number: used.max(LISTING_CHARACTERS_MAX),
            is_over: used > LISTING_CHARACTERS_MAX,
        }),
        publish_command: format!("git push {base}/git/plugins/<plugin>.git HEAD:main"),
        credential_command,
        add_command,
        install_command: format!("claude plugin install {example}@{tenant}"),
    };
    Ok(page(StatusCode::OK, call.site.templates.render("pages/home.html", &view)?))
}

/// The title that people gave the tenant, else its name.
pub fn brand(title: &str, name: &str) -> String {
    if title.trim().is_empty() { name.to_owned() } else { title.trim().to_owned() }
}

fn plugin_view(listed: &Listed, prefix: &str) -> PluginView {
    let name = listed.entry.plugin().to_string();
    PluginView {
        url: format!("{prefix}/plugins/{name}"),
        name,
        version: listed.entry.version().to_string(),
        description: listed.entry.description_text().to_owned(),
        counts: counts(listed.counts),
        reach: reach(listed.reach),
    }
}

/// Every word stands somewhere in name, description or keywords.
fn matches(listed: &Listed, words: &[String]) -> bool {
    let entry = &listed.entry;
    let texts = || {
        let keywords = entry.keyword_list().iter().map(String::as_str);
        [entry.plugin().as_str(), entry.description_text()].into_iter().chain(keywords)
    };
    words.iter().all(|word| texts().any(|text| text.to_lowercase().contains(word)))
}
