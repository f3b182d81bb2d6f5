//! What Istio's webhook refuses, a row each: the spec, and the faults with their paths.

use super::reading;

#[track_caller]
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let faults: Vec<String> = reading(kind, spec).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, expected, "{spec}");
}

/// A VirtualService for `a` with one rule.
#[track_caller]
fn rule(rule: &str, expected: &[&str]) {
    check("VirtualService", &format!("{{hosts: [a], http: [{rule}]}}"), expected);
}

const TO_A: &str = "route: [{destination: {host: a}}]";

#[test]
fn virtual_services() {
    let check = |spec: &str, expected: &[&str]| check("VirtualService", spec, expected);
    check(
        "{hosts: [a]}",
        &["spec.http: Required value: http, tcp or tls must be provided in virtual service"],
    );
    check(
        &format!("{{hosts: ['*'], http: [{{{TO_A}}}]}}"),
        &[
            "spec.hosts[0]: Invalid value: \"*\": wildcard host * is not allowed for virtual services bound to the mesh gateway",
        ],
    );
    check(
        &format!("{{hosts: [a, a.shop.svc.cluster.local], http: [{{{TO_A}}}]}}"),
        &["spec.hosts[1]: Duplicate value: \"a.shop.svc.cluster.local\""],
    );
    check(
        &format!("{{hosts: ['a b'], http: [{{{TO_A}}}]}}"),
        &["spec.hosts[0]: Invalid value: \"a b\": must be a DNS name, or one whose first label is `*`"],
    );
    check(
        &format!("{{hosts: [a], https: 1, http: [{{{TO_A}, nosuch: 1}}]}}"),
        &[
            "spec.https: Invalid value: 1: there is no such field",
            "spec.http[0].nosuch: Invalid value: 1: there is no such field",
        ],
    );
}

#[test]
fn a_rule_does_one_thing() {
    rule("{}", &["spec.http[0].route: Required value: HTTP route, redirect or direct_response is required"]);
    rule(
        &format!("{{{TO_A}, redirect: {{uri: /}}}}"),
        &["spec.http[0].redirect: Forbidden: HTTP route cannot contain both route and redirect"],
    );
    rule(
        "{directResponse: {status: 200}, rewrite: {uri: /}}",
        &[
            "spec.http[0].rewrite: Forbidden: HTTP route rules with a redirect or a direct response cannot have a rewrite",
        ],
    );
    rule(
        "{directResponse: {status: 99}}",
        &["spec.http[0].directResponse.status: Invalid value: 99: must be from 200 to 599"],
    );
    rule(
        "{redirect: {}}",
        &["spec.http[0].redirect: Required value: redirect must specify uri, authority, port or scheme"],
    );
    rule(
        "{redirect: {uri: /, redirectCode: 200}}",
        &[
            "spec.http[0].redirect.redirectCode: Unsupported value: 200: supported values: \"301\", \"302\", \"303\", \"307\", \"308\"",
        ],
    );
    rule(
        "{redirect: {prefixRewrite: /b}, match: [{uri: {exact: /a}}]}",
        &[
            "spec.http[0].redirect.prefixRewrite: Invalid value: \"/b\": needs every `match` of the rule to have a `uri.prefix`",
        ],
    );
}

/// PX-5: weights.
#[test]
fn px_5_weights() {
    rule(
        "{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]}",
        &["spec.http[0].route: Invalid value: 0: total destination weight = 0"],
    );
    rule(
        "{route: [{destination: {host: a}, weight: -1}]}",
        &["spec.http[0].route[0].weight: Invalid value: -1: must be a number from 0 on"],
    );
    let most = i32::MAX;
    rule(
        &format!(
            "{{route: [{{destination: {{host: a}}, weight: {most}}}, {{destination: {{host: b}}, weight: {most}}}, {{destination: {{host: c}}, weight: {most}}}]}}"
        ),
        &["spec.http[0].route: Invalid value: 6442450941: the sum of weights must be at most 4294967295"],
    );
    rule(
        "{route: [{weight: 1}]}",
        &["spec.http[0].route[0].destination: Required value: destination is required"],
    );
    rule(
        "{route: [{destination: {host: '*.a.com'}}]}",
        &[
            "spec.http[0].route[0].destination.host: Invalid value: \"*.a.com\": a destination cannot be a wildcard",
        ],
    );
    rule(
        "{route: [{destination: {host: a, port: {number: 70000}}}]}",
        &["spec.http[0].route[0].destination.port.number: Invalid value: 70000: must be from 1 to 65535"],
    );
}

