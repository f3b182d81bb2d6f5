//! What a controller knows of the API: a cache of each kind that it reads, kept
//! by a watch.
//!
//! A cache is always a little behind. What others write may come late, since it
//! wakes whoever it concerns; what the controller itself wrote may not, or it
//! would be done twice. So a controller tells the cache of its own writes, and
//! [`Cache::caught_up`] waits until they are seen. That revisions are one rising
//! number is what makes this a comparison (`resourceVersion` is comparable since
//! Kubernetes 1.35, KEP-5504).

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::Api;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_all};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::metadata::Metadata;
use crate::owner;
use crate::run::Failure;

/// The objects of a kind as last seen.
pub(crate) struct Cache<K: Resource<DynamicType = ()> + 'static> {
    store: Store<K>,
    own: Arc<Own>,
    /// watch -- the newest revision in the cache --> who waits for an own write
    seen_rx: watch::Receiver<u64>,
}

/// News of a kind, after the cache has taken it in.
pub(crate) enum Seen<K> {
    /// An object before and after: made where there is no old one, gone where there is no new one.
    Changed {
        /// As it was in the cache.
        old: Option<Arc<K>>,
        /// As it is.
        new: Option<Arc<K>>,
    },
    /// All objects were listed. What has gone unseen meanwhile is in no other news.
    Listed,
}

/// What the controller itself has written.
#[derive(Default)]
struct Own {
    /// The highest revision of its writes.
    revision: AtomicU64,
    /// Guards the uids of what it has deleted and the cache still holds. At most as many as
    /// there are objects: each leaves with its event.
    deleted: Mutex<HashSet<String>>,
}

/// Feeds a cache from a watch.
struct Feed<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: Writer<K>,
    store: Store<K>,
    own: Arc<Own>,
    seen_tx: watch::Sender<u64>,
    /// The own writes when the list under way began, all of which it holds.
    own_when_listed: u64,
}

/// Begins to watch. The cache fills while the news are polled.
pub(crate) fn watch<K>(api: Api<K>) -> (Cache<K>, BoxStream<'static, Seen<K>>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    watch_where(api, |_| true)
}

/// Begins to watch what owners of a kind control or may take over, so that each controller keeps
/// its own objects only.
pub(crate) fn watch_of<O, K>(api: Api<K>) -> (Cache<K>, BoxStream<'static, Seen<K>>)
where
    O: Resource<DynamicType = ()>,
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let kind = O::kind(&());
    watch_where(api, move |object: &K| {
        owner::controller(object.meta()).is_none_or(|owner| owner.kind == kind)
    })
}

/// Begins to watch the objects of which this holds; what it holds of no more has gone.
pub(crate) fn watch_where<K>(
    api: Api<K>,
    keeps: impl Fn(&K) -> bool + Send + 'static,
) -> (Cache<K>, BoxStream<'static, Seen<K>>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let writer = Writer::<K>::new(());
    let store = writer.as_reader();
    let own: Arc<Own> = Arc::default();
    let (seen_tx, seen_rx) = watch::channel(0);
    let mut feed = Feed { writer, store: store.clone(), own: own.clone(), seen_tx, own_when_listed: 0 };
    let events = watch_all(api, watcher::Config::default()).default_backoff();
    // Half of an object's size, and nobody here reads them.
    let events = events.modify(|object| object.meta_mut().managed_fields = None);
    let news = events.filter_map(move |event| {
        let seen = told(event).and_then(|event| of_those(&keeps, event)).and_then(|event| feed.take(&event));
        async move { seen }
    });
    (Cache { store, own, seen_rx }, news.boxed())
}

/// News of a kind's metadata, for who keeps nothing: an object is its own past.
pub(crate) fn metadata<K>(
    api: Api<Metadata<K>>,
    which: watcher::Config,
) -> BoxStream<'static, Seen<Metadata<K>>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let events = watch_all(api, which).default_backoff();
    let news = events.filter_map(|event| async {
        match told(event)? {
            Event::Apply(object) => Some(Seen::Changed { old: None, new: Some(Arc::new(object)) }),
            Event::Delete(object) => Some(Seen::Changed { old: Some(Arc::new(object)), new: None }),
            Event::InitDone => Some(Seen::Listed),
            Event::Init | Event::InitApply(_) => None,
        }
    });
    news.boxed()
}

