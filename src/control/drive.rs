//! Drives a reconciler: whom news wake, one reconciliation per object at a time,
//! and when a failed one is tried again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use crate::cache::Seen;
use crate::run::Failure;

/// The objects to reconcile, as they come.
pub(crate) type Queue<K> = SelectAll<BoxStream<'static, Result<ObjectRef<K>, Infallible>>>;

/// Reconciliations at a time of one controller: each waits for a few writes, and 64 of them
/// fill a group commit of the store.
const CONCURRENCY: u16 = 64;

/// The wait after a first failure that is no conflict; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// The wait after a first conflict: the other writer has written by then.
const CONFLICT_FIRST: Duration = Duration::from_millis(10);
/// The longest wait after failures, as long as a person watches a status line.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Objects of one controller whose failures are counted; beyond it all counts begin anew.
const FAILING_MAX: usize = 10_000;

/// A reconciler of one kind.
pub(crate) trait Reconcile<K>: Send + Sync + 'static {
    /// Looks at everything that concerns the object and does what is due.
    fn reconcile<'a>(&'a self, object: &'a K) -> BoxFuture<'a, Result<Action, Failure>>;
}

/// Whom each change of the reconciled kind wakes: the object itself.
pub(crate) fn itself<K>(
    store: &Store<K>,
    news: BoxStream<'static, Seen<K>>,
) -> BoxStream<'static, Result<ObjectRef<K>, Infallible>>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    wakes(store, news, |object| vec![ObjectRef::from_obj(object)])
}

/// Whom each change of another kind wakes: those that it named or names. After a list all
/// are woken, because what has gone unseen is in no news.
pub(crate) fn wakes<K, C>(
    store: &Store<K>,
    news: BoxStream<'static, Seen<C>>,
    of: impl Fn(&C) -> Vec<ObjectRef<K>> + Send + 'static,
) -> BoxStream<'static, Result<ObjectRef<K>, Infallible>>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    C: Send + Sync + 'static,
{
    let store = store.clone();
    let woken = move |seen| match seen {
        Seen::Changed { old, new } => {
            let mut woken: Vec<ObjectRef<K>> = old.iter().chain(&new).flat_map(|object| of(object)).collect();
            woken.dedup();
            woken
        }
        Seen::Listed => store.state().iter().map(|object| ObjectRef::from_obj(&**object)).collect(),
    };
    news.flat_map(move |seen| futures::stream::iter(woken(seen).into_iter().map(Ok))).boxed()
}

/// Reconciles what the queue names. May be cut off anywhere: whoever reconciles next is right again.
pub(crate) async fn drive<K, C>(controller: C, store: Store<K>, queue: Queue<K>)
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    C: Reconcile<K>,
{
    let driven = Arc::new(Driven { controller, failing: Mutex::default() });
    let config = controller::Config::default().concurrency(CONCURRENCY);
    let reconcile =
        |object: Arc<K>, driven: Arc<Driven<K, C>>| async move { driven.reconcile(&object).await }.boxed();
    let retry = |object: Arc<K>, error: &Failure, driven: Arc<Driven<K, C>>| driven.failed(&object, error);
    // What comes out has been told of in `failed`, or is gone by now.
    controller::applier(reconcile, retry, driven, store, queue, config).for_each(|_| async {}).await;
}

struct Driven<K: Resource<DynamicType = ()>, C> {
    controller: C,
    /// Guards how often in a row each object has failed.
    failing: Mutex<HashMap<ObjectRef<K>, u32>>,
}

// === impl Driven ===

impl<K, C> Driven<K, C>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    C: Reconcile<K>,
{
    /// A fault of ours in the work on one object must not end the work on the others.
    async fn reconcile(&self, object: &K) -> Result<Action, Failure> {
        let outcome = AssertUnwindSafe(self.controller.reconcile(object)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::plain("the controller has panicked")));
        if outcome.is_ok() {
            self.failing().remove(&ObjectRef::from_obj(object));
        }
        outcome
    }

    fn failed(&self, object: &K, error: &Failure) -> Action {
        let mut failing = self.failing();
        if failing.len() >= FAILING_MAX {
            failing.clear();
        }
        let n_before = failing.entry(ObjectRef::from_obj(object)).or_default();
        let wait = wait_after(error, *n_before);
        *n_before += 1;
        if !is_expected(error) {
            let (kind, namespace, name) =
                (K::kind(&()), object.namespace().unwrap_or_default(), object.name_any());
            tracing::warn!(%kind, namespace, name, %error, "failed to reconcile {kind} `{namespace}/{name}`, trying again");
        }
        Action::requeue(wait)
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<ObjectRef<K>, u32>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait after a failure that followed so many others.
fn wait_after(error: &Failure, n_before: u32) -> Duration {
    let first = if error.is_conflict() { CONFLICT_FIRST } else { RETRY_FIRST };
    first.saturating_mul(2_u32.saturating_pow(n_before)).min(RETRY_MAX)
}

/// Conflicts pass, and what is in a namespace that goes will go.
fn is_expected(error: &Failure) -> bool {
    error.is_conflict() || error.is_of_terminating_namespace()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Pod, PodSpec};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let error = Failure::plain("it is broken");
        let waits: Vec<u128> = [0, 1, 2, 3, 8, 9, 40].map(|n| wait_after(&error, n).as_millis()).to_vec();
        assert_eq!(waits, [100, 200, 400, 800, 25_600, 30_000, 30_000]);
    }

    struct Panics;

    impl Reconcile<Pod> for Panics {
        fn reconcile<'a>(&'a self, pod: &'a Pod) -> BoxFuture<'a, Result<Action, Failure>> {
            async move { if pod.spec.is_some() { panic!("a fault of ours") } else { Ok(Action::await_change()) } }.boxed()
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_of_one_object_and_success_begins_the_count_anew() {
        let driven = Driven { controller: Panics, failing: Mutex::default() };
        let metadata = ObjectMeta { name: Some("a".to_owned()), ..ObjectMeta::default() };
        let mut pod = Pod { metadata, spec: Some(PodSpec::default()), status: None };
        let error = driven.reconcile(&pod).await.expect_err("it panics");
        for wait_ms in [100, 200] {
            let expected = Action::requeue(Duration::from_millis(wait_ms));
            assert_eq!(driven.failed(&pod, &error), expected);
        }
        pod.spec = None;
        driven.reconcile(&pod).await.expect("it does not panic");
        assert!(driven.failing().is_empty());
    }
}
