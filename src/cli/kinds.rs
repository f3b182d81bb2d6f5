//! Which objects are meant by `pods`, `deploy,svc`, `pod web-1`, `pod/web-1`,
//! `all`, and under which path they stand.

use std::fmt::Write;

use anyhow::{Result, bail};
use serde_json::Value;
use spur_api::{Kind, Scope, meta, registry};

use crate::client::Client;
use crate::custom_kinds;
use crate::error::Failure;

/// One object, or every object of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    pub(crate) name: Option<String>,
}

/// Reads the words after `get`, `delete` and `wait`; the server is asked for kinds that are not
/// bundled.
///
/// # Errors
/// When a word is no kind that is served, or both forms are mixed.
pub(crate) async fn targets(client: &Client, words: &[String]) -> Result<Vec<Target>> {
    let error = match read(words, &[]) {
        Ok(targets) => return Ok(targets),
        Err(error) => error,
    };
    match custom_kinds::served(client).await {
        // What is wrong may be something else: the words are read again with all that is known.
        Ok(custom) => read(words, &custom),
        Err(_) => Err(error),
    }
}

/// Reads the words with the kinds of the registry and these.
fn read(words: &[String], custom: &[&'static Kind]) -> Result<Vec<Target>> {
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| slashed_of(word, custom)).collect();
    }
    let Some((kinds, names)) = words.split_first() else {
        bail!(Failure::usage("no kind given").hint("name one, such as `pods`"));
    };
    let kinds = self::kinds(kinds, custom)?;
    if names.is_empty() {
        return Ok(kinds.into_iter().map(|kind| Target { kind, name: None }).collect());
    }
    let pairs = kinds
        .into_iter()
        .flat_map(|kind| names.iter().map(move |name| Target { kind, name: Some(name.clone()) }));
    Ok(pairs.collect())
}

/// The kinds in `deploy,svc` or a category such as `all`.
fn kinds(list: &str, custom: &[&'static Kind]) -> Result<Vec<&'static Kind>> {
    let mut kinds = Vec::new();
    for word in list.split(',').filter(|word| !word.is_empty()) {
        let of_category: Vec<&Kind> =
            registry::stored().filter(|kind| kind.categories.contains(&word)).collect();
        if of_category.is_empty() {
            kinds.push(kind_of(word, custom)?);
        } else {
            kinds.extend(of_category);
        }
    }
    Ok(kinds)
}

/// The kind that a word means.
///
/// # Errors
/// When no kind is called so.
pub(crate) fn kind(word: &str) -> Result<&'static Kind> {
    kind_of(word, &[])
}

fn kind_of(word: &str, custom: &[&'static Kind]) -> Result<&'static Kind> {
    let found = registry::by_word(word).or_else(|| by_word(word, custom));
    found.ok_or_else(|| {
        let all: Vec<&str> =
            registry::stored().chain(custom.iter().copied()).map(|kind| kind.plural).collect();
        Failure::usage(format!("`{word}` is no kind that spur serves"))
            .hint(format!("kinds are {}", all.join(", ")))
            .into()
    })
}

/// As `registry::by_word`, among kinds that are not bundled.
fn by_word(word: &str, custom: &[&'static Kind]) -> Option<&'static Kind> {
    let word = word.to_ascii_lowercase();
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (word.as_str(), None),
    };
    let is_named =
        |kind: &Kind| kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
    let mut found = custom.iter().copied().filter(|kind| is_named(kind));
    // `widgets.v1.example.com` names the version as well.
    found.find(|kind| {
        group.is_none_or(|group| group == kind.group || group == format!("{}.{}", kind.version, kind.group))
    })
}

/// The object in `pod/web-1`.
pub(crate) fn slashed(word: &str) -> Result<Target> {
    slashed_of(word, &[])
}

fn slashed_of(word: &str, custom: &[&'static Kind]) -> Result<Target> {
    match word.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Target { kind: kind_of(kind, custom)?, name: Some(name.to_owned()) })
        }
        _ => bail!(
            Failure::usage(format!("`{word}` is no object, want KIND/NAME in every word"))
                .hint("write `pod/a svc/b`, or `pod a b` for several of one kind")
        ),
    }
}

/// The path of a kind's objects: of one namespace, or of all where it is `None`.
pub(crate) fn collection_path(kind: &Kind, namespace: Option<&str>) -> String {
    let mut path = match kind.group {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    if let (Scope::Namespaced, Some(namespace)) = (kind.scope, namespace) {
        path.push_str("/namespaces/");
        path.push_str(&encode(namespace));
    }
    path.push('/');
    path.push_str(kind.plural);
    path
}

/// The path of one object.
pub(crate) fn object_path(kind: &Kind, namespace: &str, name: &str) -> String {
    format!("{}/{}", collection_path(kind, Some(namespace)), encode(name))
}

/// `?a=b&c=d` of the pairs that have a value; nothing where none has.
pub(crate) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            query.push_str(&encode(value));
        }
    }
    query
}

