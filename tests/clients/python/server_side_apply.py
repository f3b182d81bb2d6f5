"""Field managers apply their parts, keep what is theirs, and are told of conflicts."""

import json

from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

from support import NAMESPACE, connect, raw, refused

connect()
resources = dynamic.DynamicClient(client.ApiClient())
config_maps = resources.resources.get(api_version="v1", kind="ConfigMap")


def apply(manager, data, **options):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    return config_maps.server_side_apply(
        body=body, name="a", namespace=NAMESPACE, field_manager=manager, **options
    )


def managers(found):
    return {entry.manager: (entry.operation, entry.fieldsV1.to_dict()) for entry in found.metadata.managedFields}


# The first apply creates.
made = apply("ann", {"x": "1", "y": "1"})
fields = {"f:data": {"f:x": {}, "f:y": {}}}
assert managers(made) == {"ann": ("Apply", fields)}, managers(made)

# The same again changes nothing.
assert apply("ann", {"x": "1", "y": "1"}).metadata.resourceVersion == made.metadata.resourceVersion

# Another manager's fields stand beside it; the same value may be shared.
shared = apply("bob", {"y": "1", "z": "1"})
assert shared.data.to_dict() == {"x": "1", "y": "1", "z": "1"}
assert managers(shared)["bob"] == ("Apply", {"f:data": {"f:y": {}, "f:z": {}}})

# A conflict names the field and its manager.
try:
    apply("bob", {"x": "2"})
    raise AssertionError("the field is ann's")
except ApiException as error:
    status = json.loads(error.body)
    assert (error.status, status["reason"]) == (409, "Conflict"), status
    (cause,) = status["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.x"), cause
    assert cause["message"] == 'conflict with "ann"', cause
forced = apply("bob", {"x": "2"}, force_conflicts=True)
# What bob applied before and applies no longer is gone where nobody else has it.
assert forced.data.to_dict() == {"x": "2", "y": "1"}, forced.data
assert managers(forced)["ann"] == ("Apply", {"f:data": {"f:y": {}}})

# Whoever updates becomes a manager too, and stands in the way of others.
core = client.CoreV1Api()
core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"y": "9"}}, field_manager="cid")
with refused(409, "Conflict", 'conflict with "cid" using v1'):
    apply("ann", {"y": "1"})

# A dry run tells the result alone.
tried = config_maps.server_side_apply(
    body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tried"}, "data": {"x": "1"}},
    name="tried", namespace=NAMESPACE, field_manager="ann", dry_run="All",
)
assert tried.data.x == "1"
with refused(404, "NotFound"):
    config_maps.get(name="tried", namespace=NAMESPACE)

# Without a manager nobody can apply.
with refused(422, "Invalid", "fieldManager: Required value"):
    raw(
        "PATCH",
        f"/api/v1/namespaces/{NAMESPACE}/configmaps/a",
        body={"apiVersion": "v1", "kind": "ConfigMap"},
        content_type="application/apply-patch+yaml",
    )
