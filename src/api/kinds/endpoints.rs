//! Endpoints, the older form of EndpointSlices; for clients that still keep their own.

use std::net::IpAddr;

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::meta;
use crate::registry::{Column, Kind, Rules};

/// How many addresses the column shows.
const SHOWN_MAX: usize = 3;

pub(crate) const KIND: Kind = Kind {
    kind: "Endpoints",
    plural: "endpoints",
    singular: "endpoints",
    short_names: &["ep"],
    definition: "io.k8s.api.core.v1.Endpoints",
    rules: Rules {
        default,
        validate,
        columns: &[Column::text("Endpoints"), Column::AGE],
        cells: |object| vec![json!(addresses(object)), super::age(object)],
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

/// Source: `pkg/apis/core/v1/defaults.SetDefaults_Endpoints`.
fn default(object: &mut Value) {
    let subsets = object.get_mut("subsets").and_then(Value::as_array_mut);
    for subset in subsets.into_iter().flatten() {
        let ports = subset.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            meta::set_default(port, "protocol", "TCP");
        }
    }
}

/// Loopback addresses are taken, as in EndpointSlices (a documented deviation).
///
/// Source: `pkg/apis/core/validation.ValidateEndpoints`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, subset) in meta::list(new, "/subsets").iter().enumerate() {
        let path = format!("subsets[{index}]");
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| meta::list(subset, &format!("/{list}")).is_empty()) {
            let detail = "must specify `addresses` or `notReadyAddresses`";
            faults.push(FieldError::required(&path, detail));
        }
        for list in lists {
            for (index, address) in meta::list(subset, &format!("/{list}")).iter().enumerate() {
                let ip = meta::text(address, "/ip");
                if ip.parse::<IpAddr>().is_err() {
                    let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                    faults.push(FieldError::invalid(format!("{path}.{list}[{index}].ip"), json!(ip), why));
                }
            }
        }
        faults.extend(validate_ports(meta::list(subset, "/ports"), &path));
    }
    faults
}

fn validate_ports(ports: &[Value], path: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if meta::text(port, "/name").is_empty() && ports.len() > 1 {
            faults.push(FieldError::required(format!("{path}.name"), ""));
        }
        let number = meta::number(port, "/port").unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            faults.push(FieldError::invalid(format!("{path}.port"), json!(number), why));
        }
        let protocol = meta::text(port, "/protocol");
        if !["SCTP", "TCP", "UDP"].contains(&protocol) {
            let known = ["SCTP", "TCP", "UDP"];
            faults.push(FieldError::not_supported(format!("{path}.protocol"), json!(protocol), known));
        }
    }
    faults
}

/// The first addresses with their ports, and how many more there are.
fn addresses(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in meta::list(object, "/subsets") {
        let ips = meta::list(subset, "/addresses").iter().map(|address| meta::text(address, "/ip"));
        let ports = meta::list(subset, "/ports");
        if ports.is_empty() {
            all.extend(ips.clone().map(str::to_owned));
        }
        for port in ports {
            let port = meta::number(port, "/port").unwrap_or(0);
            all.extend(ips.clone().map(|ip| match ip.contains(':') {
                true => format!("[{ip}]:{port}"),
                false => format!("{ip}:{port}"),
            }));
        }
    }
    match all.len() {
        0 => "<none>".to_owned(),
        n if n > SHOWN_MAX => {
            format!("{} + {} more...", all[..SHOWN_MAX].join(","), n - SHOWN_MAX)
        }
        _ => all.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(ips: &[&str]) -> Value {
        let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]})
    }

    #[test]
    fn the_first_three_are_shown() {
        assert_eq!(addresses(&json!({})), "<none>");
        assert_eq!(addresses(&endpoints(&["10.0.0.1", "fd00::1"])), "10.0.0.1:80,[fd00::1]:80");
        let many = endpoints(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
        assert_eq!(addresses(&many), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...");
    }

    #[test]
    fn ports_are_tcp_and_addresses_are_addresses() {
        let mut object = endpoints(&["10.0.0.1"]);
        default(&mut object);
        assert_eq!(object["subsets"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(validate(&object, None), []);
        object["subsets"][0]["addresses"][0]["ip"] = json!("localhost");
        assert_eq!(validate(&object, None)[0].path, "subsets[0].addresses[0].ip");
        assert_eq!(validate(&json!({"subsets": [{}]}), None)[0].path, "subsets[0]");
    }
}
