//! Alone in its process, because it counts the process's descriptors.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use spur_net::{Limits, Listening, bind_loopback, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

fn n_descriptors() -> usize {
    // `/dev/fd` exists on Linux and macOS.
    std::fs::read_dir("/dev/fd").unwrap().count()
}

#[tokio::test]
async fn a_thousand_connections_leave_no_task_and_no_descriptor() {
    let listener = bind_loopback().unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hi"))))
    });
    let (n_fds, n_tasks) = (n_descriptors(), Handle::current().metrics().num_alive_tasks());
    let listener = TcpListener::from_std(listener).unwrap();
    let server =
        tokio::spawn(serve(Listening { tcp: listener, tls: None }, service, Limits::default(), stop.clone()));

    for round in 0..1000 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        match round % 3 {
            // Says nothing and goes.
            0 => {}
            // Goes in the middle of a head.
            1 => stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap(),
            _ => {
                let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                stream.write_all(request).await.unwrap();
                let mut said = Vec::new();
                stream.read_to_end(&mut said).await.unwrap();
                assert!(said.starts_with(b"HTTP/1.1 200 OK"));
            }
        }
    }
    stop.cancel();
    let served = timeout(Duration::from_secs(10), server).await.unwrap().unwrap();

    assert_eq!(served.n_cut, 0);
    assert_eq!(n_descriptors(), n_fds - 1, "only the listener is gone");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), n_tasks);
}
