//! Hosts that name a Service, and with it perhaps a sandbox.
//!
//! `<service>.<namespace>.localhost` is for browsers and `curl`, which resolve
//! `localhost` and what is below it to the loopback address (RFC 6761, section
//! 6.3); the names that Kubernetes gives Services
//! (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>)
//! are understood too. Whether the named things exist is left to `table`.

use std::borrow::Cow;

/// The longest label of a host name (RFC 1035, section 2.3.4).
const LABEL_MAX_LEN: usize = 63;

/// A half of a label that is too long is shortened when it is over this: two
/// halves of 30 and the hyphens between them make 62.
const HALF_MAX_LEN: usize = 30;

/// What is kept of a shortened half; with a hyphen and 8 hex digits it is 30.
const HALF_PREFIX_LEN: usize = 21;

/// The namespace of a name that gives none.
const DEFAULT_NAMESPACE: &str = "default";

/// What a Host header names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostName<'a> {
    pub(crate) label: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) kind: HostKind,
}

/// Which family of names it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostKind {
    /// Below `localhost`: the label may be a sandbox and a service, and the
    /// port is the entry listener's.
    Local,
    /// As inside a cluster: the port, where given, may be the Service's.
    Cluster { port: Option<u16> },
}

/// The host under which a sandbox's view of a Service is reached, without a
/// port: `<sandbox>--<service>.<namespace>.localhost`.
///
/// Where the first label would be over 63 characters, each half over 30 is cut
/// to 21 characters, a hyphen, and 8 hex digits of a hash of the whole half.
/// The same names give the same host always, on every machine.
#[must_use]
pub fn preview_host(sandbox: &str, service: &str, namespace: &str) -> String {
    let label = format!("{sandbox}--{service}");
    let label = if label.len() > LABEL_MAX_LEN {
        format!("{}--{}", shorten(sandbox), shorten(service))
    } else {
        label
    };
    format!("{label}.{namespace}.localhost")
}

/// The form a name takes in a label that would be too long; the name itself where it is short.
pub(crate) fn shorten(name: &str) -> Cow<'_, str> {
    if name.len() <= HALF_MAX_LEN {
        return Cow::Borrowed(name);
    }
    let cut = name.floor_char_boundary(HALF_PREFIX_LEN);
    // Without its last hyphens, so that no `--` comes about in a half.
    let prefix = name[..cut].trim_end_matches('-');
    Cow::Owned(format!("{prefix}-{:08x}", hash(name)))
}

/// The two halves of a preview label. Sandbox names hold no `--`, service names may.
pub(crate) fn split_preview(label: &str) -> Option<(&str, &str)> {
    label.split_once("--")
}

/// Host names are compared in lower case and without the final dot (RFC 4343; RFC 1034, section 3.1).
pub(crate) fn normalise(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

impl<'a> HostName<'a> {
    /// Reads a normalised `host[:port]`. `None` where it cannot name a Service.
    pub(crate) fn parse(host: &'a str) -> Option<Self> {
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (host, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(name) = name.strip_suffix(".localhost") {
            let (label, namespace) = two_labels(name)?;
            let kind = HostKind::Local;
            return Some(Self { label, namespace, kind });
        }
        let (label, namespace) = name
            .strip_suffix(".svc.cluster.local")
            .or_else(|| name.strip_suffix(".svc"))
            .and_then(two_labels)
            .or_else(|| two_labels(name))
            .or_else(|| one_label(name).map(|label| (label, DEFAULT_NAMESPACE)))?;
        let kind = HostKind::Cluster { port };
        Some(Self { label, namespace, kind })
    }
}

fn one_label(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains('.')).then_some(name)
}

fn two_labels(name: &str) -> Option<(&str, &str)> {
    let (first, second) = name.split_once('.')?;
    Some((one_label(first)?, one_label(second)?))
}

/// FNV-1a, folded to 32 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): a
/// fixed function, because hosts are bookmarked and the standard library's
/// hash may change. Nothing secret hangs on it.
fn hash(name: &str) -> u32 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).expect("both halves have 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_name_services() {
        #[track_caller]
        fn check(host: &str, expected: Option<(&str, &str, HostKind)>) {
            let found = HostName::parse(host).map(|name| (name.label, name.namespace, name.kind));
            assert_eq!(found, expected, "{host}");
        }
        let cluster = |port| HostKind::Cluster { port };
        check("cart.shop.localhost:8080", Some(("cart", "shop", HostKind::Local)));
        check("cart.shop.localhost.", Some(("cart", "shop", HostKind::Local)));
        check("p--c.shop.localhost", Some(("p--c", "shop", HostKind::Local)));
        check("cart", Some(("cart", "default", cluster(None))));
        check("cart.shop:90", Some(("cart", "shop", cluster(Some(90)))));
        check("cart.shop.svc", Some(("cart", "shop", cluster(None))));
        check("cart.shop.svc.cluster.local", Some(("cart", "shop", cluster(None))));
        check("cart.svc", Some(("cart", "svc", cluster(None))));
        for other in ["", "a.b.c", "a.b.c.localhost", ".localhost", "[::1]:80", "a:b", "a:99999", "127.0.0.1"]
        {
            check(other, None);
        }
    }

    #[test]
    fn a_short_preview_host_is_readable() {
        assert_eq!(preview_host("pr-421", "cart", "shop"), "pr-421--cart.shop.localhost");
    }

    #[test]
    fn a_long_preview_host_is_hashed_and_never_changes() {
        insta::assert_snapshot!(
            preview_host("feature-checkout-with-a-very-long-name", "recommendation-service-internal", "shop"),
            @"feature-checkout-with-5981b41a--recommendation-servic-b1175c72.shop.localhost"
        );
    }

    proptest! {
        // Seeds of failures would be put into a new folder `src/proptest-regressions`,
        // and a folder in `src` without a manifest stops every build.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_first_label_fits_and_splits_again(
            sandbox in "[a-z]([a-z0-9]|-[a-z0-9]){0,31}",
            service in "[a-z][a-z0-9-]{0,61}[a-z0-9]",
        ) {
            let host = preview_host(&sandbox, &service, "shop");
            let label = host.strip_suffix(".shop.localhost").unwrap();
            prop_assert!(label.len() <= LABEL_MAX_LEN);
            let (first, second) = split_preview(label).unwrap();
            prop_assert!(first == sandbox || first == shorten(&sandbox));
            prop_assert!(second == service || second == shorten(&service));
        }

        #[test]
        fn parsing_never_panics(host in ".{0,80}") {
            let _ = HostName::parse(&normalise(&host));
        }
    }
}