/// The event for a cache that keeps some objects only: what it does not keep has gone.
fn of_those<K>(keeps: &impl Fn(&K) -> bool, event: Event<K>) -> Option<Event<K>> {
    match event {
        Event::Apply(object) if !keeps(&object) => Some(Event::Delete(object)),
        Event::InitApply(object) if !keeps(&object) => None,
        event => Some(event),
    }
}

/// Tells of a watch that broke, which is opened again.
fn told<K: Resource<DynamicType = ()>>(event: Result<Event<K>, watcher::Error>) -> Option<Event<K>> {
    let kind = K::kind(&());
    event.inspect_err(|error| tracing::warn!(%kind, %error, "failed to watch {kind}, trying again")).ok()
}

// === impl Cache ===

impl<K: Resource<DynamicType = ()> + Clone + 'static> Cache<K> {
    pub(crate) fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Waits until all objects were listed and everything is seen that [`Cache::wrote`] was told of.
    ///
    /// # Errors
    /// When the watch has ended: then nothing is seen any more.
    pub(crate) async fn caught_up(&self) -> Result<(), Failure> {
        let ended = || Failure::plain("the cache is fed no more");
        self.store.wait_until_ready().await.map_err(|_| ended())?;
        let own = self.own.revision.load(Ordering::Acquire);
        let mut seen_rx = self.seen_rx.clone();
        seen_rx.wait_for(|seen| *seen >= own).await.map(drop).map_err(|_| ended())
    }

    /// The controller has written this.
    pub(crate) fn wrote(&self, object: &K) {
        self.own.revision.fetch_max(revision(object), Ordering::AcqRel);
    }

    /// The controller has deleted this: from now on it is not there.
    pub(crate) fn deleted(&self, object: &K) {
        self.own.deleted().extend(object.uid());
        // Its event may have come before this was told.
        if self.store.get(&ObjectRef::from_obj(object)).is_none_or(|there| there.uid() != object.uid()) {
            self.own.forget(object);
        }
    }

    /// The objects of a namespace of which this holds, by name.
    pub(crate) fn within(&self, namespace: &str, holds: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let mut found = self
            .store
            .state_filter(|object| object.meta().namespace.as_deref() == Some(namespace) && holds(object));
        {
            let deleted = self.own.deleted();
            if !deleted.is_empty() {
                found.retain(|object| !object.uid().is_some_and(|uid| deleted.contains(&uid)));
            }
        }
        found.sort_by_key(|object| object.name_any());
        found
    }
}

// === impl Feed ===

impl<K: Resource<DynamicType = ()> + Clone + 'static> Feed<K> {
    fn take(&mut self, event: &Event<K>) -> Option<Seen<K>> {
        let old = match event {
            Event::Apply(object) | Event::Delete(object) => self.store.get(&ObjectRef::from_obj(object)),
            Event::Init | Event::InitApply(_) | Event::InitDone => None,
        };
        self.writer.apply_watcher_event(event);
        match event {
            // The list is asked for after this.
            Event::Init => {
                self.own_when_listed = self.own.revision.load(Ordering::Acquire);
                None
            }
            Event::InitApply(object) => {
                self.own_when_listed = self.own_when_listed.max(revision(object));
                None
            }
            Event::InitDone => {
                let store = &self.store;
                self.own
                    .deleted()
                    .retain(|uid| store.find(|object| object.uid().as_ref() == Some(uid)).is_some());
                self.has_seen(self.own_when_listed);
                Some(Seen::Listed)
            }
            Event::Apply(object) => {
                self.has_seen(revision(object));
                Some(Seen::Changed { old, new: Some(Arc::new(object.clone())) })
            }
            Event::Delete(object) => {
                self.own.forget(object);
                self.has_seen(revision(object));
                Some(Seen::Changed { old: old.or_else(|| Some(Arc::new(object.clone()))), new: None })
            }
        }
    }

    fn has_seen(&self, revision: u64) {
        self.seen_tx.send_if_modified(|seen| {
            let is_newer = revision > *seen;
            *seen = revision.max(*seen);
            is_newer
        });
    }
}

