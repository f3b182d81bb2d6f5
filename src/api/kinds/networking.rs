//! Ingresses and their classes.

use std::net::IpAddr;

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::registry::{Column, Kind, Rules, Subresource};
use crate::{meta, names};

/// How many hosts the column shows.
const HOSTS_MAX: usize = 3;
/// Longest text in the address column (`loadBalancerWidth`).
const ADDRESS_WIDTH: usize = 16;

pub(crate) const INGRESS: Kind = Kind {
    kind: "Ingress",
    plural: "ingresses",
    singular: "ingress",
    short_names: &["ing"],
    definition: "io.k8s.api.networking.v1.Ingress",
    subresources: &[Subresource::Status],
    rules: Rules {
        prepare_create: |object| {
            meta::map_at(object, "status").insert("loadBalancer".to_owned(), json!({}));
        },
        validate: validate_ingress,
        columns: &[
            Column::text("Class"),
            Column::text("Hosts"),
            Column::text("Address"),
            Column::text("Ports"),
            Column::AGE,
        ],
        cells: |object| {
            let has_tls = !meta::list(object, "/spec/tls").is_empty();
            vec![
                super::text_or(object, "/spec/ingressClassName", "<none>"),
                json!(hosts(object)),
                json!(addresses(object)),
                json!(if has_tls { "80, 443" } else { "80" }),
                super::age(object),
            ]
        },
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("networking.k8s.io", "v1")
};

pub(crate) const INGRESS_CLASS: Kind = Kind {
    kind: "IngressClass",
    plural: "ingressclasses",
    singular: "ingressclass",
    definition: "io.k8s.api.networking.v1.IngressClass",
    rules: Rules {
        default: |object| {
            let parameters = object.pointer_mut("/spec/parameters").and_then(Value::as_object_mut);
            if let Some(parameters) = parameters {
                meta::set_default(parameters, "scope", "Cluster");
            }
        },
        validate: validate_class,
        columns: &[Column::text("Controller"), Column::text("Parameters"), Column::AGE],
        cells: |object| {
            let controller = json!(meta::text(object, "/spec/controller"));
            vec![controller, json!(parameters(object)), super::age(object)]
        },
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::cluster("networking.k8s.io", "v1")
};

/// Source: `pkg/apis/networking/validation.ValidateIngressSpec`.
fn validate_ingress(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let rules = meta::list(new, "/spec/rules");
    let backend = check::at(new, "spec.defaultBackend");
    if rules.is_empty() && backend.is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        faults.push(FieldError::invalid("spec", new["spec"].clone(), why));
    }
    faults.extend(backend.into_iter().flat_map(|backend| validate_backend(backend, "spec.defaultBackend")));
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let host = meta::text(rule, "/host");
        faults.extend(
            host_fault(host).map(|why| FieldError::invalid(format!("{path}.host"), json!(host), why)),
        );
        if let Some(http) = check::at(rule, "http") {
            faults.extend(validate_paths(meta::list(http, "/paths"), &format!("{path}.http.paths")));
        }
    }
    for (index, tls) in meta::list(new, "/spec/tls").iter().enumerate() {
        for (at, host) in super::texts(tls, "/hosts").into_iter().enumerate() {
            let path = format!("spec.tls[{index}].hosts[{at}]");
            faults.extend(host_fault(host).map(|why| FieldError::invalid(path, json!(host), why)));
        }
    }
    faults
}

fn validate_paths(paths: &[Value], path: &str) -> Vec<FieldError> {
    if paths.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let mut faults = Vec::new();
    for (index, entry) in paths.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let types = ["Exact", "ImplementationSpecific", "Prefix"];
        let type_ = meta::text(entry, "/pathType");
        match type_ {
            "" => {
                faults.push(FieldError::required(format!("{path}.pathType"), "pathType must be specified"));
            }
            known if types.contains(&known) => {}
            other => {
                faults.push(FieldError::not_supported(format!("{path}.pathType"), json!(other), types));
            }
        }
        let found = meta::text(entry, "/path");
        let needs_path = matches!(type_, "Exact" | "Prefix") || !found.is_empty();
        if needs_path && !found.starts_with('/') {
            let why = "must be an absolute path";
            faults.push(FieldError::invalid(format!("{path}.path"), json!(found), why));
        }
        match check::at(entry, "backend") {
            Some(backend) => faults.extend(validate_backend(backend, &format!("{path}.backend"))),
            None => faults.push(FieldError::required(format!("{path}.backend"), "")),
        }
    }
    faults
}

