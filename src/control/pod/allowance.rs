//! What a pod may take of the disk, and whether it has taken more. Pure.
//!
//! Source: `pkg/kubelet/eviction/eviction_manager.go`, `localStorageEviction`, whose words these are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use spur_api::quantity;

const ONE: i128 = 1_000_000_000;

/// The bounds of a pod that has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// `sizeLimit` of each `emptyDir` that has one.
    volumes: Vec<Bound>,
    /// `ephemeral-storage` of each main container that has one.
    containers: Vec<Bound>,
    /// What they all may take together, with `emptyDir`s on the disk: as long as its init containers need.
    total: Option<Bound>,
    /// Every `emptyDir` on the disk: all that is in them counts for the pod.
    on_disk: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    name: String,
    bytes: i128,
    /// As the manifest has it.
    text: String,
}

/// What a pod has taken, in bytes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) volumes: BTreeMap<String, u64>,
    pub(super) containers: BTreeMap<String, u64>,
}

// === impl Allowance ===

impl Allowance {
    /// `None` where nothing is bounded.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let empty_dirs = || {
            let all = spec.volumes.iter().flatten();
            all.filter_map(|volume| Some((&volume.name, volume.empty_dir.as_ref()?)))
        };
        let volumes: Vec<_> =
            empty_dirs().filter_map(|(name, source)| Bound::of(name, source.size_limit.as_ref()?)).collect();
        let limit = |container: &Container| {
            let limits = container.resources.as_ref()?.limits.as_ref()?;
            Bound::of(&container.name, limits.get("ephemeral-storage")?)
        };
        let containers: Vec<_> = spec.containers.iter().filter_map(limit).collect();
        let init: Vec<_> = spec.init_containers.iter().flatten().collect();
        let total = total(&containers, &init, limit);
        let is_on_disk = |medium: Option<&str>| medium.is_none_or(str::is_empty);
        let on_disk = empty_dirs().filter(|(_, source)| is_on_disk(source.medium.as_deref()));
        let on_disk = on_disk.map(|(name, _)| name.clone()).collect();
        (!volumes.is_empty() || total.is_some()).then_some(Self { volumes, containers, total, on_disk })
    }

    /// The volumes of which the size is to be known.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        let bounded = self.volumes.iter().map(|bound| bound.name.as_str());
        let counted = self.on_disk.iter().map(String::as_str).filter(|_| self.total.is_some());
        let mut all: Vec<_> = bounded.chain(counted).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// Whether it is to be known what the containers have written.
    pub(super) fn counts_containers(&self) -> bool {
        self.total.is_some()
    }

    /// Why the pod is to be evicted, if it is.
    pub(super) fn exceeded_by(&self, taken: &Taken) -> Option<String> {
        let is_over = |bound: &&Bound, of: &BTreeMap<String, u64>| {
            of.get(&bound.name).is_some_and(|bytes| i128::from(*bytes) > bound.bytes)
        };
        if let Some(Bound { name, text, .. }) = self.volumes.iter().find(|it| is_over(it, &taken.volumes)) {
            return Some(format!("Usage of EmptyDir volume \"{name}\" exceeds the limit \"{text}\". "));
        }
        let on_disk = self.on_disk.iter().filter_map(|name| taken.volumes.get(name));
        let total: i128 = taken.containers.values().chain(on_disk).map(|bytes| i128::from(*bytes)).sum();
        // Processes write where they like, and nobody tells how much.
        let is_known = !taken.containers.is_empty();
        if let Some(Bound { text, .. }) = self.total.as_ref().filter(|it| is_known && total > it.bytes) {
            return Some(format!(
                "Pod ephemeral local storage usage exceeds the total limit of containers {text}. "
            ));
        }
        let Bound { name, text, .. } = self.containers.iter().find(|it| is_over(it, &taken.containers))?;
        Some(format!("Container {name} exceeded its local ephemeral storage limit \"{text}\". "))
    }
}

/// What a pod may take (`PodLimits` of `component-helpers/resource`): the sum of its main containers and
/// sidecars, or, where that is more, an init container with the sidecars before it.
fn total(main: &[Bound], init: &[&Container], limit: impl Fn(&Container) -> Option<Bound>) -> Option<Bound> {
    let (mut sidecars, mut largest_init) = (0, 0);
    let mut first = main.first().map(|bound| bound.text.clone());
    for container in init {
        let Some(bound) = limit(container) else { continue };
        first = first.or(Some(bound.text));
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars += bound.bytes;
            largest_init = largest_init.max(sidecars);
        } else {
            largest_init = largest_init.max(sidecars + bound.bytes);
        }
    }
    let all: i128 = main.iter().map(|bound| bound.bytes).sum::<i128>() + sidecars;
    let bytes = all.max(largest_init);
    // A sum is written as the first of it is.
    let (first, number) = (first?, u64::try_from(bytes).unwrap_or(u64::MAX));
    let text = if first.ends_with('i') { quantity::of_bytes(number) } else { quantity::of_number(number) };
    Some(Bound { name: String::new(), bytes, text })
}

