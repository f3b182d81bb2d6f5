"""What is refused has the code, reason, message and details of a cluster's answer."""

import json

from kubernetes import client
from kubernetes.client.exceptions import (
    ApiException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UnauthorizedException,
)

from support import NAMESPACE, as_bearer, config_map, connect, gone, raw, refused, script_pod

connect()
core = client.CoreV1Api()


def failure(exception, call):
    """The Status that a call fails with, as this class of exception."""
    try:
        call()
    except exception as error:
        assert error.headers["Content-Type"] == "application/json", error.headers
        return json.loads(error.body)
    raise AssertionError("done, where it was to fail")


# Not found.
status = failure(NotFoundException, lambda: core.read_namespaced_pod("none", NAMESPACE))
assert status == {
    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
    "message": 'pods "none" not found', "reason": "NotFound",
    "details": {"name": "none", "kind": "pods"}, "code": 404,
}, status
assert gone(lambda: raw("GET", "/apis/none.example.com/v1/nothings"))
with refused(404, "NotFound", 'namespaces "none" not found'):
    core.create_namespaced_config_map("none", config_map("a"))

# Conflict.
core.create_namespaced_config_map(NAMESPACE, config_map("a"))
status = failure(ConflictException, lambda: core.create_namespaced_config_map(NAMESPACE, config_map("a")))
assert status["details"] == {"name": "a", "kind": "configmaps"}, status

# Invalid: every fault as a cause of its own.
pod = script_pod("Bad_Name", "true")
pod.spec.restart_policy = "Sometimes"
status = failure(ApiException, lambda: core.create_namespaced_pod(NAMESPACE, pod))
causes = {cause["field"]: cause["reason"] for cause in status["details"]["causes"]}
assert causes["metadata.name"] == "FieldValueInvalid", causes
assert causes["spec.restartPolicy"] == "FieldValueNotSupported", causes
assert status["message"].startswith('Pod "Bad_Name" is invalid: ['), status

# Bad requests.
with refused(400, "BadRequest", "unable to parse requirement"):
    core.list_namespaced_pod(NAMESPACE, label_selector="a in b")
with refused(400, "BadRequest", 'field label not supported: spec.none'):
    core.list_namespaced_pod(NAMESPACE, field_selector="spec.none=x")
with refused(400, "BadRequest"):
    core.create_namespaced_config_map(NAMESPACE, {"kind": "Secret", "apiVersion": "v1"})
with refused(400, "BadRequest", "does not match the namespace"):
    other = config_map("b")
    other.metadata.namespace = "other"
    core.create_namespaced_config_map(NAMESPACE, other)
with refused(400, "BadRequest", "does not match the name on the URL"):
    core.replace_namespaced_config_map("a", NAMESPACE, config_map("b"))
with refused(422, "Invalid", "name or generateName is required"):
    core.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap())

# Methods, media types and sizes.
with refused(405, "MethodNotAllowed"):
    raw("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps/a", body={})
with refused(415, "UnsupportedMediaType"):
    raw("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", body={}, content_type="application/xml")
with refused(406, "NotAcceptable"):
    raw("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps", accept="application/xml")
with refused(413, "RequestEntityTooLarge"):
    core.create_namespaced_config_map(NAMESPACE, config_map("big", x="x" * 3_500_000))
with refused(422, "Invalid", "may not be more than 1048576 bytes"):
    core.create_namespaced_config_map(NAMESPACE, config_map("big", x="x" * 1_100_000))

# Nobody's token, and nobody at all.
stranger = client.CoreV1Api(as_bearer("nonsense"))
status = failure(UnauthorizedException, lambda: stranger.list_namespaced_pod(NAMESPACE))
assert (status["message"], status["reason"]) == ("Unauthorized", "Unauthorized"), status
nobody = client.CoreV1Api(as_bearer())
status = failure(ForbiddenException, lambda: nobody.list_namespaced_pod(NAMESPACE))
wanted = (
    'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
    'in the namespace "default"'
)
assert (status["message"], status["details"]) == (wanted, {"kind": "pods"}), status
