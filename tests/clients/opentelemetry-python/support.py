"""What the scripts share: where telemetry goes, what is read back, and waiting with a deadline."""

import json
import os
import time
import urllib.request

# What they need; whatever is absent is told here.
import opentelemetry.exporter.otlp.proto.grpc  # noqa: F401
import opentelemetry.exporter.otlp.proto.http  # noqa: F401
import opentelemetry.exporter.zipkin.json  # noqa: F401
import prometheus_client  # noqa: F401
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

# Nothing on one machine takes that long; the same as the tests in Rust.
DEADLINE_SECONDS = 30

RESOURCE = Resource.create({"service.name": "cart", "service.version": "1.2"})


def endpoint():
    """The listener, without a path."""
    return os.environ["SPUR_OTLP"]


def get(path, base=None, accept="application/json"):
    """An answer: JSON as what it says, anything else as text."""
    request = urllib.request.Request((base or endpoint()) + path, headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["content-type"] else text


def until(what, look):
    """Looks until there is something to see, and gives it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s until {what}"
        time.sleep(0.02)
    return seen


def trace_with(exporter):
    """Two spans, one in the other, by this exporter; gives their trace's id."""
    provider = TracerProvider(resource=RESOURCE)
    results = []
    export = exporter.export
    # What the listener answered, which the processor would only log.
    exporter.export = lambda spans: results.append(export(spans)) or results[-1]
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test", "0.1")
    with tracer.start_as_current_span("outer", attributes={"n": 1, "share": 0.5, "list": ["a", "b"]}) as outer:
        with tracer.start_as_current_span("inner") as inner:
            inner.add_event("half", {"at": "start"})
            inner.record_exception(ValueError("no"))
            inner.set_status(_error("no"))
    provider.shutdown()
    assert [str(result) for result in results] == ["SpanExportResult.SUCCESS"] * 2, results
    return f"{outer.get_span_context().trace_id:032x}"


def _error(message):
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR, message)


def read_back(trace_id):
    """The trace by Jaeger's API, once both spans are there; their parts by name."""
    def look():
        try:
            trace = get(f"/api/traces/{trace_id}")["data"][0]
        except urllib.error.HTTPError:
            return None
        return trace if len(trace["spans"]) == 2 else None

    trace = until("both spans are read back", look)
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert [process["serviceName"] for process in trace["processes"].values()] == ["cart"], trace["processes"]
    assert spans["inner"]["references"][0]["spanID"] == spans["outer"]["spanID"]
    return spans


def tag(span, name):
    """The value of a tag of a span of Jaeger's."""
    return next(tag["value"] for tag in span["tags"] if tag["key"] == name)