// === impl Bound ===

impl Bound {
    /// A limit of nothing is none, as with the kubelet; one that cannot be read bounds nothing, and
    /// admission lets none in.
    fn of(name: &str, limit: &Quantity) -> Option<Self> {
        let bytes = quantity::nanos(&limit.0)?.checked_add(ONE - 1)? / ONE;
        (bytes > 0).then(|| Self { name: name.to_owned(), bytes, text: limit.0.clone() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn allowance(spec: Value) -> Option<Allowance> {
        Allowance::of(&serde_json::from_value(json!({"spec": spec})).unwrap())
    }

    fn container(name: &str, limit: Option<&str>) -> Value {
        let limits = limit.map(|limit| json!({"ephemeral-storage": limit}));
        json!({"name": name, "resources": {"limits": limits}})
    }

    fn taken(volumes: &[(&str, u64)], containers: &[(&str, u64)]) -> Taken {
        let map = |all: &[(&str, u64)]| all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Taken { volumes: map(volumes), containers: map(containers) }
    }

    #[test]
    fn a_pod_without_limits_is_not_looked_at() {
        let volumes = json!([{"name": "v", "emptyDir": {}}, {"name": "z", "emptyDir": {"sizeLimit": "0"}}]);
        assert_eq!(allowance(json!({"containers": [container("a", None)], "volumes": volumes})), None);
    }

    #[test]
    fn a_volume_may_be_as_large_as_its_limit() {
        let volumes = json!([
            {"name": "v", "emptyDir": {"sizeLimit": "1Ki"}}, {"name": "other", "emptyDir": {}},
            {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1k"}},
        ]);
        let allowed = allowance(json!({"containers": [container("a", None)], "volumes": volumes})).unwrap();
        assert_eq!(allowed.volumes().collect::<Vec<_>>(), ["m", "v"]);
        assert!(!allowed.counts_containers());
        assert_eq!(allowed.exceeded_by(&taken(&[("v", 1024), ("other", 9999), ("m", 1000)], &[])), None);
        let why = allowed.exceeded_by(&taken(&[("v", 1025)], &[])).unwrap();
        assert_eq!(why, "Usage of EmptyDir volume \"v\" exceeds the limit \"1Ki\". ");
        let why = allowed.exceeded_by(&taken(&[("m", 1001)], &[])).unwrap();
        assert_eq!(why, "Usage of EmptyDir volume \"m\" exceeds the limit \"1k\". ");
    }

    #[test]
    fn what_comes_first_and_what_runs_beside_has_its_part() {
        let of = |name: &str, limit: &str, policy: Option<&str>| {
            let mut container = container(name, Some(limit));
            container["restartPolicy"] = json!(policy);
            container
        };
        let check = |init: Value, wanted: &str| {
            let spec = json!({"initContainers": init, "containers": [container("a", Some("1Gi"))]});
            assert_eq!(allowance(spec).unwrap().total.unwrap().text, wanted);
        };
        check(json!([]), "1Gi");
        check(json!([of("side", "5Gi", Some("Always"))]), "6Gi");
        check(json!([of("init", "5Gi", None)]), "5Gi");
        check(json!([of("side", "1Gi", Some("Always")), of("init", "5Gi", None)]), "6Gi");
        check(json!([of("init", "512Mi", None)]), "1Gi");
        let only = json!({"initContainers": [of("init", "1k", None)], "containers": [container("a", None)]});
        assert_eq!(allowance(only).unwrap().total.unwrap().text, "1k");
    }

    #[test]
    fn containers_and_volumes_on_disk_count_together() {
        let containers = json!([container("a", Some("1k")), container("b", Some("2k"))]);
        let volumes = json!([{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]);
        let allowed = allowance(json!({"containers": containers, "volumes": volumes})).unwrap();
        assert_eq!(allowed.volumes().collect::<Vec<_>>(), ["v"]);
        let within = taken(&[("v", 1000), ("m", 9999)], &[("a", 1000), ("b", 1000)]);
        assert_eq!(allowed.exceeded_by(&within), None);
        let why = allowed.exceeded_by(&taken(&[("v", 1001)], &[("a", 1000), ("b", 1000)])).unwrap();
        assert_eq!(why, "Pod ephemeral local storage usage exceeds the total limit of containers 3k. ");
        assert_eq!(allowed.exceeded_by(&taken(&[("v", 9999)], &[])), None, "of processes nothing is known");
        let why = allowed.exceeded_by(&taken(&[], &[("a", 1001)])).unwrap();
        assert_eq!(why, "Container a exceeded its local ephemeral storage limit \"1k\". ");
    }
}
