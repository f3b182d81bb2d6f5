//! Changes to the environment variables of a fork's containers.

use serde_json::{Map, Value, json};
use spur_api::sandbox::{EnvChange, EnvOperation, EnvSource, ForkServiceRef, KeyRef};

use super::fork::InvalidFork;
use super::fork_service::{ForkService, Port};

/// Makes one change to one container.
pub(super) fn change(
    container: &mut Map<String, Value>,
    change: &EnvChange,
    services: &[ForkService],
) -> Result<(), InvalidFork> {
    let env = container.entry("env").or_insert_with(|| json!([]));
    if !env.is_array() {
        *env = json!([]);
    }
    let env = env.as_array_mut().expect("made a list just above");
    let found =
        env.iter().position(|variable| variable.get("name").and_then(Value::as_str) == Some(&change.name));
    match (change.operation, found) {
        (EnvOperation::Delete, Some(idx)) => drop(env.remove(idx)),
        (EnvOperation::Delete, None) => {}
        (EnvOperation::Upsert, Some(idx)) => env[idx] = variable(change, services)?,
        (EnvOperation::Upsert, None) => env.push(variable(change, services)?),
    }
    Ok(())
}

/// The variable as a container has it. Given neither value nor source it is empty.
fn variable(change: &EnvChange, services: &[ForkService]) -> Result<Value, InvalidFork> {
    let name = &change.name;
    let Some(source) = &change.value_from else {
        return Ok(json!({"name": name, "value": change.value.as_deref().unwrap_or_default()}));
    };
    let EnvSource { config_map, secret, service } = source;
    if let Some(key) = config_map {
        return Ok(json!({"name": name, "valueFrom": {"configMapKeyRef": key_selector(key)}}));
    }
    if let Some(key) = secret {
        return Ok(json!({"name": name, "valueFrom": {"secretKeyRef": key_selector(key)}}));
    }
    let Some(service) = service else {
        return Ok(json!({"name": name, "value": ""}));
    };
    Ok(json!({"name": name, "value": url(name, service, services)?}))
}

fn key_selector(key: &KeyRef) -> Value {
    let mut selector = json!({"name": key.name, "key": key.key});
    if let Some(optional) = key.optional {
        selector["optional"] = json!(optional);
    }
    selector
}

/// The URL of another fork, as a reference that is filled in when the pod
/// starts: each pod has its own listener for each Service of its sandbox, and
/// learns of it by variables named after the Service.
fn url(variable: &str, wanted: &ForkServiceRef, services: &[ForkService]) -> Result<String, InvalidFork> {
    let service = services.iter().find(|service| service.of == wanted.name).ok_or_else(|| {
        InvalidFork::NoSuchForkService { variable: variable.to_owned(), service: wanted.name.clone() }
    })?;
    let prefix = in_env(&service.name);
    let first = service.ports.first().map(|port| port.number);
    match wanted.port {
        None => Ok(format!("$({prefix}_URL)")),
        number if number == first => Ok(format!("$({prefix}_URL)")),
        Some(number) => {
            let port: Option<&Port> = service.ports.iter().find(|port| port.number == number);
            let port = port.ok_or_else(|| InvalidFork::NoSuchPort {
                variable: variable.to_owned(),
                service: wanted.name.clone(),
                port: number,
            })?;
            let name = in_env(&port.name);
            Ok(format!("http://$({prefix}_SERVICE_HOST):$({prefix}_SERVICE_PORT_{name})"))
        }
    }
}

/// A name as it stands in variables (`pkg/kubelet/envvars.makeEnvVariableName`).
fn in_env(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
