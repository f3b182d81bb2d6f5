//! Hosts to things: exact names beat wildcards, longer wildcards shorter ones.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/virtual-service/>, `hosts`;
//! the order is Envoy's (`config.route.v3.VirtualHost.domains`).

use crate::map::Map;
use crate::shared::Shared;

/// Values by host pattern: a name, `*.` and a suffix, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostMap<T> {
    exact: Shared<T>,
    /// By the suffix with its dot: `.example.com`.
    by_suffix: Map<Box<str>, T>,
    any: Option<T>,
}

// === impl HostMap ===

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: Shared::default(), by_suffix: Map::default(), any: None }
    }
}

impl<T: Clone> HostMap<T> {
    /// The value of a pattern, in lower case, made where there is none.
    pub(crate) fn entry(&mut self, pattern: &str, make: impl FnOnce() -> T) -> &mut T {
        match pattern.strip_prefix('*') {
            Some("") => self.any.get_or_insert_with(make),
            Some(suffix) => self.by_suffix.entry(suffix.into()).or_insert_with(make),
            None => self.exact.entry(pattern, make),
        }
    }

    /// The value of this very pattern.
    pub(crate) fn of_pattern(&self, pattern: &str) -> Option<&T> {
        match pattern.strip_prefix('*') {
            Some("") => self.any.as_ref(),
            Some(suffix) => self.by_suffix.get(suffix),
            None => self.exact.get(pattern),
        }
    }

    pub(crate) fn remove(&mut self, pattern: &str) {
        match pattern.strip_prefix('*') {
            Some("") => self.any = None,
            Some(suffix) => drop(self.by_suffix.remove(suffix)),
            None => self.exact.remove(pattern),
        }
    }

    /// The value of this very name; `host` in lower case, without a port.
    pub(crate) fn exact(&self, host: &str) -> Option<&T> {
        self.exact.get(host)
    }

    /// The value of the longest wildcard that covers a name, which has to go beyond its suffix.
    pub(crate) fn wildcard(&self, host: &str) -> Option<&T> {
        if !self.by_suffix.is_empty() {
            let dots = host.bytes().enumerate().filter(|(_, byte)| *byte == b'.').map(|(place, _)| place);
            for place in dots.filter(|place| *place > 0) {
                if let Some(found) = self.by_suffix.get(&host[place..]) {
                    return Some(found);
                }
            }
        }
        self.any.as_ref()
    }

    /// The value of a name, else of the wildcard that covers it.
    #[cfg(test)]
    fn get(&self, host: &str) -> Option<&T> {
        self.exact(host).or_else(|| self.wildcard(host))
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { exact, by_suffix, any } = self;
        exact.is_empty() && by_suffix.is_empty() && any.is_none()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact.values_mut().chain(self.by_suffix.values_mut()).chain(&mut self.any)
    }
}

/// The host of an authority in lower case without its port and its last dot.
pub(crate) fn bare_host(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        // In brackets stands an IPv6 address, whose colons are its own.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// What two patterns have in common, which is the narrower of them: a gateway's hosts and a
/// VirtualService's.
pub(crate) fn intersection<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    if covers(a, b) {
        Some(b)
    } else if covers(b, a) {
        Some(a)
    } else {
        None
    }
}

/// Whether every host of `narrow` is one of `wide`.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_prefix('*') {
        // `*.a.com` covers `b.a.com` and `*.b.a.com`, and itself, but not `.a.com` or `a.com`.
        Some(suffix) => narrow.ends_with(suffix) && (narrow.len() > suffix.len()),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beat_wildcards_and_longer_wildcards_shorter_ones() {
        let mut map = HostMap::default();
        for pattern in ["*", "*.example.com", "*.shop.example.com", "cart.shop.example.com"] {
            map.entry(pattern, || pattern);
        }
        let get = |host| map.get(host).copied();
        assert_eq!(get("cart.shop.example.com"), Some("cart.shop.example.com"));
        assert_eq!(get("a.shop.example.com"), Some("*.shop.example.com"));
        assert_eq!(get("a.b.shop.example.com"), Some("*.shop.example.com"));
        assert_eq!(get("shop.example.com"), Some("*.example.com"));
        assert_eq!(get("example.com"), Some("*"));
        assert_eq!(get(".example.com"), Some("*"));
    }

    #[test]
    fn the_narrower_of_two_patterns_is_what_they_have_in_common() {
        assert_eq!(intersection("*", "a.com"), Some("a.com"));
        assert_eq!(intersection("*.a.com", "b.a.com"), Some("b.a.com"));
        assert_eq!(intersection("b.a.com", "*.a.com"), Some("b.a.com"));
        assert_eq!(intersection("*.a.com", "*.b.a.com"), Some("*.b.a.com"));
        assert_eq!(intersection("*.a.com", "a.com"), None);
        assert_eq!(intersection("a.com", "b.com"), None);
        assert_eq!(intersection("*", "*"), Some("*"));
    }

    #[test]
    fn ports_and_last_dots_are_no_part_of_a_host() {
        for (authority, host) in
            [("a.com:80", "a.com"), ("a.com.", "a.com"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(bare_host(authority), host);
        }
    }
}
