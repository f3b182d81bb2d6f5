"""Metrics and log lines, by HTTP and by gRPC; the metrics are read by Prometheus' own parsers."""

import logging
import os

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from support import RESOURCE, endpoint, get

metrics = {
    "http": HttpMetricExporter(endpoint=endpoint() + "/v1/metrics"),
    "grpc": GrpcMetricExporter(endpoint=endpoint(), insecure=True),
}
for name, exporter in metrics.items():
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource=RESOURCE)
    meter = provider.get_meter("test")
    meter.create_counter(f"orders.{name}", unit="{order}", description='Orders "so far"\nin all').add(3, {"http.method": "GET"})
    meter.create_histogram(f"size.{name}", unit="By").record(700)
    meter.create_up_down_counter(f"waiting.{name}").add(-2)
    assert provider.force_flush()
    provider.shutdown()

base = os.environ["SPUR_METRICS"].removesuffix("/metrics")
for accept, parse in [("text/plain", prometheus), ("application/openmetrics-text", open_metrics)]:
    families = {family.name: family for family in parse(get("/metrics", base, accept))}
    for name in metrics:
        [orders] = families[f"orders_{name}"].samples
        assert orders.value == 3 and orders.labels == {"http_method": "GET", "service_name": "cart"}, orders
        sizes = {sample.name.removeprefix(f"size_{name}_bytes"): sample for sample in families[f"size_{name}_bytes"].samples}
        assert (sizes["_count"].value, sizes["_sum"].value, sizes["_bucket"].value) == (1, 700, 1), sizes
        assert families[f"waiting_{name}"].type == "gauge", families[f"waiting_{name}"]

logs = {
    "http": HttpLogExporter(endpoint=endpoint() + "/v1/logs"),
    "grpc": GrpcLogExporter(endpoint=endpoint(), insecure=True),
}
for name, exporter in logs.items():
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = logging.getLogger(name)
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.error("it broke by %s", name, extra={"order": 7})
    provider.shutdown()
resources = get("/api/telemetry/logs?resource=cart")["resourceLogs"]
lines = [line for of in resources for scope in of["scopeLogs"] for line in scope["logRecords"]]
assert [line["body"]["stringValue"] for line in lines] == ["it broke by http", "it broke by grpc"], lines
assert all(line["severityNumber"] == 17 for line in lines), lines
