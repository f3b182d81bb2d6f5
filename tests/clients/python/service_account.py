"""A service account's token is asked for, says who it is, and gives no more than its rights."""

import base64
import json

from kubernetes import client

from support import NAMESPACE, as_bearer, connect, refused, script_pod

connect()
core = client.CoreV1Api()
account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot"))
uid = core.create_namespaced_service_account(NAMESPACE, account).metadata.uid


def ask(account="robot", **spec):
    spec = client.V1TokenRequestSpec(audiences=spec.pop("audiences", []), **spec)
    request = client.AuthenticationV1TokenRequest(spec=spec)
    return core.create_namespaced_service_account_token(account, NAMESPACE, request)


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


given = ask(expiration_seconds=1200)
told = claims(given.status.token)
assert told["sub"] == "system:serviceaccount:default:robot", told
assert told["kubernetes.io"]["serviceaccount"] == {"name": "robot", "uid": uid}, told
assert told["exp"] - told["iat"] == 1200, told
assert abs(given.status.expiration_timestamp.timestamp() - told["exp"]) < 1, given.status
with refused(404, "NotFound", 'serviceaccounts "none" not found'):
    ask("none")
with refused(422, "Invalid", "may not specify a duration less than 10 minutes"):
    ask(expiration_seconds=60)


# Who it is, by itself and by a review.
robot = as_bearer(given.status.token)
me = client.AuthenticationV1Api(robot).create_self_subject_review(client.V1SelfSubjectReview())
assert me.status.user_info.username == "system:serviceaccount:default:robot", me
assert set(me.status.user_info.groups) == {
    "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
}, me
assert me.status.user_info.uid == uid
review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=given.status.token))
reviewed = client.AuthenticationV1Api().create_token_review(review)
assert reviewed.status.authenticated and reviewed.status.user.uid == uid, reviewed
review.spec.token = "nonsense"
assert not client.AuthenticationV1Api().create_token_review(review).status.authenticated

# A token for others is none for us.
elsewhere = as_bearer(ask(audiences=["elsewhere"]).status.token)
with refused(401, "Unauthorized"):
    client.CoreV1Api(elsewhere).list_namespaced_pod(NAMESPACE)

# What it may not do, and how it learns of that beforehand.
with refused(403, "Forbidden", 'User "system:serviceaccount:default:robot" cannot list resource "secrets"'):
    client.CoreV1Api(robot).list_namespaced_secret(NAMESPACE)
attributes = client.V1ResourceAttributes(namespace=NAMESPACE, verb="list", resource="secrets")
access = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
assert not client.AuthorizationV1Api(robot).create_self_subject_access_review(access).status.allowed
assert client.AuthorizationV1Api().create_self_subject_access_review(access).status.allowed
assert client.VersionApi(robot).get_code().major == "1"

# A token that is bound to a pod is one of that pod alone.
core.create_namespaced_pod(NAMESPACE, script_pod("holder", "exec sleep 600"))
pod = core.read_namespaced_pod("holder", NAMESPACE)
bound = client.V1BoundObjectReference(api_version="v1", kind="Pod", name="holder", uid="another")
with refused(409, "Conflict"):
    ask(bound_object_ref=bound)
