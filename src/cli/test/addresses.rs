//! Where CMD finds the services: `<SERVICE>_URL`, `SPUR_ENTRY` and the like.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;
use spur_api::{labels, meta};

use crate::child::Ready;
use crate::client::Client;
use crate::facts::Facts;
use crate::kinds;

/// The Services of users: not those that a sandbox made for its forks.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn services(client: &Client) -> Result<Vec<Value>> {
    let list = client.get(&kinds::collection_path(kinds::kind("services")?, None)).await?;
    let is_users = |service: &&Value| {
        !meta::labels(service).is_some_and(|found| found.contains_key(labels::FORK_OF_SERVICE))
    };
    Ok(meta::list(&list, "/items").iter().filter(is_users).cloned().collect())
}

/// The variables, by name.
///
/// A Service's address is a plain one on this machine where the server opened
/// one, else its name on the entry. Where two namespaces have a Service of one
/// name, the one in `default` has the variable, else the first by namespace.
pub(super) fn variables(
    services: &[Value],
    facts: &Facts,
    up: &Ready,
    key: Option<&str>,
) -> Vec<(String, String)> {
    let mut sorted: Vec<&Value> = services.iter().collect();
    sorted.sort_by_key(|service| (meta::namespace(service) != "default", meta::namespace(service)));
    let mut variables = BTreeMap::new();
    for service in sorted {
        let (namespace, name) = (meta::namespace(service), meta::name(service));
        let plain = facts.service_ports(namespace, name);
        for (index, port) in meta::list(service, "/spec/ports").iter().enumerate() {
            let number = meta::number(port, "/port").and_then(|number| number.try_into().ok());
            let url = number.and_then(|number: u16| plain.get(&number).cloned());
            // The entry leads to a Service's first port.
            let url = url.or_else(|| facts.service_on_entry(namespace, name).filter(|_| index == 0));
            let Some(url) = url else { continue };
            let port_name = meta::text(port, "/name");
            if index == 0 {
                variables.entry(format!("{}_URL", variable(name))).or_insert_with(|| url.clone());
            }
            if !port_name.is_empty() {
                variables.entry(format!("{}_URL_{}", variable(name), variable(port_name))).or_insert(url);
            }
        }
    }
    variables.insert("SPUR_ENTRY".to_owned(), up.entry.clone());
    variables.insert("SPUR_API".to_owned(), up.api.clone());
    variables.insert("KUBECONFIG".to_owned(), up.kubeconfig.to_string_lossy().into_owned());
    if let Some(key) = key {
        variables.insert("SPUR_KEY".to_owned(), key.to_owned());
    }
    variables.into_iter().collect()
}

/// `ws-echo` as `WS_ECHO`.
fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(namespace: &str, name: &str, ports: Value) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"ports": ports}})
    }

    #[test]
    fn services_have_plain_addresses_or_names_on_the_entry() {
        let services = [
            service("shop", "ws-echo", json!([{"name": "http", "port": 80}, {"name": "admin", "port": 81}])),
            service("other", "web", json!([{"port": 80}])),
            service("default", "web", json!([{"port": 80}])),
        ];
        let facts = Facts(json!({
            "entry": "http://127.0.0.1:4000",
            "services": {"shop/ws-echo": {"80": "http://127.0.0.1:5000", "81": "http://127.0.0.1:5001"}},
        }));
        let up = Ready {
            pid: 1,
            api: "http://127.0.0.1:3000".to_owned(),
            kubeconfig: "/tmp/k".into(),
            entry: "http://127.0.0.1:4000".to_owned(),
        };
        let lines = variables(&services, &facts, &up, Some("k3x9"));
        let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        KUBECONFIG=/tmp/k
        SPUR_API=http://127.0.0.1:3000
        SPUR_ENTRY=http://127.0.0.1:4000
        SPUR_KEY=k3x9
        WEB_URL=http://web.default.localhost:4000
        WS_ECHO_URL=http://127.0.0.1:5000
        WS_ECHO_URL_ADMIN=http://127.0.0.1:5001
        WS_ECHO_URL_HTTP=http://127.0.0.1:5000
        ");
    }
}