// === impl Own ===

impl Own {
    fn deleted(&self) -> MutexGuard<'_, HashSet<String>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, object: &impl Resource) {
        if let Some(uid) = &object.meta().uid {
            self.deleted().remove(uid);
        }
    }
}

fn revision(object: &impl Resource) -> u64 {
    let text = object.meta().resource_version.as_deref();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use tokio::time::{Duration, timeout};

    use super::*;

    fn object(name: &str, revision: u64) -> ConfigMap {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "a", "uid": name, "resourceVersion": revision.to_string()},
        }))
        .expect("a config map")
    }

    fn feed() -> (Cache<ConfigMap>, Feed<ConfigMap>) {
        let writer = Writer::new(());
        let (store, own) = (writer.as_reader(), Arc::new(Own::default()));
        let (seen_tx, seen_rx) = watch::channel(0);
        let feed = Feed { writer, store: store.clone(), own: own.clone(), seen_tx, own_when_listed: 0 };
        (Cache { store, own, seen_rx }, feed)
    }

    fn list(feed: &mut Feed<ConfigMap>, objects: &[ConfigMap]) {
        feed.take(&Event::Init);
        for object in objects {
            feed.take(&Event::InitApply(object.clone()));
        }
        feed.take(&Event::InitDone);
    }

    fn names(cache: &Cache<ConfigMap>) -> Vec<String> {
        cache.within("a", |_| true).iter().map(|object| object.name_any()).collect()
    }

    async fn is_caught_up(cache: &Cache<ConfigMap>) -> bool {
        timeout(Duration::from_millis(1), cache.caught_up()).await.is_ok_and(|caught_up| caught_up.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_waits_for_the_first_list_and_then_for_what_was_written() {
        let (cache, mut feed) = feed();
        assert!(!is_caught_up(&cache).await);
        list(&mut feed, &[object("a", 3)]);
        assert!(is_caught_up(&cache).await);
        cache.wrote(&object("b", 5));
        assert!(!is_caught_up(&cache).await);
        feed.take(&Event::Apply(object("c", 4)));
        assert!(!is_caught_up(&cache).await);
        feed.take(&Event::Apply(object("b", 5)));
        assert!(is_caught_up(&cache).await);
        assert_eq!(names(&cache), ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_holds_whatever_was_written_before_it_even_what_has_gone_again() {
        let (cache, mut feed) = feed();
        list(&mut feed, &[]);
        cache.wrote(&object("gone", 9));
        assert!(!is_caught_up(&cache).await);
        list(&mut feed, &[]);
        assert!(is_caught_up(&cache).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_began_before_a_write_need_not_hold_it() {
        let (cache, mut feed) = feed();
        feed.take(&Event::Init);
        cache.wrote(&object("late", 9));
        feed.take(&Event::InitDone);
        assert!(!is_caught_up(&cache).await);
    }

    #[test]
    fn what_was_deleted_is_not_there_before_its_event_and_may_come_again() {
        let (cache, mut feed) = feed();
        list(&mut feed, &[object("a", 1)]);
        cache.deleted(&object("a", 1));
        assert!(names(&cache).is_empty());
        feed.take(&Event::Apply(object("a", 2)));
        assert!(names(&cache).is_empty(), "an event from before the deletion");
        feed.take(&Event::Delete(object("a", 3)));
        assert!(cache.own.deleted().is_empty());
        cache.deleted(&object("a", 1));
        assert!(cache.own.deleted().is_empty(), "nothing is kept of what has gone already");
        let mut other = object("a", 4);
        other.metadata.uid = Some("other".to_owned());
        feed.take(&Event::Apply(other));
        assert_eq!(names(&cache), ["a"]);
    }

    #[tokio::test]
    async fn who_waits_is_told_when_everything_ends() {
        let (cache, feed) = feed();
        drop(feed);
        assert!(cache.caught_up().await.is_err());
    }
}
