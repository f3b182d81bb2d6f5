use std::net::SocketAddr;

use spur_runtime::{PodId, Runtime, StartError};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::world::{LONG, World, pod, wait_for};

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
    world.sh(&of, "sleep 1000").await.unwrap();
    let error = world.runtime.start(&of, World::plan("other", &["sleep", "1000"])).await.unwrap_err();
    assert!(matches!(error, StartError::NotSupported { .. }), "{error}");
    assert_eq!(world.ids().len(), 1);
}