/// PX-5: patterns, and conditions that contradict each other.
#[test]
fn px_5_conditions() {
    rule(
        &format!("{{{TO_A}, match: [{{uri: {{regex: '('}}}}]}}"),
        &["spec.http[0].match[0].uri.regex: Invalid value: \"(\": unclosed group"],
    );
    rule(
        &format!("{{{TO_A}, match: [{{uri: {{regex: '(?:(?:a{{50}}){{50}}){{50}}'}}}}]}}"),
        &[
            "spec.http[0].match[0].uri.regex: Invalid value: \"(?:(?:a{50}){50}){50}\": Compiled regex exceeds size limit of 1048576 bytes.",
        ],
    );
    rule(
        &format!("{{{TO_A}, match: [{{uri: {{prefix: ''}}}}]}}"),
        &["spec.http[0].match[0].uri.prefix: Invalid value: \"\": must not be empty"],
    );
    rule(
        &format!("{{{TO_A}, match: [{{uri: {{prefix: /a, exact: /b}}}}]}}"),
        &[
            "spec.http[0].match[0].uri.prefix: Forbidden: only one of `exact`, `prefix` and `regex` may be given",
        ],
    );
    rule(
        &format!("{{{TO_A}, match: [{{headers: {{'a b': {{exact: x}}}}}}]}}"),
        &[
            "spec.http[0].match[0].headers[a b]: Invalid value: \"a b\": must be the name of a header, in lower case",
        ],
    );
}

/// PX-5: names and values of headers.
/// PX-11: a value with a line end would be a header more.
#[test]
fn px_5_headers() {
    rule(
        &format!("{{{TO_A}, headers: {{request: {{set: {{x: \"a\\r\\nb\"}}}}}}}}"),
        &[
            "spec.http[0].headers.request.set[x]: Invalid value: \"a\\r\\nb\": must be printable, without line ends",
        ],
    );
    rule(
        &format!("{{{TO_A}, headers: {{response: {{remove: ['a:b']}}}}}}"),
        &["spec.http[0].headers.response.remove[0]: Invalid value: \"a:b\": must be the name of a header"],
    );
    rule(
        &format!("{{{TO_A}, headers: {{request: {{set: {{host: 'a/b'}}}}}}}}"),
        &["spec.http[0].headers.request.set[host]: Invalid value: \"a/b\": must be `host` or `host:port`"],
    );
}

#[test]
fn times_and_retries() {
    rule(
        &format!("{{{TO_A}, timeout: 0s}}"),
        &["spec.http[0].timeout: Invalid value: \"0s\": must be a valid duration greater than 1ms"],
    );
    rule(
        &format!("{{{TO_A}, timeout: soon}}"),
        &[
            "spec.http[0].timeout: Invalid value: \"soon\": must be a duration such as `1.5s`, `10ms` or `1h30m`",
        ],
    );
    rule(
        &format!("{{{TO_A}, retries: {{attempts: 1, retryOn: often}}}}"),
        &["spec.http[0].retries.retryOn: Invalid value: \"often\": `often` is not a valid retryOn policy"],
    );
}

#[test]
fn destination_rules() {
    let check = |spec: &str, expected: &[&str]| check("DestinationRule", spec, expected);
    check("{}", &["spec.host: Required value"]);
    check(
        "{host: a, subsets: [{name: v1}, {name: v1}, {}]}",
        &[
            "spec.subsets[1].name: Duplicate value: \"v1\"",
            "spec.subsets[2].name: Required value: subset name is required",
        ],
    );
    check(
        "{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}",
        &[
            "spec.trafficPolicy.loadBalancer.simple: Unsupported value: \"FASTEST\": supported values: \"UNSPECIFIED\", \"LEAST_REQUEST\", \"LEAST_CONN\", \"ROUND_ROBIN\", \"RANDOM\", \"PASSTHROUGH\"",
        ],
    );
    check(
        "{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101, interval: 0s}}}",
        &[
            "spec.trafficPolicy.outlierDetection.interval: Invalid value: \"0s\": must be a valid duration greater than 1ms",
            "spec.trafficPolicy.outlierDetection.maxEjectionPercent: Invalid value: 101: must be from 0 to 100",
        ],
    );
    check(
        "{host: a, trafficPolicy: {portLevelSettings: [{loadBalancer: {simple: RANDOM}}]}}",
        &["spec.trafficPolicy.portLevelSettings[0].port.number: Required value: port is required"],
    );
}

