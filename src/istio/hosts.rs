//! Hosts as objects name them, and as the routing table knows them.

use std::sync::Arc;

use spur_route::rules::{DestinationRef, MESH};
use spur_route::{Visibility, service_host};
use spur_schema::FieldError;

use crate::object::{Message, Place};

/// The ways to name a Service of the cluster in full, beside `name.namespace.svc.cluster.local`.
const CLUSTER_SUFFIXES: [&str; 2] = [".svc.cluster.local", ".svc"];

/// A host in lower case; a name without a dot is a Service beside the object, not beside the
/// caller (<https://istio.io/latest/docs/reference/config/networking/virtual-service/>, `hosts`).
/// `name.namespace` is no Service, as in Istio: it could as well be a host elsewhere.
pub(crate) fn in_full(host: &str, namespace: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    match service(host, namespace) {
        Some((namespace, name)) => service_host(namespace, name),
        None => host.to_owned(),
    }
}

/// Where a rule's destination is.
pub(crate) fn destination(
    host: &str,
    place: &Place<'_>,
    (subset, port): (Option<&str>, Option<u16>),
) -> DestinationRef {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let (namespace, name) = service(host, place.namespace).unwrap_or(("", host));
    DestinationRef {
        namespace: namespace.into(),
        name: name.into(),
        subset: subset.filter(|subset| !subset.is_empty()).map(Arc::from),
        port,
    }
}

/// Namespace and name, where the host is a Service's.
fn service<'a>(host: &'a str, namespace: &'a str) -> Option<(&'a str, &'a str)> {
    if host.contains('*') {
        return None;
    }
    if !host.contains('.') {
        return Some((namespace, host));
    }
    let name = CLUSTER_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    let (name, namespace) = name.split_once('.')?;
    (!namespace.contains('.')).then_some((namespace, name))
}

/// Checks a host or a pattern of hosts: a DNS name whose first label may be `*`.
pub(crate) fn check(message: &Message<'_>, at: &str, host: &str) {
    let name = host.strip_prefix("*.").unwrap_or(host);
    if host != "*" && !is_name(name) && host.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a DNS name, or one whose first label is `*`";
        message.fault(FieldError::invalid(message.at(at), host, detail));
    }
}

/// Checks a name that has addresses.
pub(crate) fn check_name(message: &Message<'_>, at: &str, name: &str) {
    if !is_name(name) {
        message.fault(FieldError::invalid(message.at(at), name, "must be an IP address or a DNS name"));
    }
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.strip_suffix('.').unwrap_or(name).split('.').all(is_label) && name.len() <= 255
}

/// A gateway's name in full: `mesh`, or `namespace/name`.
pub(crate) fn gateway(name: &str, namespace: &str) -> Arc<str> {
    match name {
        MESH => MESH.into(),
        name if name.contains('/') => name.into(),
        name => format!("{namespace}/{name}").into(),
    }
}

/// Who sees an object.
pub(crate) fn visibility(spec: &Message<'_>, namespace: &str) -> Visibility {
    let all = spec.texts("exportTo");
    if all.is_empty() || all.contains(&"*") {
        return Visibility::Everyone;
    }
    let named = all.iter().map(|name| match *name {
        "." => Arc::from(namespace),
        // `~` is nobody.
        name => Arc::from(name),
    });
    Visibility::Namespaces(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_beside_the_object() {
        for (host, full) in [
            ("Reviews", "reviews.shop.svc.cluster.local"),
            ("reviews.other.svc.cluster.local", "reviews.other.svc.cluster.local"),
            ("reviews.other.svc", "reviews.other.svc.cluster.local"),
            ("reviews.other.svc.cluster.local.", "reviews.other.svc.cluster.local"),
            ("www.example.com", "www.example.com"),
            ("*.shop.svc.cluster.local", "*.shop.svc.cluster.local"),
            ("*", "*"),
        ] {
            assert_eq!(in_full(host, "shop"), full, "{host}");
        }
    }

    #[test]
    fn a_destination_is_a_service_or_a_host_elsewhere() {
        let place = Place { namespace: "shop", name: "v", revision: 0 };
        let of = |host: &str| destination(host, &place, (Some(""), None));
        assert_eq!((&*of("reviews").namespace, &*of("reviews").name), ("shop", "reviews"));
        assert_eq!((&*of("a.b.svc").namespace, &*of("a.b.svc").name), ("b", "a"));
        assert_eq!(
            (&*of("api.example.com").namespace, &*of("api.example.com").name),
            ("", "api.example.com")
        );
        assert_eq!(of("reviews").subset, None);
    }
}
