//! `resourceFieldRef`: what a container asks for and may have, as the value of a variable or a file.
//!
//! Source: `pkg/api/v1/resource/helpers.go`, `ExtractContainerResourceValue` and
//! `MergeContainerResourceLimits`. A limit that is not set is what the pod may have, or the node;
//! a request that is not set is 0.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use spur_api::quantity;

use crate::node::Allocatable;

/// In billionths, as [`quantity::nanos`] counts.
const MILLI: i128 = 1_000_000;
const ONE: i128 = 1_000_000_000;

/// Why there is no value; the wording is the kubelet's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResourceError {
    #[error("container {name} not found")]
    NoContainer { name: String },
    #[error("unsupported container resource : {resource}")]
    Resource { resource: String },
    #[error("quantity {text:?} of {resource} cannot be read")]
    Quantity { resource: String, text: String },
}

/// The value that a variable of `container` gets.
pub(super) fn of_container(
    container: &Container,
    pod: &Pod,
    selector: &ResourceFieldSelector,
    allocatable: &Allocatable,
) -> Result<String, ResourceError> {
    match selector.container_name.as_deref() {
        None | Some("") => value(container, pod, selector, allocatable),
        Some(_) => of_pod(pod, selector, allocatable),
    }
}

/// The value of the container that the selector names.
pub(super) fn of_pod(
    pod: &Pod,
    selector: &ResourceFieldSelector,
    allocatable: &Allocatable,
) -> Result<String, ResourceError> {
    let name = selector.container_name.as_deref().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let own = spec.map_or(&[][..], |spec| &spec.containers);
    let init = spec.and_then(|spec| spec.init_containers.as_ref()).into_iter().flatten();
    let container = own.iter().chain(init).find(|container| container.name == name);
    let container = container.ok_or_else(|| ResourceError::NoContainer { name: name.to_owned() })?;
    value(container, pod, selector, allocatable)
}

fn value(
    container: &Container,
    pod: &Pod,
    selector: &ResourceFieldSelector,
    allocatable: &Allocatable,
) -> Result<String, ResourceError> {
    let unknown = || ResourceError::Resource { resource: selector.resource.clone() };
    let (list, resource) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let is_huge_pages = resource.starts_with("hugepages-");
    if !matches!(resource, "cpu" | "memory" | "ephemeral-storage") && !is_huge_pages {
        return Err(unknown());
    }
    let resources = container.resources.as_ref();
    let nanos = match list {
        "requests" => amount(requests(resources), resource)?.unwrap_or(0),
        "limits" => match amount(limits(resources), resource)?.filter(|nanos| *nanos != 0) {
            Some(nanos) => nanos,
            // Huge pages are never overcommitted, so that no default is theirs.
            None if is_huge_pages => 0,
            None => default_limit(pod, resource, allocatable)?,
        },
        _ => return Err(unknown()),
    };
    // Processor time is counted in thousandths, the others whole (`convertResourceCPUToString`).
    let unit = if resource == "cpu" { MILLI } else { ONE };
    let divisor = match &selector.divisor {
        Some(divisor) => read(resource, divisor)?,
        None => 0,
    };
    let divisor = if divisor == 0 { ONE } else { divisor };
    Ok(divide_up(divide_up(nanos, unit), divide_up(divisor, unit)).to_string())
}

fn default_limit(pod: &Pod, resource: &str, allocatable: &Allocatable) -> Result<i128, ResourceError> {
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    if let Some(nanos) = amount(limits(of_pod), resource)?.filter(|nanos| *nanos != 0) {
        return Ok(nanos);
    }
    let Allocatable { cpus, memory_bytes } = allocatable;
    let whole = match resource {
        "cpu" => Some(*cpus),
        "memory" => *memory_bytes,
        // The node does not say how much disk there is.
        _ => None,
    };
    Ok(i128::from(whole.unwrap_or(0)) * ONE)
}

type Amounts = BTreeMap<String, Quantity>;

fn limits(resources: Option<&ResourceRequirements>) -> Option<&Amounts> {
    resources.and_then(|resources| resources.limits.as_ref())
}

fn requests(resources: Option<&ResourceRequirements>) -> Option<&Amounts> {
    resources.and_then(|resources| resources.requests.as_ref())
}

