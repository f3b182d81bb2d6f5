//! What pods with addresses of their own reach, over a network that is this machine's loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use spur_net::{Caller, Destination};
use spur_runtime::{
    NetworkError, PodId, Scope, ServedService, ServiceId, ServiceNetwork, ServiceSocket, Transport,
    WantedService,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::world::{DEADLINE, World, service};
use crate::service_network::ServiceNetworks;

/// Opens every port once, wherever one is free.
struct Loopback {
    wanted: Mutex<Vec<WantedService>>,
    lost_tx: watch::Sender<u64>,
}

impl ServiceNetwork for Loopback {
    fn scope(&self) -> Scope {
        Scope::Namespace
    }

    fn serve<'a>(
        &'a self,
        _: &'a str,
        wanted: Vec<WantedService>,
    ) -> BoxFuture<'a, Result<Vec<ServedService>, NetworkError>> {
        let before = std::mem::replace(&mut *self.wanted.lock().unwrap(), wanted.clone());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = |transport| match transport {
            Transport::Tcp => ServiceSocket::Tcp(spur_net::bind(any).unwrap()),
            Transport::Udp => ServiceSocket::Udp(spur_net::bind_datagram(any).unwrap()),
        };
        let serve = |(idx, WantedService { id, ports, cluster_address: _ }): (u8, WantedService)| {
            let is_open = |port| before.iter().any(|it| it.id == id && it.ports.contains(port));
            let opened = ports.iter().filter(|port| !is_open(port));
            let opened = opened.map(|(port, transport)| (*port, socket(*transport))).collect();
            let address = Ipv4Addr::new(10, 213, 0, 200 + idx);
            ServedService { id, address, opened, failed: Vec::new() }
        };
        let served = (0..).zip(wanted).map(serve).collect();
        async move { Ok(served) }.boxed()
    }

    fn leave<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }

    fn lost(&self) -> watch::Receiver<u64> {
        self.lost_tx.subscribe()
    }
}

/// Waits until the file says what is wanted; it is written by a task that tells nobody.
async fn until_file(path: &Path, holds: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if holds(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "waited in vain; the file says: {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn headless(name: &str, ports: Value) -> Value {
    let mut service = service(name, ports);
    service["spec"]["clusterIP"] = json!("None");
    service
}

fn slice(service: &str, endpoints: Value) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [], "endpoints": endpoints,
    })
}

#[tokio::test]
async fn a_pod_reaches_ports_of_udp_and_the_pods_below_headless_services_as_they_come_and_go() {
    let world = World::server().await;
    let udp = json!([{"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}]);
    world.create(service("dns", udp)).await;
    world.create(headless("db", json!([{"port": 5432}]))).await;
    let (inlets_tx, mut inlets_rx) = mpsc::channel(16);
    let (datagrams_tx, mut datagrams_rx) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(Loopback { wanted: Mutex::default(), lost_tx: watch::Sender::new(0) });
    let proxy = (inlets_tx, datagrams_tx);
    let networks =
        Arc::new(ServiceNetworks::new(network.clone(), proxy, dir.path().to_owned(), stop.clone()));
    let _stop = stop.drop_guard();
    tokio::spawn(networks.clone().run(world.client.clone()));
    let pod = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": []}});
    let pod: Arc<Pod> = Arc::new(serde_json::from_value(pod).unwrap());
    let caller = Caller {
        namespace: "default".into(),
        workload: "web".into(),
        pod: "web".into(),
        labels: Arc::default(),
        sandbox: None,
    };
    let id = PodId::new("default", "web", "uid");
    let address = Ipv4Addr::new(10, 213, 0, 2);
    let ways = networks.join((&id, pod), caller, address).await.unwrap();
    let inlet = datagrams_rx.recv().await.unwrap();
    let to = Destination::ServicePort { namespace: "default".into(), service: "dns".into(), port: 53 };
    assert_eq!(inlet.destination, to);
    let spur_net::Callers::ByAddress(callers) = &inlet.callers else { panic!("known by address") };
    assert_eq!(callers.at(address.into()).map(|caller| caller.pod.clone()), Some("web".into()));
    let mut listened = Vec::new();
    while let Ok(inlet) = inlets_rx.try_recv() {
        listened.push(inlet.destination);
    }
    assert!(listened.contains(&to) && listened.len() == 2, "{listened:?}");
    assert!(ways.addresses.contains_key(&ServiceId::new("default", "db")));
    world.create(slice("db", json!([{"addresses": ["10.213.0.3"], "hostname": "db-0"}]))).await;
    until_file(&ways.hosts, |text| text.contains("10.213.0.3\tdb-0.db.default.svc.cluster.local")).await;
    world.patch("endpointslices/db-1", json!({"endpoints": []})).await;
    until_file(&ways.hosts, |text| !text.contains("db-0")).await;
    assert!(network.wanted.lock().unwrap().iter().all(|wanted| wanted.ports.len() <= 2));
    world.delete("svc/dns", "Background").await;
    tokio::time::timeout(DEADLINE, inlet.closed.cancelled()).await.expect("its socket is closed");
}
