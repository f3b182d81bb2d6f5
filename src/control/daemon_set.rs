//! DaemonSets: one pod on every node, of which there is one.
//!
//! What to do next is decided in [`plan`], a pure function; here it is read, done and told.
//!
//! Source: `pkg/controller/daemon` (daemon_controller.go, update.go).

mod node;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::node::Runs;
use self::plan::{Seen, State, Update};
use crate::cache;
use crate::claim::{self, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::events::EventType;
use crate::pods::{self, Pods};
use crate::revisions::{self, Revisions, Template};
use crate::run::{Context, Failure, unless_gone, with_nulls};

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (sets, set_news) = cache::watch::<DaemonSet>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = pods::watch::<DaemonSet>(&ctx);
    let (revisions, revision_news) = revisions::watch::<DaemonSet>(&ctx);
    let (nodes, node_news) = cache::watch::<Node>(Api::all(ctx.client.clone()));
    let store = sets.store();
    let (of_pods, of_revisions, all) = (store.clone(), store.clone(), store.clone());
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, set_news));
    queue.push(drive::wakes(&store, pod_news, move |pod| claim::owners(&of_pods, pod.meta(), claimant)));
    queue.push(drive::wakes(&store, revision_news, move |revision| {
        claim::owners(&of_revisions, revision.meta(), claimant)
    }));
    queue.push(drive::wakes(&store, node_news, move |_: &Node| {
        all.state().iter().map(|set| ObjectRef::from_obj(&**set)).collect()
    }));
    let controller = DaemonSets { client: ctx.client.clone(), pods, revisions, nodes: nodes.store() };
    drive::drive(controller, store, queue).await;
}

struct DaemonSets {
    client: Client,
    pods: Pods,
    revisions: Revisions,
    nodes: Store<Node>,
}

/// One reconciliation: the set and what is there.
struct Round<'a> {
    set: &'a DaemonSet,
    spec: &'a DaemonSetSpec,
    runs: Runs,
    /// The hash of the template as it is.
    hash: String,
    n_collisions: i32,
    /// Oldest first.
    revisions: Vec<Arc<ControllerRevision>>,
    /// Oldest first.
    pods: Vec<Arc<Pod>>,
}

fn spec(set: &DaemonSet) -> Result<&DaemonSetSpec, Failure> {
    set.spec.as_ref().ok_or_else(|| Failure::plain("the daemon set has no spec"))
}

fn claimant(set: &DaemonSet) -> Result<Claimant, Failure> {
    Claimant::new(set.meta(), &spec(set)?.selector)
}

fn hash_of(pod: &Pod) -> &str {
    pod.labels().get(revisions::HASH).map_or("", String::as_str)
}

/// How old pods are replaced. Of one pod every percentage above 0 is one: both bounds round up.
fn update(spec: &DaemonSetSpec) -> Update {
    let strategy = spec.update_strategy.clone().unwrap_or_default();
    if strategy.type_.as_deref() == Some("OnDelete") {
        return Update::OnDelete;
    }
    let rolling = strategy.rolling_update.unwrap_or_default();
    let is_some = |amount: Option<&IntOrString>, absent: bool| match amount {
        None => absent,
        Some(IntOrString::Int(count)) => *count > 0,
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().is_ok_and(|n: i32| n > 0),
    };
    if is_some(rolling.max_surge.as_ref(), false) {
        return Update::NewFirst;
    }
    Update::OldFirst { has_room: is_some(rolling.max_unavailable.as_ref(), true) }
}

fn seen(pod: &Pod, hash: &str, (min_ready, now): (i32, Timestamp)) -> Seen {
    let state = match (pods::phase(pod), pods::available_at(pod, min_ready)) {
        ("Failed", _) => State::Failed,
        ("Succeeded", _) => State::Succeeded,
        (_, Some(due)) if due <= now => State::Available,
        (_, Some(_)) => State::Ready,
        (_, None) => State::Starting,
    };
    let (is_new, is_deleting) = (hash_of(pod) == hash, pods::is_deleting(pod));
    Seen { name: pod.name_any(), is_new, is_deleting, state }
}

/// The numbers of a set with these pods, oldest first (`updateDaemonSetStatus`).
fn status(round: &Round<'_>, seen: &[Seen]) -> DaemonSetStatus {
    let first = seen.first();
    let (is_wanted, is_there) = (round.runs == Runs::Yes, first.is_some());
    let is = |holds: bool| i32::from(is_wanted && holds);
    let has = |states: &[State]| is(first.is_some_and(|pod| states.contains(&pod.state)));
    let (ready, available) = (has(&[State::Ready, State::Available]), has(&[State::Available]));
    let old = round.set.status.as_ref();
    DaemonSetStatus {
        desired_number_scheduled: i32::from(is_wanted),
        current_number_scheduled: is(is_there),
        number_misscheduled: i32::from(!is_wanted && is_there && round.runs == Runs::No),
        number_ready: ready,
        number_available: some(available),
        number_unavailable: some(i32::from(is_wanted) - available),
        updated_number_scheduled: some(is(first.is_some_and(|pod| pod.is_new))),
        observed_generation: round.set.metadata.generation,
        collision_count: some(round.n_collisions),
        conditions: old.and_then(|old| old.conditions.clone()),
    }
}

