//! When a table holds a sandbox.

use spur_route::{
    EndpointSpec, Fallback, ForkSpec, PortSpec, RoutingTable, SandboxSpec, ServiceSpec, Visibility, Wire,
};

use crate::sandbox::routed::{Expected, Missing};

fn endpoint(port: u16, is_ready: bool) -> EndpointSpec {
    let address = ([127, 0, 0, 1], 1000 + port).into();
    EndpointSpec {
        port,
        address,
        pod: "p".into(),
        workload: "cart".into(),
        labels: std::sync::Arc::default(),
        is_ready,
    }
}

/// A Service `cart` with ports 80 and 81, both served by the baseline, and a
/// sandbox with these endpoints of its fork.
fn table(key: &str, fork: Vec<EndpointSpec>) -> RoutingTable {
    let port = |number| PortSpec { number, name: "".into(), wire: Wire::Auto };
    let cart = ServiceSpec {
        namespace: "shop".into(),
        name: "cart".into(),
        revision: 1,
        hosts: Vec::new(),
        export_to: Visibility::Everyone,
        affinity: None,
        datagrams: Vec::new(),
        ports: vec![port(80), port(81)],
        endpoints: vec![endpoint(80, true), endpoint(81, true)],
    };
    let sandbox = SandboxSpec {
        namespace: "shop".into(),
        name: "pr-1".into(),
        revision: 1,
        key: key.into(),
        fallback: Fallback::Baseline,
        forks: vec![ForkSpec {
            service: "cart".into(),
            workload: "cart".into(),
            datagrams: Vec::new(),
            endpoints: fork,
        }],
    };
    RoutingTable::build(1, vec![cart], vec![sandbox])
}

fn missing(table: &RoutingTable, ports: Vec<u16>) -> Missing {
    let expected = Expected {
        namespace: "shop".to_owned(),
        sandbox: "pr-1".to_owned(),
        key: "k".to_owned(),
        services: vec![("cart".to_owned(), ports)],
        hosts: vec![spur_route::preview_host("pr-1", "cart", "shop")],
    };
    expected.missing_in(table)
}

#[track_caller]
fn check(table: &RoutingTable, ports: Vec<u16>, is_there: bool) {
    let services = if is_there { vec![] } else { vec!["cart".to_owned()] };
    assert_eq!(missing(table, ports).services, services);
}

#[test]
fn a_fork_is_there_when_no_port_falls_to_the_baseline() {
    let both = || vec![endpoint(80, true), endpoint(81, true)];
    check(&table("k", both()), vec![80, 81], true);
    check(&table("k", vec![endpoint(80, true)]), vec![80, 81], false);
    check(&table("k", vec![endpoint(80, true)]), vec![80], true);
    check(&table("k", vec![endpoint(80, true), endpoint(81, false)]), vec![80, 81], false);
    check(&table("k", vec![]), vec![80, 81], false);
    check(&table("old-key", both()), vec![80, 81], false);
    check(&RoutingTable::default(), vec![80], false);
}

#[test]
fn a_preview_host_waits_for_the_sandbox_only() {
    assert!(!missing(&table("k", vec![]), vec![]).is_sandbox_missing);
    let without = RoutingTable::build(
        1,
        vec![ServiceSpec {
            namespace: "shop".into(),
            name: "cart".into(),
            revision: 1,
            hosts: Vec::new(),
            export_to: Visibility::Everyone,
            affinity: None,
            datagrams: Vec::new(),
            ports: vec![PortSpec { number: 80, name: "".into(), wire: Wire::Auto }],
            endpoints: vec![],
        }],
        vec![],
    );
    assert!(missing(&without, vec![]).is_sandbox_missing);
}
