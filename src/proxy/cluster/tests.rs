//! Choices of one worker, by policy.

use std::time::Duration;

use spur_route::{
    Outcome as Decided, Reason, ServicePort, Wire,
    policy::{HashCookie, HashKey},
};

use super::*;

fn endpoints(n: u16) -> Arc<[Endpoint]> {
    (0..n)
        .map(|idx| Endpoint {
            address: ([127, 0, 0, 1], 1000 + idx).into(),
            pod: format!("pod-{idx}").into(),
            workload: "shop".into(),
        })
        .collect()
}

fn verdict(
    table_revision: u64,
    service: &str,
    backends: &Arc<[Endpoint]>,
    policy: Option<Policy>,
) -> Verdict {
    Verdict {
        table_revision,
        service: Some(Arc::new(ServicePort {
            namespace: "shop".into(),
            name: service.into(),
            port: 80,
            wire: Wire::Http1,
        })),
        rule: None,
        subset: None,
        share: None,
        version: Version::Baseline,
        key: None,
        n_disagreeing: 0,
        n_malformed: 0,
        fell_back: false,
        wants_injection: false,
        reason: Reason::NoKey,
        outcome: Decided::Forward { backends: backends.clone() },
        applied: None,
        policy: policy.map(Arc::new),
        affinity: None,
    }
}

fn clusters(first: usize) -> Clusters {
    Clusters::new(first, Arc::default())
}

fn balanced(balancer: LoadBalancer) -> Option<Policy> {
    Some(Policy { load_balancer: Some(balancer), ..Policy::default() })
}

fn picked(clusters: &Clusters, verdict: &Verdict, n: usize) -> Vec<usize> {
    let cluster = clusters.of(verdict).unwrap();
    (0..n).map(|_| cluster.choose(None, &[]).unwrap()).collect()
}

#[test]
fn one_endpoint_without_a_policy_needs_no_cluster() {
    let clusters = clusters(0);
    assert!(clusters.of(&verdict(1, "a", &endpoints(1), None)).is_none());
    assert!(clusters.of(&verdict(1, "a", &endpoints(1), Some(Policy::default()))).is_some());
}

