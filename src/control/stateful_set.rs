//! StatefulSets: pods with lasting names, in their order.
//!
//! What to do next is decided in [`plan`], a pure function; here it is read, done and told.
//! Each step wakes the next one by the change that it makes.
//!
//! Source: `pkg/controller/statefulset` (stateful_set.go, stateful_set_control.go).

mod claims;
mod identity;
mod plan;
mod status;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use self::claims::Claims;
use self::plan::{Management, Seen, State, Step, Update, Wanted};
use self::status::Counted;
use crate::cache;
use crate::claim::{self, Claimant};
use crate::drive::{self, Queue, Reconcile};
use crate::events::{EventType, Events};
use crate::pods::{self, BURST, Pods};
use crate::revisions::{self, Revisions, Template};
use crate::run::{Context, Failure, unless_gone, with_nulls};

/// On a set's revisions: the hash of the template (`history.ControllerRevisionHashLabel`).
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// Runs the controller; it never ends by itself.
pub(crate) async fn run(ctx: Arc<Context>) {
    let (sets, set_news) = cache::watch::<StatefulSet>(Api::all(ctx.client.clone()));
    let (pods, pod_news) = pods::watch::<StatefulSet>(&ctx);
    let (revisions, revision_news) = revisions::watch::<StatefulSet>(&ctx);
    let claim_news =
        cache::metadata::<PersistentVolumeClaim>(Api::all(ctx.client.clone()), watcher::Config::default());
    let store = sets.store();
    let (of_pods, of_revisions, of_claims) = (store.clone(), store.clone(), store.clone());
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, set_news));
    queue.push(drive::wakes(&store, pod_news, move |pod| claim::owners(&of_pods, pod.meta(), claimant)));
    queue.push(drive::wakes(&store, revision_news, move |revision| {
        claim::owners(&of_revisions, revision.meta(), claimant)
    }));
    queue.push(drive::wakes(&store, claim_news, move |claim| sets_of_claim(&of_claims, claim.meta())));
    let controller = StatefulSets { client: ctx.client.clone(), events: ctx.events.clone(), pods, revisions };
    drive::drive(controller, store, queue).await;
}

struct StatefulSets {
    client: Client,
    events: Events,
    pods: Pods,
    revisions: Revisions,
}

/// One reconciliation: the set, what is wanted, and what is there.
struct Round<'a> {
    set: &'a StatefulSet,
    wanted: Wanted,
    /// Oldest first.
    revisions: Vec<Arc<ControllerRevision>>,
    /// Those whose name has an ordinal.
    pods: Vec<(Arc<Pod>, i32)>,
    n_collisions: i32,
}

