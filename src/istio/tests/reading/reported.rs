//! What is accepted and not obeyed is said, with its path and why.

use spur_istio::{KINDS, Spec, Support, fields};

use super::reading;

#[track_caller]
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let read = reading(kind, spec);
    assert_eq!(read.faults, []);
    let paths: Vec<&str> = read.unsupported.iter().map(|one| &*one.path).collect();
    assert_eq!(paths, expected, "{spec}");
}

#[test]
fn fields_that_do_nothing_are_named() {
    check(
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: a}}], fault: {abort: {httpStatus: 500}}, mirror: {host: b}, corsPolicy: {}}]}",
        &["spec.http[0].fault", "spec.http[0].mirror", "spec.http[0].corsPolicy"],
    );
    check(
        "DestinationRule",
        "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, connectionPool: {http: {http2KeepAlive: {}}}}}",
        &["spec.trafficPolicy.connectionPool.http.http2KeepAlive", "spec.trafficPolicy.tls.mode"],
    );
    check(
        "Gateway",
        "{servers: [{port: {number: 443, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, cipherSuites: [X]}}]}",
        &["spec.servers[0].tls.cipherSuites"],
    );
}

#[test]
fn a_rule_that_delegates_is_left_out_and_said() {
    let spec = "{hosts: [a], http: [{delegate: {name: b}}, {route: [{destination: {host: a}}]}]}";
    check("VirtualService", spec, &["spec.http[0].delegate"]);
    let Some(Spec::VirtualService(read)) = reading("VirtualService", spec).spec else { panic!("no rules") };
    assert_eq!(read.http().len(), 1);
    assert_eq!(read.http()[0].rule.route.as_deref(), Some("http[1]"));
}

#[test]
fn a_rule_for_claims_never_matches_without_them() {
    let spec = "{hosts: [a], http: [{match: [{headers: {'@request.auth.claims.sub': {exact: me}}}], route: [{destination: {host: a}}]}]}";
    check("VirtualService", spec, &["spec.http[0].match[0].headers[@request.auth.claims.sub]"]);
    let Some(Spec::VirtualService(read)) = reading("VirtualService", spec).spec else { panic!("no rules") };
    assert_eq!(read.http().len(), 0);
}

#[test]
fn every_field_says_what_becomes_of_it() {
    for kind in KINDS {
        let fields = fields(kind);
        assert!(fields.iter().any(|(_, support)| *support == Support::Honoured), "{kind}");
        let mut paths: Vec<&str> = fields.iter().map(|(path, _)| &**path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), fields.len(), "no field of {kind} stands there twice");
    }
}
