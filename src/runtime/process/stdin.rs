//! A container's standard input: one task writes it, whoever is attached gives
//! the bytes.
//!
//! As Kubernetes has it, it stays open from one client to the next, or belongs to
//! the first client alone (`stdinOnce`): when that one goes, the container reads
//! the end of its input.

use std::io;

use bytes::Bytes;
use futures::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio_util::io::{CopyToBytes, SinkWriter};
use tokio_util::sync::PollSender;

use crate::container::{ContainerState, StdinMode};
use crate::session::Stdin;

/// The input of a run, as it is handed out.
#[derive(Default)]
pub(super) enum ContainerStdin {
    /// It has none, or its one client has it.
    #[default]
    None,
    /// Everybody's.
    Shared(mpsc::Sender<Bytes>),
    /// The first one's.
    Once(mpsc::Sender<Bytes>),
}

// === impl ContainerStdin ===

impl ContainerStdin {
    /// The handle of a new run, and the writes that end with its input or with the run.
    pub(super) fn new(
        mode: StdinMode,
        stdin: Option<Stdin>,
        state_rx: watch::Receiver<ContainerState>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        // One piece waits while another is written: clients wait for the container.
        let (bytes_tx, bytes_rx) = mpsc::channel(1);
        let handle = match (mode, &stdin) {
            (StdinMode::Closed, _) | (_, None) => Self::None,
            (StdinMode::Open, Some(_)) => Self::Shared(bytes_tx),
            (StdinMode::Once, Some(_)) => Self::Once(bytes_tx),
        };
        (handle, write(stdin, bytes_rx, state_rx))
    }

    /// Where a client writes, if it may.
    pub(super) fn hand_out(&mut self) -> Option<Stdin> {
        let bytes_tx = match self {
            Self::None => return None,
            Self::Shared(bytes_tx) => bytes_tx.clone(),
            Self::Once(_) => match std::mem::take(self) {
                Self::Once(bytes_tx) => bytes_tx,
                Self::None | Self::Shared(_) => return None,
            },
        };
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let sink = PollSender::new(bytes_tx).sink_map_err(gone);
        Some(Box::new(SinkWriter::new(CopyToBytes::new(sink))))
    }
}

/// Writes what comes until nobody can send any more, the container reads no more, or it
/// has ended.
async fn write(
    stdin: Option<Stdin>,
    mut bytes_rx: mpsc::Receiver<Bytes>,
    mut state_rx: watch::Receiver<ContainerState>,
) {
    let Some(mut stdin) = stdin else { return };
    let writing = async {
        while let Some(bytes) = bytes_rx.recv().await {
            if stdin.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        _ = state_rx.wait_for(ContainerState::is_terminated) => {}
    }
}
