//! One plugin: what is in it, what it can do on a machine, its releases, how to install it.

use axum::body::Body;
use http::{Response, StatusCode};
use minijinja::Value;
use serde::Serialize;
use skill_pool_domain::access::{Granted, ReadRepository, ReadTenant};
use skill_pool_domain::names::{PluginName, RepositoryName, Version};
use skill_pool_domain::plugin::capability::{Capability, Class};
use skill_pool_domain::plugin::item::ItemKind;
use skill_pool_domain::plugin::summary::{ItemSummary, PluginSummary};

use super::home::brand;
use super::markdown;
use super::render::{Frame, page};
use super::words::{CountView, ReachView, class_word, counts, grouped, plural, reach, sentence, size};
use crate::services::catalog::{Counts, reach_of};
use crate::services::releases::Release;
use crate::web::call::Call;
use crate::web::problem::Problem;

/// Releases on one page.
const RELEASES_MAX: usize = 50;
/// A longer read-me is not shown.
const README_BYTES_MAX: u64 = 256 * 1024;

#[derive(Serialize)]
struct View {
    frame: Frame,
    name: String,
    version: String,
    description: String,
    counts_of_items: Vec<CountView>,
    reach_of_plugin: ReachView,
    yanked: Option<YankedView>,
    is_listed: bool,
    items: Vec<ItemView>,
    capabilities: Vec<CapabilityGroup>,
    readme: Option<Value>,
    releases: Vec<ReleaseView>,
    next: Option<String>,
    install_command: String,
    session_command: String,
    clone_command: String,
    author: Option<String>,
    license: Option<String>,
    homepage: Option<String>,
    keywords: String,
    size: String,
    listing: String,
    commit: String,
}

#[derive(Serialize)]
struct YankedView {
    at: String,
    date: String,
    reason: String,
}

#[derive(Serialize)]
struct ItemView {
    kind: &'static str,
    called: String,
    description: String,
    note: String,
}

#[derive(Serialize)]
struct CapabilityGroup {
    class: &'static str,
    title: &'static str,
    capabilities: Vec<CapabilityView>,
}

#[derive(Serialize)]
struct CapabilityView {
    says: String,
    details: Vec<String>,
    places: Vec<String>,
}

#[derive(Serialize)]
struct ReleaseView {
    version: String,
    url: String,
    at: String,
    date: String,
    actor: String,
    signer: Option<String>,
    archive: String,
    is_shown: bool,
    yanked: bool,
}

/// What is read for the page, off the threads that serve.
struct Found {
    release: Release,
    latest: Option<Version>,
    releases: Vec<Release>,
    title: String,
    readme: Option<Value>,
}

/// `GET …/plugins/<plugin>`: the release that the catalog shows, else the highest.
///
/// # Errors
/// As access decides; 404 when the plugin has no release.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    answer(call, None).await
}

/// `GET …/plugins/<plugin>/releases/<version>`.
///
/// # Errors
/// As access decides; 404 when there is no such release.
pub async fn show_release(call: Call) -> Result<Response<Body>, Problem> {
    let version = Version::parse(call.param(1)).map_err(|_| Problem::NotFound)?;
    answer(call, Some(version)).await
}

async fn answer(call: Call, version: Option<Version>) -> Result<Response<Body>, Problem> {
    let tenant = call.grant(ReadTenant)?.tenant_name().clone();
    let plugin = PluginName::parse(call.param(0)).map_err(|_| Problem::NotFound)?;
    let proof = call.grant(ReadRepository(RepositoryName::Plugin(plugin.clone())))?;
    let below = call.query_value("below").and_then(|text| Version::parse(&text).ok());
    let site = call.site.clone();
    let found = tokio::task::spawn_blocking(move || {
        let found = find(&site, &proof, version, below.as_ref())?;
        found.ok_or(Problem::NotFound)
    });
    let found = found.await.map_err(Problem::internal)??;
    let view = view(&call, &tenant.to_string(), found);
    Ok(page(StatusCode::OK, call.site.templates.render("pages/plugin.html", &view)?))
}

fn find(
    site: &crate::web::site::Site,
    proof: &Granted<ReadRepository>,
    version: Option<Version>,
    below: Option<&Version>,
) -> Result<Option<Found>, Problem> {
    let releases = &site.releases;
    let failed = Problem::internal;
    let page = releases.highest_first(proof, below, RELEASES_MAX + 1).map_err(failed)?;
    let latest = releases.latest(proof).map_err(failed)?;
    let release = match &version {
        Some(version) => releases.one(proof, version).map_err(failed)?,
        None if latest.is_some() => latest.clone(),
        None => releases.highest_first(proof, None, 1).map_err(failed)?.pop(),
    };
    let Some(release) = release else { return Ok(None) };
    let title = releases.title(proof).map_err(failed)?;
    let path = release.summary.get("readme").and_then(serde_json::Value::as_str);
    let readme = match path {
        Some(path) => {
            let text = site.files.text(proof, release.commit, path, README_BYTES_MAX).map_err(Problem::internal)?;
            text.map(|text| markdown::render(&text))
        }
        None => None,
    };
    let latest = latest.map(|release| release.version);
    Ok(Some(Found { release, latest, releases: page, title, readme }))
}

