//! Objects of these definitions as people write them, and changes that break their rules.

use serde_json::{Value, json};

pub(crate) fn all() -> Vec<Value> {
    vec![
        object(
            "networking.istio.io/v1",
            "VirtualService",
            json!({
                "hosts": ["reviews"],
                "http": [{"match": [{"headers": {"end-user": {"exact": "ann"}}}],
                    "route": [{"destination": {"host": "reviews", "subset": "v2"}, "weight": 100}], "timeout": "5s"}],
            }),
        ),
        object(
            "networking.istio.io/v1",
            "DestinationRule",
            json!({
                "host": "reviews", "subsets": [{"name": "v2", "labels": {"version": "v2"}}],
                "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}},
            }),
        ),
        object(
            "networking.istio.io/v1",
            "ServiceEntry",
            json!({
                "hosts": ["api.example.com"], "location": "MESH_EXTERNAL", "resolution": "DNS",
                "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}],
            }),
        ),
        object("security.istio.io/v1", "PeerAuthentication", json!({"mtls": {"mode": "STRICT"}})),
        object(
            "security.istio.io/v1",
            "AuthorizationPolicy",
            json!({
                "action": "ALLOW", "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}],
            }),
        ),
        object("gateway.networking.k8s.io/v1", "GatewayClass", json!({"controllerName": "spur.dev/gateway"})),
        object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            json!({
                "gatewayClassName": "spur", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
            }),
        ),
        object(
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            json!({
                "parentRefs": [{"name": "gateway"}], "hostnames": ["shop.example.com"],
                "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/cart"}}],
                    "backendRefs": [{"name": "cart", "port": 80}]}],
            }),
        ),
        object(
            "gateway.networking.k8s.io/v1",
            "GRPCRoute",
            json!({
                "rules": [{"backendRefs": [{"name": "prices", "port": 9000}]}],
            }),
        ),
        object(
            "gateway.networking.k8s.io/v1beta1",
            "ReferenceGrant",
            json!({
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "web"}],
                "to": [{"group": "", "kind": "Service"}],
            }),
        ),
    ]
}

/// Merge patches that the kind's schema or rules refuse.
pub(crate) fn broken(sample: &Value) -> Vec<Value> {
    match sample["kind"].as_str().unwrap_or_default() {
        "VirtualService" => vec![json!({"spec": {"http": [{"timeout": "soon"}]}})],
        "ServiceEntry" => vec![json!({"spec": {"hosts": []}}), json!({"spec": {"location": "ELSEWHERE"}})],
        "GatewayClass" => vec![json!({"spec": {"controllerName": "example.com/other"}})],
        "Gateway" => vec![
            json!({"spec": {"listeners": [{"name": "a", "port": 80, "protocol": "HTTP"}, {"name": "a", "port": 81, "protocol": "HTTP"}]}}),
            json!({"spec": {"listeners": [{"name": "a", "port": 80, "protocol": "HTTP", "tls": {"mode": "Terminate"}}]}}),
        ],
        "HTTPRoute" => vec![
            json!({"spec": {"rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "cart"}}]}]}}),
            json!({"spec": {"rules": [{"filters": [{"type": "RequestRedirect"}]}]}}),
        ],
        _ => Vec::new(),
    }
}

fn object(api_version: &str, kind: &str, spec: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "sample"}, "spec": spec})
}
