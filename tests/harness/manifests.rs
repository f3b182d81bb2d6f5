//! Small objects for tests, made where they are used.

use serde_json::{Value, json};

/// A shell script that answers HTTP needs a program that listens; the samples
/// are one, and this machine's `spur` has them. It becomes ready by `/health`.
pub(crate) fn sample(name: &str, sample: &str, env: &[(&str, &str)]) -> Vec<Value> {
    let env: Vec<Value> = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    vec![
        service(name),
        deployment(
            name,
            json!({
                "name": name,
                "command": ["spur", "sample", sample],
                "env": env,
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
            }),
        ),
    ]
}

/// A Service for the pods labelled `app: name`.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

/// One replica of one container.
pub(crate) fn deployment(name: &str, container: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 2, "containers": [container]},
            },
        },
    })
}

/// A pod that runs a shell script.
pub(crate) fn script(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "restartPolicy": "Never",
            "containers": [{"name": "main", "command": ["sh", "-c", script]}],
        },
    })
}

/// A sandbox that forks pricing, 10 % cheaper, under a key of the test's choice.
pub(crate) fn cheaper(name: &str, key: &str) -> Value {
    json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": name},
        "spec": {
            "routingKey": key,
            "forks": [{"of": {"kind": "Deployment", "name": "pricing"}, "env": [
                {"name": "PRICE_PERCENT", "value": "90"}, {"name": "VERSION", "value": "v2-cheaper"},
            ]}],
            "endpoints": [{"name": "shop", "service": "frontend"}],
        },
    })
}

/// A sandbox of one fork, otherwise empty.
pub(crate) fn fork(name: &str, key: &str, deployment: &str, changes: Value) -> Value {
    let mut fork = json!({"of": {"kind": "Deployment", "name": deployment}});
    fork.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": name},
        "spec": {"routingKey": key, "forks": [fork]},
    })
}