fn validate_backend(backend: &Value, path: &str) -> Vec<FieldError> {
    let (service, resource) = (check::at(backend, "service"), check::at(backend, "resource"));
    match (service, resource) {
        (Some(_), Some(_)) => {
            let why = "cannot set both resource and service backends";
            vec![FieldError::invalid(path, json!(""), why)]
        }
        (None, None) => {
            vec![FieldError::required(path, "resource or service backend is required")]
        }
        (None, Some(_)) => Vec::new(),
        (Some(service), None) => {
            let mut faults = Vec::new();
            let name = meta::text(service, "/name");
            if name.is_empty() {
                faults.push(FieldError::required(format!("{path}.service.name"), ""));
            } else if let Some(why) = names::label_1035(name) {
                faults.push(FieldError::invalid(format!("{path}.service.name"), json!(name), why));
            }
            let number = meta::number(service, "/port/number").unwrap_or(0);
            match (meta::text(service, "/port/name").is_empty(), number) {
                (true, 0) => {
                    let detail = "port name or number is required";
                    faults.push(FieldError::required(path, detail));
                }
                (false, 0) | (true, 1..=65535) => {}
                (false, _) => {
                    let why = "cannot set both port name & port number";
                    faults.push(FieldError::invalid(path, json!(""), why));
                }
                (true, number) => {
                    let why = "must be between 1 and 65535, inclusive";
                    let path = format!("{path}.service.port.number");
                    faults.push(FieldError::invalid(path, json!(number), why));
                }
            }
            faults
        }
    }
}

fn host_fault(host: &str) -> Option<String> {
    if host.is_empty() {
        return None;
    }
    if host.parse::<IpAddr>().is_ok() {
        return Some("must be a DNS name, not an IP address".to_owned());
    }
    names::subdomain(host.strip_prefix("*.").unwrap_or(host))
}

/// Source: `pkg/apis/networking/validation.ValidateIngressClass` and `…Update`.
fn validate_class(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let controller = meta::text(new, "/spec/controller");
    if controller.is_empty() {
        faults.push(FieldError::required("spec.controller", ""));
    } else if !controller.contains('/') || names::qualified_name(controller).is_some() {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        faults.push(FieldError::invalid("spec.controller", json!(controller), why));
    }
    faults.extend(check::immutable(new, old, "spec.controller"));
    if check::at(new, "spec.parameters").is_some() {
        faults.extend(check::required(new, "spec.parameters.kind", "kind is required"));
        faults.extend(check::required(new, "spec.parameters.name", "name is required"));
        faults.extend(check::required_one_of(new, "spec.parameters.scope", &["Cluster", "Namespace"]));
        let needs = check::text(new, "spec.parameters.scope") == "Namespace";
        let has = check::at(new, "spec.parameters.namespace").is_some();
        if needs && !has {
            let detail = "`parameters.scope` is set to 'Namespace'";
            faults.push(FieldError::required("spec.parameters.namespace", detail));
        }
        if has && !needs {
            let why = "`parameters.scope` is set to 'Cluster'";
            faults.push(FieldError::forbidden("spec.parameters.namespace", why));
        }
    }
    faults
}

fn hosts(object: &Value) -> String {
    let rules = meta::list(object, "/spec/rules").iter();
    let hosts: Vec<&str> =
        rules.map(|rule| meta::text(rule, "/host")).filter(|host| !host.is_empty()).collect();
    match hosts.len() {
        0 => "*".to_owned(),
        n if n > HOSTS_MAX => format!("{} + {} more...", hosts[..HOSTS_MAX].join(","), n - HOSTS_MAX),
        _ => hosts.join(","),
    }
}

/// Where the load balancer is, cut to the column's width: the cells know no `-o wide`.
fn addresses(object: &Value) -> String {
    let mut found: Vec<&str> = meta::list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|at| match meta::text(at, "/ip") {
            "" => meta::text(at, "/hostname"),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    let text = found.join(",");
    match text.char_indices().nth(ADDRESS_WIDTH - 3) {
        Some((cut, _)) if text.chars().count() > ADDRESS_WIDTH => format!("{}...", &text[..cut]),
        _ => text,
    }
}

fn parameters(object: &Value) -> String {
    if check::at(object, "spec.parameters").is_none() {
        return "<none>".to_owned();
    }
    let part = |field: &str| check::text(object, &format!("spec.parameters.{field}"));
    let kind = match part("apiGroup") {
        "" => part("kind").to_owned(),
        group => format!("{}.{group}", part("kind")),
    };
    format!("{kind}/{}", part("name"))
}

#[cfg(test)]
mod tests;
