"""Each kind of patch changes what its rules say, and says why it cannot."""

from kubernetes import client

from support import NAMESPACE, config_map, connect, raw, refused

connect()
core = client.CoreV1Api()
apps = client.AppsV1Api()

# The client sends a list as JSON patch, and a dictionary as strategic merge patch.
core.create_namespaced_config_map(NAMESPACE, config_map("a", {"app": "a"}, x="1", y="1"))


def patch(body):
    return core.patch_namespaced_config_map("a", NAMESPACE, body)


assert patch({"data": {"x": "2", "y": None}}).data == {"x": "2"}
test = {"op": "test", "path": "/data/x", "value": "2"}
add = {"op": "add", "path": "/data/z", "value": "1"}
move = {"op": "move", "from": "/data/x", "path": "/data/w"}
assert patch([test, add, move]).data == {"w": "2", "z": "1"}
with refused(422, "Invalid"):
    patch([test])
with refused(422, "Invalid"):
    patch([{"op": "remove", "path": "/data/none"}])
with refused(422, "Invalid"):
    patch([{"op": "dance", "path": "/data/z"}])
assert core.read_namespaced_config_map("a", NAMESPACE).data == {"w": "2", "z": "1"}

# The same again is no change.
before = core.read_namespaced_config_map("a", NAMESPACE).metadata.resource_version
assert patch({"data": {"w": "2"}}).metadata.resource_version == before

# A version in the patch is its condition.
with refused(409, "Conflict"):
    patch({"metadata": {"resourceVersion": "1"}, "data": {"w": "3"}})
with refused(422, "Invalid", "metadata.uid"):
    patch({"metadata": {"uid": "another"}})
with refused(404, "NotFound"):
    core.patch_namespaced_config_map("none", NAMESPACE, {"data": {}})

# Strategic merge: lists by their key, with directives.
container = {"name": "main", "image": "none", "command": ["true"], "env": [{"name": "A", "value": "1"}]}
deployment = {
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}},
    },
}
apps.create_namespaced_deployment(NAMESPACE, deployment)


def patch_container(changes, as_type=None):
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", **changes}]}}}}
    options = {"_content_type": as_type} if as_type else {}
    changed = apps.patch_namespaced_deployment("d", NAMESPACE, body, **options)
    return changed.spec.template.spec.containers[0]


def env(container):
    return {variable.name: variable.value for variable in container.env or []}


assert env(patch_container({"env": [{"name": "B", "value": "2"}]})) == {"A": "1", "B": "2"}
assert env(patch_container({"env": [{"name": "A", "$patch": "delete"}]})) == {"B": "2"}
replace = [{"$patch": "replace"}, {"name": "C", "value": "3"}]
assert env(patch_container({"env": replace})) == {"C": "3"}

# A JSON merge patch replaces lists whole, also those with keys.
merged = patch_container({"image": "other", "command": ["false"]}, "application/merge-patch+json")
assert (merged.image, merged.command, merged.env) == ("other", ["false"], None), merged

# A custom resource has no strategic merge.
with refused(415, "UnsupportedMediaType"):
    raw(
        "PATCH",
        f"/apis/spur.dev/v1alpha1/namespaces/{NAMESPACE}/sandboxes/x",
        body={"spec": {}},
        content_type="application/strategic-merge-patch+json",
    )
