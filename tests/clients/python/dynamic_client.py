"""The dynamic client finds every kind by discovery, and treats all alike."""

from kubernetes import client, dynamic
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, ResourceNotFoundError

from support import NAMESPACE, connect, until

connect()
dyn = dynamic.DynamicClient(client.ApiClient())

# Discovery: by kind, short name, category and for all.
assert dyn.resources.get(api_version="v1", kind="Pod").namespaced
assert not dyn.resources.get(api_version="v1", kind="Namespace").namespaced
assert dyn.resources.get(short_names=["deploy"]).kind == "Deployment"
events = dyn.resources.search(kind="Event")
assert {event.group_version for event in events if "List" not in event.kind} == {"v1", "events.k8s.io/v1"}
try:
    dyn.resources.get(api_version="v1", kind="Nothing")
    raise AssertionError("there is no such kind")
except ResourceNotFoundError:
    pass

# One of everything that can be listed is listed.
listed = 0
for resource in dyn.resources.search():
    if not resource.kind.endswith("List") and "list" in resource.verbs:
        assert dyn.get(resource).kind.endswith("List"), resource
        listed += 1
assert listed > 40, listed

config_maps = dyn.resources.get(api_version="v1", kind="ConfigMap")


def body(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


made = config_maps.create(body=body("a", x="1"), namespace=NAMESPACE)
assert (made.kind, made.data.x) == ("ConfigMap", "1")
try:
    config_maps.create(body=body("a"), namespace=NAMESPACE)
    raise AssertionError("it is there")
except ConflictError:
    pass
patched = config_maps.patch(
    body={"metadata": {"name": "a"}, "data": {"y": "2"}},
    namespace=NAMESPACE,
    content_type="application/merge-patch+json",
)
assert patched.data.to_dict() == {"x": "1", "y": "2"}
made = config_maps.get(name="a", namespace=NAMESPACE)
made.data.x = "3"
assert config_maps.replace(body=made.to_dict(), namespace=NAMESPACE).data.x == "3"

# Watch, from what is there to what happens.
seen = []
for event in config_maps.watch(namespace=NAMESPACE, name="a", timeout=30):
    seen.append(event["type"])
    if event["type"] == "ADDED":
        config_maps.delete(name="a", namespace=NAMESPACE)
    else:
        break
assert seen == ["ADDED", "DELETED"], seen
try:
    config_maps.get(name="a", namespace=NAMESPACE)
    raise AssertionError("it is gone")
except NotFoundError:
    pass

# Subresources.
deployments = dyn.resources.get(api_version="apps/v1", kind="Deployment")
container = {"name": "main", "image": "none", "command": ["sleep", "600"]}
deployments.create(
    namespace=NAMESPACE,
    body={
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "d"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}},
        },
    },
)
scale = deployments.scale.get(name="d", namespace=NAMESPACE)
assert (scale.kind, scale.apiVersion, scale.spec.replicas or 0) == ("Scale", "autoscaling/v1", 0), scale
deployments.scale.patch(
    name="d", namespace=NAMESPACE, body={"spec": {"replicas": 1}}, content_type="application/merge-patch+json"
)
until("one is ready", lambda: deployments.status.get(name="d", namespace=NAMESPACE).status.readyReplicas == 1)
deployments.delete(name="d", namespace=NAMESPACE)
