// Commands run in a pod: both outputs, input, and the exit code; attach and logs.

import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { connect, k8s, namespace, scriptPod, until } from './support.mjs';

const config = connect();
const core = config.makeApiClient(k8s.CoreV1Api);
const pod = scriptPod('p', 'echo first; while read line; do echo got $line; done; echo end');
pod.spec.containers[0].stdin = true;
await core.createNamespacedPod({ namespace, body: pod });
const phase = async () => (await core.readNamespacedPod({ name: 'p', namespace })).status.phase;
await until('the pod runs', async () => (await phase()) === 'Running');

/** Runs a command to its end: its status and both outputs. */
async function run(command, stdin = null) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const outputs = Promise.all([text(stdout), text(stderr)]);
    const status = await new Promise((resolve, reject) => {
        new k8s.Exec(config)
            .exec(namespace, 'p', 'main', command, stdout, stderr, stdin, false, resolve)
            .then((socket) => socket.on('close', () => [stdout, stderr].forEach((stream) => stream.end())), reject);
    });
    const [out, err] = await outputs;
    return { status, out, err };
}

const done = await run(['sh', '-c', 'echo out; echo err >&2']);
assert.deepEqual([done.status.status, done.out, done.err], ['Success', 'out\n', 'err\n']);
const failed = await run(['sh', '-c', 'exit 3']);
assert.equal(failed.status.status, 'Failure');
assert.equal(failed.status.reason, 'NonZeroExitCode');
assert.deepEqual(failed.status.details.causes, [{ reason: 'ExitCode', message: '3' }]);
const missing = await run(['no-such-program']);
assert.equal(missing.status.reason, 'InternalError');
assert.match(missing.status.message, /no-such-program/);

// Input with an end, and more of it than one frame holds.
const sorted = await run(['sh', '-c', 'head -n 2 | sort'], Readable.from(['b\na\n']));
assert.equal(sorted.out, 'a\nb\n');
const much = await run(['sh', '-c', 'head -c 2000000 /dev/zero | tr "\\0" x']);
assert.equal(much.out.length, 2_000_000);

// Attach: the container's own input and output.
const [input, output] = [new PassThrough(), new PassThrough()];
let heard = '';
output.on('data', (chunk) => (heard += chunk));
const attached = await new k8s.Attach(config).attach(namespace, 'p', 'main', output, null, input, false);
input.write('hi\n');
await until('it has answered', () => heard === 'got hi\n');
attached.close();

// Logs: as text, and followed to the container's end.
assert.equal(await core.readNamespacedPodLog({ name: 'p', namespace }), 'first\ngot hi\n');
const followed = new PassThrough();
const log = text(followed);
await new k8s.Log(config).log(namespace, 'p', 'main', followed, { follow: true, tailLines: 1 });
await core.deleteNamespacedPod({ name: 'p', namespace });
assert.match(await log, /^got hi\n/);

