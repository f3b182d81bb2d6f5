//! Tables from the cache: the same as from scratch, and no more made anew than has to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use proptest::prelude::*;
use serde_json::{Value, json};
use spur_api::sandbox::Sandbox;
use spur_route::RoutingTable;

use super::{compile, fork_service, istio, ready, sandbox, service, slice, taken_by_table};
use crate::{
    DestinationRule, Fragment, FragmentCache, Gateway, Istio, ServiceEntry, Source, SourceKind,
    VirtualService,
};

/// One step in the life of objects: which of a few, and its new content.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    /// A list of all objects of a kind, after whose begin one object vanished unseen.
    Relist(u8, u8),
}

/// How many objects steps are about.
const OBJECTS: u8 = 14;

/// They are: two of each kind, one fork's Service, one pod, one DestinationRule
/// and one Gateway.
fn object(which: u8, content: u8, version: u64) -> Value {
    let mut object = match which {
        0 | 1 => service(["a", "b"][usize::from(which)], json!([{"port": 80 + u16::from(content % 3)}])),
        2 | 3 => {
            let of = ["a", "pr-1-a"][usize::from(which - 2)];
            let endpoints: Vec<Value> =
                (0..content % 4).map(|n| ready("p", &format!("10.0.0.{n}"))).collect();
            slice(of, json!([{"port": 4000 + u16::from(content % 5)}]), json!(endpoints))
        }
        4 => fork_service("pr-1-a", ["a", "b"][usize::from(content % 2)], "pr-1"),
        7 => json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "shop", "name": "p", "labels": {"version": format!("v{}", content % 2)}},
        }),
        8 => {
            let host = ["a", "*.svc.cluster.local", "c.example.com"][usize::from(content % 3)];
            let subset = json!({"name": "v", "labels": {"version": format!("v{}", content % 2)}});
            istio("DestinationRule", "a", "2026-01-01T00:00:00Z", json!({"host": host, "subsets": [subset]}))
        }
        9 | 10 => {
            let host = ["a", "b", "*.svc.cluster.local", "c.example.com"][usize::from(content % 4)];
            let route = json!([{"destination": {"host": "a", "subset": "v"}}]);
            let name = ["r", "s"][usize::from(which - 9)];
            let gateways = [json!(["mesh"]), json!(["mesh", "g"]), json!(["g"])];
            let gateways = &gateways[usize::from(content / 4 % 3)];
            let spec = json!({"hosts": [host], "gateways": gateways, "http": [{"route": route}]});
            istio("VirtualService", name, "2026-01-01T00:00:00Z", spec)
        }
        13 => {
            let port = json!({"number": 8080 + u16::from(content % 2), "name": "http", "protocol": "HTTP"});
            let spec = json!({"servers": [{"port": port, "hosts": ["*"]}]});
            istio("Gateway", "g", "2026-01-01T00:00:00Z", spec)
        }
        // One of the hosts is that of a Service, too.
        11 | 12 => {
            let host = ["b", "c.example.com"][usize::from(content % 2)];
            let entry = json!({
                "hosts": [host], "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http"}],
                "endpoints": [{"address": format!("10.1.0.{}", content % 3)}],
            });
            istio("ServiceEntry", ["e", "f"][usize::from(which - 11)], "2026-01-01T00:00:00Z", entry)
        }
        _ => {
            let keys = [json!({"routingKey": "k"}), json!({"routingKey": "l"}), Value::Null];
            let name = ["pr-1", "pr-2"][usize::from(which % 2)];
            sandbox(name, "2026-01-01T00:00:00Z", keys[usize::from(content % 3)].clone())
        }
    };
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["metadata"]["uid"] = json!(format!("uid-{which}"));
    object
}

fn kind_of(which: u8) -> SourceKind {
    match which {
        0 | 1 | 4 => SourceKind::Service,
        2 | 3 => SourceKind::EndpointSlice,
        7 => SourceKind::Pod,
        8 => SourceKind::DestinationRule,
        9 | 10 => SourceKind::VirtualService,
        11 | 12 => SourceKind::ServiceEntry,
        13 => SourceKind::Gateway,
        _ => SourceKind::Sandbox,
    }
}

fn read<K: Source>(object: &Value) -> K {
    serde_json::from_value(object.clone()).expect("the object is readable")
}

fn apply(cache: &mut FragmentCache, object: &Value) -> bool {
    match object["kind"].as_str().expect("a kind") {
        "Service" => cache.apply(&read::<Service>(object)),
        "EndpointSlice" => cache.apply(&read::<EndpointSlice>(object)),
        "Pod" => cache.apply(&read::<Pod>(object)),
        "VirtualService" => cache.apply(&read::<Istio<VirtualService>>(object)),
        "DestinationRule" => cache.apply(&read::<Istio<DestinationRule>>(object)),
        "ServiceEntry" => cache.apply(&read::<Istio<ServiceEntry>>(object)),
        "Gateway" => cache.apply(&read::<Istio<Gateway>>(object)),
        _ => cache.apply(&read::<Sandbox>(object)),
    }
}

fn remove(cache: &mut FragmentCache, object: &Value) -> bool {
    fn remove<K: Source>(cache: &mut FragmentCache, object: &Value) -> bool {
        cache.remove::<K>(&read::<K>(object))
    }
    match object["kind"].as_str().expect("a kind") {
        "Service" => remove::<Service>(cache, object),
        "EndpointSlice" => remove::<EndpointSlice>(cache, object),
        "Pod" => remove::<Pod>(cache, object),
        "VirtualService" => remove::<Istio<VirtualService>>(cache, object),
        "DestinationRule" => remove::<Istio<DestinationRule>>(cache, object),
        "ServiceEntry" => remove::<Istio<ServiceEntry>>(cache, object),
        "Gateway" => remove::<Istio<Gateway>>(cache, object),
        _ => remove::<Sandbox>(cache, object),
    }
}

