//! What a path of the API means: which kind, namespace, object and subresource.
//!
//! Source: `apiserver/pkg/endpoints/request/requestinfo.go`.

use spur_api::{Scope, Subresource};

use crate::kinds::Kinds;
use crate::served::Served;

/// A path below `/api/v1` or `/apis/<group>/<version>` that names objects.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Served,
    /// The namespace, for kinds that live in one; `None` means all.
    pub(crate) namespace: Option<String>,
    /// The object; `None` means the collection.
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<Subresource>,
    /// The old `/watch/` prefix, which turns a list into a watch.
    pub(crate) is_watch: bool,
}

/// Reads a path; `None` where it names nothing that is served.
pub(crate) fn parse(kinds: &Kinds, path: &str) -> Option<Target> {
    let mut segments = path.strip_prefix('/')?.split('/').map(decoded);
    let mut next = || segments.next();
    let (group, version) = match next()??.as_str() {
        "api" => (String::new(), next()??),
        "apis" => (next()??, next()??),
        _ => return None,
    };
    let mut rest: Vec<String> = Vec::new();
    while let Some(segment) = next() {
        rest.push(segment?);
    }
    if rest.last().is_some_and(String::is_empty) {
        rest.pop();
    }
    // To the store an empty namespace is every namespace: `/namespaces//pods` must not be that.
    if rest.iter().any(String::is_empty) {
        return None;
    }
    let is_watch = rest.first().is_some_and(|first| first == "watch");
    if is_watch {
        rest.remove(0);
    }
    resolve(kinds, &group, &version, &rest).map(|target| Target { is_watch, ..target })
}

fn resolve(kinds: &Kinds, group: &str, version: &str, rest: &[String]) -> Option<Target> {
    let kind = |plural: &str| kinds.by_path(group, version, plural);
    let target = |kind: &Served, namespace: Option<&String>, rest: &[String]| {
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some(name.clone()), None),
            [name, segment] => (Some(name.clone()), Some(kind.subresource(segment)?)),
            // What follows is a path of who is behind the proxy.
            [name, segment, ..] => {
                let part = kind.subresource(segment).filter(|part| *part == Subresource::Proxy)?;
                (Some(name.clone()), Some(part))
            }
        };
        Some(Target { kind: kind.clone(), namespace: namespace.cloned(), name, subresource, is_watch: false })
    };
    match rest {
        // `/namespaces/x/pods…`, but `/namespaces/x/status` is about the namespace itself.
        [first, namespace, plural, tail @ ..] if first == "namespaces" && !is_namespace_part(plural) => {
            let kind = kind(plural).filter(|kind| kind.scope() == Scope::Namespaced)?;
            target(kind, Some(namespace), tail)
        }
        [plural, tail @ ..] => {
            let kind = kind(plural)?;
            let is_whole = kind.scope() == Scope::Cluster || tail.is_empty();
            if is_whole { target(kind, None, tail) } else { None }
        }
        [] => None,
    }
}

fn is_namespace_part(segment: &str) -> bool {
    matches!(segment, "status" | "finalize")
}

/// A path segment with its `%XX` decoded; `None` where that gives no UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let text = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(text, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

// === impl Target ===

impl Target {
    /// The object's name.
    ///
    /// # Panics
    /// When the target is a collection: callers dispatch on that first.
    pub(crate) fn object_name(&self) -> &str {
        self.name.as_deref().expect("dispatched as an object")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `plural namespace name subresource`, with `-` for what is absent.
    fn check(path: &str, expected: Option<&str>) {
        let found = parse(&Kinds::bundled(), path).map(|target| {
            let subresource = target.subresource.map(|part| part.segment().to_owned());
            let parts = [target.namespace, target.name, subresource];
            let parts = parts.map(|part| part.unwrap_or_else(|| "-".to_owned()));
            format!("{} {}", target.kind.plural(), parts.join(" "))
        });
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn paths_name_kinds_and_objects() {
        check("/api/v1/namespaces/a/pods/b", Some("pods a b -"));
        check("/api/v1/pods", Some("pods - - -"));
        check("/api/v1/namespaces/a/pods/b/log", Some("pods a b log"));
        check("/api/v1/namespaces/a", Some("namespaces - a -"));
        check("/api/v1/namespaces/a/status", Some("namespaces - a status"));
        check("/apis/apps/v1/namespaces/a/deployments", Some("deployments a - -"));
        check("/api/v1/namespaces/a/pods/", Some("pods a - -"));
        check("/api/v1/namespaces/a/services/http:b:80/proxy/x/y", Some("services a http:b:80 proxy"));
    }

    #[test]
    fn what_is_not_served_names_nothing() {
        for path in [
            "/",
            "/api",
            "/api/v1",
            "/api/v2/pods",
            "/api/v1/pods/b",
            "/api/v1/nodes/a/b/c",
            "/apis/apps/v1/pods",
            "/api/v1/namespaces/a/nodes",
            "/x",
            "/api/v1/namespaces/%ff/pods",
            "/api/v1/namespaces//pods",
            "/api/v1/namespaces/a/pods//log",
            "/api/v1/namespaces/a/pods/b/scale",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn encoded_slashes_stay_inside_their_segment() {
        check("/api/v1/namespaces/a/pods/..%2f..%2fetc", Some("pods a ../../etc -"));
    }
}
