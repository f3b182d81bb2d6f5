//! `/spur/v1/status`: what a Spur tells of itself beyond the Kubernetes API.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;
use spur_api::meta;

use crate::client::Client;
use crate::error::Failure;

/// The answer, read where it is needed.
#[derive(Clone, Debug)]
pub(crate) struct Facts(pub(crate) Value);

// === impl Facts ===

impl Facts {
    /// Asks the server.
    ///
    /// # Errors
    /// When it does not answer, or is a Kubernetes without Spur.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        match client.get("/spur/v1/status").await {
            Ok(facts) => Ok(Self(facts)),
            Err(error) if error.is_not_found() => {
                let failure = Failure::new(format!("the server at {} is no spur", client.url()));
                bail!(failure.hint("choose another one with --server, --kubeconfig or KUBECONFIG"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A text, where there is one.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The address of the entry without a slash at its end.
    pub(crate) fn entry(&self) -> Option<&str> {
        self.text("entry").map(|url| url.trim_end_matches('/'))
    }

    /// The port of the entry.
    pub(crate) fn entry_port(&self) -> Option<u16> {
        let uri: http::Uri = self.entry()?.parse().ok()?;
        Some(uri.port_u16().unwrap_or(80))
    }

    /// The address of a Service under its name on the entry.
    pub(crate) fn service_on_entry(&self, namespace: &str, name: &str) -> Option<String> {
        Some(format!("http://{name}.{namespace}.localhost:{}", self.entry_port()?))
    }

    /// The plain addresses of a Service on this machine, by port.
    pub(crate) fn service_ports(&self, namespace: &str, name: &str) -> BTreeMap<u16, String> {
        let ports = self.0.get("services").and_then(|services| services.get(format!("{namespace}/{name}")));
        let ports = ports.and_then(Value::as_object).into_iter().flatten();
        ports.filter_map(|(port, url)| Some((port.parse().ok()?, url.as_str()?.to_owned()))).collect()
    }

    /// How far the routing table is, as a resourceVersion, where the server says so.
    pub(crate) fn routes_revision(&self) -> Option<i64> {
        meta::number(&self.0, "/routesRevision")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_read_from_the_facts() {
        let facts = Facts(json!({
            "entry": "http://127.0.0.1:8080/",
            "services": {"shop/cart": {"80": "http://127.0.0.1:4711"}},
        }));
        assert_eq!(facts.entry(), Some("http://127.0.0.1:8080"));
        assert_eq!(facts.service_on_entry("shop", "cart").unwrap(), "http://cart.shop.localhost:8080");
        assert_eq!(facts.service_ports("shop", "cart")[&80], "http://127.0.0.1:4711");
        assert!(facts.service_ports("shop", "other").is_empty());
        assert_eq!(facts.routes_revision(), None);
    }
}