/// `pod/web-1` or `deployment.apps/web`, as `kubectl -o name` has it.
pub(crate) fn named(kind: &Kind, name: &str) -> String {
    match kind.group {
        "" => format!("{}/{name}", kind.singular),
        group => format!("{}.{group}/{name}", kind.singular),
    }
}

/// The same of an object whose kind may be anything.
pub(crate) fn named_object(object: &Value) -> String {
    let (api_version, kind) = (meta::text(object, "/apiVersion"), meta::text(object, "/kind"));
    match registry::by_kind(api_version, kind) {
        Some(kind) => named(kind, meta::name(object)),
        None => {
            let group =
                api_version.rsplit_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
            format!("{}{group}/{}", kind.to_ascii_lowercase(), meta::name(object))
        }
    }
}

/// A text as a segment of a path or a value of a query: everything but
/// unreserved characters is escaped (RFC 3986, section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widgets() -> Value {
        serde_json::json!({"spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1", "served": true}, {"name": "v2", "served": true}, {"name": "v3", "served": false}],
        }})
    }

    fn check(words: &str, expected: &str) {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let found = match read(&words, &custom_kinds::defined_by(&widgets())) {
            Ok(targets) => {
                let shown = targets.iter().map(|target| match &target.name {
                    Some(name) => named(target.kind, name),
                    None => target.kind.resource(),
                });
                shown.collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{words:?}");
    }

    /// What `all` means, in the order of the registry.
    const ALL: &str = "pods replicationcontrollers services deployments.apps replicasets.apps \
         statefulsets.apps daemonsets.apps horizontalpodautoscalers.autoscaling cronjobs.batch \
         jobs.batch sandboxes.spur.dev";

    #[test]
    fn objects_are_named_as_kubectl_has_it() {
        check("pods", "pods");
        check("po,deploy", "pods deployments.apps");
        check("pod a b", "pod/a pod/b");
        check("pod/a deployments.apps/b", "pod/a deployment.apps/b");
        check("sb cheaper", "sandbox.spur.dev/cheaper");
        check("all", ALL);
    }

    #[test]
    fn custom_kinds_are_found_by_the_same_words() {
        check("wd/a", "widget.example.com/a");
        check("widget a", "widget.example.com/a");
        check("widgets.v2.example.com", "widgets.example.com");
        check("widgets.v3.example.com", "error: `widgets.v3.example.com` is no kind that spur serves");
        let kinds = custom_kinds::defined_by(&widgets());
        assert_eq!(object_path(kinds[1], "shop", "a"), "/apis/example.com/v2/namespaces/shop/widgets/a");
    }

    #[test]
    fn what_is_no_kind_is_told() {
        check("foo", "error: `foo` is no kind that spur serves");
        check("pod/a b", "error: `b` is no object, want KIND/NAME in every word");
        check("pod/", "error: `pod/` is no object, want KIND/NAME in every word");
    }

    #[test]
    fn paths_hold_no_characters_of_their_own() {
        let pods = kind("pods").unwrap();
        assert_eq!(object_path(pods, "a b", "x/../y"), "/api/v1/namespaces/a%20b/pods/x%2F..%2Fy");
        assert_eq!(collection_path(kind("sb").unwrap(), None), "/apis/spur.dev/v1alpha1/sandboxes");
        assert_eq!(object_path(kind("ns").unwrap(), "ignored", "x"), "/api/v1/namespaces/x");
        assert_eq!(query(&[("labelSelector", Some("a=b")), ("x", None)]), "?labelSelector=a%3Db");
    }
}
