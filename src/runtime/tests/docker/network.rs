use std::net::SocketAddr;

use spur_runtime::{ContainerPlan, PodId, Runtime, ServiceId, ServiceSocket, Transport, WantedService};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::world::{LONG, World, docker, pod, wait_for};

const SERVES: &str = "while :; do echo $SAYS | nc -l -p 8080; done";

async fn heard(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    Some(text)
}

async fn serve(world: &World, pod: &PodId, says: &str) {
    let mut plan = World::plan("app", &["sh", "-c", SERVES]);
    plan.env = vec![("SAYS".to_owned(), says.to_owned())];
    world.runtime.start(pod, plan).await.unwrap();
}

/// One port on two pods, from the machine and from another pod; also after a restart, of the
/// container and of Spur.
pub(crate) async fn address() {
    let world = World::new().await;
    let (a, b) = (pod("a"), pod("b"));
    let (of_a, of_b) = (world.runtime.place(&a).await.unwrap(), world.runtime.place(&b).await.unwrap());
    assert_eq!(of_a.network, of_b.network);
    assert_ne!(of_a.address, of_b.address);
    serve(&world, &a, "a").await;
    serve(&world, &b, "b").await;
    for (place, says) in [(&of_a, "a\n"), (&of_b, "b\n")] {
        let address = SocketAddr::from((place.address, 8080));
        wait_for("the pod to answer", async || heard(address).await.as_deref() == Some(says)).await;
    }
    let ask = vec!["nc".to_owned(), of_b.address.to_string(), "8080".to_owned()];
    let asked = world.runtime.exec(&a, "app", ask, LONG).await.unwrap();
    assert_eq!(asked.stdout, "b\n");

    world.runtime.stop(&a, "app", std::time::Duration::ZERO).await.unwrap();
    let world = world.reopen().await;
    assert_eq!(world.runtime.place(&a).await.unwrap(), of_a);
    let other = world.runtime.place(&pod("c")).await.unwrap();
    assert!(![of_a.address, of_b.address].contains(&other.address), "{other:?}");
    serve(&world, &a, "again").await;
    let address = SocketAddr::from((of_a.address, 8080));
    wait_for("the pod to answer", async || heard(address).await.as_deref() == Some("again\n")).await;

    // Who is gone gives its address up, and a namespace without pods its network.
    for pod in [&a, &b, &pod("c")] {
        world.runtime.remove(pod).await.unwrap();
    }
    assert_eq!(world.runtime.place(&pod("d")).await.unwrap().address, of_a.address);
    world.runtime.remove(&pod("d")).await.unwrap();
    world.runtime.remove_unused_networks().await.unwrap();
    assert_eq!(world.networks(), Vec::<String>::new());
}

/// The engine's own pools hold 31.
pub(crate) async fn many() {
    let world = World::new().await;
    let mut subnets = std::collections::BTreeSet::new();
    for n in 0..34 {
        let of = PodId::new(&format!("n{n}"), "p", "u");
        subnets.insert(world.runtime.place(&of).await.unwrap().gateway);
    }
    assert_eq!(subnets.len(), 34);
    assert_eq!(world.networks().len(), 34);
}

pub(crate) async fn several() {
    let world = World::new().await;
    let of = pod("p");
    let start = async |name: &str, script: &str| {
        let plan = World::plan(name, &["sh", "-c", script]);
        world.runtime.start(&of, ContainerPlan { shares_network: true, ..plan }).await.unwrap()
    };
    start("server", SERVES).await;
    start("client", "while ! nc 127.0.0.1 8080 < /dev/null; do sleep 0.1; done").await;
    let is_over = |name: &str| world.runtime.state(&of, name).is_some_and(|state| state.is_terminated());
    wait_for("the client to have heard the server", async || is_over("client")).await;
    let place = world.runtime.place(&of).await.unwrap();
    world.runtime.stop(&of, "server", std::time::Duration::ZERO).await.unwrap();
    start("server", SERVES).await;
    let address = SocketAddr::from((place.address, 8080));
    wait_for("the pod to answer where it did", async || heard(address).await.is_some()).await;
    world.runtime.remove(&of).await.unwrap();
    assert_eq!(world.ids(), Vec::<String>::new());
}

