//! A StatefulSet's status as a pure function of its pods.
//!
//! Source: `pkg/controller/statefulset/stateful_set_control.go` (updateStatus) and
//! `stateful_set_utils.go` (completeRollingUpdate).

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};

use super::plan::{Seen, State, Update, Wanted};

/// What a pod adds to the counts.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) seen: Seen,
    pub(super) is_ready: bool,
}

/// The status of a set with these pods.
pub(super) fn of(
    set: &StatefulSet,
    wanted: &Wanted,
    pods: &[Counted],
    n_collisions: i32,
) -> StatefulSetStatus {
    let count = |holds: &dyn Fn(&Counted) -> bool| {
        let n_pods = pods.iter().filter(|pod| holds(pod)).count();
        i32::try_from(n_pods).unwrap_or(i32::MAX)
    };
    let staying_at =
        |revision: &String| count(&|pod| !pod.seen.is_deleting && pod.seen.revision == *revision);
    let (replicas, ready) = (count(&|_| true), count(&|pod| pod.is_ready));
    let updated = staying_at(&wanted.newest);
    let mut status = StatefulSetStatus {
        replicas,
        ready_replicas: some(ready),
        available_replicas: Some(count(&|pod| pod.is_ready && pod.seen.state == State::Available)),
        current_replicas: some(staying_at(&wanted.current)),
        updated_replicas: some(updated),
        current_revision: Some(wanted.current.clone()),
        update_revision: Some(wanted.newest.clone()),
        collision_count: Some(n_collisions),
        observed_generation: set.metadata.generation,
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    };
    let is_rolled_out = [replicas, ready, updated].iter().all(|count| *count == wanted.replicas);
    if matches!(wanted.update, Update::Rolling { .. }) && is_rolled_out {
        status.current_revision.clone_from(&status.update_revision);
        status.current_replicas = status.updated_replicas;
    }
    status
}

fn some(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Management;
    use super::*;

    fn pod(ordinal: i32, revision: &str, is_ready: bool) -> Counted {
        let state = if is_ready { State::Available } else { State::Unavailable };
        Counted { seen: Seen { ordinal, revision: revision.to_owned(), state, is_deleting: false }, is_ready }
    }

    fn counts(update: Update, pods: &[Counted]) -> (String, [i32; 5]) {
        let wanted = Wanted {
            start: 0,
            replicas: 2,
            management: Management::Ordered,
            update,
            current: "old".to_owned(),
            newest: "new".to_owned(),
        };
        let status = of(&StatefulSet::default(), &wanted, pods, 0);
        let number = |count: Option<i32>| count.unwrap_or(0);
        let counts = [
            status.replicas,
            number(status.ready_replicas),
            number(status.available_replicas),
            number(status.current_replicas),
            number(status.updated_replicas),
        ];
        (status.current_revision.expect("it is always there"), counts)
    }

    #[test]
    fn the_newest_revision_becomes_the_current_one_once_it_is_all_there_is() {
        let rolling = Update::Rolling { partition: 0, max_unavailable: 1 };
        let check = |update: Update, pods: &[Counted], current: &str, expected: [i32; 5]| {
            assert_eq!(counts(update, pods), (current.to_owned(), expected), "{pods:?}");
        };
        check(rolling, &[pod(0, "old", true), pod(1, "new", false)], "old", [2, 1, 1, 1, 1]);
        check(rolling, &[pod(0, "new", true), pod(1, "new", false)], "old", [2, 1, 1, 0, 2]);
        check(rolling, &[pod(0, "new", true), pod(1, "new", true)], "new", [2, 2, 2, 2, 2]);
        check(Update::OnDelete, &[pod(0, "new", true), pod(1, "new", true)], "old", [2, 2, 2, 0, 2]);
        let mut leaving = pod(1, "new", true);
        leaving.seen.is_deleting = true;
        check(rolling, &[pod(0, "new", true), leaving], "old", [2, 2, 2, 0, 1]);
    }
}
