//! The next step of a StatefulSet, as a pure function of what is there.
//!
//! Source: `pkg/controller/statefulset/stateful_set_control.go` (updateStatefulSet,
//! processReplica, processCondemned, updateStatefulSetAfterInvariantEstablished).

/// What is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The first ordinal.
    pub(super) start: i32,
    pub(super) replicas: i32,
    pub(super) management: Management,
    pub(super) update: Update,
    /// The revision that pods below the partition have.
    pub(super) current: String,
    /// The revision of the template as it is.
    pub(super) newest: String,
}

/// Whether pods come and go one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Management {
    /// Each waits until those before it are available.
    Ordered,
    /// None waits.
    Parallel,
}

/// What happens to pods of an older template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// They stay until somebody deletes them.
    OnDelete,
    /// They are replaced from the highest ordinal down to the partition, of which so many at
    /// most are unavailable.
    Rolling { partition: i32, max_unavailable: usize },
}

/// What counts in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) ordinal: i32,
    pub(super) revision: String,
    pub(super) state: State,
    pub(super) is_deleting: bool,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All of it has ended for good.
    Over,
    Unavailable,
    Available,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A pod is missing.
    Create { ordinal: i32, revision: String },
    /// A pod has ended and is to be made anew.
    Recreate(i32),
    /// A pod is one too many.
    ScaleDown(i32),
    /// A pod is of an older template.
    Replace(i32),
}

/// Whether what comes after a pod may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Wait,
}

/// The next steps. Where pods are managed in order, that is at most one.
pub(super) fn plan(wanted: &Wanted, pods: &[Seen]) -> Vec<Step> {
    let ordinals = wanted.start..wanted.start.saturating_add(wanted.replicas);
    let replica = |ordinal: i32| pods.iter().find(|pod| pod.ordinal == ordinal);
    let mut condemned: Vec<&Seen> = pods.iter().filter(|pod| !ordinals.contains(&pod.ordinal)).collect();
    condemned.sort_by_key(|pod| std::cmp::Reverse(pod.ordinal));
    let must_wait = |then: Then| then == Then::Wait && wanted.management == Management::Ordered;
    let mut steps = Vec::new();
    for ordinal in ordinals.clone() {
        let then = keep(wanted, (ordinal, replica(ordinal)), &mut steps);
        if must_wait(then) {
            return steps;
        }
    }
    let is_broken = |pod: &&Seen| pod.state != State::Available || pod.is_deleting;
    // One that does not work may go, though it is not the turn of the others.
    let first_broken =
        ordinals.clone().filter_map(replica).chain(condemned.iter().rev().copied()).find(is_broken);
    for pod in condemned {
        // One that is over comes never back; Kubernetes waits for it all the same, without end.
        let may_go = pod.state != State::Unavailable || first_broken == Some(pod);
        if !pod.is_deleting && (may_go || wanted.management == Management::Parallel) {
            steps.push(Step::ScaleDown(pod.ordinal));
        }
        if must_wait(Then::Wait) {
            return steps;
        }
    }
    replace(wanted, replica, &mut steps);
    steps
}

/// One ordinal that is to have a pod.
fn keep(wanted: &Wanted, (ordinal, pod): (i32, Option<&Seen>), steps: &mut Vec<Step>) -> Then {
    let Some(pod) = pod else {
        steps.push(Step::Create { ordinal, revision: revision_of_new(wanted, ordinal) });
        return Then::Wait;
    };
    if pod.state == State::Over && !pod.is_deleting {
        steps.push(Step::Recreate(ordinal));
    }
    if pod.state == State::Available && !pod.is_deleting { Then::GoOn } else { Then::Wait }
}

/// A pod that is made below the partition has the template of before (`newVersionedStatefulSetPod`).
fn revision_of_new(wanted: &Wanted, ordinal: i32) -> String {
    match wanted.update {
        Update::Rolling { partition, .. } if ordinal < wanted.start.saturating_add(partition) => {
            wanted.current.clone()
        }
        Update::Rolling { .. } | Update::OnDelete => wanted.newest.clone(),
    }
}

