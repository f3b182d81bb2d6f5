//! Differences that are meant, each with its reason.

/// A difference that is meant.
pub(crate) struct Allowed {
    /// The place; each `*` in it stands for anything.
    pub(crate) place: &'static str,
    /// Why it is so.
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

const JSON_ONLY: &str = "answers are JSON or YAML; protobuf is read and not written";
const NO_CBOR: &str = "an encoding that is off on a cluster unless asked for";
const ALPHA: &str = "needs the feature gate ShardedListAndWatch, which is alpha";
const NO_NEED: &str = "damaged objects can be deleted without it";
const FOR_WATCHES: &str = "nothing here, on a real cluster either: it is about watches";
const ONE_OBJECT: &str = "there is one, made when it is asked for: no pages, no states, no watch";
const NOT_MADE: &str = "such connections are not made yet";
const NO_KUBELET: &str = "there is no kubelet between the server and the container";
const BOTH_OUTPUTS: &str = "which of a container's two outputs is wanted cannot be said";

pub(crate) const OPERATIONS: &[Allowed] = &[
    Allowed { place: "apis/flowcontrol.apiserver.k8s.io* document", reason: NOT_SERVED },
    Allowed { place: "apis/internal.apiserver.k8s.io* document", reason: NOT_SERVED },
    Allowed { place: "apis/resource.k8s.io* document", reason: NOT_SERVED },
    Allowed { place: "apis/storagemigration.k8s.io* document", reason: NOT_SERVED },
    Allowed { place: "apis/admissionregistration.k8s.io/v1alpha1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/admissionregistration.k8s.io/v1beta1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/certificates.k8s.io/v1alpha1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/certificates.k8s.io/v1beta1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/coordination.k8s.io/v1alpha2 document", reason: STABLE_ONLY },
    Allowed { place: "apis/coordination.k8s.io/v1beta1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/networking.k8s.io/v1beta1 document", reason: STABLE_ONLY },
    Allowed { place: "apis/scheduling.k8s.io/v1alpha2 document", reason: STABLE_ONLY },
    Allowed { place: "apis/storage.k8s.io/v1beta1 document", reason: STABLE_ONLY },
    Allowed { place: "logs document", reason: "the files of a server's log are not served" },
    Allowed {
        place: ".well-known/openid-configuration document",
        reason: "a real server has it; the folder leaves names that begin with a dot out",
    },
    Allowed { place: "media type application/cbor* in *", reason: NO_CBOR },
    Allowed { place: "media type application/apply-patch+cbor in *", reason: NO_CBOR },
    Allowed { place: "media type application/vnd.kubernetes.protobuf* in *", reason: JSON_ONLY },
    Allowed {
        place: "media type application/* in 200 of GET */log",
        reason: "what a container printed is text, on a real cluster too",
    },
    Allowed {
        place: "media type application/json;stream=watch in 200 of GET /api/v1/componentstatuses",
        reason: ONE_OBJECT,
    },
    Allowed { place: "parameter query:allowWatchBookmarks of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:continue of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:limit of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:resourceVersion* of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:sendInitialEvents of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:timeoutSeconds of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:watch of GET */componentstatuses", reason: ONE_OBJECT },
    Allowed { place: "parameter query:shardSelector of *", reason: ALPHA },
    Allowed {
        place: "parameter query:ignoreStoreReadErrorWithClusterBreakingPotential of *",
        reason: NO_NEED,
    },
    Allowed { place: "parameter query:sendInitialEvents of DELETE *", reason: FOR_WATCHES },
    Allowed { place: "parameter query:timeoutSeconds of DELETE *", reason: FOR_WATCHES },
    Allowed { place: "parameter query:path of */proxy*", reason: NOT_MADE },
    Allowed { place: "parameter query:ports of */portforward", reason: NOT_MADE },
    Allowed { place: "parameter query:insecureSkipTLSVerifyBackend of GET */log", reason: NO_KUBELET },
    Allowed { place: "parameter query:stream of GET */log", reason: BOTH_OUTPUTS },
];

// === impl Allowed ===

impl Allowed {
    pub(crate) fn covers(&self, place: &str) -> bool {
        let mut parts = self.place.split('*');
        let start = parts.next().unwrap_or_default();
        let Some(mut rest) = place.strip_prefix(start) else { return false };
        let Some(end) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(end)
    }
}
