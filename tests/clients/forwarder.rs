//! An address that stays the same while the server behind it comes and goes.

use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::{Site, Spur};

/// Carries connections to a Spur; they break off when it is led to another one.
pub(crate) struct Forwarder {
    port: u16,
    /// forwarder -- the address of the server --> its task
    target_tx: watch::Sender<Option<String>>,
}

// === impl Forwarder ===

impl Forwarder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target_tx, target_rx) = watch::channel(None);
        // Ends with the test's runtime.
        tokio::spawn(forward(listener, target_rx));
        Self { port, target_tx }
    }

    /// Leads to this Spur from now on.
    pub(crate) fn lead_to(&self, spur: &Spur) {
        self.target_tx.send_replace(Some(address(spur)));
    }

    /// Refuses everybody, as a server does that is away.
    pub(crate) fn lead_nowhere(&self) {
        self.target_tx.send_replace(None);
    }

    /// A kubeconfig that leads here, with the credentials of a Spur.
    pub(crate) fn kubeconfig(&self, spur: &Spur) -> PathBuf {
        let text = std::fs::read_to_string(spur.kubeconfig()).unwrap();
        let here = format!("127.0.0.1:{}", self.port);
        let text = text.replace(&address(spur), &here);
        assert!(text.contains(&here), "an address in:\n{text}");
        spur.data().write("forwarded.kubeconfig", &text)
    }
}

fn address(spur: &Spur) -> String {
    Site::of_kubeconfig(spur.kubeconfig()).address
}

async fn forward(listener: TcpListener, mut target_rx: watch::Receiver<Option<String>>) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            changed = target_rx.changed() => match changed {
                Ok(()) => carried.abort_all(),
                Err(_the_test_is_over) => return,
            },
            accepted = listener.accept() => {
                let target = target_rx.borrow().clone();
                if let (Ok((mut client, _)), Some(target)) = (accepted, target) {
                    carried.spawn(async move {
                        if let Ok(mut server) = TcpStream::connect(target).await {
                            // Either end may break off; the other one learns of it by that.
                            let _ended = copy_bidirectional(&mut client, &mut server).await;
                        }
                    });
                }
            }
        }
        while carried.try_join_next().is_some() {}
    }
}
