"""The package's informer keeps a copy of what is there, and tells every change."""

from kubernetes import client
from kubernetes.informer import ADDED, DELETED, ERROR, MODIFIED, SharedInformer

from support import NAMESPACE, config_map, connect, until

connect()
core = client.CoreV1Api()
core.create_namespaced_config_map(NAMESPACE, config_map("a", {"app": "x"}, n="1"))

seen = []
# A second is the time of one watch: it is taken up again several times below.
informer = SharedInformer(
    core.list_namespaced_config_map, namespace=NAMESPACE, label_selector="app=x", resync_period=1
)
for event in (ADDED, MODIFIED, DELETED, ERROR):
    informer.add_event_handler(event, lambda found, event=event: seen.append((event, found.metadata.name)))
informer.start()


def cached():
    return {found.metadata.name: found.data["n"] for found in informer.cache.list()}


until("what is there is known", lambda: cached() == {"a": "1"})
core.create_namespaced_config_map(NAMESPACE, config_map("b", {"app": "x"}, n="1"))
core.create_namespaced_config_map(NAMESPACE, config_map("c", {"app": "y"}, n="1"))
until("what is new is known", lambda: cached() == {"a": "1", "b": "1"})
core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"n": "2"}})
until("what is changed is known", lambda: cached() == {"a": "2", "b": "1"})
core.delete_namespaced_config_map("b", NAMESPACE)
until("what is deleted is known", lambda: cached() == {"a": "2"})
# Two resyncs, each of which tells `a` again.
n_told = seen.count((MODIFIED, "a"))
until("it goes on", lambda: seen.count((MODIFIED, "a")) >= n_told + 2)
assert cached() == {"a": "2"}
assert [event for event, _ in seen].count(ERROR) == 0, seen
assert {(ADDED, "a"), (ADDED, "b"), (DELETED, "b")} <= set(seen), seen
informer.stop()
