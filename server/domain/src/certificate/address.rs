//! Addresses of repositories, as far as two spellings mean one place.

/// The form in which two addresses can be compared: scheme and host in lower case, the scheme's own port left out, no
/// slashes and no `.git` at the end. `None` for what is not an http address, or has a user, a query or a fragment: git
/// strips users before it signs, and repositories have no queries.
pub fn normalise_address(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    if rest.contains(['@', '?', '#', '\\', ' ']) {
        return None;
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(own_port).or_else(|| host.strip_suffix(':')).unwrap_or(&host);
    if host.is_empty() {
        return None;
    }
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    Some(format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_one() {
        let place = normalise_address("https://pool.example/t/acme/git/plugins/lint.git");
        for same in [
            "https://pool.example/t/acme/git/plugins/lint",
            "https://pool.example/t/acme/git/plugins/lint.git/",
            "https://pool.example/t/acme/git/plugins/lint//",
            "HTTPS://Pool.Example:443/t/acme/git/plugins/lint.git",
            "https://pool.example:/t/acme/git/plugins/lint.git",
        ] {
            assert_eq!(normalise_address(same), place, "{same}");
        }
        for other in [
            "http://pool.example/t/acme/git/plugins/lint.git",
            "https://pool.example:8443/t/acme/git/plugins/lint.git",
            "https://pool.example:80/t/acme/git/plugins/lint.git",
            "https://pool.example.evil/t/acme/git/plugins/lint.git",
            "https://pool.example/t/other/git/plugins/lint.git",
            "https://pool.example/t/acme/git/plugins/Lint.git",
            "https://pool.example/t/acme/git/plugins/lint.git.git",
            "https://pool.example/t/acme/git/plugins/../plugins/lint.git",
            "https://pool.example/t/acme/git//plugins/lint.git",
            "https://pool.example/t/acme/git/plugins/%6cint.git",
        ] {
            assert_ne!(normalise_address(other), place, "{other}");
        }
        for nothing in [
            "",
            "pool.example/x",
            "ssh://pool.example/x",
            "https:///x",
            "https://user@pool.example/x",
            "https://pool.example/x?y",
            "https://pool.example/x#y",
            "https://pool.example\\@evil/x",
            "file:///srv/x",
        ] {
            assert_eq!(normalise_address(nothing), None, "{nothing}");
        }
    }
}
