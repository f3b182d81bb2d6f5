//! What a private pod is to the runtime: a pod like every other, with an address of its own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../../../../tests/harness/needs.rs"]
mod needs;
#[path = "../shared/patience.rs"]
mod patience;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libtest_mimic::Arguments;
use needs::Need;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use spur_runtime::probe::{ProbeResult, tcp_connect};
use spur_runtime::{
    AskedNetwork, ContainerPlan, ContainerState, Mount, MountSource, PodNetwork, Runtime, ServiceId,
    ServiceSocket, Transport, WantedService,
};
use world::{LONG, World, block_on, pod, wait_for};

pub(crate) fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some(spur_holder::POD_COMMAND) => {
            let ended = spur_holder::run_pod(args[2..].iter().map(Into::into));
            std::process::exit(i32::from(ended != std::process::ExitCode::SUCCESS));
        }
        Some("be-a-server") => world::be_a_server(&args[2]),
        Some("be-a-client") => world::be_a_client(&args[2]),
        Some("be-a-spur") => block_on(world::be_a_spur(args[2].as_ref())),
        _ => test(),
    }
}

fn test() {
    let why_not = block_on(async { World::new().await.runtime.isolates().await.err() });
    let namespaces = Need::new("namespaces", why_not.map(|why| why.to_string()));
    let tests = vec![
        namespaces.trial("two_pods_listen_at_the_same_port_and_each_is_reached", same_port),
        namespaces.trial("a_service_is_reached_at_its_address", services),
        namespaces.trial("a_command_is_where_its_container_is", exec),
        namespaces.trial("a_stopped_pod_ends_and_a_removed_one_is_nowhere", removed),
        namespaces.trial("who_leaves_its_group_is_ended_too", daemons),
        namespaces.trial("a_pod_whose_network_is_lost_starts_again_at_its_address", lost),
        namespaces.trial("a_killed_spurs_pods_are_ended_by_the_next", killed_spur),
        namespaces.trial("a_pod_that_asks_for_nothing_is_on_the_machines_network", usual),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

async fn same_port() {
    let world = World::new().await;
    let (a, b) = (pod("a"), pod("b"));
    let (at_a, at_b) = (world.address(&a).await, world.address(&b).await);
    assert_ne!(at_a, at_b);
    assert_eq!(world.address(&a).await, at_a, "it keeps its address");
    world.serves(&a, "8080").await;
    world.serves(&b, "8080").await;
    assert_eq!(world.ask(at_a, 8080).await, "a from 10.211.0.1");
    assert_eq!(world.ask(at_b, 8080).await, "b from 10.211.0.1");
    let probed = tcp_connect(&world.dial, (&at_a.to_string(), 8080), LONG).await;
    assert_eq!(probed, ProbeResult::Success(String::new()));
    let probed = tcp_connect(&world.dial, (&at_a.to_string(), 8081), LONG).await;
    let refused = format!("dial tcp {at_a}:8081: connect: connection refused");
    assert_eq!(probed, ProbeResult::Failure(refused));
}

async fn services() {
    let world = World::new().await;
    let a = pod("a");
    let address = world.address(&a).await;
    let network = world.runtime.service_network();
    let (cart, headless) = (ServiceId::new("shop", "cart"), ServiceId::new("shop", "db"));
    let wanted = |id: &ServiceId, cluster_address| WantedService {
        id: id.clone(),
        ports: vec![(8080, Transport::Tcp)],
        cluster_address,
    };
    let cluster = Ipv4Addr::new(10, 96, 4, 5);
    let both = vec![wanted(&cart, Some(cluster)), wanted(&headless, None)];
    let mut served = network.serve(&a.uid, both.clone()).await.unwrap();
    assert_eq!(served.iter().map(|of| of.opened.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((served[0].address, served[1].address), (cluster, Ipv4Addr::new(10, 212, 0, 1)));
    // What is open stays open.
    let again = network.serve(&a.uid, both).await.unwrap();
    assert!(again.iter().all(|of| of.opened.is_empty() && of.failed.is_empty()));
    let (_, ServiceSocket::Tcp(listener)) = served.remove(0).opened.remove(0) else { panic!("udp") };
    // The pod listens at the same port of every address.
    world.serves(&a, "8080").await;
    let hosts = world.dir().join("hosts");
    std::fs::write(&hosts, format!("{cluster}\tcart.shop.svc.cluster.local cart\n")).unwrap();
    let mut plan = world.plan("client", &["be-a-client", "cart:8080"]);
    plan.mounts =
        vec![Mount { source: MountSource::Path(hosts), path: "/etc/hosts".into(), is_read_only: false }];
    world.runtime.start(&a, plan).await.unwrap();
    let caller = world::answer(listener, "hello from a Service").await;
    assert_eq!(caller.ip(), address);
    world.says(&a, "client", "hello from a Service\n").await;
    let gone = network.serve(&a.uid, Vec::new()).await.unwrap();
    assert!(gone.is_empty());
    assert!(network.serve("nobody", Vec::new()).await.is_err());
}

async fn exec() {
    let world = World::new().await;
    let a = pod("a");
    world.address(&a).await;
    world.serves(&a, "127.0.0.1:8080").await;
    let command = [world.program(), "be-a-client".to_owned(), "127.0.0.1:8080".to_owned()];
    let done = world.runtime.exec(&a, "server", command.to_vec(), LONG).await.unwrap();
    assert_eq!((done.exit_code, &done.stdout[..]), (0, &b"a from 127.0.0.1"[..]));
    let missing = world.runtime.exec(&a, "server", vec!["no-such-program".to_owned()], LONG).await;
    assert!(missing.unwrap_err().to_string().contains("executable file not found"));
}

async fn removed() {
    let world = World::new().await;
    let a = pod("a");
    let address = world.address(&a).await;
    let pid = world.serves(&a, "8080").await;
    let stopped = world.runtime.stop(&a, "server", LONG).await.unwrap();
    let ContainerState::Terminated { signal, .. } = stopped else { panic!("{stopped:?}") };
    assert_eq!(signal, Some(Signal::TERM.as_raw()));
    assert!(test_kill_process(pid).is_err());
    let holder = world.holders().pop().unwrap();
    world.runtime.remove(&a).await.unwrap();
    wait_for("the holder to end", async || test_kill_process(holder).is_err()).await;
    let found = world.dial.connect(SocketAddr::from((address, 8080))).await.unwrap_err();
    assert_eq!(found.kind(), std::io::ErrorKind::ConnectionRefused);
}

async fn daemons() {
    let world = World::new().await;
    let a = pod("a");
    world.address(&a).await;
    let script = "setsid sleep 300 & echo $!; exec sleep 300";
    let plan = ContainerPlan::new("daemon", &["sh", "-c", script]);
    world.runtime.start(&a, plan).await.unwrap();
    wait_for("it to say a number", async || world.text(&a, "daemon").await.ends_with('\n')).await;
    let left = world.text(&a, "daemon").await.trim().parse().unwrap();
    let left = Pid::from_raw(left).unwrap();
    world.runtime.stop(&a, "daemon", Duration::from_secs(5)).await.unwrap();
    wait_for("what left its group to end", async || test_kill_process(left).is_err()).await;
}

async fn lost() {
    let world = World::new().await;
    let a = pod("a");
    let address = world.address(&a).await;
    world.serves(&a, "8080").await;
    let mut lost_rx = world.runtime.service_network().lost();
    let holder = world.holders().pop().unwrap();
    kill_process(holder, Signal::KILL).unwrap();
    lost_rx.changed().await.unwrap();
    wait_for("the server to end", async || {
        world.runtime.state(&a, "server").is_some_and(|state| state.is_terminated())
    })
    .await;
    let found = world.dial.connect(SocketAddr::from((address, 8080))).await.unwrap_err();
    assert_eq!(found.kind(), std::io::ErrorKind::ConnectionRefused);
    world.serves(&a, "8080").await;
    assert_eq!(world.address(&a).await, address);
    assert_eq!(world.ask(address, 8080).await, "a from 10.211.0.1");
}

async fn killed_spur() {
    let tmp = tempfile::tempdir().unwrap();
    let mut spur = world::OtherSpur::start(tmp.path());
    let pid: i32 = spur.line().parse().unwrap();
    let server = Pid::from_raw(pid).unwrap();
    spur.kill();
    assert!(test_kill_process(server).is_ok(), "it goes on until the next spur");
    let world = World::at(tmp).await;
    wait_for("what was left to end", async || test_kill_process(server).is_err()).await;
    assert_eq!(world.reaped, 1);
    let a = pod("a");
    let address = world.address(&a).await;
    world.serves(&a, "8080").await;
    assert_eq!(world.ask(address, 8080).await, "a from 10.211.0.1");
}

async fn usual() {
    let world = World::new().await;
    let network = world.runtime.network(&pod("a"), AskedNetwork::Usual).await.unwrap();
    assert_eq!(network, PodNetwork::Shared);
    assert_eq!(world.holders(), []);
}
