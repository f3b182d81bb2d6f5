//! Spur's rules as files: a Service that as many sandboxes fork as there are keys.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::certificate::{CERTIFICATE, KEY};
use crate::configs::Work;
use crate::load::{Wire, host};

/// The namespace of everything.
const NAMESPACE: &str = "default";
/// The Service that is asked.
pub(crate) const SERVICE: &str = "shop";

/// Keys in one file: a file of YAML may have 250,000 nodes.
const KEYS_PER_FILE: usize = 1_000;

/// All objects of a work, a text for each file.
pub(crate) fn rules(work: &Work) -> Vec<String> {
    let mut texts = vec![service(SERVICE, "", work.upstream, work.wire)];
    for first in (0..work.n_keys).step_by(KEYS_PER_FILE) {
        let keys = first..work.n_keys.min(first + KEYS_PER_FILE);
        texts.push(keys.map(|key| fork(key, work.upstream, work.wire)).collect());
    }
    texts
}

/// A gateway that ends TLS, and the way from it to the Service.
pub(crate) fn https_gateway(port: u16, dir: &Path) -> String {
    let text = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        text.lines().map(|line| format!("    {line}\n")).collect::<String>()
    };
    let (certificate, key) = (text(CERTIFICATE), text(KEY));
    let host = host();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: tls, namespace: {NAMESPACE}}}\ntype: kubernetes.io/tls\n\
         stringData:\n  tls.crt: |\n{certificate}  tls.key: |\n{key}\
         ---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: tls, namespace: {NAMESPACE}}}\n\
         spec: {{servers: [{{port: {{number: {port}, name: https, protocol: HTTPS}}, hosts: ['*'],\n  \
         tls: {{mode: SIMPLE, credentialName: tls}}}}]}}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: tls, namespace: {NAMESPACE}}}\n\
         spec: {{hosts: [{host}], gateways: [tls], http: [{{route: [{{destination: {{host: {SERVICE}}}}}]}}]}}\n"
    )
}

/// A sandbox with the key `k<number>` and its fork.
fn fork(number: usize, upstream: SocketAddr, wire: Wire) -> String {
    let mut text = format!(
        "---\napiVersion: spur.dev/v1alpha1\nkind: Sandbox\nmetadata: {{name: k{number}, namespace: {NAMESPACE}}}\nspec: {{}}\n"
    );
    let labels = format!("spur.dev/sandbox: k{number}, spur.dev/fork-of-service: {SERVICE}");
    text += &service(&format!("{SERVICE}-k{number}"), &labels, upstream, wire);
    text
}

/// A Service with one endpoint.
pub(crate) fn service(name: &str, labels: &str, upstream: SocketAddr, wire: Wire) -> String {
    let (address, port) = (upstream.ip(), upstream.port());
    let protocol = match wire {
        Wire::Http1 => "http",
        Wire::Http2 | Wire::Grpc => "kubernetes.io/h2c",
    };
    let mut text = String::new();
    write!(
        text,
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {NAMESPACE}, labels: {{{labels}}}}}\n\
         spec: {{ports: [{{port: 80, name: http, appProtocol: {protocol}, targetPort: {port}}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}, namespace: {NAMESPACE}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: {port}}}]\n\
         endpoints: [{{addresses: [{address}], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: {name}-0}}}}]\n"
    )
    .unwrap();
    text
}
