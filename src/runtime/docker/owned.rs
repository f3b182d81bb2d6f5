//! Which containers are ours, and which pod's they are: labels and names.

use std::collections::HashMap;

use crate::container::PodId;

/// The environment that a container belongs to.
pub(super) const ENVIRONMENT: &str = "spur.dev/environment";
const POD_NAMESPACE: &str = "spur.dev/pod-namespace";
const POD_NAME: &str = "spur.dev/pod-name";
const POD_UID: &str = "spur.dev/pod-uid";
/// On the holder of a namespace's Service addresses: the namespace.
const HOLDER: &str = "spur.dev/holder";
const CONTAINER: &str = "spur.dev/container";
/// Which start of its container it is, counted from 0.
const ATTEMPT: &str = "spur.dev/attempt";

/// Whose containers these are: one Spur's, over its restarts. Two environments on one engine do not
/// see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment(String);

/// Which start of which container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) pod: PodId,
    pub(super) container: String,
    pub(super) attempt: u32,
}

// === impl Environment ===

impl Environment {
    /// An environment by an id that nobody else has.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// What a list or a stream of events is narrowed to.
    pub(super) fn filters(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("{ENVIRONMENT}={}", self.0)])])
    }

    /// The same, of one pod.
    pub(super) fn filters_of(&self, pod: &PodId) -> HashMap<String, Vec<String>> {
        let of_pod = format!("{POD_UID}={}", pod.uid);
        HashMap::from([("label".to_owned(), vec![format!("{ENVIRONMENT}={}", self.0), of_pod])])
    }

    pub(super) fn labels(&self, owned: &Owned) -> HashMap<String, String> {
        let Owned { pod, container, attempt } = owned;
        let attempt = attempt.to_string();
        let all = [
            (ENVIRONMENT, &*self.0),
            (POD_NAMESPACE, &pod.namespace),
            (POD_NAME, &pod.name),
            (POD_UID, &pod.uid),
            (CONTAINER, container),
            (ATTEMPT, &attempt),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// `None` for a container that is not this environment's.
    pub(super) fn owned(&self, labels: &HashMap<String, String>) -> Option<Owned> {
        let label = |name: &str| labels.get(name).map(String::as_str);
        if label(ENVIRONMENT) != Some(&self.0) {
            return None;
        }
        Some(Owned {
            pod: PodId::new(label(POD_NAMESPACE)?, label(POD_NAME)?, label(POD_UID)?),
            container: label(CONTAINER)?.to_owned(),
            attempt: label(ATTEMPT)?.parse().ok()?,
        })
    }

    /// What `docker network ls` calls the network of a namespace.
    pub(super) fn network(&self, namespace: &str) -> String {
        format!("spur_{namespace}_{}", self.short())
    }

    pub(super) fn network_labels(&self, namespace: &str) -> HashMap<String, String> {
        let all = [(ENVIRONMENT, &*self.0), (POD_NAMESPACE, namespace)];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What `docker ps` calls the holder of a namespace's Service addresses.
    pub(super) fn holder(&self, namespace: &str) -> String {
        format!("spur_holder_{namespace}_{}", self.short())
    }

    /// It is nobody's pod.
    pub(super) fn holder_labels(&self, namespace: &str) -> HashMap<String, String> {
        let all = [(ENVIRONMENT, &*self.0), (HOLDER, namespace)];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What `docker volume ls` calls a volume that outlives pods.
    pub(super) fn volume(&self, namespace: &str, name: &str) -> String {
        format!("spur_{namespace}_{name}_{}", self.short())
    }

    /// Enough of the id to tell environments of one machine apart.
    fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    /// What `docker ps` calls it; after Kubernetes' `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`,
    /// with the environment, since its uid may be another one's too (a restored backup).
    pub(super) fn name(&self, owned: &Owned) -> String {
        let Owned { pod, container, attempt } = owned;
        let short = self.short();
        format!("spur_{container}_{}_{}_{}_{short}_{attempt}", pod.name, pod.namespace, pod.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_others_are_not_ours() {
        let environment = Environment::new("6a1b2c3d4e5f");
        let owned =
            Owned { pod: PodId::new("shop", "cart-1", "u-1"), container: "app".to_owned(), attempt: 3 };
        let labels = environment.labels(&owned);
        assert_eq!(environment.owned(&labels), Some(owned.clone()));
        assert_eq!(Environment::new("other").owned(&labels), None);
        assert_eq!(environment.owned(&HashMap::new()), None);
        let mut broken = labels;
        broken.insert(ATTEMPT.to_owned(), "three".to_owned());
        assert_eq!(environment.owned(&broken), None);
        assert_eq!(environment.name(&owned), "spur_app_cart-1_shop_u-1_6a1b2c3d_3");
    }
}
