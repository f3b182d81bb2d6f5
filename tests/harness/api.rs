//! The Kubernetes API, asked over HTTP as any client does.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::http::{Answer, Ask, Site};
use super::until::until;

/// One server's API; objects live in `default` unless they say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    site: Site,
}

/// Where each kind lives: kind, group and version, plural.
const KINDS: [(&str, &str, &str); 18] = [
    ("Namespace", "v1", "namespaces"),
    ("Pod", "v1", "pods"),
    ("Service", "v1", "services"),
    ("ConfigMap", "v1", "configmaps"),
    ("Secret", "v1", "secrets"),
    ("Event", "v1", "events"),
    ("Node", "v1", "nodes"),
    ("ServiceAccount", "v1", "serviceaccounts"),
    ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
    ("Deployment", "apps/v1", "deployments"),
    ("ReplicaSet", "apps/v1", "replicasets"),
    ("StatefulSet", "apps/v1", "statefulsets"),
    ("Sandbox", "spur.dev/v1alpha1", "sandboxes"),
    ("DestinationRule", "networking.istio.io/v1", "destinationrules"),
    ("Gateway", "networking.istio.io/v1", "gateways"),
    ("ServiceEntry", "networking.istio.io/v1", "serviceentries"),
    ("VirtualService", "networking.istio.io/v1", "virtualservices"),
    ("Lease", "coordination.k8s.io/v1", "leases"),
];

/// The path of a kind's objects in a namespace.
pub(crate) fn collection(plural: &str, namespace: &str) -> String {
    let (_, api_version, _) =
        KINDS.iter().find(|(_, _, known)| *known == plural).unwrap_or_else(|| panic!("no kind `{plural}`"));
    let root = if *api_version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{api_version}") };
    match plural {
        "namespaces" | "nodes" => format!("{root}/{plural}"),
        _ => format!("{root}/namespaces/{namespace}/{plural}"),
    }
}

// === impl Api ===

impl Api {
    /// The API that a kubeconfig leads to.
    pub(crate) fn at(kubeconfig: &str) -> Self {
        Self { site: Site::of_kubeconfig(kubeconfig) }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask {
        self.site.ask(method, path)
    }

    /// Creates an object in its namespace.
    #[track_caller]
    pub(crate) fn create(&self, object: &Value) -> impl Future<Output = Answer> {
        let kind = object["kind"].as_str().expect("an object has a kind");
        let plural = KINDS.iter().find(|(known, ..)| *known == kind).expect("a kind that is known").2;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let path = collection(plural, namespace);
        self.ask(Method::POST, &path).body("application/json", object.to_string()).send()
    }

    /// Creates objects, each of which has to be accepted.
    pub(crate) async fn create_all(&self, objects: &[Value]) {
        for object in objects {
            self.create(object).await.ok();
        }
    }

    /// The object, whose absence is a failure.
    pub(crate) async fn get(&self, plural: &str, name: &str) -> Value {
        self.find(plural, name).await.unwrap_or_else(|| panic!("{plural}/{name} does not exist"))
    }

    /// The object, where it exists.
    pub(crate) async fn find(&self, plural: &str, name: &str) -> Option<Value> {
        let answer = self.ask(Method::GET, &format!("{}/{name}", collection(plural, "default"))).send().await;
        (answer.status != StatusCode::NOT_FOUND).then(|| answer.ok().json())
    }

    /// Every object of the kind in `default`.
    pub(crate) async fn list(&self, plural: &str) -> Vec<Value> {
        let answer = self.ask(Method::GET, &collection(plural, "default")).send().await.ok();
        answer.json()["items"].as_array().expect("a list has items").clone()
    }

    /// The pods of an app.
    pub(crate) async fn pods_of(&self, selector: &str) -> Vec<Value> {
        let path = format!("{}?labelSelector={selector}", collection("pods", "default"));
        let answer = self.ask(Method::GET, &path).send().await.ok();
        answer.json()["items"].as_array().expect("a list has items").clone()
    }

    /// Changes an object by a merge patch.
    #[track_caller]
    pub(crate) fn patch(&self, plural: &str, name: &str, patch: &Value) -> impl Future<Output = Answer> {
        let path = format!("{}/{name}", collection(plural, "default"));
        self.ask(Method::PATCH, &path).body("application/merge-patch+json", patch.to_string()).send()
    }

    /// Deletes an object, and does not wait for its end.
    #[track_caller]
    pub(crate) fn delete(&self, plural: &str, name: &str) -> impl Future<Output = Answer> {
        let path = format!("{}/{name}", collection(plural, "default"));
        let how = json!({"propagationPolicy": "Background"});
        self.ask(Method::DELETE, &path).body("application/json", how.to_string()).send()
    }

    /// What a container printed.
    pub(crate) async fn logs(&self, pod: &str, query: &str) -> Answer {
        self.ask(Method::GET, &format!("{}/{pod}/log?{query}", collection("pods", "default"))).send().await
    }

    /// Waits until the object is as wanted, and gives it.
    pub(crate) async fn until(
        &self,
        (plural, name): (&str, &str),
        what: &str,
        is_met: impl Fn(&Value) -> bool,
    ) -> Value {
        until(&format!("{plural}/{name} is {what}"), async || match self.find(plural, name).await {
            Some(object) if is_met(&object) => Ok(object),
            Some(object) => Err(format!("its status is {:#}", object["status"])),
            None => Err("it does not exist".to_owned()),
        })
        .await
    }

    /// Waits until a condition of the object is `True`.
    pub(crate) async fn until_condition(&self, object: (&str, &str), condition: &str) -> Value {
        self.until(object, condition, |object| is_condition(object, condition, "True")).await
    }

    /// Waits until the object is gone.
    pub(crate) async fn until_gone(&self, plural: &str, name: &str) {
        until(&format!("{plural}/{name} is gone"), async || match self.find(plural, name).await {
            None => Ok(()),
            Some(object) => Err(format!("it is still there: {:#}", object["metadata"])),
        })
        .await;
    }

    /// The messages of the events about an object.
    pub(crate) async fn events_of(&self, name: &str) -> Vec<(String, String)> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let events = self.list("events").await;
        let of = events.iter().filter(|event| event["involvedObject"]["name"] == name);
        of.map(|event| (text(event, "reason"), text(event, "message"))).collect()
    }
}

/// Whether a pod has ended, one way or the other.
pub(crate) fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether a condition has this status.
pub(crate) fn is_condition(object: &Value, condition: &str, status: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|found| found["type"] == condition && found["status"] == status)
}
