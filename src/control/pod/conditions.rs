//! A pod's conditions, from its phase and its containers.
//!
//! Source: `pkg/kubelet/status/generate.go`.

use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::phase::Phase;

/// The conditions that this worker keeps; others in the list are somebody else's.
const OURS: [&str; 4] = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// What the conditions are made from.
pub(super) struct Seen<'a> {
    pub(super) phase: Phase,
    /// Whether the pod is being deleted: then nothing of it is ready.
    pub(super) is_ending: bool,
    pub(super) statuses: &'a [ContainerStatus],
    /// Condition types that `spec.readinessGates` wants.
    pub(super) gates: &'a [&'a str],
    /// The init containers that have not done their part yet.
    pub(super) incomplete: &'a [&'a str],
}

/// The pod's conditions at `now`: ours made anew, with the time of the last change
/// kept where nothing changed, and everybody else's as they are in `before`.
pub(super) fn conditions(seen: &Seen<'_>, before: &[PodCondition], now: &Time) -> Vec<PodCondition> {
    let containers_ready = containers_ready(seen);
    let mut ours = [
        initialized(seen),
        ready(seen, &containers_ready, before),
        containers_ready,
        condition("PodScheduled", true, None),
    ];
    for condition in &mut ours {
        let known = before.iter().find(|known| known.type_ == condition.type_);
        let unchanged = known.filter(|known| known.status == condition.status);
        let since = unchanged.and_then(|known| known.last_transition_time.clone());
        condition.last_transition_time = Some(since.unwrap_or_else(|| now.clone()));
    }
    let theirs = before.iter().filter(|condition| !is_ours(&condition.type_));
    ours.into_iter().chain(theirs.cloned()).collect()
}

/// Whether a condition is kept by this worker.
pub(super) fn is_ours(type_: &str) -> bool {
    OURS.contains(&type_)
}

fn initialized(seen: &Seen<'_>) -> PodCondition {
    if !seen.incomplete.is_empty() {
        let names = seen.incomplete.join(" ");
        let message = format!("containers with incomplete status: [{names}]");
        return condition("Initialized", false, Some(("ContainersNotInitialized", message)));
    }
    let reason = (seen.phase == Phase::Succeeded).then(|| ("PodCompleted", String::new()));
    condition("Initialized", true, reason)
}

