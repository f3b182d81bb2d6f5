// The generic client treats every kind alike, also one that is defined a moment before.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { connect, gone, k8s, namespace, refused, until } from './support.mjs';

const config = connect();
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const custom = config.makeApiClient(k8s.CustomObjectsApi);

// From a file, as it is.
const [definition] = k8s.loadAllYaml(readFileSync('fixtures/manifests/widgets.yaml', 'utf8'));
await objects.create(definition);
const established = async () => {
    const found = await objects.read(definition);
    return found.status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True');
};
await until('it is established', established);

const widget = (name, spec) => ({
    apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name, namespace }, spec,
});
const made = await objects.create(widget('one', { color: 'red' }));
assert.deepEqual(made.spec, { color: 'red', size: 1 });
const invalid = await refused(422, 'Invalid', objects.create(widget('two', { size: 2 })));
assert.match(invalid.message, /spec.color: Required value/);

made.spec.size = 3;
assert.equal((await objects.replace(made)).spec.size, 3);
const merge = { ...widget('one', { size: 4 }) };
const merged = await objects.patch(merge, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
assert.deepEqual(merged.spec, { color: 'red', size: 4 });
const apply = widget('three', { color: 'blue' });
const applied = await objects.patch(
    apply, undefined, undefined, 'node', true, k8s.PatchStrategy.ServerSideApply,
);
assert.equal(applied.metadata.managedFields[0].manager, 'node');
const listed = await objects.list('example.com/v1', 'Widget', namespace);
assert.deepEqual(listed.items.map((item) => item.metadata.name), ['one', 'three']);

// The client for custom objects reads the same.
const address = { group: 'example.com', version: 'v1', namespace, plural: 'widgets' };
const one = await custom.getNamespacedCustomObject({ ...address, name: 'one' });
assert.deepEqual(one.spec, { color: 'red', size: 4 });
const status = await custom.patchNamespacedCustomObjectStatus(
    { ...address, name: 'one', body: { status: { size: 4 } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
);
assert.deepEqual(status.status, { size: 4 });

await objects.delete(one);
assert.ok(await gone(() => objects.read(one)));
await objects.delete(definition);
await until('the definition is gone', () => gone(() => objects.read(definition)));
