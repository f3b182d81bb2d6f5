//! Whatever bytes come, there is an answer, and no more is kept than is allowed.

use http::Request;
use http_body_util::Full;
use proptest::prelude::*;
use prost::Message;
use spur_trace::Query;

use crate::http::{gzip, request, zstd};
use crate::world::{World, send};

const PATHS: [&str; 4] = ["/v1/traces", "/v1/metrics", "/v1/logs", "/api/v2/spans"];
const KINDS: [&str; 3] = ["application/json", "application/x-protobuf", "application/grpc"];
const CODINGS: [&str; 3] = ["identity", "gzip", "zstd"];

/// Bytes that are nothing, and a valid export in which some bytes are others.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let anything = proptest::collection::vec(any::<u8>(), 0..200);
    let nearly =
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8).prop_map(|changes| {
            let mut body = request(3).encode_to_vec();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            body
        });
    let words = "[\\[\\]{}:,\"0-9a-z ]{0,100}".prop_map(String::into_bytes);
    prop_oneof![anything, nearly, words]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn there_is_an_answer(
        bodies in proptest::collection::vec((bodies(), 0_usize..4, 0_usize..3, 0_usize..3, any::<bool>()), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::start();
            for (body, path, kind, coding, is_packed) in bodies {
                let body = match (CODINGS[coding], is_packed) {
                    ("gzip", true) => gzip(&body),
                    ("zstd", true) => zstd(&body),
                    (_, _) => body,
                };
                let request = Request::post(format!("http://{}{}", world.address, PATHS[path]))
                    .header("content-type", KINDS[kind])
                    .header("content-encoding", CODINGS[coding])
                    .header("grpc-encoding", CODINGS[coding]);
                let answer = send(KINDS[kind] == "application/grpc", request.body(Full::new(body.into())).unwrap()).await;
                assert!(matches!(answer.status.as_u16(), 200 | 202 | 400 | 413 | 415), "{answer:?}");
            }
            // Whoever reads it can.
            let all = Query { limit: usize::MAX, ..Query::default() };
            for trace in world.traces.query(all).await.unwrap().traces {
                let json = serde_json::to_string(&*trace).unwrap();
                assert_eq!(serde_json::from_str::<spur_trace::Trace>(&json).unwrap().spans.len(), trace.spans.len());
            }
            for path in ["/api/v3/traces", "/api/traces", "/api/v2/traces", "/api/telemetry/logs", "/api/telemetry/metrics"] {
                assert_eq!(world.get(path).await.status.as_u16(), 200, "{path}");
            }
        });
    }
}
