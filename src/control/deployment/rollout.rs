//! The next step of a rollout, as a pure function of what is there.
//!
//! Source: `pkg/controller/deployment/rolling.go` and `util/deployment_util.go`
//! (NewRSNewReplicas, ResolveFenceposts, reconcileOldReplicaSets).

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use spur_api::labels;

use crate::owner;

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// ReplicaSets to scale, by name.
    pub(crate) scales: Vec<(String, i32)>,
    /// Old ReplicaSets to delete, by name.
    pub(crate) deletions: Vec<String>,
}

/// What counts in a ReplicaSet.
#[derive(Clone, Debug)]
struct Set {
    name: String,
    is_current: bool,
    wanted: i32,
    actual: i32,
    available: i32,
}

/// Bounds of a rolling update in pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fenceposts {
    surge: i32,
    unavailable: i32,
}

/// The rollout's number that a ReplicaSet carries; 0 where it has none.
pub(crate) fn revision(set: &ReplicaSet) -> i64 {
    set.annotations().get(labels::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether the ReplicaSet is the one of the deployment's template.
pub(crate) fn is_current(deployment: &Deployment, set: &ReplicaSet) -> bool {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let hash = template.map(owner::template_hash);
    hash.as_ref() == set.labels().get(labels::POD_TEMPLATE_HASH)
}

/// How many pods may be unavailable during a rolling update.
pub(super) fn max_unavailable(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().map_or(0, |spec| Fenceposts::of(spec).unavailable)
}

/// The next step, given the ReplicaSets oldest first.
pub(crate) fn plan(deployment: &Deployment, owned: &[ReplicaSet]) -> Plan {
    let Some(spec) = &deployment.spec else { return Plan::default() };
    let wanted = spec.replicas.unwrap_or(1);
    let sets: Vec<Set> = owned.iter().map(|set| Set::of(deployment, set)).collect();
    let is_recreate =
        spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate");
    let scales = if is_recreate {
        recreate(wanted, &sets)
    } else {
        rolling_update(wanted, &sets, Fenceposts::of(spec))
    };
    let limit = usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let deletions = if scales.is_empty() { history_beyond(limit, &sets) } else { Vec::new() };
    Plan { scales, deletions }
}

/// All old pods end before the first new one starts.
fn recreate(wanted: i32, sets: &[Set]) -> Vec<(String, i32)> {
    let old: Vec<&Set> = sets.iter().filter(|set| !set.is_current).collect();
    let down: Vec<_> = old.iter().filter(|set| set.wanted > 0).map(|set| (set.name.clone(), 0)).collect();
    if !down.is_empty() {
        return down;
    }
    let is_empty = old.iter().all(|set| set.actual == 0);
    let up = sets.iter().filter(|set| set.is_current && set.wanted != wanted && is_empty);
    up.map(|set| (set.name.clone(), wanted)).collect()
}

/// New pods up to the surge, old ones away as far as availability allows.
fn rolling_update(wanted: i32, sets: &[Set], fenceposts: Fenceposts) -> Vec<(String, i32)> {
    let Some(current) = sets.iter().find(|set| set.is_current) else { return Vec::new() };
    let total: i32 = sets.iter().map(|set| set.wanted).sum();
    let mut scales = Vec::new();
    if current.wanted > wanted {
        scales.push((current.name.clone(), wanted));
    } else if current.wanted < wanted {
        let room = wanted + fenceposts.surge - total;
        let grown = current.wanted + room.clamp(0, wanted - current.wanted);
        if grown > current.wanted {
            scales.push((current.name.clone(), grown));
        }
    }
    if scales.is_empty() {
        scales.extend(shrink_old(wanted, sets, current, fenceposts));
    }
    scales
}

/// Takes old pods away: first those that do not work anyway, then working ones
/// as far as enough stay available.
fn shrink_old(wanted: i32, sets: &[Set], current: &Set, fenceposts: Fenceposts) -> Vec<(String, i32)> {
    let old = || sets.iter().filter(|set| !set.is_current && set.wanted > 0);
    let total: i32 = sets.iter().map(|set| set.wanted).sum();
    let min_available = wanted - fenceposts.unavailable;
    let current_unavailable = current.wanted - current.available;
    let mut spare = total - min_available - current_unavailable;
    let mut left: Vec<(String, i32, i32)> =
        old().map(|set| (set.name.clone(), set.wanted, set.available.min(set.wanted))).collect();
    for (_, replicas, available) in &mut left {
        let broken = (*replicas - *available).min(spare).max(0);
        *replicas -= broken;
        spare -= broken;
    }
    let available: i32 = sets.iter().map(|set| set.available).sum();
    let mut removable = (available - min_available).max(0);
    for (_, replicas, available) in &mut left {
        let working = (*replicas).min(*available).min(removable).max(0);
        *replicas -= working;
        removable -= working;
    }
    let wanted_before = |name: &str| old().find(|set| set.name == name).map(|set| set.wanted);
    left.into_iter()
        .filter(|(name, replicas, _)| wanted_before(name) != Some(*replicas))
        .map(|(name, replicas, _)| (name, replicas))
        .collect()
}

/// Empty old ReplicaSets beyond the history's limit, oldest first.
fn history_beyond(limit: usize, sets: &[Set]) -> Vec<String> {
    let empty: Vec<&Set> =
        sets.iter().filter(|set| !set.is_current && set.wanted == 0 && set.actual == 0).collect();
    let n_surplus = empty.len().saturating_sub(limit);
    empty.into_iter().take(n_surplus).map(|set| set.name.clone()).collect()
}

// === impl Set ===

impl Set {
    fn of(deployment: &Deployment, set: &ReplicaSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        Self {
            name: set.name_any(),
            is_current: is_current(deployment, set),
            wanted: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0),
            actual: status.replicas,
            available: status.available_replicas.unwrap_or(0),
        }
    }
}

// === impl Fenceposts ===

impl Fenceposts {
    fn of(spec: &DeploymentSpec) -> Self {
        let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        Self::resolve(surge, unavailable, spec.replicas.unwrap_or(1))
    }

    /// Percentages of the replicas: surge rounds up, unavailable down; both zero
    /// would never move, so then one may be unavailable.
    fn resolve(surge: Option<&IntOrString>, unavailable: Option<&IntOrString>, replicas: i32) -> Self {
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

fn amount(value: Option<&IntOrString>, replicas: i32, rounding: Rounding) -> i32 {
    let share = |percent: i64| {
        let product = i64::from(replicas) * percent;
        let rounded = match rounding {
            Rounding::Up => (product + 99) / 100,
            Rounding::Down => product / 100,
        };
        i32::try_from(rounded).unwrap_or(replicas)
    };
    match value {
        Some(IntOrString::Int(count)) => (*count).max(0),
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().map_or(0, share),
        None => share(25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, is_current: bool, wanted: i32, available: i32) -> Set {
        Set { name: name.to_owned(), is_current, wanted, actual: wanted, available }
    }

    fn check(wanted: i32, sets: &[Set], posts: (i32, i32), expected: &[(&str, i32)]) {
        let posts = Fenceposts { surge: posts.0, unavailable: posts.1 };
        let found = rolling_update(wanted, sets, posts);
        let found: Vec<(&str, i32)> = found.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, expected, "{sets:?}");
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
    fn old_pods_that_do_not_work_go_first() {
        check(2, &[set("old", false, 2, 0), set("new", true, 1, 0)], (1, 1), &[("old", 1)]);
    }

    #[test]
    fn recreate_waits_until_the_old_ones_are_gone() {
        let mut old = set("old", false, 0, 0);
        old.actual = 1;
        assert_eq!(recreate(1, &[set("old", false, 1, 1), set("new", true, 0, 0)]), [("old".to_owned(), 0)]);
        assert_eq!(recreate(1, &[old.clone(), set("new", true, 0, 0)]), []);
        old.actual = 0;
        assert_eq!(recreate(1, &[old, set("new", true, 0, 0)]), [("new".to_owned(), 1)]);
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
                    for (name, count) in rolling_update(wanted, &sets, posts) {
                        let set = sets.iter_mut().find(|set| set.name == name).expect("a known set");
                        set.wanted = count;
                        set.available = set.available.min(count);
                    }
                    let available: i32 = sets.iter().map(|set| set.available).sum();
                    let total: i32 = sets.iter().map(|set| set.wanted).sum();
                    assert!(available >= wanted - posts.unavailable, "{sets:?} {posts:?}");
                    assert!(total <= wanted + posts.surge, "{sets:?} {posts:?}");
                    sets.iter_mut().for_each(|set| set.available = set.wanted);
                }
                assert_eq!((sets[0].wanted, sets[1].wanted), (0, wanted), "{posts:?}");
            }
        }
    }
}