fn some(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

// === impl DaemonSets ===

impl Reconcile<DaemonSet> for DaemonSets {
    fn reconcile<'a>(&'a self, set: &'a DaemonSet) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_daemon_set(set).boxed()
    }
}

impl DaemonSets {
    async fn reconcile_daemon_set(&self, set: &DaemonSet) -> Result<Action, Failure> {
        self.pods.caught_up().await?;
        self.revisions.caught_up().await?;
        let Some(node) = self.nodes.state().into_iter().next() else {
            // It wakes all sets when it is there.
            return Ok(Action::await_change());
        };
        let (round, now) = (self.read(set, &node).await?, Timestamp::now());
        let min_ready = round.spec.min_ready_seconds.unwrap_or(0);
        let seen: Vec<Seen> = round.pods.iter().map(|pod| seen(pod, &round.hash, (min_ready, now))).collect();
        let done = match set.meta().deletion_timestamp {
            None => self.act(&round, &seen, &node).await,
            Some(_) => Ok(()),
        };
        self.write_status(&round, &seen).await?;
        done?;
        self.forget(&round).await?;
        let due = round.pods.iter().filter_map(|pod| pods::available_at(pod, min_ready));
        let next = due.filter(|due| *due > now).min();
        Ok(next.map_or_else(Action::await_change, |due| {
            Action::requeue(Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO))
        }))
    }

    async fn read<'a>(&self, set: &'a DaemonSet, node: &Node) -> Result<Round<'a>, Failure> {
        let (claimant, spec) = (claimant(set)?, spec(set)?);
        let mut pods = self.pods.of(set, &claimant, |_| true).await?;
        pods.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.name_any()));
        let mut revisions = self.revisions.of(set, &claimant).await?;
        let n_collisions = set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
        let template = Template { template: &spec.template, hash_label: revisions::HASH, n_collisions };
        let newest = self.revisions.ensure_newest(set, template, &mut revisions).await?;
        let hash = newest.revision.labels().get(revisions::HASH).cloned().unwrap_or_default();
        let runs = node::runs(&spec.template.spec.clone().unwrap_or_default(), node);
        Ok(Round { set, spec, runs, hash, n_collisions: newest.n_collisions, revisions, pods })
    }

    async fn act(&self, round: &Round<'_>, seen: &[Seen], node: &Node) -> Result<(), Failure> {
        let plan = plan::plan(round.runs, update(round.spec), seen);
        let doomed = round.pods.iter().filter(|pod| plan.deletions.contains(&pod.name_any()));
        let deleted = doomed.map(async |pod| {
            self.tell_over(round.set, pod, node).await;
            self.pods.delete(round.set, pod).await
        });
        join_all(deleted).await.into_iter().collect::<Result<Vec<bool>, kube::Error>>()?;
        if plan.creates_one {
            self.pods.create(round.set, &pod(round, node)).await?;
        }
        Ok(())
    }

    async fn tell_over(&self, set: &DaemonSet, pod: &Pod, node: &Node) {
        let (type_, reason, word, verb) = match pods::phase(pod) {
            "Failed" => (EventType::Warning, "FailedDaemonPod", "failed", "kill"),
            "Succeeded" => (EventType::Normal, "SucceededDaemonPod", "succeeded", "delete"),
            _ => return,
        };
        let place = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        let node = node.name_any();
        let message = format!("Found {word} daemon pod {place} on node {node}, will try to {verb} it");
        self.pods.tell(set, type_, reason, &message).await;
    }

    async fn write_status(&self, round: &Round<'_>, seen: &[Seen]) -> Result<(), Failure> {
        let (set, status) = (round.set, status(round, seen));
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<DaemonSet> = Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let status = with_nulls(set.status.as_ref(), &status)?;
        let patch = Patch::Merge(json!({"metadata": {"uid": set.uid()}, "status": status}));
        unless_gone(api.patch_status(&set.name_any(), &PatchParams::default(), &patch).await)
    }

    /// Deletes revisions that no pod has and no undo reaches.
    async fn forget(&self, round: &Round<'_>) -> Result<(), Failure> {
        let is_live = |revision: &ControllerRevision| {
            let hash = revision.labels().get(revisions::HASH).map_or("", String::as_str);
            hash == round.hash || round.pods.iter().any(|pod| hash_of(pod) == hash)
        };
        let limit = round.spec.revision_history_limit;
        self.revisions.delete(&revisions::beyond(&round.revisions, limit, is_live)).await
    }
}

/// A pod of the template as it is, on the node.
fn pod(round: &Round<'_>, node: &Node) -> Pod {
    let mut pod = pods::of_template(round.set, &round.spec.template);
    pod.metadata.labels.get_or_insert_default().insert(revisions::HASH.to_owned(), round.hash.clone());
    let spec = pod.spec.get_or_insert_default();
    spec.node_name = Some(node.name_any());
    let tolerations = node::tolerations(spec);
    let given = spec.tolerations.get_or_insert_default();
    given
        .extend(tolerations.into_iter().filter(|toleration| !given.contains(toleration)).collect::<Vec<_>>());
    pod
}
