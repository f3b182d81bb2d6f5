"""Every group, version and kind that is announced is there."""

from kubernetes import client

from support import connect, raw

connect()
version = client.VersionApi().get_code()
assert (version.major, version.git_version[:3]) == ("1", "v1."), version
assert client.CoreApi().get_api_versions().versions == ["v1"]
groups = client.ApisApi().get_api_versions().groups
names = [group.name for group in groups]
assert names[0] == "apiregistration.k8s.io" and {"apps", "batch", "events.k8s.io"} <= set(names), names

# Every version of every group answers with its kinds.
kinds = {("v1", r.kind) for r in client.CoreV1Api().get_api_resources().resources}
for group in groups:
    for version in group.versions:
        listed = raw("GET", f"/apis/{version.group_version}")
        assert listed["groupVersion"] == version.group_version, listed
        kinds |= {(version.group_version, resource["kind"]) for resource in listed["resources"]}
assert {("v1", "Pod"), ("apps/v1", "Deployment"), ("spur.dev/v1alpha1", "Sandbox")} <= kinds, kinds

# The aggregated form tells the same in one answer.
aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
together = raw("GET", "/apis", accept=aggregated)
assert together["kind"] == "APIGroupDiscoveryList", together["kind"]
assert [item["metadata"]["name"] for item in together["items"]] == names

# Health and schemas.
for path in ("/healthz", "/livez", "/readyz"):
    assert raw("GET", path) == "ok"
paths = raw("GET", "/openapi/v3")["paths"]
assert {"api/v1", "apis/apps/v1"} <= set(paths), paths
schemas = raw("GET", paths["apis/apps/v1"]["serverRelativeURL"])["components"]["schemas"]
assert "io.k8s.api.apps.v1.Deployment" in schemas
