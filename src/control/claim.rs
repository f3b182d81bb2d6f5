//! Which objects an owner may call its own: what it controls and selects, and
//! what it selects and nobody controls.
//!
//! Source: `pkg/controller/controller_ref_manager.go`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::api::{Api, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cache::Cache;
use crate::owner;
use crate::run::Failure;

/// What an object is to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Its own.
    Ours,
    /// Nobody's, and selected: to be taken over.
    Adopt,
    /// Its own, and no longer selected: to be let go.
    Release,
    /// None of its business.
    Others,
}

/// An owner of objects.
#[derive(Clone, Debug)]
pub(crate) struct Claimant {
    uid: String,
    is_deleting: bool,
    selector: Selector,
}

// === impl Claimant ===

impl Claimant {
    /// The owner with this selector.
    ///
    /// # Errors
    /// When the selector has an operator that does not exist.
    pub(crate) fn new(owner: &ObjectMeta, selector: &LabelSelector) -> Result<Self, Failure> {
        let unreadable = |error| Failure::Plain(format!("failed to read `spec.selector`: {error}"));
        Ok(Self {
            uid: owner.uid.clone().unwrap_or_default(),
            is_deleting: owner.deletion_timestamp.is_some(),
            selector: selector.clone().try_into().map_err(unreadable)?,
        })
    }

    /// What an object is to this owner.
    pub(crate) fn claim(&self, object: &ObjectMeta) -> Claim {
        let unlabelled = BTreeMap::new();
        let labels = object.labels.as_ref().unwrap_or(&unlabelled);
        let is_selected = !self.selector.selects_all() && self.selector.matches(labels);
        match owner::controller(object) {
            Some(controller) if controller.uid != self.uid => Claim::Others,
            Some(_) if is_selected || self.is_deleting => Claim::Ours,
            Some(_) => Claim::Release,
            None if is_selected && !self.is_deleting && object.deletion_timestamp.is_none() => Claim::Adopt,
            None => Claim::Others,
        }
    }
}

/// The owner of this kind that controls an object; where nobody does, those that may take it over.
pub(crate) fn owners<O>(
    known: &Store<O>,
    object: &ObjectMeta,
    claimant: impl Fn(&O) -> Result<Claimant, Failure>,
) -> Vec<ObjectRef<O>>
where
    O: Resource<DynamicType = ()> + Clone + 'static,
{
    let namespace = object.namespace.clone().unwrap_or_default();
    match owner::controller(object) {
        Some(owner) if owner.kind == O::kind(&()) => vec![ObjectRef::new(&owner.name).within(&namespace)],
        Some(_) => Vec::new(),
        None => {
            let takes = |owner: &O| {
                owner.namespace().as_deref() == Some(&namespace)
                    && claimant(owner).is_ok_and(|claimant| claimant.claim(object) == Claim::Adopt)
            };
            known.state_filter(takes).iter().map(|owner| ObjectRef::from_obj(&**owner)).collect()
        }
    }
}

/// What of a cache is the owner's, in order of name, after taking over and letting go what is to be.
/// Objects that do not count are left alone.
pub(crate) async fn settled<O, C>(
    client: &Client,
    cache: &Cache<C>,
    (owner, claimant): (&O, &Claimant),
    counts: impl Fn(&C) -> bool,
) -> Result<Vec<Arc<C>>, Failure>
where
    O: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    C: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let namespace = owner.namespace().unwrap_or_default();
    let api: Api<C> = Api::namespaced(client.clone(), &namespace);
    let is_candidate = |object: &C| counts(object) && claimant.claim(object.meta()) != Claim::Others;
    let mut ours = Vec::new();
    for object in cache.within(&namespace, is_candidate) {
        match claimant.claim(object.meta()) {
            Claim::Others => {}
            // What goes is not let go any more.
            Claim::Release if object.meta().deletion_timestamp.is_some() => ours.push(object),
            Claim::Ours => ours.push(object),
            Claim::Release => {
                let released = unless_away(release(&api, &*object, &claimant.uid).await)?;
                released.iter().for_each(|released| cache.wrote(released));
            }
            Claim::Adopt => {
                let owners: Api<O> = Api::namespaced(client.clone(), &namespace);
                if !may_adopt(&owners, owner).await? {
                    continue;
                }
                if let Some(adopted) = unless_away(adopt(&api, &*object, owner::controlled_by(owner)).await)?
                {
                    cache.wrote(&adopted);
                    ours.push(Arc::new(adopted));
                }
            }
        }
    }
    Ok(ours)
}

