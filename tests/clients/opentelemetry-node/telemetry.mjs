// Spans by every exporter, metrics and log lines, as Node's libraries write them: JSON in chunks.

import assert from 'node:assert/strict';

import {
    api, endpoint, get, grpcTraces, httpLogs, httpMetrics, httpTraces, logs, metrics, resource, traces, until, zipkin,
} from './support.mjs';

const exporters = {
    http: new httpTraces.OTLPTraceExporter({ url: `${endpoint}/v1/traces` }),
    gzip: new httpTraces.OTLPTraceExporter({ url: `${endpoint}/v1/traces`, compression: 'gzip' }),
    grpc: new grpcTraces.OTLPTraceExporter({ url: endpoint }),
    zipkin: new zipkin.ZipkinExporter({ url: `${endpoint}/api/v2/spans`, serviceName: 'cart' }),
};
for (const [name, exporter] of Object.entries(exporters)) {
    const provider = new traces.NodeTracerProvider({
        resource,
        spanProcessors: [new traces.BatchSpanProcessor(exporter)],
    });
    const tracer = provider.getTracer('test');
    const outer = tracer.startSpan('outer', { attributes: { n: 1, 'http.route': '/cart' } });
    const inner = tracer.startSpan('inner', { kind: api.SpanKind.CLIENT }, api.trace.setSpan(api.context.active(), outer));
    inner.setStatus({ code: api.SpanStatusCode.ERROR, message: 'no' });
    inner.end();
    outer.end();
    await provider.shutdown();
    const { traceId } = outer.spanContext();
    const found = await until(`${name}: both spans are read back`, async () => {
        const found = await get(`/api/v3/traces/${traceId}`);
        const spans = found?.result.resourceSpans.flatMap((of) => of.scopeSpans.flatMap((scope) => scope.spans));
        return spans?.length === 2 && spans;
    });
    const [one, other] = ['outer', 'inner'].map((name) => found.find((span) => span.name === name));
    assert.equal(other.parentSpanId, one.spanId, name);
    assert.deepEqual([other.kind, other.status.code], [3, 2], name);
}
assert.deepEqual(await get('/api/v3/services'), { services: ['cart'] });

const reader = new metrics.PeriodicExportingMetricReader({
    exporter: new httpMetrics.OTLPMetricExporter({ url: `${endpoint}/v1/metrics` }),
});
const meters = new metrics.MeterProvider({ resource, readers: [reader] });
meters.getMeter('test').createCounter('orders').add(3, { method: 'GET' });
meters.getMeter('test').createHistogram('size', { unit: 'By' }).record(700);
await meters.forceFlush();
await meters.shutdown();
const text = await (await fetch(process.env.SPUR_METRICS)).text();
assert.match(text, /^orders_total\{method="GET",service_name="cart"\} 3$/m);
assert.match(text, /^size_bytes_count\{service_name="cart"\} 1$/m);

const exporter = new httpLogs.OTLPLogExporter({ url: `${endpoint}/v1/logs` });
const processor = (() => {
    // Which argument it takes has changed between versions.
    try {
        return new logs.SimpleLogRecordProcessor({ exporter });
    } catch {
        return new logs.SimpleLogRecordProcessor(exporter);
    }
})();
const loggers = new logs.LoggerProvider({ resource, processors: [processor] });
loggers.getLogger('test').emit({ severityNumber: 17, body: 'it broke', attributes: { order: 7 } });
await loggers.forceFlush();
await loggers.shutdown();
const [of] = (await get('/api/telemetry/logs')).resourceLogs;
assert.equal(of.scopeLogs[0].logRecords[0].body.stringValue, 'it broke');