fn amount(amounts: Option<&Amounts>, resource: &str) -> Result<Option<i128>, ResourceError> {
    let found = amounts.and_then(|amounts| amounts.get(resource));
    found.map(|quantity| read(resource, quantity)).transpose()
}

fn read(resource: &str, quantity: &Quantity) -> Result<i128, ResourceError> {
    let nanos = quantity::nanos(&quantity.0).filter(|nanos| *nanos >= 0);
    nanos.ok_or_else(|| ResourceError::Quantity { resource: resource.to_owned(), text: quantity.0.clone() })
}

/// Both are positive or 0, and `by` is never 0: what is above 0 is rounded up to 1 at least.
fn divide_up(amount: i128, by: i128) -> i128 {
    amount / by + i128::from(amount % by != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NODE: Allocatable = Allocatable { cpus: 8, memory_bytes: Some(16 << 30) };

    fn pod() -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {
            "containers": [
                {"name": "a", "resources": {
                    "limits": {"cpu": "1500m", "memory": "1Gi", "hugepages-2Mi": "4Mi", "ephemeral-storage": "0"},
                    "requests": {"cpu": "0.25", "memory": "1k"},
                }},
                {"name": "bare"},
            ],
            "initContainers": [{"name": "init", "resources": {"limits": {"cpu": "2"}}}],
        }}))
        .unwrap()
    }

    fn check(container: &str, resource: &str, divisor: &str, wanted: &str) {
        let selector = json!({"containerName": container, "resource": resource, "divisor": divisor});
        let selector = serde_json::from_value(selector).unwrap();
        let found = of_pod(&pod(), &selector, &NODE).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, wanted, "{container} {resource} / {divisor}");
    }

    #[test]
    fn amounts_are_divided_and_rounded_up() {
        check("a", "limits.cpu", "0", "2");
        check("a", "limits.cpu", "1", "2");
        check("a", "limits.cpu", "1m", "1500");
        check("a", "requests.cpu", "1", "1");
        check("a", "requests.cpu", "1m", "250");
        check("a", "limits.memory", "0", "1073741824");
        check("a", "limits.memory", "1Mi", "1024");
        check("a", "limits.memory", "1M", "1074");
        check("a", "requests.memory", "1Ki", "1");
        check("a", "limits.hugepages-2Mi", "1Mi", "4");
        check("init", "limits.cpu", "1", "2");
    }

    #[test]
    fn a_limit_that_is_not_set_is_the_nodes_and_a_request_is_none() {
        check("bare", "limits.cpu", "1m", "8000");
        check("bare", "limits.memory", "1Gi", "16");
        check("bare", "requests.cpu", "1", "0");
        check("bare", "requests.memory", "1", "0");
        check("bare", "limits.hugepages-2Mi", "1", "0");
        check("a", "limits.ephemeral-storage", "1", "0");
    }

    #[test]
    fn a_pods_own_limit_comes_before_the_nodes() {
        let mut pod = pod();
        let resources: Value = json!({"limits": {"cpu": "3"}});
        pod.spec.as_mut().unwrap().resources = serde_json::from_value(resources).unwrap();
        let selector = json!({"containerName": "bare", "resource": "limits.cpu"});
        let selector = serde_json::from_value(selector).unwrap();
        assert_eq!(of_pod(&pod, &selector, &NODE).unwrap(), "3");
    }

    #[test]
    fn a_variable_speaks_of_its_own_container() {
        let pod = pod();
        let own = &pod.spec.as_ref().unwrap().containers[0];
        let value = |selector: Value| {
            of_container(own, &pod, &serde_json::from_value(selector).unwrap(), &NODE).unwrap()
        };
        assert_eq!(value(json!({"resource": "limits.cpu"})), "2");
        assert_eq!(value(json!({"resource": "limits.cpu", "containerName": "bare"})), "8");
    }

    #[test]
    fn what_there_is_not_is_told_in_the_kubelets_words() {
        check("none", "limits.cpu", "1", "container none not found");
        check("a", "limits.gpu", "1", "unsupported container resource : limits.gpu");
        check("a", "wishes.cpu", "1", "unsupported container resource : wishes.cpu");
        check("a", "cpu", "1", "unsupported container resource : cpu");
        check("a", "limits.cpu", "x", "quantity \"x\" of cpu cannot be read");
    }
}
