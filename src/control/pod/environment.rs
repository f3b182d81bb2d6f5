//! A container's environment and command line, resolved.
//!
//! Source: `pkg/kubelet/kubelet_pods.go`, `makeEnvironmentVariables`; the
//! wording of the errors is the kubelet's. What is read from the API comes in
//! as [`Sources`]; `given` are the variables Spur itself sets, which everything
//! the pod says wins over, as over Kubernetes' service links.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapKeySelector, Container, EnvFromSource, EnvVar, EnvVarSource, Pod, Secret,
    SecretKeySelector,
};
use kube::ResourceExt;

use super::expand::expand;
use super::field;
use super::place::Place;
use super::resource::{self, ResourceError};

/// Names and values; each name once.
pub(super) type Variables = BTreeMap<String, String>;

/// What a container's variables may refer to.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) pod: &'a Pod,
    /// Those of the pod's namespace that exist, among the ones it names.
    pub(super) config_maps: &'a BTreeMap<String, ConfigMap>,
    /// Those of the pod's namespace that exist, among the ones it names.
    pub(super) secrets: &'a BTreeMap<String, Secret>,
}

/// Of what and where one container's variables are made.
struct Here<'a> {
    container: &'a Container,
    sources: &'a Sources<'a>,
    place: &'a Place,
}

/// Why a container cannot be made, for now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("configmap \"{name}\" not found")]
    NoConfigMap { name: String },
    #[error("secret \"{name}\" not found")]
    NoSecret { name: String },
    #[error("couldn't find key {key} in ConfigMap {namespace}/{name}")]
    NoConfigMapKey { namespace: String, name: String, key: String },
    #[error("couldn't find key {key} in Secret {namespace}/{name}")]
    NoSecretKey { namespace: String, name: String, key: String },
    #[error("key {key} in Secret {namespace}/{name} holds bytes that are no text (UTF-8)")]
    NotText { namespace: String, name: String, key: String },
    #[error("unsupported fieldPath: {path}")]
    Field { path: String },
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("`{field}` of variable `{variable}` is not supported")]
    NotSupported { variable: String, field: &'static str },
}

/// All variables of a container that runs at this place.
pub(super) fn variables(
    container: &Container,
    given: &Variables,
    sources: &Sources<'_>,
    place: &Place,
) -> Result<Variables, ConfigError> {
    let here = Here { container, sources, place };
    let mut own = Variables::new();
    for source in container.env_from.iter().flatten() {
        own.extend(all_of(source, sources)?);
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(variable, &own, given, &here)? {
            own.insert(variable.name.clone(), value);
        }
    }
    let mut all = given.clone();
    all.append(&mut own);
    Ok(all)
}

/// A `command` or `args`, with the variables put in.
pub(super) fn words(given: Option<&Vec<String>>, variables: &Variables) -> Vec<String> {
    let words = given.into_iter().flatten();
    words.map(|word| expand(word, |name| variables.get(name).map(String::as_str))).collect()
}

/// The variables of one `envFrom`; values are taken as they are.
fn all_of(source: &EnvFromSource, sources: &Sources<'_>) -> Result<Variables, ConfigError> {
    let prefix = source.prefix.as_deref().unwrap_or("");
    let mut all = Variables::new();
    if let Some(reference) = &source.config_map_ref {
        match sources.config_maps.get(&reference.name) {
            Some(map) => {
                let data = map.data.iter().flatten();
                all.extend(data.map(|(key, value)| (format!("{prefix}{key}"), value.clone())));
            }
            None if reference.optional == Some(true) => {}
            None => return Err(ConfigError::NoConfigMap { name: reference.name.clone() }),
        }
    }
    if let Some(reference) = &source.secret_ref {
        match sources.secrets.get(&reference.name) {
            Some(secret) => {
                for (key, value) in secret.data.iter().flatten() {
                    all.insert(format!("{prefix}{key}"), text(secret, key, &value.0)?);
                }
            }
            None if reference.optional == Some(true) => {}
            None => return Err(ConfigError::NoSecret { name: reference.name.clone() }),
        }
    }
    Ok(all)
}

/// The value of one variable; `None` where it is optional and missing.
fn value_of(
    variable: &EnvVar,
    own: &Variables,
    given: &Variables,
    here: &Here<'_>,
) -> Result<Option<String>, ConfigError> {
    let value = variable.value.as_deref().unwrap_or("");
    match &variable.value_from {
        Some(from) if value.is_empty() => value_from(&variable.name, from, here),
        Some(_) | None => {
            let lookup = |name: &str| own.get(name).or_else(|| given.get(name)).map(String::as_str);
            Ok(Some(expand(value, lookup)))
        }
    }
}

