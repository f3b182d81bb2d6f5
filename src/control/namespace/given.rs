//! What every namespace has from its beginning: the ServiceAccount `default`, and the ConfigMap
//! by which programs inside check the API's certificate.
//!
//! Source: `pkg/controller/serviceaccount` and `pkg/controller/certificates/rootcacertpublisher`.

use futures::TryFutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::run::Failure;

const SERVICE_ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
/// Who owns the ConfigMap's fields.
const PUBLISHER: &str = "root-ca-cert-publisher";

/// Watches the accounts that are given.
pub(super) fn account() -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={SERVICE_ACCOUNT}"))
}

/// Watches the ConfigMaps that are given.
pub(super) fn root_ca() -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={ROOT_CA}"))
}

/// The namespace whose object has changed.
pub(super) fn namespace_of(object: &impl ResourceExt) -> Vec<ObjectRef<Namespace>> {
    object.namespace().map(|namespace| ObjectRef::new(&namespace)).into_iter().collect()
}

/// Gives a namespace what it lacks.
pub(super) async fn ensure(client: &Client, namespace: &str, authority_pem: &str) -> Result<(), Failure> {
    ensure_service_account(client, namespace).or_else(unless_unwanted).await?;
    ensure_root_ca(client, namespace, authority_pem).or_else(unless_unwanted).await
}

/// There by now, or the namespace is going or gone.
async fn unless_unwanted(error: kube::Error) -> Result<(), Failure> {
    match error {
        kube::Error::Api(status) if matches!(status.code, 403 | 404 | 409) => Ok(()),
        error => Err(error.into()),
    }
}

async fn ensure_service_account(client: &Client, namespace: &str) -> Result<(), kube::Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    if accounts.get_metadata_opt(SERVICE_ACCOUNT).await?.is_some() {
        return Ok(());
    }
    let metadata = ObjectMeta { name: Some(SERVICE_ACCOUNT.to_owned()), ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await.map(drop)
}

/// What somebody else wrote into it is put right.
async fn ensure_root_ca(client: &Client, namespace: &str, authority_pem: &str) -> Result<(), kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let wanted = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": ROOT_CA, "annotations": {
            "kubernetes.io/description": "Contains the certificate of the authority by which the API server is verified.",
        }},
        "data": {"ca.crt": authority_pem},
    });
    // One that is right stays as it is: a write that changes nothing is none.
    let params = PatchParams::apply(PUBLISHER).force();
    maps.patch(ROOT_CA, &params, &Patch::Apply(wanted)).await.map(drop)
}