fn containers_ready(seen: &Seen<'_>) -> PodCondition {
    let type_ = "ContainersReady";
    match seen.phase {
        Phase::Succeeded => return condition(type_, false, Some(("PodCompleted", String::new()))),
        Phase::Failed => return condition(type_, false, Some(("PodFailed", String::new()))),
        Phase::Pending | Phase::Running => {}
    }
    let unready: Vec<&str> = seen
        .statuses
        .iter()
        .filter(|status| !status.ready || seen.is_ending)
        .map(|status| status.name.as_str())
        .collect();
    if unready.is_empty() {
        return condition(type_, true, None);
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    condition(type_, false, Some(("ContainersNotReady", message)))
}

/// `Ready` is `ContainersReady` and every gate.
fn ready(seen: &Seen<'_>, containers_ready: &PodCondition, before: &[PodCondition]) -> PodCondition {
    if containers_ready.status != "True" {
        return PodCondition { type_: "Ready".to_owned(), ..containers_ready.clone() };
    }
    let faults: Vec<String> = seen
        .gates
        .iter()
        .filter_map(|gate| match before.iter().find(|condition| condition.type_ == *gate) {
            None => Some(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
            Some(condition) if condition.status != "True" => Some(format!(
                "the status of pod readiness gate \"{gate}\" is not \"True\", but {}",
                condition.status
            )),
            Some(_) => None,
        })
        .collect();
    if faults.is_empty() {
        return condition("Ready", true, None);
    }
    condition("Ready", false, Some(("ReadinessGatesNotReady", faults.join(", "))))
}

fn condition(type_: &str, holds: bool, why: Option<(&str, String)>) -> PodCondition {
    let (reason, message) = why.unzip();
    PodCondition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.map(str::to_owned),
        message: message.filter(|message| !message.is_empty()),
        ..PodCondition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    fn statuses(ready: &[(&str, bool)]) -> Vec<ContainerStatus> {
        let status = |(name, ready): &(&str, bool)| ContainerStatus {
            name: (*name).to_owned(),
            ready: *ready,
            ..ContainerStatus::default()
        };
        ready.iter().map(status).collect()
    }

    fn seen(phase: Phase, statuses: &[ContainerStatus]) -> Seen<'_> {
        Seen { phase, is_ending: false, statuses, gates: &[], incomplete: &[] }
    }

    /// `Type=Status Reason: message` of each.
    fn shown(conditions: &[PodCondition]) -> Vec<String> {
        let text = |condition: &PodCondition| {
            let reason = condition.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
            let message = condition.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{}={}{reason}{message}", condition.type_, condition.status)
        };
        conditions.iter().map(text).collect()
    }

    fn check(seen: &Seen<'_>, wanted: [&str; 4]) {
        assert_eq!(shown(&conditions(seen, &[], &time(0))), wanted);
    }

    #[test]
    fn conditions_follow_phase_and_containers() {
        let both = statuses(&[("a", true), ("b", true)]);
        check(
            &seen(Phase::Running, &both),
            ["Initialized=True", "Ready=True", "ContainersReady=True", "PodScheduled=True"],
        );
        let none = statuses(&[("a", false), ("b", false), ("c", true)]);
        let unready = "ContainersNotReady: containers with unready status: [a b]";
        let ready = format!("Ready=False {unready}");
        let containers = format!("ContainersReady=False {unready}");
        check(&seen(Phase::Pending, &none), ["Initialized=True", &ready, &containers, "PodScheduled=True"]);
        check(
            &seen(Phase::Succeeded, &none),
            [
                "Initialized=True PodCompleted",
                "Ready=False PodCompleted",
                "ContainersReady=False PodCompleted",
                "PodScheduled=True",
            ],
        );
        check(
            &seen(Phase::Failed, &none),
            [
                "Initialized=True",
                "Ready=False PodFailed",
                "ContainersReady=False PodFailed",
                "PodScheduled=True",
            ],
        );
        let ending = Seen { is_ending: true, ..seen(Phase::Running, &both) };
        check(&ending, ["Initialized=True", &ready, &containers, "PodScheduled=True"]);
    }

    #[test]
    fn a_pod_is_initialized_when_its_init_containers_are_done() {
        let statuses = statuses(&[("a", false)]);
        let pending = Seen { incomplete: &["i", "j"], ..seen(Phase::Pending, &statuses) };
        let found = shown(&conditions(&pending, &[], &time(0)));
        assert_eq!(
            found[0],
            "Initialized=False ContainersNotInitialized: containers with incomplete status: [i j]"
        );
    }

    #[test]
    fn a_gate_keeps_a_pod_from_being_ready_and_its_condition_stays() {
        let statuses = statuses(&[("a", true)]);
        let gated = Seen { gates: &["shop/warm"], ..seen(Phase::Running, &statuses) };
        let found = shown(&conditions(&gated, &[], &time(0)));
        assert_eq!(
            found[1],
            "Ready=False ReadinessGatesNotReady: corresponding condition of pod readiness gate \"shop/warm\" does not exist."
        );
        let mut theirs = condition("shop/warm", false, None);
        let found = shown(&conditions(&gated, std::slice::from_ref(&theirs), &time(0)));
        assert_eq!(found[4], "shop/warm=False");
        assert!(found[1].ends_with("is not \"True\", but False"), "{}", found[1]);
        "True".clone_into(&mut theirs.status);
        assert_eq!(shown(&conditions(&gated, &[theirs], &time(0)))[1], "Ready=True");
    }

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let unready = statuses(&[("a", false)]);
        let first = conditions(&seen(Phase::Pending, &unready), &[], &time(1));
        let second = conditions(&seen(Phase::Running, &unready), &first, &time(2));
        assert_eq!(second[1].last_transition_time, Some(time(1)), "not ready before and after");
        let ready = statuses(&[("a", true)]);
        let third = conditions(&seen(Phase::Running, &ready), &second, &time(3));
        assert_eq!(third[1].last_transition_time, Some(time(3)));
        assert_eq!(third[3].last_transition_time, Some(time(1)));
    }
}