fn value_from(name: &str, from: &EnvVarSource, here: &Here<'_>) -> Result<Option<String>, ConfigError> {
    let Here { container, sources, place } = here;
    if let Some(reference) = &from.field_ref {
        let path = &reference.field_path;
        let value = field::of_variable(sources.pod, path, place);
        return value.map(Some).ok_or_else(|| ConfigError::Field { path: path.clone() });
    }
    if let Some(reference) = &from.config_map_key_ref {
        return config_map_key(reference, sources);
    }
    if let Some(reference) = &from.secret_key_ref {
        return secret_key(reference, sources);
    }
    if let Some(selector) = &from.resource_field_ref {
        let value = resource::of_container(container, sources.pod, selector, &place.allocatable)?;
        return Ok(Some(value));
    }
    if from.file_key_ref.is_some() {
        return Err(ConfigError::NotSupported { variable: name.to_owned(), field: "valueFrom.fileKeyRef" });
    }
    // No source at all, which Kubernetes gives an empty value.
    Ok(Some(String::new()))
}

fn config_map_key(
    reference: &ConfigMapKeySelector,
    sources: &Sources<'_>,
) -> Result<Option<String>, ConfigError> {
    let ConfigMapKeySelector { key, name, optional } = reference;
    let is_optional = *optional == Some(true);
    let Some(map) = sources.config_maps.get(name) else {
        return if is_optional { Ok(None) } else { Err(ConfigError::NoConfigMap { name: name.clone() }) };
    };
    match map.data.as_ref().and_then(|data| data.get(key)) {
        Some(value) => Ok(Some(value.clone())),
        None if is_optional => Ok(None),
        None => Err(ConfigError::NoConfigMapKey {
            namespace: sources.pod.namespace().unwrap_or_default(),
            name: name.clone(),
            key: key.clone(),
        }),
    }
}

fn secret_key(reference: &SecretKeySelector, sources: &Sources<'_>) -> Result<Option<String>, ConfigError> {
    let SecretKeySelector { key, name, optional } = reference;
    let is_optional = *optional == Some(true);
    let Some(secret) = sources.secrets.get(name) else {
        return if is_optional { Ok(None) } else { Err(ConfigError::NoSecret { name: name.clone() }) };
    };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(value) => text(secret, key, &value.0).map(Some),
        None if is_optional => Ok(None),
        None => Err(ConfigError::NoSecretKey {
            namespace: sources.pod.namespace().unwrap_or_default(),
            name: name.clone(),
            key: key.clone(),
        }),
    }
}

