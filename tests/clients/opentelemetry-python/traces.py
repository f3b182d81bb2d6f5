"""Spans by every exporter and coding, read back by Jaeger's API."""

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter

import grpc
from support import endpoint, get, read_back, tag, trace_with, until

exporters = {
    "http": HttpExporter(endpoint=endpoint() + "/v1/traces"),
    "http, gzip": HttpExporter(endpoint=endpoint() + "/v1/traces", compression=Compression.Gzip),
    "http, deflate": HttpExporter(endpoint=endpoint() + "/v1/traces", compression=Compression.Deflate),
    "grpc": GrpcExporter(endpoint=endpoint(), insecure=True),
    "grpc, gzip": GrpcExporter(endpoint=endpoint(), insecure=True, compression=grpc.Compression.Gzip),
    "grpc, deflate": GrpcExporter(endpoint=endpoint(), insecure=True, compression=grpc.Compression.Deflate),
    "zipkin": ZipkinExporter(endpoint=endpoint() + "/api/v2/spans"),
}
for name, exporter in exporters.items():
    spans = read_back(trace_with(exporter))
    assert tag(spans["inner"], "error") in (True, "ValueError: no", "no"), (name, spans["inner"])
    assert [log["fields"][0]["value"] for log in spans["inner"]["logs"]][0].find("half") >= 0, name
    if name != "zipkin":
        assert (tag(spans["outer"], "n"), tag(spans["outer"], "share")) == (1, 0.5), name
        assert tag(spans["outer"], "list") == "[a, b]", name
        assert tag(spans["outer"], "otel.scope.name") == "test", name

assert get("/api/v3/services")["services"] == ["cart"]
found = get("/api/v3/trace-summaries?query.service_name=cart&query.attributes=%7B%22error%22%3A%22true%22%7D")
assert len(found["summaries"]) == 7, found
assert all(one["spanCount"] == 2 and one["errorSpanCount"] == 1 for one in found["summaries"]), found
assert len(until("zipkin finds them", lambda: get("/api/v2/traces?serviceName=cart&limit=50"))) == 7
