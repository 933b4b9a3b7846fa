//! Whether a web page may connect. A browser lets any page open a WebSocket to any server, this
//! machine's included, and says in `Origin` where the page is from. Engines and other programs send
//! no such header and aren't asked.
//!
//! That a page and the server have one name says little by itself: whoever owns a name may let it mean
//! this machine for a moment. Only where a token is asked for too does it count; else the name must be
//! one of this machine's own, or an address.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// The origin of a page that may not connect: its host is another than the server's and it is not
/// in `allowed`, where `*` is any. `is_guarded`: whether a token is asked for.
pub(super) fn foreign(headers: &HeaderMap, allowed: &[String], is_guarded: bool) -> Option<String> {
    let origin = String::from_utf8_lossy(headers.get(ORIGIN)?.as_bytes()).into_owned();
    let listed = |one: &String| one == "*" || one.eq_ignore_ascii_case(&origin);
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let is_own = || {
        let page = origin.split_once("://").map(|(_, authority)| host_name(authority));
        let is_own = |page: &String| {
            host.is_some_and(|host| is_same(page, &host_name(host)))
                && (is_guarded || is_loopback(page) || is_address(page))
        };
        page.is_some_and(|page| is_own(&page))
    };
    (!allowed.iter().any(listed) && !is_own()).then_some(origin)
}

/// Without its port, in lower case.
fn host_name(authority: &str) -> String {
    let name = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority, |(name, _)| name),
    };
    name.to_ascii_lowercase()
}

/// A page from this machine may call it by another of its names.
fn is_same(page: &str, host: &str) -> bool {
    page == host || (is_loopback(page) && is_loopback(host))
}

fn is_address(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_ok()
}

fn is_loopback(name: &str) -> bool {
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_same_host_and_listed_ones_may_connect() {
        let check = |origin: &str, host: &str, allowed: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            headers.insert(HOST, host.parse().unwrap());
            let allowed: Vec<_> = allowed.iter().map(|one| (*one).to_owned()).collect();
            let may = foreign(&headers, &allowed, true).is_none();
            assert_eq!(may, expected, "{origin} at {host} with {allowed:?}");
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            let counts = name == "localhost" || name.starts_with(['1', '[']) || !allowed.is_empty();
            let may = foreign(&headers, &allowed, false).is_none();
            assert_eq!(may, expected && counts, "{origin} at {host} without a token");
        };
        check("http://localhost:8060", "localhost:8000", &[], true);
        check("http://localhost:8060", "127.0.0.1:8000", &[], true);
        check("http://127.0.0.1", "[::1]:8000", &[], true);
        check("http://10.0.0.5:80", "10.0.0.5:8000", &[], true);
        check("https://Play.example", "play.example:443", &[], true);
        check("https://evil.example", "127.0.0.1:8000", &[], false);
        check("https://localhost.evil.example", "localhost:8000", &[], false);
        check("http://play.example.evil", "play.example", &[], false);
        check("http://play.example:80@evil", "evil2", &[], false);
        check("null", "localhost", &[], false);
        check("null", "localhost", &["null"], true);
        check("", "localhost", &[], false);
        check("https://itch.example", "play.example", &["https://itch.example"], true);
        check("https://ITCH.example", "play.example", &["https://itch.example"], true);
        check("http://itch.example", "play.example", &["https://itch.example"], false);
        check("https://anything", "play.example", &["*"], true);
    }

    #[test]
    fn programs_that_are_no_browsers_send_no_origin() {
        assert_eq!(foreign(&HeaderMap::new(), &[], false), None);
    }
}
