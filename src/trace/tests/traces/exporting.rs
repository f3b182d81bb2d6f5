//! Traces in the words of OpenTelemetry.

use spur_trace::otlp_json::traces_data;

use crate::world::{hop, settled, span};
use spur_trace::{HopError, SpanKind, SpanStatus, TraceStore};

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn a_hop_is_a_span_of_the_service_with_the_decision() {
    let (_, traces) = settled(&[
        hop(1, "frontend", 0, 50).path("/cart?n=1&token=hush"),
        hop(2, "pricing", 10, 40).from("frontend").parent(1).fork("try-pricing").status(503),
    ]);
    let spans = traces[0].as_spans();
    assert_eq!(
        (&*spans[0].resource.service, &*spans[0].name, spans[0].kind),
        ("frontend", "GET /cart", SpanKind::Server)
    );
    assert_eq!(spans[0].attributes.get("url.query").unwrap().as_text(), Some("n=1&token=REDACTED"));
    assert_eq!(spans[1].parent_id, Some(spans[0].span_id));
    assert_eq!(spans[1].status, SpanStatus::Error);
    insta::assert_snapshot!(pretty(&spans[1].attributes), @r#"
    {
      "server.address": "pricing.shop",
      "server.port": 80,
      "http.request.method": "GET",
      "network.protocol.version": "1.1",
      "url.path": "/",
      "http.response.status_code": 503,
      "http.request.body.size": 0,
      "http.response.body.size": 2,
      "error.type": "503",
      "spur.reason": "forked",
      "spur.from": "frontend",
      "spur.from.pod": "frontend-0",
      "spur.version": "sandbox",
      "spur.sandbox": "shop/pr-421",
      "spur.key": "pr-421",
      "spur.key.carrier": "baggage member `spur-key`",
      "spur.to": "try-pricing",
      "spur.to.pod": "try-pricing-0",
      "spur.endpoint": "127.0.0.1:30000",
      "spur.routes.revision": 7
    }
    "#);
}

#[test]
fn what_broke_off_is_an_error_with_its_code() {
    let (_, traces) = settled(&[hop(1, "a", 0, 5).error(HopError::ConnectRefused)]);
    let spans = traces[0].as_spans();
    assert_eq!(spans[0].status_message.as_deref(), Some("connect-refused"));
    assert_eq!(spans[0].attributes.get("error.type").unwrap().as_text(), Some("connect-refused"));
}

#[test]
fn spans_of_applications_lie_between_the_hops() {
    let mut store = TraceStore::new(spur_trace::Limits::default());
    for hop in [hop(1, "frontend", 0, 50), hop(2, "pricing", 20, 40).from("frontend").parent(12)] {
        store.apply(hop.start());
        store.apply(hop.end());
    }
    store.apply_span(span(12, "frontend", 1));
    let trace = crate::world::settle(&mut store).pop().unwrap();
    let data = serde_json::to_value(traces_data([&*trace])).unwrap();
    let resources = data["resourceSpans"].as_array().unwrap();
    assert_eq!(resources.len(), 3, "the proxy's spans of a service are not its own");
    let all: Vec<_> =
        resources.iter().flat_map(|it| it["scopeSpans"][0]["spans"].as_array().unwrap()).collect();
    let parents: Vec<_> = all.iter().map(|span| span["parentSpanId"].as_str()).collect();
    assert_eq!(parents, [None, Some("0000000000000001"), Some("000000000000000c")]);
    insta::assert_snapshot!(pretty(&resources[1]), @r#"
    {
      "resource": {
        "attributes": [
          {
            "key": "service.name",
            "value": {
              "stringValue": "frontend"
            }
          }
        ]
      },
      "scopeSpans": [
        {
          "scope": {
            "name": "",
            "version": ""
          },
          "spans": [
            {
              "traceId": "00000000000000000000000000000001",
              "spanId": "000000000000000c",
              "parentSpanId": "0000000000000001",
              "name": "work",
              "kind": 1,
              "startTimeUnixNano": "1795176000012000000",
              "endTimeUnixNano": "1795176000015000000",
              "attributes": [],
              "droppedAttributesCount": 0,
              "events": [],
              "links": [],
              "status": {
                "code": 0
              }
            }
          ]
        }
      ]
    }
    "#);
}