fn text(secret: &Secret, key: &str, bytes: &[u8]) -> Result<String, ConfigError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ConfigError::NotText {
        namespace: secret.namespace().unwrap_or_default(),
        name: secret.name_any(),
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resolve(container: Value) -> Result<Variables, String> {
        let container: Container = serde_json::from_value(container).unwrap();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "cart"}},
        }))
        .unwrap();
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "settings", "namespace": "shop"},
            "data": {"LEVEL": "debug", "RAW": "$(LEVEL)"},
        }))
        .unwrap();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": "token", "namespace": "shop"},
            "data": {"TOKEN": "c2VzYW1l", "BYTES": "/w=="},
        }))
        .unwrap();
        let sources = Sources {
            pod: &pod,
            config_maps: &BTreeMap::from([("settings".to_owned(), map)]),
            secrets: &BTreeMap::from([("token".to_owned(), secret)]),
        };
        let given = Variables::from([
            ("PORT".to_owned(), "20001".to_owned()),
            ("CART_URL".to_owned(), "http://127.0.0.1:4000".to_owned()),
        ]);
        variables(&container, &given, &sources, &Place::shared()).map_err(|error| error.to_string())
    }

    fn check(env: Value, name: &str, wanted: Option<&str>) {
        let all = resolve(json!({"name": "a", "env": env.clone()})).unwrap();
        assert_eq!(all.get(name).map(String::as_str), wanted, "{env}");
    }

    fn check_error(container: Value, wanted: &str) {
        assert_eq!(resolve(container).unwrap_err(), wanted);
    }

    #[test]
    fn values_are_expanded_with_what_came_before() {
        check(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}]), "B", Some("12"));
        check(json!([{"name": "B", "value": "$(A)2"}, {"name": "A", "value": "1"}]), "B", Some("$(A)2"));
        check(json!([{"name": "A", "value": "$$(PORT)"}]), "A", Some("$(PORT)"));
        check(json!([{"name": "UP", "value": "$(CART_URL)/x"}]), "UP", Some("http://127.0.0.1:4000/x"));
        check(json!([{"name": "A", "value": ""}]), "A", Some(""));
        check(json!([{"name": "A"}]), "A", Some(""));
    }

    #[test]
    fn the_pods_own_variables_win_over_ours() {
        check(json!([]), "PORT", Some("20001"));
        check(json!([{"name": "PORT", "value": "80"}]), "PORT", Some("80"));
        check(json!([{"name": "PORT", "value": "1$(PORT)"}]), "PORT", Some("120001"));
    }

    #[test]
    fn references_give_their_values() {
        let map = |key: &str, optional: bool| json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": key, "optional": optional}}}]);
        check(map("LEVEL", false), "A", Some("debug"));
        check(map("none", true), "A", None);
        let secret = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "TOKEN"}}}]);
        check(secret, "A", Some("sesame"));
        let field =
            json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]);
        check(field, "A", Some("cart"));
        let address = json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
        check(address, "A", Some("127.0.0.1"));
        let request = json!([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}]);
        check(request, "A", Some("0"));
        let missing = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y", "optional": true}}}]);
        check(missing, "A", None);
    }

    #[test]
    fn env_from_takes_everything_and_env_wins() {
        let all = resolve(json!({
            "name": "a",
            "envFrom": [
                {"configMapRef": {"name": "settings"}, "prefix": "P_"},
                {"configMapRef": {"name": "settings"}},
                {"secretRef": {"name": "none", "optional": true}},
            ],
            "env": [{"name": "LEVEL", "value": "info"}, {"name": "SEEN", "value": "$(P_LEVEL)"}],
        }))
        .unwrap();
        let get = |name: &str| all.get(name).map(String::as_str);
        assert_eq!(get("P_LEVEL"), Some("debug"));
        assert_eq!(get("LEVEL"), Some("info"));
        assert_eq!(get("SEEN"), Some("debug"));
        assert_eq!(get("RAW"), Some("$(LEVEL)"), "values of envFrom are taken as they are");
    }

    #[test]
    fn what_is_missing_is_told_in_the_kubelets_words() {
        let env = |from: Value| json!({"name": "a", "env": [{"name": "A", "valueFrom": from}]});
        check_error(env(json!({"configMapKeyRef": {"name": "x", "key": "k"}})), "configmap \"x\" not found");
        check_error(
            env(json!({"configMapKeyRef": {"name": "settings", "key": "k"}})),
            "couldn't find key k in ConfigMap shop/settings",
        );
        check_error(env(json!({"secretKeyRef": {"name": "x", "key": "k"}})), "secret \"x\" not found");
        check_error(
            env(json!({"secretKeyRef": {"name": "token", "key": "k"}})),
            "couldn't find key k in Secret shop/token",
        );
        check_error(
            env(json!({"secretKeyRef": {"name": "token", "key": "BYTES"}})),
            "key BYTES in Secret shop/token holds bytes that are no text (UTF-8)",
        );
        check_error(env(json!({"fieldRef": {"fieldPath": "spec.x"}})), "unsupported fieldPath: spec.x");
        check_error(
            env(json!({"resourceFieldRef": {"resource": "limits.gpu"}})),
            "unsupported container resource : limits.gpu",
        );
        check_error(
            env(json!({"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}})),
            "`valueFrom.fileKeyRef` of variable `A` is not supported",
        );
        check_error(
            json!({"name": "a", "envFrom": [{"configMapRef": {"name": "x"}}]}),
            "configmap \"x\" not found",
        );
        check_error(
            json!({"name": "a", "envFrom": [{"secretRef": {"name": "x"}}]}),
            "secret \"x\" not found",
        );
    }

    #[test]
    fn commands_and_arguments_are_expanded_with_all_variables() {
        let container: Container = serde_json::from_value(json!({
            "name": "a", "command": ["serve", "--port=$(PORT)"], "args": ["$(NONE)", "$$(PORT)"],
        }))
        .unwrap();
        let all = Variables::from([("PORT".to_owned(), "20001".to_owned())]);
        let words = |given: &Option<Vec<String>>| words(given.as_ref(), &all);
        assert_eq!(words(&container.command), ["serve", "--port=20001"]);
        assert_eq!(words(&container.args), ["$(NONE)", "$(PORT)"]);
    }
}
