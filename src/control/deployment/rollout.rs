//! The next step of a rollout, as a pure function of what is there.
//!
//! Source: `pkg/controller/deployment/rolling.go` and `util/deployment_util.go`
//! (NewRSNewReplicas, ResolveFenceposts, reconcileOldReplicaSets).

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use spur_api::labels;

use super::current;

/// On a set with pods: how many the Deployment wanted when it was last scaled
/// (`DesiredReplicasAnnotation`), by which a change of `replicas` in a rollout shows.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same and the surge (`MaxReplicasAnnotation`).
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) scales: Vec<Scale>,
    /// Old ReplicaSets to delete, by name.
    pub(super) deletions: Vec<String>,
}

/// A ReplicaSet to scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) name: String,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What counts in a ReplicaSet. Wider than the counts of the API, so that no sum overflows.
#[derive(Clone, Debug)]
struct Set {
    name: String,
    is_current: bool,
    wanted: i64,
    /// What the Deployment wanted when the set was last scaled.
    desired: Option<i64>,
    /// Pods that are there and not being deleted, as the set last said.
    actual: i64,
    /// Pods that are being deleted and have not ended, likewise.
    terminating: i64,
    available: i64,
}

/// Bounds of a rolling update in pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fenceposts {
    surge: i64,
    unavailable: i64,
}

