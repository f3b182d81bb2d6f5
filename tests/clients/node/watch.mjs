// A watch tells every change and goes on where it ended; an informer keeps a copy.

import assert from 'node:assert/strict';

import { connect, k8s, namespace, until } from './support.mjs';

const config = connect();
const core = config.makeApiClient(k8s.CoreV1Api);
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const labels = { of: 'watch' };
const create = (name) => core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels } } });
const remove = (name) => core.deleteNamespacedConfigMap({ name, namespace });
const change = (name, data) =>
    core.patchNamespacedConfigMap(
        { name, namespace, body: { data } },
        k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
    );

/** Collects events as `TYPE name` until there are enough, and gives the version to go on from. */
async function take(nEvents, query) {
    const seen = [];
    let at;
    const watching = await new k8s.Watch(config).watch(
        path,
        query,
        (type, object) => {
            seen.push(`${type} ${object.metadata.name}`);
            if (seen.length === nEvents) at = object.metadata.resourceVersion;
        },
        () => {},
    );
    await until(`${nEvents} events are seen`, () => seen.length >= nEvents);
    watching.abort();
    assert.equal(seen.length, nEvents, seen);
    return { seen, at };
}

const start = (await core.listNamespacedConfigMap({ namespace })).metadata.resourceVersion;
await create('a');
await change('a', { x: '1' });
await remove('a');
const first = await take(3, { resourceVersion: start });
assert.deepEqual(first.seen, ['ADDED a', 'MODIFIED a', 'DELETED a']);
await create('b');
const second = await take(1, { resourceVersion: first.at });
assert.deepEqual(second.seen, ['ADDED b']);

// Its end is told without an error when its time is over.
const ended = new Promise((resolve) => {
    new k8s.Watch(config).watch(path, { resourceVersion: second.at, timeoutSeconds: 1 }, () => {}, resolve);
});
assert.equal(await ended, null);

// An informer: what is there, then every change.
const told = [];
const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'of=watch' });
const informer = k8s.makeInformer(config, path, list, 'of=watch');
for (const event of ['add', 'update', 'delete']) {
    informer.on(event, (object) => told.push(`${event} ${object.metadata.name}`));
}
informer.on('error', (error) => told.push(`error ${error}`));
await informer.start();
await create('c');
await change('b', { x: '2' });
await remove('c');
await until('all of it is told', () => told.length >= 4);
assert.deepEqual(told, ['add b', 'add c', 'update b', 'delete c']);
assert.deepEqual(informer.list(namespace).map((object) => object.data), [{ x: '2' }]);
await informer.stop();
