// Objects are created, read, listed, replaced, patched and deleted, by the typed client.

import assert from 'node:assert/strict';

import { connect, gone, k8s, namespace, refused, until } from './support.mjs';

const config = connect();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

const body = { metadata: { name: 'a', labels: { app: 'a' } }, data: { key: '1' } };
const made = await core.createNamespacedConfigMap({ namespace, body });
assert.ok(made.metadata.uid && made.metadata.resourceVersion);
assert.ok(made.metadata.creationTimestamp instanceof Date);
assert.deepEqual(await core.readNamespacedConfigMap({ name: 'a', namespace }), made);
const again = await refused(409, 'AlreadyExists', core.createNamespacedConfigMap({ namespace, body }));
assert.equal(again.message, 'configmaps "a" already exists');
await refused(404, 'NotFound', core.readNamespacedConfigMap({ name: 'none', namespace }));

// Lists.
await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'b' } } });
const listed = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app' });
assert.deepEqual(listed.items.map((item) => item.metadata.name), ['a']);
const page = await core.listNamespacedConfigMap({ namespace, limit: 1 });
assert.equal(page.items.length, 1);
const next = await core.listNamespacedConfigMap({ namespace, limit: 1, _continue: page.metadata._continue });
assert.notEqual(next.items[0].metadata.name, page.items[0].metadata.name);

// Replace: the version that was read decides.
const replaced = await core.replaceNamespacedConfigMap({
    name: 'a', namespace, body: { ...made, data: { key: '2' } },
});
assert.deepEqual(replaced.data, { key: '2' });
await refused(409, 'Conflict', core.replaceNamespacedConfigMap({ name: 'a', namespace, body: made }));

// Patches of every kind.
const patch = (body, strategy, more = {}) =>
    core.patchNamespacedConfigMap(
        { name: 'a', namespace, body, ...more },
        k8s.setHeaderOptions('Content-Type', strategy),
    );
const { JsonPatch, MergePatch, StrategicMergePatch, ServerSideApply } = k8s.PatchStrategy;
const added = await patch([{ op: 'add', path: '/data/x', value: '1' }], JsonPatch);
assert.deepEqual(added.data, { key: '2', x: '1' });
assert.deepEqual((await patch({ data: { x: null } }, MergePatch)).data, { key: '2' });
assert.deepEqual((await patch({ data: { y: '1' } }, StrategicMergePatch)).data, { key: '2', y: '1' });
const applied = { apiVersion: 'v1', kind: 'ConfigMap', data: { z: '1' } };
const result = await patch(applied, ServerSideApply, { fieldManager: 'node' });
assert.deepEqual(result.data, { key: '2', y: '1', z: '1' });

// Deletion, of one and of many.
const deleted = await core.deleteNamespacedConfigMap({ name: 'a', namespace });
assert.equal(deleted.status, 'Success');
assert.ok(await gone(() => core.readNamespacedConfigMap({ name: 'a', namespace })));
await core.deleteCollectionNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=b' });
assert.ok(await gone(() => core.readNamespacedConfigMap({ name: 'b', namespace })));

// A Deployment becomes ready and is scaled.
const container = { name: 'main', image: 'none', command: ['sleep', '600'] };
await apps.createNamespacedDeployment({
    namespace,
    body: {
        metadata: { name: 'web' },
        spec: {
            replicas: 1,
            selector: { matchLabels: { app: 'web' } },
            template: {
                metadata: { labels: { app: 'web' } },
                spec: { containers: [container], terminationGracePeriodSeconds: 2 },
            },
        },
    },
});
const ready = async () => (await apps.readNamespacedDeployment({ name: 'web', namespace })).status.readyReplicas;
await until('one is ready', async () => (await ready()) === 1);
const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
scale.spec.replicas = 2;
await apps.replaceNamespacedDeploymentScale({ name: 'web', namespace, body: scale });
await until('two are ready', async () => (await ready()) === 2);
await apps.deleteNamespacedDeployment({ name: 'web', namespace, propagationPolicy: 'Foreground' });
await until('it is gone', () => gone(() => apps.readNamespacedDeployment({ name: 'web', namespace })));
