//! Services. Their addresses are given by the server, which knows which are taken.

mod affinity;
mod outside;

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Deleted, Kind, Rules, Scope, SelectableField, Subresource};

pub use affinity::TIMEOUT_SECONDS;
pub use outside::{NODE_PORTS, needs_health_check_port, needs_node_ports, node_ports};

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Service",
    plural: "services",
    singular: "service",
    short_names: &["svc"],
    categories: &["all"],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.Service",
    subresources: &[Subresource::Status, Subresource::Proxy],
    rules: Rules {
        name: NameRule::Label1035,
        default,
        prepare_create: |object| {
            meta::map_at(object, "status").insert("loadBalancer".to_owned(), json!({}));
        },
        prepare_update,
        validate,
        columns: &[
            Column::text("Type"),
            Column::text("Cluster-IP"),
            Column::text("External-IP"),
            Column::text("Port(s)"),
            Column::AGE,
            Column::wide("Selector"),
        ],
        cells,
        fields: &[
            SelectableField::new("spec.clusterIP", "/spec/clusterIP"),
            SelectableField::new("spec.type", "/spec/type"),
        ],
        deleted: Deleted::Object,
        acted_on_by: "endpoint slice controller and the data plane",
        ..Rules::PLAIN
    },
};

/// Source of the values: `pkg/apis/core/v1/defaults.SetDefaults_Service`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "type", "ClusterIP");
    if spec["type"] != "ExternalName" {
        meta::set_default(spec, "internalTrafficPolicy", "Cluster");
    }
    for port in meta::maps_at(spec, "ports") {
        meta::set_default(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            meta::set_default(port, "targetPort", number);
        }
    }
    affinity::default(object);
    outside::default(object);
}

/// What tells the address that a Service has in the cluster.
const ADDRESS_FIELDS: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

/// The cluster address stays when an update leaves it out, and goes when the Service becomes a mere
/// name (`pkg/registry/core/service/strategy.go`, `patchAllocatedValues`, `dropTypeDependentFields`).
fn prepare_update(new: &mut Value, old: &Value) {
    let goes = is_external(new) && !is_external(old) && address(new) == address(old);
    let stays = !is_external(new);
    let spec = meta::map_at(new, "spec");
    for field in ADDRESS_FIELDS {
        if goes {
            spec.shift_remove(field);
        } else if let Some(value) = old.pointer(&format!("/spec/{field}")).filter(|_| stays) {
            meta::set_default(spec, field, value.clone());
        }
    }
    outside::prepare_update(new, old);
}

fn is_external(service: &Value) -> bool {
    meta::text(service, "/spec/type") == "ExternalName"
}

/// Empty where there is none, `None` of a headless Service.
fn address(service: &Value) -> &str {
    meta::text(service, "/spec/clusterIP")
}

/// Source: `pkg/apis/core/validation.ValidateServiceClusterIPsRelatedFields` and
/// `ValidateServiceUpdate`.
fn address_faults(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let invalid = |why: &str| vec![FieldError::invalid("spec.clusterIPs[0]", json!([address(new)]), why)];
    let before = old.filter(|old| !is_external(old)).map_or("", address);
    match address(new) {
        "" => Vec::new(),
        _ if is_external(new) => invalid("may not be set for ExternalName services"),
        found if !before.is_empty() && found != before => invalid("may not change once set"),
        "None" => Vec::new(),
        found if found.parse::<IpAddr>().is_err() => invalid("must be a valid IP address"),
        _ => Vec::new(),
    }
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let type_ = meta::text(new, "/spec/type");
    match type_ {
        "ClusterIP" | "ExternalName" | "LoadBalancer" | "NodePort" => {}
        other => {
            let known = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
            faults.push(FieldError::not_supported("spec.type", json!(other), known));
        }
    }
    if type_ == "ExternalName" && meta::text(new, "/spec/externalName").is_empty() {
        faults.push(FieldError::required("spec.externalName", ""));
    }
    let is_headless = meta::text(new, "/spec/clusterIP") == "None";
    let ports = meta::list(new, "/spec/ports");
    if ports.is_empty() && !is_headless && type_ != "ExternalName" {
        faults.push(FieldError::required("spec.ports", ""));
    }
    faults.extend(validate_ports(ports));
    faults.extend(address_faults(new, old));
    faults.extend(affinity::faults(new));
    faults.extend(outside::faults(new, old));
    faults
}

fn validate_ports(ports: &[Value]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        match meta::number(port, "/port") {
            Some(1..=65535) => {}
            found => {
                let why = "must be between 1 and 65535, inclusive";
                faults.push(FieldError::invalid(format!("{path}.port"), json!(found.unwrap_or(0)), why));
            }
        }
        let name = meta::text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            faults.push(FieldError::required(format!("{path}.name"), ""));
        }
        if !name.is_empty() && !names.insert(name) {
            faults.push(FieldError::duplicate(format!("{path}.name"), json!(name)));
        }
        if !numbers.insert((meta::number(port, "/port"), meta::text(port, "/protocol"))) {
            faults.push(FieldError::duplicate(path.clone(), port.clone()));
        }
        match meta::text(port, "/protocol") {
            "TCP" | "UDP" | "SCTP" => {}
            other => {
                let known = ["SCTP", "TCP", "UDP"];
                faults.push(FieldError::not_supported(format!("{path}.protocol"), json!(other), known));
            }
        }
    }
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let or_none = |text: &str| if text.is_empty() { "<none>".to_owned() } else { text.to_owned() };
    let ports: Vec<String> = meta::list(object, "/spec/ports").iter().map(port_text).collect();
    vec![
        json!(meta::text(object, "/spec/type")),
        json!(or_none(meta::text(object, "/spec/clusterIP"))),
        json!(or_none(&external_addresses(object))),
        json!(or_none(&ports.join(","))),
        super::age(object),
        super::pairs(object.pointer("/spec/selector")),
    ]
}

/// Where it is reached from outside (`pkg/printers/internalversion`, `getServiceExternalIP`).
fn external_addresses(service: &Value) -> String {
    let type_ = meta::text(service, "/spec/type");
    if type_ == "ExternalName" {
        return meta::text(service, "/spec/externalName").to_owned();
    }
    let given = meta::list(service, "/status/loadBalancer/ingress").iter();
    let given = given.map(|at| meta::text(at, "/ip")).filter(|ip| type_ == "LoadBalancer" && !ip.is_empty());
    let own = meta::list(service, "/spec/externalIPs").iter().filter_map(Value::as_str);
    let all: Vec<&str> = given.chain(own).collect();
    match (all.is_empty(), type_) {
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (..) => all.join(","),
    }
}

fn port_text(port: &Value) -> String {
    let number = meta::number(port, "/port").unwrap_or(0);
    let protocol = meta::text(port, "/protocol");
    match meta::number(port, "/nodePort").filter(|node_port| *node_port > 0) {
        Some(node_port) => format!("{number}:{node_port}/{protocol}"),
        None => format!("{number}/{protocol}"),
    }
}