#[test]
fn with_nothing_to_do_every_endpoint_gets_its_turn() {
    for policy in [None, balanced(LoadBalancer::RoundRobin)] {
        let verdict = verdict(1, "a", &endpoints(3), policy);
        assert_eq!(picked(&clusters(0), &verdict, 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(picked(&clusters(1), &verdict, 2), [1, 2], "workers begin at different ones");
    }
}

#[test]
fn the_endpoint_with_fewer_requests_is_preferred() {
    let verdict = verdict(1, "a", &endpoints(2), None);
    let clusters = clusters(0);
    let cluster = clusters.of(&verdict).unwrap();
    let busy: Vec<Active> = (0..5).map(|_| cluster.begin(0)).collect();
    let n_first = (0..1000).filter(|_| cluster.choose(None, &[]) == Some(0)).count();
    // It is taken only when it is both of the two: a quarter.
    assert!((150..350).contains(&n_first), "{n_first}");
    drop(busy);
    assert_eq!((0..10).filter(|_| cluster.choose(None, &[]) == Some(0)).count(), 5);
}

#[test]
fn turns_and_counts_go_on_when_the_table_changes() {
    let clusters = clusters(0);
    let (old, new) = (endpoints(3), endpoints(3));
    let cluster = clusters.of(&verdict(1, "a", &old, None)).unwrap();
    assert_eq!(cluster.choose(None, &[]), Some(0));
    let busy = cluster.begin(1);
    let cluster = clusters.of(&verdict(2, "a", &new, None)).unwrap();
    assert_eq!(cluster.next_turn(), 1);
    assert_eq!(cluster.endpoints[1].n_active.get(), 1);
    drop(busy);
    assert_eq!(cluster.endpoints[1].n_active.get(), 0);
}

#[test]
fn a_key_stays_at_its_endpoint_when_another_goes() {
    let key = HashKey::Header(http::HeaderName::from_static("user"));
    let policy = balanced(LoadBalancer::ConsistentHash(key));
    let clusters = clusters(0);
    let all = endpoints(5);
    let fewer: Arc<[Endpoint]> = all[..4].iter().cloned().collect();
    let before = clusters.of(&verdict(1, "a", &all, policy.clone())).unwrap();
    let after = clusters.of(&verdict(2, "a", &fewer, policy)).unwrap();
    let mut n_moved = 0;
    for key in 0..500 {
        let (old, new) = (before.choose(Some(key), &[]).unwrap(), after.choose(Some(key), &[]).unwrap());
        assert_eq!(before.choose(Some(key), &[]), Some(old));
        n_moved += usize::from(old != new);
        assert!(old == new || old == 4, "only those of the endpoint that has gone move");
    }
    assert!((50..150).contains(&n_moved), "{n_moved} of 500 were at the fifth");
}

#[test]
fn a_hash_is_made_of_what_the_policy_names() {
    let mut headers = http::HeaderMap::new();
    headers.insert("cookie", "a=1; session=xyz; b=2".parse().unwrap());
    headers.insert("user", "ann".parse().unwrap());
    let target = "/?q=1&user=bob".parse().unwrap();
    let input = |peer: [u8; 4]| HashInput { headers: &headers, target: &target, peer: peer.into() };
    let of = |key: &HashKey| hash_key(key, input([10, 0, 0, 1]));
    let cookie = |name: &str| HashKey::Cookie(HashCookie { name: name.into(), path: None, ttl: None });
    assert_eq!(of(&cookie("session")), Some(balance::hash_of(&&b"xyz"[..])));
    assert_eq!(of(&cookie("sess")), None);
    let header = |name: &'static str| HashKey::Header(http::HeaderName::from_static(name));
    assert!(of(&header("user")).is_some() && of(&header("other")).is_none());
    assert!(of(&HashKey::QueryParameter("user".into())).is_some());
    assert_ne!(of(&HashKey::SourceIp), hash_key(&HashKey::SourceIp, input([10, 0, 0, 2])));
}

#[test]
fn a_retry_goes_elsewhere_while_there_is_an_elsewhere() {
    let verdict = verdict(1, "a", &endpoints(3), None);
    let clusters = clusters(0);
    let cluster = clusters.of(&verdict).unwrap();
    for _ in 0..20 {
        assert_eq!(cluster.choose(None, &[0, 2]), Some(1));
        assert!(cluster.choose(None, &[0, 1, 2]).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_is_left_out_for_all_workers() {
    let outlier = OutlierDetection { consecutive_5xx: 2, ..OutlierDetection::default() };
    let policy = Some(Policy { outlier_detection: Some(outlier), ..Policy::default() });
    let registry = Arc::new(Registry::default());
    let workers = [0, 1].map(|first| Clusters::new(first, Arc::clone(&registry)));
    let verdict = verdict(1, "a", &endpoints(2), policy);
    let [one, other] = [0, 1].map(|n| workers[n].of(&verdict).unwrap());
    one.report(0, Outcome::Status(500));
    other.report(0, Outcome::Status(503));
    for cluster in [&one, &other] {
        assert!((0..10).all(|_| cluster.choose(None, &[]) == Some(1)));
    }
    let [ejected] = &registry.ejected()[..] else { panic!("one is out") };
    assert_eq!((&*ejected.service, ejected.address.port()), ("shop/a:80", 1000));
    // With a bound of 10 % the second stays in, however it fails.
    (0..10).for_each(|_| one.report(1, Outcome::Local));
    assert_eq!(one.choose(None, &[]), Some(1));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!((0..10).any(|_| one.choose(None, &[]) == Some(0)));
}