/// Takes old pods away, the highest first, as long as few enough are unavailable.
fn replace<'a>(wanted: &Wanted, replica: impl Fn(i32) -> Option<&'a Seen>, steps: &mut Vec<Step>) {
    let Update::Rolling { partition, max_unavailable } = wanted.update else { return };
    let all = wanted.start..wanted.start.saturating_add(wanted.replicas);
    let is_available = |pod: &Seen| pod.state == State::Available && !pod.is_deleting;
    // With room for one, an old pod that does not work is the one that is replaced; a broken one
    // of the new template is waited for.
    if max_unavailable <= 1 {
        for ordinal in all.skip(usize::try_from(partition).unwrap_or(0)).rev() {
            match replica(ordinal) {
                Some(pod) if pod.revision != wanted.newest && !pod.is_deleting => {
                    if pod.state != State::Over {
                        steps.push(Step::Replace(ordinal));
                    }
                    return;
                }
                Some(pod) if is_available(pod) => {}
                Some(_) | None => return,
            }
        }
        return;
    }
    let n_unavailable = all.clone().filter(|ordinal| !replica(*ordinal).is_some_and(is_available)).count();
    let is_old = |pod: &&Seen| pod.revision != wanted.newest && !pod.is_deleting && pod.state != State::Over;
    let old = all.skip(usize::try_from(partition).unwrap_or(0)).rev().filter_map(replica).filter(is_old);
    let room = max_unavailable.saturating_sub(n_unavailable);
    steps.extend(old.take(room).map(|pod| Step::Replace(pod.ordinal)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(replicas: i32) -> Wanted {
        Wanted {
            start: 0,
            replicas,
            management: Management::Ordered,
            update: Update::Rolling { partition: 0, max_unavailable: 1 },
            current: "old".to_owned(),
            newest: "new".to_owned(),
        }
    }

    /// `0 new available`, `1 old deleting`, `2 new over`, `3 new starting`.
    fn pods(text: &str) -> Vec<Seen> {
        let pod = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let [ordinal, revision, state] = words[..] else { panic!("three words: {text}") };
            Seen {
                ordinal: ordinal.parse().expect("a number"),
                revision: revision.to_owned(),
                state: match state {
                    "available" | "deleting" => State::Available,
                    "over" => State::Over,
                    _ => State::Unavailable,
                },
                is_deleting: state == "deleting",
            }
        };
        text.split(',').filter(|text| !text.trim().is_empty()).map(pod).collect()
    }

    fn create(ordinal: i32, revision: &str) -> Step {
        Step::Create { ordinal, revision: revision.to_owned() }
    }

    #[track_caller]
    fn check(wanted: &Wanted, there: &str, expected: &[Step]) {
        assert_eq!(plan(wanted, &pods(there)), expected, "{there}");
    }

    #[test]
    fn pods_come_one_after_the_other() {
        check(&wanted(2), "", &[create(0, "new")]);
        check(&wanted(2), "0 new starting", &[]);
        check(&wanted(2), "0 new deleting", &[]);
        check(&wanted(2), "0 new over", &[Step::Recreate(0)]);
        check(&wanted(2), "0 new available", &[create(1, "new")]);
        check(&wanted(2), "0 new available, 1 new available", &[]);
        check(&wanted(2), "1 new available", &[create(0, "new")]);
        let late = Wanted { start: 5, ..wanted(2) };
        check(&late, "5 new available", &[create(6, "new")]);
    }

    #[test]
    fn parallel_pods_come_and_go_at_once() {
        let all = Wanted { management: Management::Parallel, ..wanted(3) };
        check(&all, "1 new starting", &[create(0, "new"), create(2, "new")]);
        let few = Wanted { management: Management::Parallel, ..wanted(1) };
        check(
            &few,
            "0 new starting, 1 new starting, 2 new available",
            &[Step::ScaleDown(2), Step::ScaleDown(1)],
        );
    }

    #[test]
    fn the_highest_goes_first_and_one_at_a_time() {
        let three = "0 new available, 1 new available, 2 new available";
        check(&wanted(1), three, &[Step::ScaleDown(2)]);
        check(&wanted(1), "0 new available, 1 new available, 2 new deleting", &[]);
        check(&wanted(1), "0 new starting, 1 new available", &[]);
        check(&wanted(1), "0 new available, 1 new available, 2 new starting", &[Step::ScaleDown(2)]);
        check(&wanted(1), "0 new available, 1 new starting, 2 new starting", &[]);
        check(&Wanted { start: 2, ..wanted(1) }, three, &[Step::ScaleDown(1)]);
    }

    #[test]
    fn an_update_goes_from_the_highest_down_to_the_partition() {
        let old = "0 old available, 1 old available, 2 old available";
        check(&wanted(3), old, &[Step::Replace(2)]);
        check(&wanted(3), "0 old available, 1 old available, 2 new available", &[Step::Replace(1)]);
        let partitioned =
            Wanted { update: Update::Rolling { partition: 2, max_unavailable: 1 }, ..wanted(3) };
        check(&partitioned, "0 old available, 1 old available, 2 new available", &[]);
        check(&partitioned, "0 old available, 2 new available", &[create(1, "old")]);
        check(&partitioned, "0 old available, 1 old available", &[create(2, "new")]);
        check(&Wanted { update: Update::OnDelete, ..wanted(3) }, old, &[]);
    }

    #[test]
    fn with_room_for_more_an_update_replaces_more() {
        let two = Wanted { update: Update::Rolling { partition: 0, max_unavailable: 2 }, ..wanted(3) };
        let old = "0 old available, 1 old available, 2 old available";
        check(&two, old, &[Step::Replace(2), Step::Replace(1)]);
        let parallel = Wanted { management: Management::Parallel, ..two };
        check(&parallel, "0 old available, 1 old available, 2 new starting", &[Step::Replace(1)]);
    }

    proptest! {
        /// Whatever is there, it ends with exactly the wanted pods of the newest template.
        #[test]
        fn every_set_ends_as_wanted(
            there in proptest::collection::btree_map(0..6_i32, (any::<bool>(), 0..3_u8), 0..6),
            replicas in 0..5_i32,
            is_parallel in any::<bool>(),
            max_unavailable in 1..3_usize,
        ) {
            let management = if is_parallel { Management::Parallel } else { Management::Ordered };
            let update = Update::Rolling { partition: 0, max_unavailable };
            let wanted = Wanted { management, update, ..wanted(replicas) };
            let seen = |(ordinal, (is_new, state)): (i32, (bool, u8))| Seen {
                ordinal,
                revision: if is_new { "new" } else { "old" }.to_owned(),
                state: [State::Over, State::Unavailable, State::Available][usize::from(state)],
                is_deleting: false,
            };
            let mut pods: Vec<Seen> = there.into_iter().map(seen).collect();
            for _ in 0..40 {
                for step in plan(&wanted, &pods) {
                    match step {
                        Step::Create { ordinal, revision } => {
                            prop_assert!(pods.iter().all(|pod| pod.ordinal != ordinal));
                            pods.push(Seen { ordinal, revision, state: State::Unavailable, is_deleting: false });
                        }
                        Step::Recreate(ordinal) | Step::ScaleDown(ordinal) | Step::Replace(ordinal) => {
                            prop_assert!(pods.iter().any(|pod| pod.ordinal == ordinal));
                            pods.retain(|pod| pod.ordinal != ordinal);
                        }
                    }
                }
                // What starts becomes available before the next look.
                let is_starting = |pod: &&mut Seen| pod.state == State::Unavailable;
                pods.iter_mut().filter(is_starting).for_each(|pod| pod.state = State::Available);
            }
            let mut left: Vec<(i32, &str)> = pods.iter().map(|pod| (pod.ordinal, pod.revision.as_str())).collect();
            left.sort_unstable();
            let expected: Vec<(i32, &str)> = (0..replicas).map(|ordinal| (ordinal, "new")).collect();
            prop_assert_eq!(left, expected);
        }
    }
}
