//! What a Service says about being reached from outside the cluster: node ports, load balancers,
//! and the policies about both. The ports are given by the server, which knows which are taken.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::kinds::check;
use crate::meta;

/// The node ports that there are (`--service-node-port-range` of kube-apiserver).
pub const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

const TYPE_NODE_PORT: &str = "NodePort";
const TYPE_LOAD_BALANCER: &str = "LoadBalancer";

/// Whether the ports of a Service get node ports (`pkg/registry/core/service/storage/alloc.go`,
/// `shouldAllocateNodePorts`).
#[must_use]
pub fn needs_node_ports(service: &Value) -> bool {
    match meta::text(service, "/spec/type") {
        TYPE_NODE_PORT => true,
        TYPE_LOAD_BALANCER => {
            meta::at(service, "/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false))
        }
        _ => false,
    }
}

/// Whether a Service gets a port at which its health is asked for: that of a load balancer which
/// may send to nodes with pods of it only.
#[must_use]
pub fn needs_health_check_port(service: &Value) -> bool {
    meta::text(service, "/spec/type") == TYPE_LOAD_BALANCER
        && meta::text(service, "/spec/externalTrafficPolicy") == "Local"
}

/// The node ports that a Service has, that for its health among them.
#[must_use]
pub fn node_ports(service: &Value) -> Vec<u16> {
    let ports = meta::list(service, "/spec/ports").iter().map(|port| meta::number(port, "/nodePort"));
    let all = ports.chain([meta::number(service, "/spec/healthCheckNodePort")]);
    all.flatten().filter_map(|port| u16::try_from(port).ok()).filter(|port| *port != 0).collect()
}

/// `pkg/apis/core/helper.ExternallyAccessible`.
fn is_outside(service: &Value) -> bool {
    match meta::text(service, "/spec/type") {
        TYPE_NODE_PORT | TYPE_LOAD_BALANCER => true,
        "ClusterIP" => !meta::list(service, "/spec/externalIPs").is_empty(),
        _ => false,
    }
}

/// Source: `pkg/apis/core/v1/defaults.SetDefaults_Service`.
pub(super) fn default(object: &mut Value) {
    let is_outside = is_outside(object);
    let is_load_balancer = meta::text(object, "/spec/type") == TYPE_LOAD_BALANCER;
    let spec = meta::map_at(object, "spec");
    if is_outside {
        meta::set_default(spec, "externalTrafficPolicy", "Cluster");
    }
    if is_load_balancer {
        meta::set_default(spec, "allocateLoadBalancerNodePorts", true);
    }
}

/// Given ports stay when an update leaves them out, by the names of the ports
/// (`pkg/registry/core/service/strategy.go`, `patchAllocatedValues`), and what is of another type
/// goes with the type where the update says it as it was (`dropTypeDependentFields`).
pub(super) fn prepare_update(new: &mut Value, old: &Value) {
    if needs_node_ports(old) && needs_node_ports(new) {
        keep_node_ports(new, old);
    }
    if needs_health_check_port(old) && needs_health_check_port(new) && number(new, HEALTH) == 0 {
        set(new, HEALTH, old);
    }
    if needs_node_ports(old) && !needs_node_ports(new) && own_node_ports(old) == own_node_ports(new) {
        for port in meta::maps_at(meta::map_at(new, "spec"), "ports") {
            port.shift_remove("nodePort");
        }
    }
    if needs_health_check_port(old) && !needs_health_check_port(new) {
        drop_same(new, old, HEALTH);
    }
    if meta::text(new, "/spec/type") != TYPE_LOAD_BALANCER {
        drop_same(new, old, "allocateLoadBalancerNodePorts");
        drop_same(new, old, "loadBalancerClass");
    }
    if is_outside(old) && !is_outside(new) {
        drop_same(new, old, "externalTrafficPolicy");
    }
}

const HEALTH: &str = "healthCheckNodePort";

fn keep_node_ports(new: &mut Value, old: &Value) {
    let used: HashSet<i64> = own_node_ports(old).intersection(&own_node_ports(new)).copied().collect();
    let by_name: HashMap<&str, i64> = meta::list(old, "/spec/ports")
        .iter()
        .map(|port| (meta::text(port, "/name"), meta::number(port, "/nodePort").unwrap_or(0)))
        .collect();
    for port in meta::maps_at(meta::map_at(new, "spec"), "ports") {
        if port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) != 0 {
            continue;
        }
        let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some(given) = by_name.get(name).filter(|given| **given != 0 && !used.contains(given)) {
            port.insert("nodePort".to_owned(), json!(given));
        }
    }
}

