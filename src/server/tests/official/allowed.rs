//! Differences that are meant, each with its reason.

/// A difference that is meant.
pub(crate) struct Allowed {
    /// The place; a `*` at its end stands for anything.
    pub(crate) place: &'static str,
    /// Why it is so.
    #[expect(dead_code, reason = "for who reads the list")]
    pub(crate) reason: &'static str,
}

const ONE_OF: &str =
    "the official document says nothing of its type; k8s-openapi's says which types there are";
const SAID_OTHERWISE: &str = "a type of its own to the schemas, which say it by another keyword";
const NOT_SERVED: &str = "a group that nothing in Spur acts on and no client asks for";
const STABLE_ONLY: &str = "versions that are not stable are off on a cluster unless asked for";

pub(crate) const SCHEMAS: &[Allowed] = &[
    Allowed { place: "io.k8s.apimachinery.pkg.api.resource.Quantity type", reason: SAID_OTHERWISE },
    Allowed { place: "io.k8s.apimachinery.pkg.util.intstr.IntOrString type", reason: SAID_OTHERWISE },
    Allowed {
        place: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOr*",
        reason: ONE_OF,
    },
    Allowed {
        place: "io.k8s.api.core.v1.ReplicationControllerSpec.replicas default",
        reason: "filled in by the kind's rules, as for the other workloads",
    },
];

pub(crate) const DISCOVERY: &[Allowed] = &[
    Allowed { place: "flowcontrol.apiserver.k8s.io group", reason: NOT_SERVED },
    Allowed { place: "internal.apiserver.k8s.io group", reason: NOT_SERVED },
    Allowed { place: "resource.k8s.io group", reason: NOT_SERVED },
    Allowed { place: "storagemigration.k8s.io group", reason: NOT_SERVED },
    Allowed { place: "admissionregistration.k8s.io/v1alpha1 version", reason: STABLE_ONLY },
    Allowed { place: "admissionregistration.k8s.io/v1beta1 version", reason: STABLE_ONLY },
    Allowed { place: "certificates.k8s.io/v1alpha1 version", reason: STABLE_ONLY },
    Allowed { place: "certificates.k8s.io/v1beta1 version", reason: STABLE_ONLY },
    Allowed { place: "coordination.k8s.io/v1alpha2 version", reason: STABLE_ONLY },
    Allowed { place: "coordination.k8s.io/v1beta1 version", reason: STABLE_ONLY },
    Allowed { place: "networking.k8s.io/v1beta1 version", reason: STABLE_ONLY },
    Allowed { place: "scheduling.k8s.io/v1alpha2 version", reason: STABLE_ONLY },
    Allowed { place: "storage.k8s.io/v1beta1 version", reason: STABLE_ONLY },
];

// === impl Allowed ===

impl Allowed {
    pub(crate) fn covers(&self, place: &str) -> bool {
        match self.place.strip_suffix('*') {
            Some(start) => place.starts_with(start),
            None => place == self.place,
        }
    }
}
