//! EndpointSlices: which pods stand behind a Service, at which real ports.
//!
//! On one machine two replicas cannot share a port, so each distinct set of
//! real ports gets a slice of its own.
//!
//! Source: `pkg/controller/endpointslice` and `staging/src/k8s.io/endpointslice`.

mod slices;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};

use crate::cache::{self, Cache};
use crate::drive::{self, Queue, Reconcile};
use crate::owner;
use crate::run::{Context, Failure, unless_gone};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (services, service_news) = cache::watch::<Service>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = cache::watch::<Pod>(Api::all(ctx.client.clone()));
    let (slices, slice_news) = cache::watch::<EndpointSlice>(Api::all(ctx.client.clone()));
    let store = services.store();
    let known = store.clone();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, service_news));
    // A pod wakes the Services that select it and, by its old state, those that did.
    queue.push(drive::wakes(&store, pod_news, move |pod| services_of(&known, pod)));
    queue.push(drive::wakes(&store, slice_news, service_of));
    let controller = EndpointSlices { client: ctx.client.clone(), pods, slices };
    drive::drive(controller, store, queue).await;
}

struct EndpointSlices {
    client: Client,
    pods: Cache<Pod>,
    slices: Cache<EndpointSlice>,
}

/// The Services whose selector matches a pod.
fn services_of(services: &Store<Service>, pod: &Pod) -> Vec<ObjectRef<Service>> {
    let selecting = services.state_filter(|service| slices::selects(service, pod));
    selecting.iter().map(|service| ObjectRef::from_obj(&**service)).collect()
}

/// The Service that controls a slice.
fn service_of(slice: &EndpointSlice) -> Vec<ObjectRef<Service>> {
    let owner = owner::controller(slice.meta()).filter(|owner| owner.kind == "Service");
    let namespace = slice.namespace().unwrap_or_default();
    owner.map(|owner| ObjectRef::new(&owner.name).within(&namespace)).into_iter().collect()
}

// === impl EndpointSlices ===

impl Reconcile<Service> for EndpointSlices {
    fn reconcile<'a>(&'a self, service: &'a Service) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_service(service).boxed()
    }
}

impl EndpointSlices {
    async fn reconcile_service(&self, service: &Service) -> Result<Action, Failure> {
        // Slices of a Service without a selector are its user's.
        if service.meta().deletion_timestamp.is_some() || !slices::has_selector(service) {
            return Ok(Action::await_change());
        }
        self.pods.caught_up().await?;
        self.slices.caught_up().await?;
        let (namespace, uid) = (service.namespace().unwrap_or_default(), service.uid().unwrap_or_default());
        let selected = self.pods.within(&namespace, |pod| slices::selects(service, pod));
        let mut there = self.slices.within(&namespace, |slice| owner::is_controlled_by(slice.meta(), &uid));
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &namespace);
        for wanted in slices::of(service, &selected) {
            let known = there.iter().position(|slice| slice.name_any() == wanted.name_any());
            let written = match known.map(|idx| there.swap_remove(idx)) {
                None => api.create(&PostParams::default(), &wanted).await?,
                Some(old) if slices::is_same(&old, &wanted) => continue,
                Some(old) => {
                    let new = slices::over(&old, wanted);
                    api.replace(&new.name_any(), &PostParams::default(), &new).await?
                }
            };
            self.slices.wrote(&written);
        }
        for slice in there {
            let only_this = Preconditions { uid: slice.uid(), resource_version: None };
            let params = DeleteParams::default().preconditions(only_this);
            unless_gone(api.delete(&slice.name_any(), &params).await)?;
            self.slices.deleted(&slice);
        }
        Ok(Action::await_change())
    }
}
