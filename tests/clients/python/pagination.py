"""A long list comes in pages of one state, whatever happens meanwhile."""

from kubernetes import client

from support import NAMESPACE, config_map, connect, refused

connect()
core = client.CoreV1Api()
wanted = [f"page-{n:02}" for n in range(25)]
for name in wanted:
    core.create_namespaced_config_map(NAMESPACE, config_map(name, {"of": "pages"}))


def page(**query):
    return core.list_namespaced_config_map(NAMESPACE, **{"limit": 10, **query})


# All of them, once, in order, with what is left.
seen, left, token = [], [], None
while True:
    found = page(label_selector="of=pages", **({"_continue": token} if token else {}))
    seen += [item.metadata.name for item in found.items]
    token = found.metadata._continue
    if not token:
        break
assert seen == wanted, seen

# How many are left is told where there is no selector.
in_all = len(core.list_namespaced_config_map(NAMESPACE).items)
first = page()
assert first.metadata.remaining_item_count == in_all - 10, first.metadata
assert page(label_selector="of=pages").metadata.remaining_item_count is None

# Pages are of the first one's state.
first = page(label_selector="of=pages")
core.delete_namespaced_config_map("page-12", NAMESPACE)
core.create_namespaced_config_map(NAMESPACE, config_map("page-11b", {"of": "pages"}))
core.patch_namespaced_config_map("page-13", NAMESPACE, {"data": {"x": "new"}})
second = page(label_selector="of=pages", _continue=first.metadata._continue)
assert second.metadata.resource_version == first.metadata.resource_version
assert [item.metadata.name for item in second.items] == wanted[10:20]
assert [item.data for item in second.items if item.metadata.name == "page-13"] == [None]

# A page that holds everything has no next one.
everything = page(label_selector="of=pages", limit=25)
assert len(everything.items) == 25 and not everything.metadata._continue

# What cannot be a token.
with refused(400, "BadRequest", "continue key is not valid"):
    page(_continue="nonsense")
with refused(400, "BadRequest", "specifying resource version is not allowed when using continue"):
    page(_continue=first.metadata._continue, resource_version="1")
