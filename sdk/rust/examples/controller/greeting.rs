//! The kind: a struct, and the definition that is made of it.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reconcile::MANAGER;

/// A real cluster takes some seconds.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Somebody to greet.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "example.spur.dev", version = "v1", kind = "Greeting", namespaced)]
#[kube(status = "GreetingStatus", shortname = "gr")]
#[kube(printcolumn = r#"{"name": "Who", "type": "string", "jsonPath": ".spec.who"}"#)]
#[kube(
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GreetingSpec {
    /// Whom to greet.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) who: String,
}

/// What has come of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GreetingStatus {
    /// The generation that the rest of the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<Condition>,
}

/// Tells the API about the kind and waits until it is served. Every instance does so, the leader
/// and the others: to apply the same again changes nothing.
pub(crate) async fn define(client: &Client) -> anyhow::Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = Greeting::crd_name();
    let params = PatchParams::apply(MANAGER).force();
    definitions
        .patch(name, &params, &Patch::Apply(Greeting::crd()))
        .await
        .with_context(|| format!("failed to apply the definition `{name}`"))?;
    let established = await_condition(definitions, name, is_crd_established());
    tokio::time::timeout(ESTABLISHED_WITHIN, established)
        .await
        .with_context(|| format!("`{name}` is not established after {ESTABLISHED_WITHIN:?}"))?
        .with_context(|| format!("failed to wait for `{name}`"))?;
    Ok(())
}
