//! EndpointSlices. Loopback addresses are accepted and one Service may have
//! slices with different ports, because replicas on one machine cannot share
//! a port (a documented deviation).

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope};

/// Endpoints in one slice, at most (`discovery.k8s.io/v1`: 1000).
const ENDPOINTS_MAX: usize = 1000;

pub(crate) const KIND: Kind = Kind {
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    short_names: &[],
    categories: &[],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.discovery.v1.EndpointSlice",
    subresources: &[],
    rules: Rules {
        validate,
        columns: &[
            Column::text("AddressType"),
            Column::text("Ports"),
            Column::text("Endpoints"),
            Column::AGE,
        ],
        cells,
        has_generation: true,
        acted_on_by: "the data plane",
        ..Rules::PLAIN
    },
};

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    match meta::text(new, "/addressType") {
        "" => faults.push(FieldError::required("addressType", "")),
        "IPv4" | "IPv6" | "FQDN" => {}
        other => {
            faults.push(FieldError::not_supported("addressType", json!(other), ["FQDN", "IPv4", "IPv6"]));
        }
    }
    if old.is_some_and(|old| old.get("addressType") != new.get("addressType")) {
        faults.push(FieldError::invalid("addressType", new["addressType"].clone(), "field is immutable"));
    }
    let endpoints = meta::list(new, "/endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        faults.push(FieldError::too_many("endpoints", endpoints.len() as u64, ENDPOINTS_MAX as u64));
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        if meta::list(endpoint, "/addresses").is_empty() {
            let path = format!("endpoints[{index}].addresses");
            faults.push(FieldError::required(&path, "must contain at least 1 address"));
        }
    }
    faults
}

/// At most three are shown, as `kubectl` has it.
fn cells(object: &Value) -> Vec<Value> {
    let ports: Vec<String> = meta::list(object, "/ports")
        .iter()
        .filter_map(|port| meta::number(port, "/port"))
        .map(|port| port.to_string())
        .collect();
    let addresses: Vec<String> = meta::list(object, "/endpoints")
        .iter()
        .flat_map(|endpoint| meta::list(endpoint, "/addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    vec![
        json!(meta::text(object, "/addressType")),
        json!(shortened(&ports)),
        json!(shortened(&addresses)),
        super::age(object),
    ]
}

fn shortened(texts: &[String]) -> String {
    match texts {
        [] => "<unset>".to_owned(),
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a},{b},{c} + {} more...", rest.len()),
        all => all.join(","),
    }
}