/// Also where what has the network is removed, so that there is nothing left to look at.
pub(crate) async fn lost() {
    let world = World::new().await;
    let of = pod("p");
    let start = async |name: &str| {
        let plan = World::plan(name, &["sh", "-c", if name == "server" { SERVES } else { "sleep 1000" }]);
        world.runtime.start(&of, ContainerPlan { shares_network: true, ..plan }).await.unwrap()
    };
    let answers = async || {
        let address = SocketAddr::from((world.runtime.place(&of).await.unwrap().address, 8080));
        wait_for("the pod to answer", async || heard(address).await.is_some()).await;
    };
    for end in [&["kill"][..], &["rm", "--force"]] {
        start("server").await;
        start("other").await;
        answers().await;
        assert!(world.runtime.has_shared_network(&of));
        let mut events = world.runtime.events();
        let filter = format!("label=spur.dev/environment={}", world.id);
        let filters = ["--filter", &filter, "--filter", "label=spur.dev/container=POD"];
        let holder = docker(&[&["ps", "-q"], &filters[..]].concat());
        docker(&[end, &[holder.trim()]].concat());
        // The event wakes whoever has to see to it.
        let told = async {
            loop {
                let event = events.recv().await.unwrap();
                if event.pod == of && event.state.is_terminated() {
                    return event.container;
                }
            }
        };
        assert_eq!(tokio::time::timeout(LONG, told).await.expect("it is told"), "POD");
        assert!(!world.runtime.has_shared_network(&of));
        for name in ["server", "other"] {
            assert!(world.runtime.state(&of, name).unwrap().is_running(), "it runs on, without a network");
            world.runtime.stop(&of, name, std::time::Duration::ZERO).await.unwrap();
        }
    }
    start("server").await;
    answers().await;
    assert!(world.runtime.has_shared_network(&of));
}

/// One port on two Services, from a pod; the same listeners after Spur was killed, with whoever called
/// meanwhile; and other Services later.
pub(crate) async fn services() {
    let world = World::new().await;
    let of = pod("p");
    world.sh(&of, "sleep 1000").await.unwrap();
    let wanted = |name: &str| WantedService {
        id: ServiceId::new("default", name),
        ports: vec![(80, Transport::Tcp)],
        cluster_address: None,
    };
    let network = world.runtime.service_network();
    let mut served = network.serve("default", vec![wanted("a"), wanted("b")]).await.unwrap();
    let addresses: Vec<_> = served.iter().map(|service| service.address).collect();
    assert_ne!(addresses[0], addresses[1]);
    let call = async |world: &World, address: std::net::Ipv4Addr| {
        let ask = ["sh", "-c", &format!("echo hello | nc -w 20 {address} 80 &")].map(str::to_owned).to_vec();
        world.runtime.exec(&of, "app", ask, LONG).await.unwrap();
    };
    let pods_address = world.runtime.place(&of).await.unwrap().address;
    let accept = async |socket: ServiceSocket| {
        let ServiceSocket::Tcp(listener) = socket else { panic!("TCP was asked for") };
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (_, peer) = tokio::time::timeout(LONG, listener.accept()).await.expect("somebody calls").unwrap();
        peer
    };
    call(&world, addresses[0]).await;
    let (_, socket) = served.remove(0).opened.remove(0);
    assert_eq!(accept(socket).await.ip(), std::net::IpAddr::from(pods_address), "who calls is seen");
    // Asked again nothing is opened twice.
    let again = network.serve("default", vec![wanted("a"), wanted("b")]).await.unwrap();
    assert!(again.iter().all(|service| service.opened.is_empty()));
    drop(network);
    let world = world.reopen().await;
    // Nobody accepts yet; the holder does not refuse.
    call(&world, addresses[1]).await;
    let network = world.runtime.service_network();
    let mut served = network.serve("default", vec![wanted("c"), wanted("b")]).await.unwrap();
    let kept = served.iter_mut().find(|service| &*service.id.name == "b").unwrap();
    assert_eq!(kept.address, addresses[1]);
    let (_, socket) = kept.opened.remove(0);
    assert_eq!(accept(socket).await.ip(), std::net::IpAddr::from(pods_address));
    network.leave("default").await;
    assert_eq!(world.ids().len(), 1, "the holder has gone");
}
