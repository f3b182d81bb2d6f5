//! The peers' configurations: one worker, an upstream pool, and an upstream by a key in a header.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::certificate::{BOTH, CERTIFICATE, KEY};
use crate::load::{KEY_HEADER, Wire};

/// What a proxy has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) wire: Wire,
    /// Keys `k0`, `k1`, … that each choose an upstream.
    pub(crate) n_keys: usize,
    /// The backend, which is behind all of them.
    pub(crate) upstream: SocketAddr,
    /// Whether clients speak TLS, with the certificate of the directory ([`crate::certificate`]).
    pub(crate) is_tls: bool,
}

/// `nginx.conf`; a map is a hash table.
pub(crate) fn nginx(work: &Work, port: u16) -> String {
    let Work { wire, n_keys, upstream, is_tls } = work;
    let (ssl, certificate) = match is_tls {
        true => (" ssl", format!("ssl_certificate {CERTIFICATE}; ssl_certificate_key {KEY};")),
        false => ("", String::new()),
    };
    let keys: String = (0..*n_keys).map(|key| format!("k{key} forked;\n")).collect();
    let header = KEY_HEADER.replace('-', "_");
    // nginx speaks HTTP/2 to upstreams by its gRPC module only.
    let (listen, pass) = match wire {
        Wire::Http1 => {
            ("", "proxy_pass http://$pool; proxy_http_version 1.1; proxy_set_header Connection '';")
        }
        Wire::Http2 | Wire::Grpc => (" http2", "grpc_pass grpc://$pool;"),
    };
    format!(
        "user root; worker_processes 1; worker_rlimit_nofile 16384; daemon off; pid nginx.pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off; proxy_max_temp_file_size 0; keepalive_requests 1000000000; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  map_hash_max_size 65536; map_hash_bucket_size 128;
  map $http_{header} $pool {{ default baseline;\n{keys} }}
  upstream baseline {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  upstream forked {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port}{ssl}{listen} backlog=4096;
    {certificate}
    http2_max_concurrent_streams 1024;
    location / {{ {pass} }}
  }}
}}
"
    )
}

/// `haproxy.cfg`; a map is a tree.
pub(crate) fn haproxy(work: &Work, port: u16, map: &str) -> String {
    let Work { wire, n_keys: _, upstream, is_tls } = work;
    let ssl = if *is_tls { format!(" ssl crt {BOTH}") } else { String::new() };
    let proto = match wire {
        Wire::Http1 => "",
        Wire::Http2 | Wire::Grpc => " proto h2",
    };
    format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend entry
  bind 127.0.0.1:{port}{proto}{ssl} backlog 4096
  use_backend %[req.hdr({KEY_HEADER}),map({map},baseline)]
backend baseline
  server one {upstream}{proto} pool-max-conn 1024
backend forked
  server one {upstream}{proto} pool-max-conn 1024
"
    )
}

/// The file that HAProxy's configuration names.
pub(crate) fn haproxy_map(work: &Work) -> String {
    (0..work.n_keys).map(|key| format!("k{key} forked\n")).collect()
}

/// `envoy.yaml` (JSON is YAML); a route for each key, as a mesh writes them.
pub(crate) fn envoy(work: &Work, port: u16) -> Value {
    let Work { wire, n_keys, upstream, is_tls } = work;
    let to = |cluster: &str| json!({"cluster": cluster, "timeout": "0s"});
    let mut routes: Vec<Value> = (0..*n_keys)
        .map(|key| {
            let is_key = json!({"name": KEY_HEADER, "string_match": {"exact": format!("k{key}")}});
            json!({"match": {"prefix": "/", "headers": [is_key]}, "route": to("forked")})
        })
        .collect();
    routes.push(json!({"match": {"prefix": "/"}, "route": to("baseline")}));
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "entry", "codec_type": "AUTO", "http_filters": [router],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    });
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let protocol = match wire {
        Wire::Http1 => json!({"http_protocol_options": {}}),
        Wire::Http2 | Wire::Grpc => json!({"http2_protocol_options": {}}),
    };
    let cluster = |name: &str| {
        json!({
            "name": name, "connect_timeout": "5s", "type": "STATIC",
            "circuit_breakers": {"thresholds": [{"max_connections": 8192, "max_pending_requests": 8192, "max_requests": 8192}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol}},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(upstream.port())}}]}]},
        })
    };
    let mut chain = json!({"filters": [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]});
    if *is_tls {
        let certificate = json!({
            "certificate_chain": {"filename": CERTIFICATE}, "private_key": {"filename": KEY},
        });
        chain["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [certificate]}}});
    }
    json!({"static_resources": {
        "listeners": [{"name": "entry", "address": address(port), "filter_chains": [chain]}],
        "clusters": [cluster("baseline"), cluster("forked")],
    }})
}