/// The sets to which a claim belongs by its name.
fn sets_of_claim(
    sets: &Store<StatefulSet>,
    claim: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Vec<ObjectRef<StatefulSet>> {
    let name = claim.name.as_deref().unwrap_or_default();
    let owns = |set: &StatefulSet| set.namespace() == claim.namespace && identity::is_claim_of(set, name);
    sets.state_filter(owns).iter().map(|set| ObjectRef::from_obj(&**set)).collect()
}

fn claimant(set: &StatefulSet) -> Result<Claimant, Failure> {
    let spec = set.spec.as_ref().ok_or_else(|| Failure::plain("the stateful set has no spec"))?;
    Claimant::new(set.meta(), &spec.selector)
}

fn wanted(set: &StatefulSet, current: &str, newest: &str) -> Wanted {
    let spec = set.spec.clone().unwrap_or_default();
    let replicas = spec.replicas.unwrap_or(1);
    let strategy = spec.update_strategy.unwrap_or_default();
    let rolling = strategy.rolling_update.unwrap_or_default();
    let is_parallel = spec.pod_management_policy.as_deref() == Some("Parallel");
    Wanted {
        start: spec.ordinals.and_then(|ordinals| ordinals.start).unwrap_or(0),
        replicas,
        management: if is_parallel { Management::Parallel } else { Management::Ordered },
        update: match strategy.type_.as_deref() {
            Some("OnDelete") => Update::OnDelete,
            _ => Update::Rolling {
                partition: rolling.partition.unwrap_or(0),
                max_unavailable: max_unavailable(rolling.max_unavailable.as_ref(), replicas),
            },
        },
        current: current.to_owned(),
        newest: newest.to_owned(),
    }
}

/// At least one; percentages round down (`getStatefulSetMaxUnavailable`).
fn max_unavailable(given: Option<&IntOrString>, replicas: i32) -> usize {
    let count = match given {
        None => 1,
        Some(IntOrString::Int(count)) => i64::from(*count),
        Some(IntOrString::String(text)) => {
            let percent: i64 = text.strip_suffix('%').and_then(|text| text.parse().ok()).unwrap_or(0);
            i64::from(replicas) * percent / 100
        }
    };
    usize::try_from(count).unwrap_or(0).max(1)
}

fn min_ready(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
}

fn revision_of(pod: &Pod) -> &str {
    pod.labels().get(revisions::HASH).map_or("", String::as_str)
}

// === impl StatefulSets ===

impl Reconcile<StatefulSet> for StatefulSets {
    fn reconcile<'a>(&'a self, set: &'a StatefulSet) -> BoxFuture<'a, Result<Action, Failure>> {
        self.reconcile_stateful_set(set).boxed()
    }
}

impl StatefulSets {
    async fn reconcile_stateful_set(&self, set: &StatefulSet) -> Result<Action, Failure> {
        self.pods.caught_up().await?;
        self.revisions.caught_up().await?;
        let round = self.read(set).await?;
        let now = Timestamp::now();
        let counted: Vec<Counted> = round.pods.iter().map(|pod| counted(pod, min_ready(set), now)).collect();
        let done = match set.meta().deletion_timestamp {
            None => self.act(&round, &counted).await,
            Some(_) => Ok(()),
        };
        // What went wrong does not keep the status from being told.
        self.write_status(&round, &counted).await?;
        done?;
        self.forget(&round).await?;
        let due = round.pods.iter().filter_map(|(pod, _)| pods::available_at(pod, min_ready(set)));
        let next = due.filter(|due| *due > now).min();
        Ok(next.map_or_else(Action::await_change, |due| {
            Action::requeue(Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO))
        }))
    }

    async fn read<'a>(&self, set: &'a StatefulSet) -> Result<Round<'a>, Failure> {
        let (claimant, name) = (claimant(set)?, set.name_any());
        let is_member = |pod: &Pod| identity::ordinal(&name, &pod.name_any()).is_some();
        let pods = self.pods.of(set, &claimant, is_member).await?;
        let pods = pods.into_iter().filter_map(|pod| {
            let ordinal = identity::ordinal(&name, &pod.name_any())?;
            Some((pod, ordinal))
        });
        let mut revisions = self.revisions.of(set, &claimant).await?;
        let template =
            &set.spec.as_ref().ok_or_else(|| Failure::plain("the stateful set has no spec"))?.template;
        let n_collisions = set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
        let template = Template { template, hash_label: HASH_LABEL, n_collisions };
        let newest = self.revisions.ensure_newest(set, template, &mut revisions).await?;
        let current = set.status.as_ref().and_then(|status| status.current_revision.clone());
        let current = current.filter(|current| revisions.iter().any(|known| known.name_any() == *current));
        let newest_name = newest.revision.name_any();
        let wanted = wanted(set, current.as_ref().unwrap_or(&newest_name), &newest_name);
        Ok(Round { set, wanted, revisions, pods: pods.collect(), n_collisions: newest.n_collisions })
    }

    async fn act(&self, round: &Round<'_>, counted: &[Counted]) -> Result<(), Failure> {
        self.keep_identities(round).await?;
        let seen: Vec<Seen> = counted.iter().map(|pod| pod.seen.clone()).collect();
        let mut steps = plan::plan(&round.wanted, &seen);
        steps.truncate(BURST);
        let outcomes = join_all(steps.iter().map(|step| self.step(round, step))).await;
        outcomes.into_iter().collect()
    }

    /// Pods that were taken over may lack labels, and claims may have had another policy or
    /// have been deleted before they were used.
    async fn keep_identities(&self, round: &Round<'_>) -> Result<(), Failure> {
        let set = round.set;
        let last = round.wanted.start.saturating_add(round.wanted.replicas);
        let staying = round
            .pods
            .iter()
            .filter(|(pod, ordinal)| !pods::is_deleting(pod) && (round.wanted.start..last).contains(ordinal));
        for (pod, ordinal) in staying {
            let lacking = identity::lacking_labels(pod, *ordinal);
            if !lacking.is_empty() {
                self.pods.patch(pod, json!({"metadata": {"labels": lacking}})).await?;
            }
            if pods::phase(pod) == "Pending" {
                claims::ensure((&self.client, &self.events), set, *ordinal).await?;
            }
            claims::settle(&self.client, set, (pod, *ordinal), false).await?;
        }
        Ok(())
    }

    async fn step(&self, round: &Round<'_>, step: &Step) -> Result<(), Failure> {
        let set = round.set;
        let pod = |ordinal: i32| round.pods.iter().find(|(_, of_pod)| *of_pod == ordinal).map(|(pod, _)| pod);
        match step {
            Step::Create { ordinal, revision } => self.create(round, *ordinal, revision).await,
            Step::Recreate(ordinal) => {
                let Some(pod) = pod(*ordinal) else { return Ok(()) };
                let (word, reason, type_) = match pods::phase(pod) {
                    "Failed" => ("failed", "RecreatingFailedPod", EventType::Warning),
                    _ => ("terminated", "RecreatingTerminatedPod", EventType::Normal),
                };
                let (namespace, name) = (set.namespace().unwrap_or_default(), set.name_any());
                let message =
                    format!("StatefulSet {namespace}/{name} is recreating {word} Pod {}", pod.name_any());
                self.pods.tell(set, type_, reason, &message).await;
                self.delete(set, pod).await
            }
            Step::ScaleDown(ordinal) => {
                let Some(pod) = pod(*ordinal) else { return Ok(()) };
                claims::settle(&self.client, set, (pod, *ordinal), true).await?;
                self.delete(set, pod).await
            }
            Step::Replace(ordinal) => match pod(*ordinal) {
                Some(pod) => self.delete(set, pod).await,
                None => Ok(()),
            },
        }
    }

    async fn create(&self, round: &Round<'_>, ordinal: i32, revision: &str) -> Result<(), Failure> {
        let set = round.set;
        if claims::ensure((&self.client, &self.events), set, ordinal).await? == Claims::Leaving {
            // It wakes the set when it is gone.
            return Ok(());
        }
        let of = round.revisions.iter().find(|known| known.name_any() == revision);
        let of = of.ok_or_else(|| Failure::Plain(format!("revision `{revision}` is gone")))?;
        let pod = identity::pod(set, &revisions::template(of)?, (ordinal, revision));
        let created = self.pods.create_silently(&pod).await.map(drop);
        self.tell_pod(set, &pod, "create", created.as_ref().err()).await;
        Ok(created?)
    }

    async fn delete(&self, set: &StatefulSet, pod: &Pod) -> Result<(), Failure> {
        let deleted = self.pods.delete_silently(pod).await;
        if !matches!(deleted, Ok(None)) {
            self.tell_pod(set, pod, "delete", deleted.as_ref().err()).await;
        }
        Ok(deleted.map(drop)?)
    }

    async fn tell_pod(&self, set: &StatefulSet, pod: &Pod, verb: &str, error: Option<&kube::Error>) {
        let what = format!("{verb} Pod {} in StatefulSet {}", pod.name_any(), set.name_any());
        let reason = match (verb, error) {
            ("create", None) => "SuccessfulCreate",
            ("create", Some(_)) => "FailedCreate",
            (_, None) => "SuccessfulDelete",
            (_, Some(_)) => "FailedDelete",
        };
        match error {
            None => self.pods.tell(set, EventType::Normal, reason, &format!("{what} successful")).await,
            Some(error) => {
                let message = format!("{what} failed error: {error}");
                self.pods.tell(set, EventType::Warning, reason, &message).await;
            }
        }
    }

    async fn write_status(&self, round: &Round<'_>, counted: &[Counted]) -> Result<(), Failure> {
        let set = round.set;
        let status = status::of(set, &round.wanted, counted, round.n_collisions);
        if set.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let api: Api<StatefulSet> =
            Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let status = with_nulls(set.status.as_ref(), &status)?;
        let patch = Patch::Merge(json!({"metadata": {"uid": set.uid()}, "status": status}));
        unless_gone(api.patch_status(&set.name_any(), &PatchParams::default(), &patch).await)
    }

    /// Deletes revisions that no pod has and no undo reaches.
    async fn forget(&self, round: &Round<'_>) -> Result<(), Failure> {
        let is_live = |revision: &ControllerRevision| {
            let name = revision.name_any();
            [&round.wanted.current, &round.wanted.newest].contains(&&name)
                || round.pods.iter().any(|(pod, _)| revision_of(pod) == name)
        };
        let limit = round.set.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        self.revisions.delete(&revisions::beyond(&round.revisions, limit, is_live)).await
    }
}

fn counted((pod, ordinal): &(Arc<Pod>, i32), min_ready_seconds: i32, now: Timestamp) -> Counted {
    let is_running = pods::phase(pod) == "Running";
    let available_at = pods::available_at(pod, min_ready_seconds).filter(|_| is_running);
    let state = match available_at {
        _ if pods::is_over(pod) => State::Over,
        Some(due) if due <= now => State::Available,
        Some(_) | None => State::Unavailable,
    };
    let seen = Seen {
        ordinal: *ordinal,
        revision: revision_of(pod).to_owned(),
        state,
        is_deleting: pods::is_deleting(pod),
    };
    Counted { seen, is_ready: available_at.is_some() }
}
