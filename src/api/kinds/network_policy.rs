//! NetworkPolicies.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Kind, Rules};

pub(crate) const KIND: Kind = Kind {
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    singular: "networkpolicy",
    short_names: &["netpol"],
    definition: "io.k8s.api.networking.v1.NetworkPolicy",
    rules: Rules {
        default,
        validate,
        columns: &[Column::text("Pod-Selector"), Column::AGE],
        cells: |object| vec![super::selector_text(object.pointer("/spec/podSelector")), super::age(object)],
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("networking.k8s.io", "v1")
};

/// Source of the values: `pkg/apis/networking/v1/defaults.go`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
    for direction in ["ingress", "egress"] {
        for port in meta::maps_at(spec, direction).flat_map(|rule| meta::maps_at(rule, "ports")) {
            meta::set_default(port, "protocol", "TCP");
        }
    }
}

/// Source: `pkg/apis/networking/validation.ValidateNetworkPolicySpec`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = check::selector(new, "spec.podSelector");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in meta::list(new, &format!("/spec/{direction}")).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            faults.extend(validate_ports(meta::list(rule, "/ports"), &path));
            for (index, peer) in meta::list(rule, &format!("/{peers}")).iter().enumerate() {
                faults.extend(validate_peer(peer, &format!("{path}.{peers}[{index}]")));
            }
        }
    }
    let types = meta::list(new, "/spec/policyTypes");
    if types.len() > 2 {
        let why = "may not specify more than two policyTypes";
        faults.push(FieldError::invalid("spec.policyTypes", json!(types), why));
        return faults;
    }
    faults.extend(check::each_one_of(new, "spec.policyTypes", &["Egress", "Ingress"]));
    faults
}

fn validate_ports(ports: &[Value], path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let protocol = meta::text(port, "/protocol");
        let known = ["SCTP", "TCP", "UDP"];
        if !known.contains(&protocol) {
            faults.push(FieldError::not_supported(format!("{path}.protocol"), json!(protocol), known));
        }
        let number = meta::number(port, "/port");
        if number.is_some_and(|number| !(1..=65535).contains(&number)) {
            let why = "must be between 1 and 65535, inclusive";
            faults.push(FieldError::invalid(format!("{path}.port"), json!(number), why));
        }
        let Some(end) = meta::number(port, "/endPort") else { continue };
        match number {
            Some(first) if end < first => {
                let why = "must be greater than or equal to `port`";
                faults.push(FieldError::invalid(format!("{path}.endPort"), json!(end), why));
            }
            Some(_) => {}
            None => {
                let detail = "may not be specified when `port` is not specified";
                faults.push(FieldError::required(format!("{path}.endPort"), detail));
            }
        }
    }
    faults
}

fn validate_peer(peer: &Value, path: &str) -> Vec<FieldError> {
    let has = |field: &str| check::at(peer, field).is_some();
    let has_selector = has("podSelector") || has("namespaceSelector");
    if !has_selector && !has("ipBlock") {
        return vec![FieldError::required(path, "must specify a peer")];
    }
    if !has("ipBlock") {
        return Vec::new();
    }
    if has_selector {
        let why = "may not specify both ipBlock and another peer";
        return vec![FieldError::forbidden(path, why)];
    }
    let mut faults = Vec::new();
    let block = meta::text(peer, "/ipBlock/cidr");
    let path = format!("{path}.ipBlock");
    if block.is_empty() {
        faults.push(FieldError::required(format!("{path}.cidr"), ""));
    } else if let Some(why) = check::cidr(block) {
        faults.push(FieldError::invalid(format!("{path}.cidr"), json!(block), why));
    }
    for (index, except) in super::texts(peer, "/ipBlock/except").into_iter().enumerate() {
        if let Some(why) = check::cidr(except) {
            faults.push(FieldError::invalid(format!("{path}.except[{index}]"), json!(except), why));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(mut spec: Value) -> Vec<String> {
        let mut object = json!({"spec": spec.take()});
        default(&mut object);
        validate(&object, None).into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_policy_with_egress_is_about_both_directions() {
        let mut object = json!({"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}});
        default(&mut object);
        assert_eq!(object["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(object["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!((KIND.rules.cells)(&object)[0], "<none>");
        assert_eq!(validate(&object, None), []);
    }

    #[test]
    fn a_peer_is_a_selector_or_a_block() {
        assert_eq!(faults(json!({"ingress": [{"from": [{}]}]})), ["spec.ingress[0].from[0]"]);
        let both = json!({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}});
        assert_eq!(faults(json!({"ingress": [{"from": [both]}]})), ["spec.ingress[0].from[0]"]);
        let wrong = json!({"ipBlock": {"cidr": "10.0.0.0"}});
        assert_eq!(faults(json!({"egress": [{"to": [wrong]}]})), ["spec.egress[0].to[0].ipBlock.cidr"]);
    }

    #[test]
    fn a_range_of_ports_goes_up() {
        let port = json!({"port": 90, "endPort": 80});
        assert_eq!(faults(json!({"ingress": [{"ports": [port]}]})), ["spec.ingress[0].ports[0].endPort"]);
        assert_eq!(faults(json!({"policyTypes": ["Sideways"]})), ["spec.policyTypes[0]"]);
    }
}
