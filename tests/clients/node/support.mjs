// What the scripts share: the client that SPUR_NODE_MODULES holds, the API that KUBECONFIG leads
// to, and waiting with a deadline.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const modules = process.env.SPUR_NODE_MODULES;
if (!modules) throw new Error('SPUR_NODE_MODULES names no `node_modules` folder');
const client = createRequire(join(modules, 'x.js')).resolve('@kubernetes/client-node');

export const k8s = await import(pathToFileURL(client));

export const namespace = 'default';

/** A kubeconfig's clients. */
export function connect() {
    const config = new k8s.KubeConfig();
    config.loadFromDefault();
    return config;
}

// Nothing on one machine takes that long; the same as the tests in Rust.
const DEADLINE_MS = 30_000;

/** Looks until there is something to see, and gives it. */
export async function until(what, look) {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
        const seen = await look();
        if (seen) return seen;
        assert(Date.now() < deadline, `waited ${DEADLINE_MS} ms until ${what}`);
        await sleep(20);
    }
}

/** What is done inside is refused with this code and reason. */
export async function refused(code, reason, promise) {
    const error = await promise.then(
        () => assert.fail(`done, where ${code} ${reason} was due`),
        (error) => error,
    );
    assert.equal(error.code, code, error);
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    assert.equal(status.reason, reason);
    return status;
}

/** Whether reading answers 404. */
export async function gone(read) {
    try {
        await read();
        return false;
    } catch (error) {
        assert.equal(error.code, 404, error);
        return true;
    }
}

/** A pod that runs a shell script as a process. */
export function scriptPod(name, script) {
    return {
        metadata: { name },
        spec: {
            restartPolicy: 'Never',
            terminationGracePeriodSeconds: 2,
            containers: [{ name: 'main', image: 'none', command: ['sh', '-c', script] }],
        },
    };
}