fn own_node_ports(service: &Value) -> HashSet<i64> {
    let ports = meta::list(service, "/spec/ports").iter().filter_map(|port| meta::number(port, "/nodePort"));
    ports.filter(|port| *port != 0).collect()
}

fn number(service: &Value, field: &str) -> i64 {
    service.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_i64).unwrap_or(0)
}

fn set(new: &mut Value, field: &str, old: &Value) {
    if let Some(value) = old.get("spec").and_then(|spec| spec.get(field)) {
        meta::map_at(new, "spec").insert(field.to_owned(), value.clone());
    }
}

fn drop_same(new: &mut Value, old: &Value, field: &str) {
    let of = |object: &Value| object.get("spec").and_then(|spec| spec.get(field)).cloned();
    if of(new).is_some() && of(new) == of(old) {
        meta::map_at(new, "spec").shift_remove(field);
    }
}

/// Source: `pkg/apis/core/validation.ValidateService`.
pub(super) fn faults(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let type_ = meta::text(new, "/spec/type");
    let mut faults = port_faults(new);
    if meta::text(new, "/spec/clusterIP") == "None" && matches!(type_, TYPE_NODE_PORT | TYPE_LOAD_BALANCER) {
        let why = format!("may not be set to 'None' for {type_} services");
        faults.push(FieldError::invalid("spec.clusterIPs[0]", json!("None"), why));
    }
    faults.extend(policy_faults(new));
    let only_load_balancers = "may only be used when `type` is 'LoadBalancer'";
    for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        let is_there = new.pointer(&format!("/spec/{field}")).is_some_and(|value| !value.is_null());
        if is_there && type_ != TYPE_LOAD_BALANCER {
            faults.push(FieldError::forbidden(format!("spec.{field}"), only_load_balancers));
        }
    }
    faults.extend(health_faults(new, old));
    faults
}

fn port_faults(new: &Value) -> Vec<FieldError> {
    let is_inside = meta::text(new, "/spec/type") == "ClusterIP";
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (idx, port) in meta::list(new, "/spec/ports").iter().enumerate() {
        let Some(node_port) = meta::number(port, "/nodePort").filter(|port| *port != 0) else { continue };
        let field = format!("spec.ports[{idx}].nodePort");
        if is_inside {
            faults.push(FieldError::forbidden(&field, "may not be used when `type` is 'ClusterIP'"));
        }
        if !seen.insert((node_port, meta::text(port, "/protocol"))) {
            faults.push(FieldError::duplicate(field, json!(node_port)));
        }
    }
    faults
}

fn policy_faults(new: &Value) -> Option<FieldError> {
    let found = meta::text(new, "/spec/externalTrafficPolicy");
    if !is_outside(new) {
        let why = "may only be set for externally-accessible services";
        return (!found.is_empty())
            .then(|| FieldError::invalid("spec.externalTrafficPolicy", json!(found), why));
    }
    check::required_one_of(new, "spec.externalTrafficPolicy", &["Cluster", "Local"])
}

fn health_faults(new: &Value, old: Option<&Value>) -> Option<FieldError> {
    let field = || format!("spec.{HEALTH}");
    if !needs_health_check_port(new) {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        return (number(new, HEALTH) != 0)
            .then(|| FieldError::invalid(field(), json!(number(new, HEALTH)), why));
    }
    let before = old.filter(|old| needs_health_check_port(old)).map(|old| number(old, HEALTH));
    let has_changed = before.is_some_and(|before| before != number(new, HEALTH));
    has_changed.then(|| FieldError::invalid(field(), json!(number(new, HEALTH)), "field is immutable"))
}