/// What is written to the status after each change of a rule makes no second table.
#[test]
fn the_status_of_a_rule_is_no_change() {
    let mut rule = object(9, 0, 5);
    rule["metadata"]["generation"] = json!(1);
    let mut cache = FragmentCache::default();
    let first = rule.clone();
    assert!(apply(&mut cache, &first));
    rule["metadata"]["resourceVersion"] = json!("6");
    rule["status"] = json!({"conditions": []});
    assert!(!apply(&mut cache, &rule));
    let unchanged = compile(6, &[Fragment::of(&first).expect("readable").expect("a rule")]);
    assert_eq!(*cache.table(), unchanged);
    rule["metadata"]["generation"] = json!(2);
    assert!(apply(&mut cache, &rule));
}

#[test]
fn the_endpoints_of_a_service_entry_are_the_addresses_of_its_name() {
    let entry = json!({
        "hosts": ["api.example.com"], "resolution": "DNS", "ports": [{"number": 80, "name": "http"}],
        "endpoints": [{"address": "backend.example.com"}],
    });
    let to = json!({"hosts": ["cart"], "http": [{"route": [{"destination": {"host": "api.example.com"}}]}]});
    let objects = [
        service("cart", json!([{"port": 80}])),
        istio("ServiceEntry", "api", "2026-01-01T00:00:00Z", entry),
        istio("VirtualService", "v", "2026-01-01T00:00:00Z", to),
    ];
    let mut cache = FragmentCache::default();
    for object in &objects {
        apply(&mut cache, object);
    }
    let names = |cache: &mut FragmentCache| cache.names().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&mut cache), ["backend.example.com"]);
    let address = |last: u8| vec![std::net::IpAddr::from([127, 0, 0, last])];
    assert!(!cache.resolve("api.example.com", address(8)), "nobody asks for it");
    assert!(cache.resolve("backend.example.com", address(9)));
    assert!(!cache.resolve("backend.example.com", address(9)), "that is known");
    assert_eq!(taken_by_table(&cache.table()), ["127.0.0.9"]);
    assert!(cache.resolve("backend.example.com", address(7)));
    assert_eq!(taken_by_table(&cache.table()), ["127.0.0.7"]);
    remove(&mut cache, &objects[1]);
    assert!(names(&mut cache).is_empty());
    assert!(!cache.resolve("backend.example.com", address(6)), "nobody asks for it any more");
}

/// A table of thousands of Services is not made anew for one of them.
#[test]
fn what_has_not_changed_is_shared_with_the_table_before() {
    let mut cache = FragmentCache::default();
    for which in [0, 1, 2, 8, 9] {
        apply(&mut cache, &object(which, 0, 5));
    }
    let before = cache.table();
    apply(&mut cache, &object(2, 1, 6));
    let slice_changed = cache.table();
    apply(&mut cache, &object(9, 1, 7));
    let rule_changed = cache.table();
    let is_kept = |name, (old, new): (&RoutingTable, &RoutingTable)| {
        let port = |table: &RoutingTable| table.service_port("shop", name, 80).cloned();
        Arc::ptr_eq(&port(old).expect("a port"), &port(new).expect("a port"))
    };
    assert!(!is_kept("a", (&before, &slice_changed)));
    assert!(is_kept("b", (&before, &slice_changed)));
    // The rule was for `a`, and is for `b`.
    assert!(!is_kept("a", (&slice_changed, &rule_changed)));
    assert!(!is_kept("b", (&slice_changed, &rule_changed)));
    apply(&mut cache, &object(0, 1, 8));
    assert!(is_kept("b", (&rule_changed, &cache.table())));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..OBJECTS, any::<u8>()).prop_map(|(which, content)| Step::Put(which, content)),
        1 => (0..OBJECTS).prop_map(Step::Delete),
        1 => (0..OBJECTS, 0..OBJECTS).prop_map(|(kind, lost)| Step::Relist(kind, lost)),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    // Seeds of failures would be put into a folder beside the crates.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_from_the_cache_is_the_table_from_scratch(steps in steps()) {
        let mut world: BTreeMap<u8, Value> = BTreeMap::new();
        let mut cache = FragmentCache::default();
        let mut before = cache.table();
        for (version, step) in (1_u64..).zip(steps) {
            let may_change = match step {
                Step::Put(which, content) => {
                    let object = object(which, content, version);
                    world.insert(which, object.clone());
                    apply(&mut cache, &object)
                }
                Step::Delete(which) => match world.remove(&which) {
                    Some(object) => remove(&mut cache, &object),
                    None => false,
                },
                Step::Relist(which, lost) => {
                    let kind = kind_of(which);
                    if kind_of(lost) == kind {
                        world.remove(&lost);
                    }
                    cache.begin_list(kind);
                    let mut may_change = false;
                    for object in world.iter().filter(|(which, _)| kind_of(**which) == kind).map(|(_, object)| object) {
                        may_change |= apply(&mut cache, object);
                    }
                    may_change | cache.end_list(kind)
                }
            };
            let table = cache.table();
            let fragments: Vec<Fragment> =
                world.values().filter_map(|object| Fragment::of(object).expect("readable")).collect();
            prop_assert_eq!(&*table, &compile(table.revision(), &fragments));
            if !may_change {
                // Nothing but the revision may be another where the cache saw no change.
                prop_assert_eq!(&*before, &compile(before.revision(), &fragments));
            }
            before = table;
        }
    }
}