fn view(call: &Call, tenant: &str, found: Found) -> View {
    let Found { release, latest, mut releases, title, readme } = found;
    let summary: PluginSummary = serde_json::from_value(release.summary.clone()).unwrap_or_default();
    let prefix = &call.prefix;
    let name = release.plugin.to_string();
    let brand = brand(&title, tenant);
    let next = (releases.len() > RELEASES_MAX).then(|| {
        releases.truncate(RELEASES_MAX);
        let last = releases.last().map(|release| release.version.to_string()).unwrap_or_default();
        format!("{prefix}/plugins/{name}?below={last}#releases")
    });
    let base = call.tenant.as_ref().map(|tenant| call.site.addresses.base(call.base, &tenant.name)).unwrap_or_default();
    let reach_class = reach_of(&summary);
    let count = |kind| u32::try_from(summary.items.iter().filter(|item| item.kind == kind).count()).unwrap_or(u32::MAX);
    View {
        frame: Frame::of_tenant(call, &name, &brand),
        version: release.version.to_string(),
        description: summary.description.clone().unwrap_or_default(),
        counts_of_items: counts(Counts {
            skills: count(ItemKind::Skill),
            agents: count(ItemKind::Agent),
            commands: count(ItemKind::Command),
        }),
        reach_of_plugin: reach(reach_class),
        yanked: release.yanked.as_ref().map(|yanked| YankedView {
            at: yanked.at.to_string(),
            date: yanked.at.date(),
            reason: yanked.reason.clone(),
        }),
        is_listed: latest.is_some(),
        items: items(&summary, &name),
        capabilities: groups(&summary.capabilities),
        readme,
        releases: releases.iter().map(|release| release_view(release, latest.as_ref(), prefix)).collect(),
        next,
        install_command: format!("claude plugin install {name}@{tenant}"),
        session_command: format!("/plugin install {name}@{tenant}"),
        clone_command: format!("git clone {base}/git/plugins/{name}.git"),
        author: summary.author.as_ref().map(|author| author.name.clone()),
        license: summary.license.clone(),
        homepage: summary.homepage.clone(),
        keywords: summary.keywords.join(", "),
        size: format!("{} in {}", size(summary.bytes), plural(u64::from(summary.files), "file")),
        listing: format!("{} characters in every session", grouped(u64::from(summary.listing_characters))),
        commit: release.commit.to_string(),
        name,
    }
}

/// Skills first, then agents, then commands.
fn items(summary: &PluginSummary, plugin: &str) -> Vec<ItemView> {
    let of_kind = |kind| summary.items.iter().filter(move |item| item.kind == kind);
    let all = [ItemKind::Skill, ItemKind::Agent, ItemKind::Command].into_iter().flat_map(of_kind);
    all.map(|item| item_view(item, plugin)).collect()
}

fn item_view(item: &ItemSummary, plugin: &str) -> ItemView {
    let kind = match item.kind {
        ItemKind::Skill => "skill",
        ItemKind::Agent => "agent",
        ItemKind::Command => "command",
    };
    let note = match (item.kind, item.model_invocable, item.user_invocable) {
        (ItemKind::Agent, ..) | (_, true, true) => "",
        (_, true, false) => "The model uses it by itself; it cannot be typed.",
        (_, false, true) => "Only a person uses it, by typing its name.",
        (_, false, false) => "Neither the model nor a person can use it.",
    };
    let mut description = item.description.clone().unwrap_or_default();
    if let Some(when) = &item.when_to_use {
        description = format!("{description} {when}").trim().to_owned();
    }
    ItemView { kind, called: format!("{plugin}:{}", item.called), description, note: note.to_owned() }
}

/// Capabilities by how far they reach; those that say the same stand together.
fn groups(capabilities: &[Capability]) -> Vec<CapabilityGroup> {
    let of_class = |class| {
        let mut views: Vec<CapabilityView> = Vec::new();
        for capability in capabilities.iter().filter(|capability| capability.class == class) {
            let says = sentence(&format!("{}.", capability.says));
            match views.iter_mut().find(|view| view.says == says) {
                Some(view) => {
                    view.details.push(capability.detail.clone());
                    let place = place(capability);
                    if !view.places.contains(&place) {
                        view.places.push(place);
                    }
                }
                None => {
                    let (details, places) = (vec![capability.detail.clone()], vec![place(capability)]);
                    views.push(CapabilityView { says, details, places });
                }
            }
        }
        views
    };
    let titles = [(Class::Runs, "Without being asked"), (Class::Scripts, "When it is used"), (Class::Text, "As text")];
    let groups = titles.into_iter().map(|(class, title)| CapabilityGroup {
        class: class_word(class),
        title,
        capabilities: of_class(class),
    });
    groups.filter(|group| !group.capabilities.is_empty()).collect()
}

fn place(capability: &Capability) -> String {
    match capability.line {
        Some(line) => format!("{}:{line}", capability.path),
        None => capability.path.clone(),
    }
}

fn release_view(release: &Release, latest: Option<&Version>, prefix: &str) -> ReleaseView {
    let (plugin, version) = (&release.plugin, &release.version);
    ReleaseView {
        url: format!("{prefix}/plugins/{plugin}/releases/{version}"),
        archive: format!("{prefix}/archives/{plugin}/{version}.zip"),
        at: release.at.to_string(),
        date: release.at.date(),
        actor: release.actor.as_ref().map_or_else(|| "the registry".to_owned(), ToString::to_string),
        signer: release.signer.clone(),
        is_shown: latest == Some(version),
        yanked: release.yanked.is_some(),
        version: version.to_string(),
    }
}
