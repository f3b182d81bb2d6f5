//! TLS of gateways and upstreams, and rules for connections: what they come to, and what leaves a
//! server or a rule out.

use spur_istio::Spec;
use spur_route::{ClientCertificates, Serves, TlsTerms, TlsVersion};

use super::reading;

/// What the only server of a Gateway serves, and the paths of what is not obeyed.
fn server(protocol: &str, tls: &str) -> (Option<Serves>, Vec<String>) {
    let spec =
        format!("{{servers: [{{port: {{number: 443, protocol: {protocol}}}, hosts: ['*'], tls: {tls}}}]}}");
    let read = reading("Gateway", &spec);
    assert_eq!(read.faults, [], "{spec}");
    let Some(Spec::Gateway(gateway)) = read.spec else { panic!("no Gateway") };
    let serves = gateway.servers.into_iter().next().map(|server| server.serves);
    (serves, read.unsupported.into_iter().map(|one| one.path).collect())
}

fn terms(clients: ClientCertificates) -> TlsTerms {
    TlsTerms { credential: "c".into(), clients, oldest: TlsVersion::V1_2, newest: TlsVersion::V1_3 }
}

#[test]
fn protocol_and_mode_say_what_a_server_serves() {
    for (protocol, tls, serves) in [
        ("HTTPS", "{mode: SIMPLE, credentialName: c}", Serves::Https(terms(ClientCertificates::NotAsked))),
        ("HTTPS", "{mode: MUTUAL, credentialName: c}", Serves::Https(terms(ClientCertificates::Required))),
        (
            "GRPC",
            "{mode: OPTIONAL_MUTUAL, credentialName: c}",
            Serves::Https(terms(ClientCertificates::Optional)),
        ),
        ("TLS", "{mode: SIMPLE, credentialName: c}", Serves::TcpInTls(terms(ClientCertificates::NotAsked))),
        ("TLS", "{mode: PASSTHROUGH}", Serves::Passthrough),
        ("HTTPS", "{}", Serves::Passthrough),
        ("TCP", "{}", Serves::Tcp),
        ("HTTP", "{httpsRedirect: true}", Serves::Http),
    ] {
        assert_eq!(server(protocol, tls), (Some(serves), Vec::new()), "{protocol} {tls}");
    }
}

#[test]
fn versions_are_bounded_by_what_is_spoken() {
    let (serves, unsupported) = server(
        "HTTPS",
        "{mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_0, maxProtocolVersion: TLSV1_2}",
    );
    let Some(Serves::Https(terms)) = serves else { panic!("it is served") };
    assert_eq!((terms.oldest, terms.newest), (TlsVersion::V1_2, TlsVersion::V1_2));
    assert_eq!(unsupported, ["spec.servers[0].tls.minProtocolVersion"]);
}

#[test]
fn what_would_let_the_wrong_clients_in_leaves_the_server_out() {
    for (tls, field) in [
        ("subjectAltNames: [a]", "subjectAltNames"),
        ("verifyCertificateHash: [aa]", "verifyCertificateHash"),
        ("caCrl: /crl.pem", "caCrl"),
        ("maxProtocolVersion: TLSV1_1", "maxProtocolVersion"),
    ] {
        let (serves, unsupported) = server("HTTPS", &format!("{{mode: MUTUAL, credentialName: c, {tls}}}"));
        assert_eq!((serves, unsupported), (None, vec![format!("spec.servers[0].tls.{field}")]));
    }
    let (serves, unsupported) = server("HTTPS", "{mode: ISTIO_MUTUAL}");
    assert_eq!((serves, &*unsupported[0]), (None, "spec.servers[0].tls.mode"));
    let (serves, _) = server("HTTPS", "{mode: SIMPLE, serverCertificate: /a, privateKey: /b}");
    assert_eq!(serves, None, "files are not read");
}

#[test]
fn rules_for_connections_are_read_whole() {
    let read = reading(
        "VirtualService",
        r#"
hosts: ["*.example.com"]
gateways: [edge]
tls:
- match: [{sniHosts: [Db.example.com], port: 443}, {sniHosts: ["*.b.example.com"], gateways: [other/g]}]
  route: [{destination: {host: db, port: {number: 5432}}, weight: 3}, {destination: {host: db2}, weight: 1}]
tcp:
- match: [{port: 5432, sourceLabels: {app: cart}, sourceNamespace: shop}]
  route: [{destination: {host: db, subset: v1}}]
"#,
    );
    assert_eq!((&read.faults[..], &read.unsupported[..]), (&[][..], &[][..]));
    let Some(Spec::VirtualService(spec)) = read.spec else { panic!("no VirtualService") };
    let [tls] = &spec.connections.tls[..] else { panic!("one rule") };
    assert_eq!(tls.rule.to_string(), "VirtualService shop/it tls[0]");
    assert_eq!(tls.matches[0].sni_hosts, ["db.example.com".into()]);
    assert_eq!(tls.matches[1].gateways, ["other/g".into()]);
    assert_eq!(tls.destinations[0].to.to_string(), "shop/db:5432");
    let [tcp] = &spec.connections.tcp[..] else { panic!("one rule") };
    assert_eq!((tcp.matches[0].port, tcp.matches[0].source_labels.len()), (Some(5432), 1));
}

#[test]
fn a_rule_by_subnets_is_left_out_and_said() {
    let spec = "{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: a}}]}]}";
    let read = reading("VirtualService", spec);
    assert_eq!(read.unsupported[0].path, "spec.tcp[0].match[0].destinationSubnets");
    let Some(Spec::VirtualService(spec)) = read.spec else { panic!("no VirtualService") };
    assert_eq!(spec.connections.tcp, []);
}

#[test]
fn tls_of_an_upstream_names_a_secret() {
    let spec = "{host: a, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c, sni: b.com, subjectAltNames: [b.com]}}}";
    let read = reading("DestinationRule", spec);
    assert_eq!((&read.faults[..], &read.unsupported[..]), (&[][..], &[][..]));
    let Some(Spec::DestinationRule(spec)) = read.spec else { panic!("no DestinationRule") };
    let tls = spec.policy.all.tls.unwrap();
    assert_eq!(
        (tls.is_mutual, tls.credential.as_deref(), tls.sni.as_deref()),
        (true, Some("c"), Some("b.com"))
    );
    let files = "{host: a, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /ca.pem}}}";
    assert_eq!(
        reading("DestinationRule", files).unsupported[0].path,
        "spec.trafficPolicy.tls.caCertificates"
    );
}
