// What the scripts share: the libraries that SPUR_NODE_MODULES holds, where telemetry goes, and
// waiting with a deadline.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const modules = process.env.SPUR_NODE_MODULES;
if (!modules) throw new Error('SPUR_NODE_MODULES names no `node_modules` folder');
const load = createRequire(join(modules, 'x.js'));

export const api = load('@opentelemetry/api');
export const { resourceFromAttributes } = load('@opentelemetry/resources');
export const traces = load('@opentelemetry/sdk-trace-node');
export const metrics = load('@opentelemetry/sdk-metrics');
export const logs = load('@opentelemetry/sdk-logs');
export const httpTraces = load('@opentelemetry/exporter-trace-otlp-http');
export const grpcTraces = load('@opentelemetry/exporter-trace-otlp-grpc');
export const httpMetrics = load('@opentelemetry/exporter-metrics-otlp-http');
export const httpLogs = load('@opentelemetry/exporter-logs-otlp-http');
export const zipkin = load('@opentelemetry/exporter-zipkin');

export const endpoint = process.env.SPUR_OTLP;
export const resource = resourceFromAttributes({ 'service.name': 'cart' });

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

/** The JSON of an answer; nothing where there is no such thing. */
export async function get(path, base = endpoint) {
    const answer = await fetch(base + path);
    return answer.ok ? answer.json() : undefined;
}
