"""What the scripts share: the API that KUBECONFIG leads to, and waiting with a deadline."""

import contextlib
import json
import time

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

# Nothing on one machine takes that long; the same as the tests in Rust.
DEADLINE_SECONDS = 30

NAMESPACE = "default"


def connect():
    """Loads the kubeconfig; every client that is made afterwards leads there."""
    config.load_kube_config()


def as_bearer(token=None):
    """A client with this token and nothing else; without one, as nobody."""
    loaded = client.Configuration.get_default_copy()
    bare = client.Configuration()
    bare.host, bare.ssl_ca_cert = loaded.host, loaded.ssl_ca_cert
    bare.api_key = {"authorization": f"Bearer {token}"} if token else {}
    return client.ApiClient(bare)


def raw(method, path, body=None, accept="application/json", content_type="application/json"):
    """What the typed client has no method for: the answer's JSON, or its text."""
    at = client.Configuration.get_default_copy()
    pool = urllib3.PoolManager(ca_certs=at.ssl_ca_cert, cert_file=at.cert_file, key_file=at.key_file)
    headers = {"Accept": accept, "Content-Type": content_type}
    body = None if body is None else json.dumps(body)
    answer = pool.request(method, at.host + path, body=body, headers=headers, retries=False)
    if answer.status >= 400:
        error = ApiException(status=answer.status, reason=answer.reason)
        error.body, error.headers = answer.data.decode(), answer.headers
        raise error
    text = answer.data.decode()
    return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def until(what, look):
    """Looks until there is something to see, and gives it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s until {what}"
        time.sleep(0.02)
    return seen


@contextlib.contextmanager
def refused(code, reason, *parts):
    """What is done inside is refused with this code, reason, and parts of the message."""
    try:
        yield
    except ApiException as error:
        status = json.loads(error.body)
        assert (error.status, status["reason"]) == (code, reason), f"{error.status} {error.body}"
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code), status
        for part in parts:
            assert part in status["message"], f"`{part}` is not in: {status['message']}"
    else:
        raise AssertionError(f"done, where {code} {reason} was due")


def gone(read):
    """Whether reading answers 404."""
    try:
        read()
    except ApiException as error:
        assert error.status == 404, error
        return True
    return False


def config_map(name, labels=None, **data):
    metadata = client.V1ObjectMeta(name=name, labels=labels)
    return client.V1ConfigMap(api_version="v1", kind="ConfigMap", metadata=metadata, data=data or None)


def script_pod(name, script):
    """A pod that runs a shell script as a process."""
    container = client.V1Container(name="main", image="none", command=["sh", "-c", script])
    spec = client.V1PodSpec(
        containers=[container], restart_policy="Never", termination_grace_period_seconds=2
    )
    metadata = client.V1ObjectMeta(name=name, labels={"app": name})
    return client.V1Pod(api_version="v1", kind="Pod", metadata=metadata, spec=spec)


def until_phase(core, name, phase):
    return until(
        f"pod {name} is {phase}",
        lambda: core.read_namespaced_pod(name, NAMESPACE).status.phase == phase,
    )
