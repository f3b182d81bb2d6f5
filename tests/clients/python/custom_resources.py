"""A definition makes a kind, which is used and goes with its definition."""

from kubernetes import client

from support import NAMESPACE, connect, gone, refused, until

connect()
extensions = client.ApiextensionsV1Api()
objects = client.CustomObjectsApi()
STATION = ("example.org", "v1", NAMESPACE, "stations")

integer, text = client.V1JSONSchemaProps(type="integer"), client.V1JSONSchemaProps(type="string")
schema = client.V1JSONSchemaProps(
    type="object",
    properties={
        "spec": client.V1JSONSchemaProps(
            type="object",
            required=["tracks"],
            properties={
                "tracks": client.V1JSONSchemaProps(type="integer", minimum=1),
                "line": client.V1JSONSchemaProps(type="string", default="main"),
            },
        ),
        "status": client.V1JSONSchemaProps(
            type="object", properties={"tracks": integer, "selector": text, "phase": text}
        ),
    },
)
version = client.V1CustomResourceDefinitionVersion(
    name="v1",
    served=True,
    storage=True,
    schema=client.V1CustomResourceValidation(open_apiv3_schema=schema),
    subresources=client.V1CustomResourceSubresources(
        status={},
        scale=client.V1CustomResourceSubresourceScale(
            spec_replicas_path=".spec.tracks",
            status_replicas_path=".status.tracks",
            label_selector_path=".status.selector",
        ),
    ),
)
definition = client.V1CustomResourceDefinition(
    metadata=client.V1ObjectMeta(name="stations.example.org"),
    spec=client.V1CustomResourceDefinitionSpec(
        group="example.org",
        scope="Namespaced",
        names=client.V1CustomResourceDefinitionNames(plural="stations", kind="Station"),
        versions=[version],
    ),
)
made = extensions.create_custom_resource_definition(definition)
assert made.spec.names.singular == "station" and made.spec.names.list_kind == "StationList", made.spec.names


def established():
    status = extensions.read_custom_resource_definition("stations.example.org").status
    return any(c.type == "Established" and c.status == "True" for c in status.conditions or [])


until("it is established", established)


def station(name, **spec):
    return {"apiVersion": "example.org/v1", "kind": "Station", "metadata": {"name": name}, "spec": spec}


made = objects.create_namespaced_custom_object(*STATION, station("a", tracks=2))
assert made["spec"] == {"tracks": 2, "line": "main"}, made
assert made["metadata"]["generation"] == 1
assert objects.get_namespaced_custom_object(*STATION, "a") == made
listed = objects.list_namespaced_custom_object(*STATION)
assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("StationList", ["a"])
assert len(objects.list_cluster_custom_object("example.org", "v1", "stations")["items"]) == 1

# The schema.
with refused(422, "Invalid", "spec.tracks: Required value"):
    objects.create_namespaced_custom_object(*STATION, station("b"))
with refused(422, "Invalid", "should be greater than or equal to 1"):
    objects.create_namespaced_custom_object(*STATION, station("b", tracks=0))
with refused(400, "BadRequest", 'unknown field "spec.roof"'):
    objects.create_namespaced_custom_object(
        *STATION, station("b", tracks=1, roof=True), field_validation="Strict"
    )
pruned = objects.create_namespaced_custom_object(*STATION, station("b", tracks=1, roof=True))
assert "roof" not in pruned["spec"], pruned

# Patch and replace.
patched = objects.patch_namespaced_custom_object(*STATION, "a", {"spec": {"line": "branch"}})
assert (patched["spec"]["line"], patched["metadata"]["generation"]) == ("branch", 2), patched
patched["spec"]["tracks"] = 4
replaced = objects.replace_namespaced_custom_object(*STATION, "a", patched)
assert replaced["spec"]["tracks"] == 4
with refused(409, "Conflict"):
    objects.replace_namespaced_custom_object(*STATION, "a", patched)

# Status apart from the rest.
status = {"status": {"phase": "Open", "tracks": 3, "selector": "station=a"}, "spec": {"tracks": 9}}
written = objects.patch_namespaced_custom_object_status(*STATION, "a", status)
assert (written["status"]["phase"], written["spec"]["tracks"]) == ("Open", 4), written
ignored = objects.patch_namespaced_custom_object(*STATION, "a", {"status": {"phase": "Shut"}})
assert ignored["status"]["phase"] == "Open", ignored
assert objects.get_namespaced_custom_object_status(*STATION, "a")["status"]["phase"] == "Open"

# Scale.
scale = objects.get_namespaced_custom_object_scale(*STATION, "a")
assert (scale["kind"], scale["spec"], scale["status"]) == (
    "Scale", {"replicas": 4}, {"replicas": 3, "selector": "station=a"},
), scale
objects.patch_namespaced_custom_object_scale(*STATION, "a", {"spec": {"replicas": 5}})
assert objects.get_namespaced_custom_object(*STATION, "a")["spec"]["tracks"] == 5

# Delete one; the rest goes with the definition.
objects.delete_namespaced_custom_object(*STATION, "a")
assert gone(lambda: objects.get_namespaced_custom_object(*STATION, "a"))
extensions.delete_custom_resource_definition("stations.example.org")
until(
    "the definition is gone",
    lambda: gone(lambda: extensions.read_custom_resource_definition("stations.example.org")),
)
until("its path is gone", lambda: gone(lambda: objects.list_namespaced_custom_object(*STATION)))
