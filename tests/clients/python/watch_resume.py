"""A watch tells every change, ends in its time, and goes on where it ended."""

import threading

from kubernetes import client, watch

from support import NAMESPACE, config_map, connect, refused

connect()
core = client.CoreV1Api()


def create(name, labels=None, **data):
    return core.create_namespaced_config_map(NAMESPACE, config_map(name, labels, **data))


def patch(name, body):
    return core.patch_namespaced_config_map(name, NAMESPACE, body)


def delete(name):
    core.delete_namespaced_config_map(name, NAMESPACE)


def take(n_events, **query):
    """The next events as type, name and data, and the version to go on from."""
    watching = watch.Watch()
    taken = []
    for event in watching.stream(core.list_namespaced_config_map, NAMESPACE, timeout_seconds=30, **query):
        taken.append((event["type"], event["object"].metadata.name, event["object"].data))
        if len(taken) == n_events:
            watching.stop()
    assert len(taken) == n_events, taken
    return taken, watching.resource_version


start = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version

# What has happened since is told in order.
create("a", x="1")
patch("a", {"data": {"x": "2"}})
delete("a")
seen, at = take(3, resource_version=start)
assert seen == [("ADDED", "a", {"x": "1"}), ("MODIFIED", "a", {"x": "2"}), ("DELETED", "a", {"x": "2"})], seen

# Whoever stopped goes on with what was missed meanwhile, once and without a gap.
create("b", x="1")
create("c", x="1")
seen, at = take(1, resource_version=at)
assert seen == [("ADDED", "b", {"x": "1"})], seen
patch("b", {"data": {"x": "2"}})
seen, at = take(2, resource_version=at)
assert seen == [("ADDED", "c", {"x": "1"}), ("MODIFIED", "b", {"x": "2"})], seen

# A change while it is being watched.
later = threading.Timer(0.2, lambda: create("d"))
later.start()
seen, at = take(1, resource_version=at)
assert seen == [("ADDED", "d", None)], seen
later.join()

# Without a version, what is there comes first; the list's order is the names'.
seen, _ = take(3, label_selector="!sort", field_selector="metadata.name!=kube-root-ca.crt")
assert [(type, name) for type, name, _ in seen] == [("ADDED", "b"), ("ADDED", "c"), ("ADDED", "d")], seen

# What leaves the selection is gone, what enters it is new.
patch("b", {"metadata": {"labels": {"app": "x"}}})
patch("b", {"metadata": {"labels": {"app": "y"}}})
seen, at = take(2, resource_version=at, label_selector="app=x")
assert [(type, name) for type, name, _ in seen] == [("ADDED", "b"), ("DELETED", "b")], seen

# It ends by itself after its time, without an error.
quiet = watch.Watch().stream(
    core.list_namespaced_config_map, NAMESPACE, resource_version=at, timeout_seconds=1
)
assert [event["type"] for event in quiet if event["type"] != "BOOKMARK"] == []

# Initial events in place of a list; a bookmark says that they are complete.
stream = watch.Watch().stream(
    core.list_namespaced_config_map,
    NAMESPACE,
    send_initial_events=True,
    resource_version_match="NotOlderThan",
    allow_watch_bookmarks=True,
    timeout_seconds=30,
)
initial = []
for event in stream:
    if event["type"] == "BOOKMARK":
        annotations = event["raw_object"]["metadata"]["annotations"]
        assert annotations == {"k8s.io/initial-events-end": "true"}, event
        break
    initial.append(event["object"].metadata.name)
assert set("bcd") <= set(initial), initial

# A version that nobody has given out.
with refused(504, "Timeout", "Too large resource version"):
    core.list_namespaced_config_map(NAMESPACE, resource_version="999999999")
