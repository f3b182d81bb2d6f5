"""Whole manifests are created as they are; the demo's shop serves."""

from kubernetes import client, utils

from support import NAMESPACE, connect, until

connect()
api = client.ApiClient()
apps = client.AppsV1Api()
core = client.CoreV1Api()

# A Deployment and a Service in one file.
made = utils.create_from_yaml(api, "fixtures/demo/pricing.yaml", namespace=NAMESPACE)
kinds = sorted(item.kind for group in made for item in (group if isinstance(group, list) else [group]))
assert kinds == ["Deployment", "Service"], kinds


def available():
    conditions = apps.read_namespaced_deployment("pricing", NAMESPACE).status.conditions or []
    return any(c.type == "Available" and c.status == "True" for c in conditions)


until("pricing is available", available)
slices = client.DiscoveryV1Api()


def endpoints():
    found = slices.list_namespaced_endpoint_slice(
        NAMESPACE, label_selector="kubernetes.io/service-name=pricing"
    )
    return [endpoint for s in found.items for endpoint in s.endpoints or [] if endpoint.conditions.ready]


until("it has an endpoint", endpoints)

# The same again fails for each object.
try:
    utils.create_from_yaml(api, "fixtures/demo/pricing.yaml", namespace=NAMESPACE)
    raise AssertionError("all of it is there")
except utils.FailToCreateError as error:
    assert [failure.status for failure in error.api_exceptions] == [409, 409], error

# With `apply`, nothing is there twice.
utils.create_from_yaml(api, "fixtures/demo/pricing.yaml", namespace=NAMESPACE, apply=True)
events = core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.kind=Deployment")
assert any(event.reason == "ScalingReplicaSet" for event in events.items), events.items
