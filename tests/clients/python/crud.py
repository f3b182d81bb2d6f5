"""Objects are created, read, listed, replaced, patched and deleted, by the typed client."""

import base64
import datetime

from kubernetes import client

from support import NAMESPACE, config_map, connect, gone, refused, until

connect()
core = client.CoreV1Api()
apps = client.AppsV1Api()

# Create and read.
made = core.create_namespaced_config_map(NAMESPACE, config_map("a", {"app": "a"}, key="1"))
assert made.metadata.uid and made.metadata.resource_version, made
assert made.metadata.creation_timestamp.tzinfo == datetime.timezone.utc, made.metadata.creation_timestamp
assert core.read_namespaced_config_map("a", NAMESPACE) == made
with refused(409, "AlreadyExists", 'configmaps "a" already exists'):
    core.create_namespaced_config_map(NAMESPACE, config_map("a"))

# A name of the server's choice.
generated = client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="some-"))
first = core.create_namespaced_config_map(NAMESPACE, generated).metadata.name
second = core.create_namespaced_config_map(NAMESPACE, generated).metadata.name
assert first.startswith("some-") and first != second, (first, second)

# Lists and selectors.
core.create_namespaced_config_map(NAMESPACE, config_map("b", {"app": "b"}))


def names(**query):
    return [item.metadata.name for item in core.list_namespaced_config_map(NAMESPACE, **query).items]


assert names(label_selector="app") == ["a", "b"]
assert names(label_selector="app in (b, c)") == ["b"]
assert names(label_selector="app,app!=b") == ["a"]
assert names(field_selector="metadata.name=a") == ["a"]
everywhere = core.list_config_map_for_all_namespaces(label_selector="app=a")
assert [item.metadata.namespace for item in everywhere.items] == [NAMESPACE]
assert everywhere.metadata.resource_version

# Replace: the version that was read decides.
stale = core.read_namespaced_config_map("a", NAMESPACE)
made.data = {"key": "2"}
replaced = core.replace_namespaced_config_map("a", NAMESPACE, made)
assert replaced.data == {"key": "2"} and replaced.metadata.uid == made.metadata.uid
with refused(409, "Conflict", "the object has been modified"):
    core.replace_namespaced_config_map("a", NAMESPACE, stale)

# A dry run changes nothing.
core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"key": "3"}}, dry_run="All")
assert core.read_namespaced_config_map("a", NAMESPACE).data == {"key": "2"}

# Bytes of a secret.
secret = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"word": "x\n"})
read = core.create_namespaced_secret(NAMESPACE, secret)
assert base64.b64decode(read.data["word"]) == b"x\n" and read.string_data is None, read
assert read.type == "Opaque"

# Delete one, with a uid as its condition; then many.
with refused(409, "Conflict"):
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    core.delete_namespaced_config_map("a", NAMESPACE, body=options)
# Of some kinds the answer is a Status, of others the object, so that the client has no type for it.
deleted = core.delete_namespaced_config_map("a", NAMESPACE)
assert deleted["status"] == "Success", deleted
assert deleted["details"] == {"name": "a", "kind": "configmaps", "uid": made.metadata.uid}, deleted
assert gone(lambda: core.read_namespaced_config_map("a", NAMESPACE))
core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="app=b")
assert names(label_selector="app") == []

# A Deployment becomes pods, is scaled, and takes them along.
container = client.V1Container(name="main", image="none", command=["sh", "-c", "echo hello; exec sleep 600"])
deployment = client.V1Deployment(
    metadata=client.V1ObjectMeta(name="web"),
    spec=client.V1DeploymentSpec(
        replicas=1,
        selector=client.V1LabelSelector(match_labels={"app": "web"}),
        template=client.V1PodTemplateSpec(
            metadata=client.V1ObjectMeta(labels={"app": "web"}),
            spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=2),
        ),
    ),
)
apps.create_namespaced_deployment(NAMESPACE, deployment)


def ready():
    return apps.read_namespaced_deployment_status("web", NAMESPACE).status.ready_replicas


def pods():
    return core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items


until("one pod is ready", lambda: ready() == 1)
assert apps.read_namespaced_deployment_scale("web", NAMESPACE).spec.replicas == 1
scaled = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 2}})
assert scaled.spec.replicas == 2 and scaled.status.selector == "app=web", scaled
until("two pods are ready", lambda: ready() == 2)
name = pods()[0].metadata.name
until("it has said hello", lambda: core.read_namespaced_pod_log(name, NAMESPACE) == "hello\n")
apps.delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")
until("the pods are gone", lambda: not pods())
until("the deployment is gone", lambda: gone(lambda: apps.read_namespaced_deployment("web", NAMESPACE)))

# A namespace and what is in it.
core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="other")))
until("it has its account", lambda: not gone(lambda: core.read_namespaced_service_account("default", "other")))
core.create_namespaced_config_map("other", config_map("c"))
core.delete_namespace("other")
until("the namespace is gone", lambda: gone(lambda: core.read_namespace("other")))
assert gone(lambda: core.read_namespaced_config_map("c", "other"))