/// `None` for what is gone, or has another uid by now.
fn unless_away<K>(outcome: Result<K, kube::Error>) -> Result<Option<K>, Failure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the owner is still there and stays, read from the API: what one that was deleted as
/// orphaning has just let go would go with it, were it taken over once more.
async fn may_adopt<K>(api: &Api<K>, owner: &K) -> Result<bool, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let found = api.get_metadata_opt(&owner.name_any()).await?.map(|found| found.metadata);
    Ok(found.is_some_and(|found| found.uid == owner.uid() && found.deletion_timestamp.is_none()))
}

/// Makes `owner` the controller of an object that has none.
async fn adopt<K>(api: &Api<K>, object: &K, owner: OwnerReference) -> Result<K, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let patch = json!({"metadata": {"uid": object.uid(), "ownerReferences": [owner]}});
    api.patch(&object.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await
}

/// Takes the reference to the owner off an object.
async fn release<K>(api: &Api<K>, object: &K, owner_uid: &str) -> Result<K, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let without = json!([{"$patch": "delete", "uid": owner_uid}]);
    let patch = json!({"metadata": {"uid": object.uid(), "ownerReferences": without}});
    api.patch(&object.name_any(), &PatchParams::default(), &Patch::Strategic(patch)).await
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn check(owner: Value, object: Value, expected: Claim) {
        let owner: ObjectMeta = serde_json::from_value(owner).expect("metadata");
        let selector: LabelSelector =
            serde_json::from_value(json!({"matchLabels": {"app": "web"}})).expect("a selector");
        let claimant = Claimant::new(&owner, &selector).expect("a selector that can be read");
        let shown = object.to_string();
        let object: ObjectMeta = serde_json::from_value(object).expect("metadata");
        assert_eq!(claimant.claim(&object), expected, "{shown}");
    }

    fn owned_by(uid: &str, app: &str) -> Value {
        let owner = json!({"apiVersion": "v1", "kind": "K", "name": "o", "uid": uid, "controller": true});
        json!({"labels": {"app": app}, "ownerReferences": [owner]})
    }

    #[test]
    fn selector_and_controller_decide_together() {
        let owner = json!({"uid": "me"});
        check(owner.clone(), owned_by("me", "web"), Claim::Ours);
        check(owner.clone(), owned_by("me", "other"), Claim::Release);
        check(owner.clone(), owned_by("you", "web"), Claim::Others);
        check(owner.clone(), json!({"labels": {"app": "web"}}), Claim::Adopt);
        check(owner.clone(), json!({"labels": {"app": "other"}}), Claim::Others);
        check(
            owner,
            json!({"labels": {"app": "web"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}),
            Claim::Others,
        );
    }

    #[test]
    fn an_owner_that_is_going_takes_nothing_and_lets_nothing_go() {
        let owner = json!({"uid": "me", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        check(owner.clone(), json!({"labels": {"app": "web"}}), Claim::Others);
        check(owner, owned_by("me", "other"), Claim::Ours);
    }

    #[test]
    fn an_empty_selector_takes_nothing() {
        let claimant = Claimant::new(&ObjectMeta::default(), &LabelSelector::default()).expect("a selector");
        assert_eq!(claimant.claim(&ObjectMeta::default()), Claim::Others);
    }
}
