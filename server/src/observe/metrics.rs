//! Metrics for Prometheus, with bounded labels: route, method, outcome; never a tenant, a repository, a person or a path.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    under_way: Gauge,
    connections: Gauge,
    connections_refused: Counter,
    followers_behind: Family<FollowerLabels, Gauge>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct FollowerLabels {
    follower: &'static str,
}

/// Upper bounds of the durations, in seconds.
const DURATIONS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("skill_pool");
        let requests = Family::default();
        let durations = Family::new_with_constructor(new_durations as fn() -> Histogram);
        let (under_way, connections) = (Gauge::default(), Gauge::default());
        let (connections_refused, followers_behind) = (Counter::default(), Family::default());
        registry.register("requests", "Requests answered", requests.clone());
        let help = "Time from the end of a request's header to the beginning of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, durations.clone());
        registry.register("requests_under_way", "Requests whose answer is not finished", under_way.clone());
        registry.register("connections", "Open connections of the public listener", connections.clone());
        let help = "Connections closed at once because their address has too many";
        registry.register("connections_refused", help, connections_refused.clone());
        let help = "Outbox entries that a follower has not worked off";
        registry.register("follower_behind", help, followers_behind.clone());
        Self { registry, requests, durations, under_way, connections, connections_refused, followers_behind }
    }
}

fn new_durations() -> Histogram {
    Histogram::new(DURATIONS_S)
}

impl Metrics {
    /// A request's header is in.
    pub fn request_began(&self) {
        self.under_way.inc();
    }

    /// The head of its answer is made.
    pub fn request_answered(&self, method: &http::Method, path: &str, status: u16, after: Duration) {
        let route = route_of(path);
        self.requests.get_or_create(&RequestLabels { route, method: method_of(method), status }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(after.as_secs_f64());
    }

    /// Its answer is out, or given up.
    pub fn request_ended(&self) {
        self.under_way.dec();
    }

    /// A connection was taken.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A connection is gone.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// A connection was closed at once.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// How many outbox entries a follower has before it.
    pub fn follower_behind(&self, follower: &'static str, entries: u64) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.followers_behind.get_or_create(&FollowerLabels { follower }).set(entries);
    }

    /// All metrics in Prometheus' text form.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

/// Which kind of address a path is. Few words, whatever strangers ask for.
fn route_of(path: &str) -> &'static str {
    let within = match path.strip_prefix("/t/") {
        Some(rest) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => path,
    };
    let first = within.trim_start_matches('/').split('/').next().unwrap_or("");
    match first {
        "git" if within.ends_with("/info/refs") => "git-refs",
        "git" if within.ends_with("/git-upload-pack") => "git-fetch",
        "git" if within.ends_with("/git-receive-pack") => "git-push",
        ".claude-plugin" => "catalog",
        "archives" => "archive",
        "api" => "api",
        "static" => "static",
        "healthz" | "readyz" => "health",
        _ => "page",
    }
}

fn method_of(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_moves() {
        let metrics = Metrics::default();
        metrics.connection_opened();
        metrics.connection_opened();
        metrics.connection_closed();
        metrics.connection_refused();
        metrics.request_began();
        let path = "/t/acme/git/plugins/lint.git/info/refs";
        metrics.request_answered(&http::Method::GET, path, 200, Duration::from_millis(3));
        metrics.follower_behind("catalog", 7);
        let text = metrics.text();
        for line in [
            "skill_pool_connections 1",
            "skill_pool_connections_refused_total 1",
            "skill_pool_requests_under_way 1",
            "skill_pool_requests_total{route=\"git-refs\",method=\"GET\",status=\"200\"} 1",
            "skill_pool_request_duration_seconds_bucket{le=\"0.005\",route=\"git-refs\"} 1",
            "skill_pool_follower_behind{follower=\"catalog\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("acme") && !text.contains("lint"));
        metrics.request_ended();
        assert!(metrics.text().contains("skill_pool_requests_under_way 0\n"));
    }

    #[test]
    fn paths_of_strangers_make_no_labels() {
        for (path, route) in [
            ("/t/acme/git/plugins/x.git/git-upload-pack", "git-fetch"),
            ("/git/registry.git/git-receive-pack", "git-push"),
            ("/t/acme/.claude-plugin/marketplace.json", "catalog"),
            ("/t/acme", "page"),
            ("/healthz", "health"),
            ("/wp-admin/1234", "page"),
            ("", "page"),
        ] {
            assert_eq!(route_of(path), route, "{path}");
        }
        assert_eq!(method_of(&"BREW".parse().expect("a method")), "other");
    }
}
