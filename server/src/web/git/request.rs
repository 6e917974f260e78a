//! One git request as one value: what is authorised is what is served.
//!
//! Source: gitprotocol-http(5), "URL Format" and "Smart Clients".

use http::Method;
use skill_pool_domain::names::RepositoryName;
use skill_pool_git::upload::Service;

/// Content types of one service.
pub trait ContentTypes {
    /// Of `info/refs`.
    fn advertisement_type(self) -> &'static str;
    /// Of a request's body.
    fn request_type(self) -> &'static str;
    /// Of the answer to a POST.
    fn result_type(self) -> &'static str;
}

impl ContentTypes for Service {
    fn advertisement_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-advertisement",
            Self::ReceivePack => "application/x-git-receive-pack-advertisement",
        }
    }

    fn request_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-request",
            Self::ReceivePack => "application/x-git-receive-pack-request",
        }
    }

    fn result_type(self) -> &'static str {
        match self {
            Self::UploadPack => "application/x-git-upload-pack-result",
            Self::ReceivePack => "application/x-git-receive-pack-result",
        }
    }
}

/// Which half of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// `GET …/info/refs?service=…`
    Advertise,
    /// `POST …/git-<service>`
    Exchange,
}

/// A git request, parsed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GitRequest {
    /// Which repository of the tenant.
    pub repository: RepositoryName,
    /// Which service.
    pub service: Service,
    /// Which half.
    pub phase: Phase,
}

/// What no git request looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotGit {
    /// No repository has such a path, or the path leads to a file that is not served.
    NotFound,
    /// `info/refs` without a service: the dumb protocol.
    Dumb,
    /// A service that does not exist.
    UnknownService,
    /// Another method than the named one.
    Method(&'static str),
}

impl GitRequest {
    /// Reads method, path below `git/` (decoded once, without leading slash) and query.
    ///
    /// # Errors
    /// [`NotGit`] says which status fits.
    pub fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Self, NotGit> {
        let repository = |path: &str| RepositoryName::parse_path(path).ok_or(NotGit::NotFound);
        if let Some(path) = path.strip_suffix("/info/refs") {
            let repository = repository(path)?;
            if method != Method::GET && method != Method::HEAD {
                return Err(NotGit::Method("GET, HEAD"));
            }
            let mut services = query.unwrap_or("").split('&').filter_map(|pair| pair.strip_prefix("service="));
            return match (services.next(), services.next()) {
                (None, _) => Err(NotGit::Dumb),
                (Some(name), None) => match Service::from_name(name) {
                    Some(service) => Ok(Self { repository, service, phase: Phase::Advertise }),
                    None => Err(NotGit::UnknownService),
                },
                (Some(_), Some(_)) => Err(NotGit::UnknownService),
            };
        }
        let (path, last) = path.rsplit_once('/').ok_or(NotGit::NotFound)?;
        let service = Service::from_name(last).ok_or(NotGit::NotFound)?;
        let repository = repository(path)?;
        if method != Method::POST {
            return Err(NotGit::Method("POST"));
        }
        Ok(Self { repository, service, phase: Phase::Exchange })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str, query: &str) -> Result<GitRequest, NotGit> {
        let query = (!query.is_empty()).then_some(query);
        GitRequest::parse(&method.parse().expect("a method"), path, query)
    }

    #[test]
    fn the_four_smart_requests_are_read() {
        let lint = RepositoryName::parse_path("plugins/lint").expect("a name");
        for (method, path, query, service, phase) in [
            ("GET", "plugins/lint.git/info/refs", "service=git-upload-pack", Service::UploadPack, Phase::Advertise),
            ("GET", "plugins/lint/info/refs", "a=b&service=git-receive-pack", Service::ReceivePack, Phase::Advertise),
            ("POST", "plugins/lint.git/git-upload-pack", "", Service::UploadPack, Phase::Exchange),
            ("POST", "plugins/lint/git-receive-pack", "", Service::ReceivePack, Phase::Exchange),
        ] {
            assert_eq!(
                parse(method, path, query),
                Ok(GitRequest { repository: lint.clone(), service, phase }),
                "{path}"
            );
        }
    }

    #[test]
    fn everything_else_has_its_status() {
        for (method, path, query, expected) in [
            ("GET", "plugins/lint.git/info/refs", "", NotGit::Dumb),
            ("GET", "plugins/lint.git/info/refs", "service=git-upload-archive", NotGit::UnknownService),
            (
                "GET",
                "plugins/lint.git/info/refs",
                "service=git-upload-pack&service=git-receive-pack",
                NotGit::UnknownService,
            ),
            ("POST", "plugins/lint.git/info/refs", "service=git-upload-pack", NotGit::Method("GET, HEAD")),
            ("GET", "plugins/lint.git/git-upload-pack", "", NotGit::Method("POST")),
            ("GET", "plugins/lint.git/HEAD", "", NotGit::NotFound),
            ("GET", "plugins/lint.git/objects/info/packs", "", NotGit::NotFound),
            ("GET", "plugins/../registry.git/info/refs", "service=git-upload-pack", NotGit::NotFound),
            ("GET", "info/refs", "service=git-upload-pack", NotGit::NotFound),
            ("POST", "git-upload-pack", "", NotGit::NotFound),
        ] {
            assert_eq!(parse(method, path, query), Err(expected), "{method} {path}?{query}");
        }
    }
}