/// The rollout's number that a ReplicaSet carries; 0 where it has none.
pub(super) fn revision(set: &ReplicaSet) -> i64 {
    set.annotations().get(labels::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// How many pods may be unavailable during a rolling update.
pub(super) fn max_unavailable(deployment: &Deployment) -> i64 {
    deployment.spec.as_ref().map_or(0, |spec| Fenceposts::of(spec).unavailable)
}

/// The next step, given the ReplicaSets oldest first.
pub(super) fn plan(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> Plan {
    let Some(spec) = &deployment.spec else { return Plan::default() };
    let sets = sets(deployment, owned);
    let scales = step(spec, &sets);
    let limit = usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let deletions = if scales.is_empty() { history_beyond(limit, &sets) } else { Vec::new() };
    Plan { scales, deletions }
}

/// How many pods a new ReplicaSet of the current template may have at once.
pub(super) fn first_replicas(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> i64 {
    let Some(spec) = &deployment.spec else { return 0 };
    let mut sets = sets(deployment, owned);
    sets.push(Set {
        name: String::new(),
        is_current: true,
        wanted: 0,
        desired: None,
        actual: 0,
        terminating: 0,
        available: 0,
    });
    step(spec, &sets).into_iter().find(|scale| scale.name.is_empty()).map_or(0, |scale| scale.to)
}

/// What a set that is scaled now says of the Deployment's size.
pub(super) fn size(spec: &DeploymentSpec) -> [(&'static str, String); 2] {
    let wanted = i64::from(spec.replicas.unwrap_or(1));
    let max = if is_recreate(spec) { wanted } else { wanted + Fenceposts::of(spec).surge };
    [(DESIRED, wanted.to_string()), (MAX, max.to_string())]
}

/// Where `replicas` has changed, the sets with pods follow in proportion before the rollout goes
/// on: so a version that does not work gets no more than its share (`isScalingEvent`, scale).
/// A set that keeps its size is listed all the same, since it is to say the new one.
pub(super) fn scale_resized(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> Option<Vec<Scale>> {
    let spec = deployment.spec.as_ref()?;
    let sets = sets(deployment, owned);
    let active: Vec<&Set> = sets.iter().filter(|set| set.wanted > 0).collect();
    resized(&active, i64::from(spec.replicas.unwrap_or(1)), (is_recreate(spec), Fenceposts::of(spec).surge))
}

fn resized(active: &[&Set], wanted: i64, (is_recreate, surge): (bool, i64)) -> Option<Vec<Scale>> {
    if !active.iter().any(|set| set.desired.is_some_and(|desired| desired != wanted)) {
        return None;
    }
    let changed = match active {
        [only] => vec![only.scaled_to(wanted)],
        _ if is_recreate => Vec::new(),
        _ => in_proportion(active, if wanted == 0 { 0 } else { wanted + surge }),
    };
    let to =
        |set: &Set| changed.iter().find(|scale| scale.name == set.name).map_or(set.wanted, |scale| scale.to);
    Some(active.iter().map(|set| set.scaled_to(to(set))).collect())
}

/// A paused Deployment does not roll, but follows `replicas`: with the one set that has pods,
/// or the newest, or with all that have pods in proportion (`sync.go`, scale).
pub(super) fn scale_paused(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> Vec<Scale> {
    let Some(spec) = &deployment.spec else { return Vec::new() };
    let sets = sets(deployment, owned);
    let mut active: Vec<&Set> = sets.iter().filter(|set| set.wanted > 0).collect();
    if active.is_empty() {
        active.extend(sets.iter().find(|set| set.is_current).or(sets.last()));
    }
    let wanted = i64::from(spec.replicas.unwrap_or(1));
    let allowed = match active.len() {
        0 | 1 => wanted,
        _ if wanted == 0 => 0,
        _ => wanted + Fenceposts::of(spec).surge,
    };
    let total: i64 = active.iter().map(|set| set.wanted).sum();
    if (wanted..=allowed).contains(&total) {
        return Vec::new();
    }
    in_proportion(&active, allowed)
}

/// Gives the sets `allowed` pods in proportion to what they have; the newest gets what is left over.
fn in_proportion(active: &[&Set], allowed: i64) -> Vec<Scale> {
    let total: i64 = active.iter().map(|set| set.wanted).sum();
    let share = |set: &Set| if total == 0 { 0 } else { set.wanted * allowed / total };
    let mut shares: Vec<i64> = active.iter().map(|set| share(set)).collect();
    let left_over = allowed - shares.iter().sum::<i64>();
    if let Some(newest) = shares.last_mut() {
        *newest += left_over;
    }
    let scales = active.iter().zip(shares).filter(|(set, share)| set.wanted != *share);
    scales.map(|(set, share)| set.scaled_to(share)).collect()
}

fn sets(deployment: &Deployment, owned: &[Arc<ReplicaSet>]) -> Vec<Set> {
    let current = current::index(deployment, owned);
    owned.iter().enumerate().map(|(idx, set)| Set::of(set, Some(idx) == current)).collect()
}

fn step(spec: &DeploymentSpec, sets: &[Set]) -> Vec<Scale> {
    let wanted = i64::from(spec.replicas.unwrap_or(1));
    if is_recreate(spec) {
        return recreate(wanted, sets);
    }
    rolling_update(wanted, sets, Fenceposts::of(spec))
}

/// Whether all old pods are to end before the first new one starts.
pub(super) fn is_recreate(spec: &DeploymentSpec) -> bool {
    spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

/// All old pods end before the first new one starts; one that is being deleted still runs
/// (`recreate.go`, oldPodsRunning).
fn recreate(wanted: i64, sets: &[Set]) -> Vec<Scale> {
    let old: Vec<&Set> = sets.iter().filter(|set| !set.is_current).collect();
    let down: Vec<Scale> = old.iter().filter(|set| set.wanted > 0).map(|set| set.scaled_to(0)).collect();
    if !down.is_empty() {
        return down;
    }
    let have_ended = old.iter().all(|set| set.actual == 0 && set.terminating == 0);
    let up = sets.iter().filter(|set| set.is_current && set.wanted != wanted && have_ended);
    up.map(|set| set.scaled_to(wanted)).collect()
}

/// New pods up to the surge, old ones away as far as availability allows.
fn rolling_update(wanted: i64, sets: &[Set], fenceposts: Fenceposts) -> Vec<Scale> {
    let Some(current) = sets.iter().find(|set| set.is_current) else { return Vec::new() };
    // A set that was told to shrink may not have done so yet.
    let total: i64 = sets.iter().map(|set| set.wanted.max(set.actual)).sum();
    if current.wanted > wanted {
        return vec![current.scaled_to(wanted)];
    }
    let room = wanted + fenceposts.surge - total;
    let grown = current.wanted + room.clamp(0, wanted - current.wanted);
    if grown > current.wanted {
        return vec![current.scaled_to(grown)];
    }
    shrink_old(wanted, sets, current, fenceposts)
}

/// Takes old pods away: first those that do not work anyway, then working ones
/// as far as enough stay available.
///
/// What a set says is available may be from before it was told to shrink, so no set counts
/// for more than it is to have.
fn shrink_old(wanted: i64, sets: &[Set], current: &Set, fenceposts: Fenceposts) -> Vec<Scale> {
    let min_available = wanted - fenceposts.unavailable;
    let available = |set: &Set| set.available.min(set.wanted);
    let total: i64 = sets.iter().map(|set| set.wanted).sum();
    let mut spare = total - min_available - (current.wanted - available(current));
    let mut removable = sets.iter().map(available).sum::<i64>() - min_available;
    let mut left: Vec<(&Set, i64)> =
        sets.iter().filter(|set| !set.is_current && set.wanted > 0).map(|set| (set, set.wanted)).collect();
    for (set, replicas) in &mut left {
        let broken = (*replicas - available(set)).min(spare).max(0);
        *replicas -= broken;
        spare -= broken;
    }
    for (set, replicas) in &mut left {
        let working = available(set).min(*replicas).min(removable).min(spare).max(0);
        *replicas -= working;
        removable -= working;
        spare -= working;
    }
    let shrunk = left.into_iter().filter(|(set, replicas)| set.wanted != *replicas);
    shrunk.map(|(set, replicas)| set.scaled_to(replicas)).collect()
}

/// Empty old ReplicaSets beyond the history's limit, oldest first.
fn history_beyond(limit: usize, sets: &[Set]) -> Vec<String> {
    let empty: Vec<&Set> = sets
        .iter()
        .filter(|set| !set.is_current && set.wanted == 0 && set.actual == 0 && set.terminating == 0)
        .collect();
    let n_surplus = empty.len().saturating_sub(limit);
    empty.into_iter().take(n_surplus).map(|set| set.name.clone()).collect()
}

// === impl Set ===

impl Set {
    fn of(set: &ReplicaSet, is_current: bool) -> Self {
        let status = set.status.clone().unwrap_or_default();
        Self {
            name: set.name_any(),
            is_current,
            wanted: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0).into(),
            desired: set.annotations().get(DESIRED).and_then(|text| text.parse().ok()),
            actual: status.replicas.into(),
            terminating: status.terminating_replicas.unwrap_or(0).into(),
            available: status.available_replicas.unwrap_or(0).into(),
        }
    }

    fn scaled_to(&self, to: i64) -> Scale {
        Scale { name: self.name.clone(), from: self.wanted, to }
    }
}

// === impl Fenceposts ===

impl Fenceposts {
    fn of(spec: &DeploymentSpec) -> Self {
        let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        Self::resolve(surge, unavailable, spec.replicas.unwrap_or(1).into())
    }

    /// Percentages of the replicas: surge rounds up, unavailable down; both zero
    /// would never move, so then one may be unavailable.
    fn resolve(surge: Option<&IntOrString>, unavailable: Option<&IntOrString>, replicas: i64) -> Self {
        let surge = amount(surge, replicas, Rounding::Up);
        let unavailable = amount(unavailable, replicas, Rounding::Down);
        if surge == 0 && unavailable == 0 {
            Self { surge, unavailable: 1 }
        } else {
            Self { surge, unavailable }
        }
    }
}

enum Rounding {
    Up,
    Down,
}

fn amount(value: Option<&IntOrString>, replicas: i64, rounding: Rounding) -> i64 {
    let share = |percent: i32| {
        let product = replicas * i64::from(percent);
        match rounding {
            Rounding::Up => (product + 99) / 100,
            Rounding::Down => product / 100,
        }
    };
    match value {
        Some(IntOrString::Int(count)) => i64::from(*count).max(0),
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().map_or(0, share),
        None => share(25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, is_current: bool, wanted: i64, available: i64) -> Set {
        Set {
            name: name.to_owned(),
            is_current,
            wanted,
            desired: None,
            actual: wanted,
            terminating: 0,
            available,
        }
    }

    fn check(wanted: i64, sets: &[Set], posts: (i64, i64), expected: &[(&str, i64)]) {
        let posts = Fenceposts { surge: posts.0, unavailable: posts.1 };
        assert_eq!(pairs(&rolling_update(wanted, sets, posts)), expected, "{sets:?}");
    }

    fn pairs(scales: &[Scale]) -> Vec<(&str, i64)> {
        scales.iter().map(|scale| (scale.name.as_str(), scale.to)).collect()
    }

    #[test]
    fn a_first_rollout_scales_up_at_once() {
        check(3, &[set("new", true, 0, 0)], (1, 0), &[("new", 3)]);
        check(3, &[set("new", true, 3, 3)], (1, 0), &[]);
        check(1, &[set("new", true, 3, 3)], (1, 0), &[("new", 1)]);
    }

    #[test]
    fn a_rolling_update_never_falls_below_what_must_be_available() {
        check(2, &[set("old", false, 2, 2), set("new", true, 0, 0)], (1, 0), &[("new", 1)]);
        check(2, &[set("old", false, 2, 2), set("new", true, 1, 0)], (1, 0), &[]);
        check(2, &[set("old", false, 2, 2), set("new", true, 1, 1)], (1, 0), &[("old", 1)]);
        check(2, &[set("old", false, 1, 1), set("new", true, 1, 1)], (1, 0), &[("new", 2)]);
        check(2, &[set("old", false, 1, 1), set("new", true, 2, 2)], (1, 0), &[("old", 0)]);
    }

    #[test]
    fn what_a_set_says_is_available_from_before_it_shrank_does_not_count() {
        let mut old = set("old", false, 1, 2);
        old.actual = 2;
        check(2, &[old, set("new", true, 2, 1)], (1, 0), &[]);
    }

    #[test]
    fn a_set_that_has_not_shrunk_yet_leaves_no_room_for_new_pods() {
        let mut old = set("old", false, 1, 2);
        old.actual = 2;
        check(2, &[old, set("new", true, 1, 1)], (1, 0), &[]);
    }

    #[test]
    fn the_largest_counts_there_are_do_not_overflow() {
        let most = i64::from(i32::MAX);
        check(most, &[set("old", false, most, most), set("new", true, 0, 0)], (most, 0), &[("new", most)]);
    }

    #[test]
    fn a_paused_deployment_scales_what_has_pods_in_proportion() {
        let sets = [set("old", false, 6, 6), set("new", true, 2, 2)];
        let active: Vec<&Set> = sets.iter().collect();
        assert_eq!(pairs(&in_proportion(&active, 12)), [("old", 9), ("new", 3)]);
        assert_eq!(pairs(&in_proportion(&active, 5)), [("old", 3)]);
        assert_eq!(pairs(&in_proportion(&active[1..], 0)), [("new", 0)]);
    }

    #[test]
    fn a_change_of_size_in_a_rollout_is_shared_by_all_versions() {
        let sized = |name: &str, is_current: bool, wanted: i64| {
            let mut set = set(name, is_current, wanted, 0);
            set.desired = Some(4);
            set
        };
        let check = |sets: &[Set], wanted: i64, expected: Option<&[(&str, i64)]>| {
            let active: Vec<&Set> = sets.iter().collect();
            let found = resized(&active, wanted, (false, 1));
            assert_eq!(found.as_deref().map(pairs), expected.map(<[_]>::to_vec), "{wanted}");
        };
        let both = [sized("old", false, 4), sized("new", true, 1)];
        check(&both, 4, None);
        check(&both, 9, Some(&[("old", 8), ("new", 2)]));
        check(&both, 0, Some(&[("old", 0), ("new", 0)]));
        check(&both[..1], 9, Some(&[("old", 9)]));
        check(&[set("unknown", true, 4, 0)], 9, None);
    }

    #[test]
    fn old_pods_that_do_not_work_go_first() {
        check(2, &[set("old", false, 2, 0), set("new", true, 1, 0)], (1, 1), &[("old", 1)]);
    }

    #[test]
    fn recreate_waits_until_the_old_ones_are_gone() {
        let check = |old: &Set, expected: &[(&str, i64)]| {
            assert_eq!(pairs(&recreate(1, &[old.clone(), set("new", true, 0, 0)])), expected, "{old:?}");
        };
        let mut old = set("old", false, 1, 1);
        check(&old, &[("old", 0)]);
        (old.wanted, old.available) = (0, 0);
        check(&old, &[]);
        (old.actual, old.terminating) = (0, 1);
        check(&old, &[]);
        old.terminating = 0;
        check(&old, &[("new", 1)]);
    }

    #[test]
    fn percentages_round_surge_up_and_unavailable_down() {
        let quarter = IntOrString::String("25%".to_owned());
        let posts = Fenceposts::resolve(Some(&quarter), Some(&quarter), 1);
        assert_eq!(posts, Fenceposts { surge: 1, unavailable: 0 });
        let zero = IntOrString::Int(0);
        let posts = Fenceposts::resolve(Some(&zero), Some(&quarter), 1);
        assert_eq!(posts, Fenceposts { surge: 0, unavailable: 1 });
    }

    #[test]
    fn every_rollout_ends_with_the_new_pods_only() {
        // Pods become available one step after they are wanted.
        for wanted in 1..6 {
            for posts in [(1, 0), (0, 1), (2, 1), (1, 1)] {
                let posts = Fenceposts { surge: posts.0, unavailable: posts.1 };
                let mut sets = [set("old", false, wanted, wanted), set("new", true, 0, 0)];
                for _ in 0..50 {
                    for Scale { name, to: count, .. } in rolling_update(wanted, &sets, posts) {
                        let set = sets.iter_mut().find(|set| set.name == name).expect("a known set");
                        set.wanted = count;
                        set.available = set.available.min(count);
                    }
                    let available: i64 = sets.iter().map(|set| set.available).sum();
                    let total: i64 = sets.iter().map(|set| set.wanted).sum();
                    assert!(available >= wanted - posts.unavailable, "{sets:?} {posts:?}");
                    assert!(total <= wanted + posts.surge, "{sets:?} {posts:?}");
                    sets.iter_mut().for_each(|set| (set.actual, set.available) = (set.wanted, set.wanted));
                }
                assert_eq!((sets[0].wanted, sets[1].wanted), (0, wanted), "{posts:?}");
            }
        }
    }
}