#[test]
fn rules_for_connections() {
    let tls = |matches: &str, expected: &[&str]| {
        let spec = format!("{{hosts: ['*.a.com'], gateways: [g], tls: [{{{matches} {TO_A}}}]}}");
        check("VirtualService", &spec, expected);
    };
    tls("", &["spec.tls[0].match: Required value: TLS route must have at least one match condition"]);
    tls(
        "match: [{}],",
        &["spec.tls[0].match[0].sniHosts: Required value: TLS match must have at least one SNI host"],
    );
    tls(
        "match: [{sniHosts: [b.com]}],",
        &[
            "spec.tls[0].match[0].sniHosts[0]: Invalid value: \"b.com\": must be one of the hosts of the virtual service",
        ],
    );
    check("VirtualService", "{hosts: [a], tcp: [{}]}", &["spec.tcp[0].route: Required value"]);
    check(
        "VirtualService",
        "{hosts: [a], tcp: [{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]}]}",
        &["spec.tcp[0].route: Invalid value: 0: total destination weight = 0"],
    );
    check(
        "DestinationRule",
        "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
        &[
            "spec.trafficPolicy.tls.credentialName: Required value: client certificate required for mutual tls",
        ],
    );
}

/// PX-14: given as an address.
#[test]
fn px_14_a_service_entry_does_not_lead_to_the_metadata_of_a_cloud() {
    for address in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"] {
        let spec = format!(
            "{{hosts: [a.com], resolution: STATIC, ports: [{{number: 80, name: http}}], endpoints: [{{address: '{address}'}}]}}"
        );
        let expected =
            format!("spec.endpoints[0].address: Invalid value: \"{address}\": may not be link-local");
        check("ServiceEntry", &spec, &[&expected]);
    }
}

#[test]
fn endpoints_by_name_that_are_none() {
    let check_address = |resolution: &str, address: &str, why: &str| {
        let spec = format!(
            "{{hosts: [a.com], resolution: {resolution}, ports: [{{number: 80, name: http}}], endpoints: [{{address: '{address}'}}]}}"
        );
        let expected = format!("spec.endpoints[0].address: Invalid value: \"{address}\": {why}");
        check("ServiceEntry", &spec, &[&expected]);
    };
    check_address("STATIC", "b.com", "must be an IP address where `resolution` is STATIC");
    check_address("DNS", "b_.com/", "must be an IP address or a DNS name");
    check_address("DNS", "*.b.com", "must be an IP address or a DNS name");
}

#[test]
fn gateways() {
    check("Gateway", "{}", &["spec.servers: Required value: gateway must have at least one server"]);
    check(
        "Gateway",
        "{servers: [{port: {number: 80, protocol: SPDY}, hosts: ['*']}]}",
        &[
            "spec.servers[0].port.protocol: Unsupported value: \"SPDY\": supported values: \"HTTP\", \"HTTP2\", \"GRPC\", \"GRPC-WEB\", \"HTTPS\", \"TLS\", \"TCP\", \"MONGO\"",
        ],
    );
    check(
        "Gateway",
        "{servers: [{port: {number: 443, protocol: HTTPS}, hosts: ['*']}]}",
        &["spec.servers[0].tls: Required value: server must have TLS settings for HTTPS/TLS protocols"],
    );
    check(
        "Gateway",
        "{servers: [{port: {number: 443, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE}}]}",
        &[
            "spec.servers[0].tls.credentialName: Required value: TLS that ends at the gateway needs a certificate",
        ],
    );
    check(
        "Gateway",
        "{servers: [{port: {number: 443, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}}]}",
        &[
            "spec.servers[0].tls.maxProtocolVersion: Invalid value: \"TLSV1_2\": must not be below `minProtocolVersion`",
        ],
    );
    check(
        "Gateway",
        "{servers: [{port: {number: 80, protocol: HTTP}}]}",
        &["spec.servers[0].hosts: Required value: server config must contain at least one host"],
    );
}
