//! A server that says what it was told to, whatever it is asked.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Script {
    answer: Vec<u8>,
    then: Then,
}

#[derive(Clone)]
enum Then {
    Close,
    /// Waits until the client leaves.
    Keep,
    /// Says this until the client leaves.
    Repeat(&'static [u8]),
}

// === impl Script ===

impl Script {
    /// This, and the end.
    pub(crate) fn says(answer: &[u8]) -> Self {
        Self { answer: answer.to_vec(), then: Then::Close }
    }

    /// This, and then nothing.
    pub(crate) fn keeps(answer: &[u8]) -> Self {
        Self { answer: answer.to_vec(), then: Then::Keep }
    }

    /// This, and then that without an end.
    pub(crate) fn repeats(answer: &[u8], more: &'static [u8]) -> Self {
        Self { answer: answer.to_vec(), then: Then::Repeat(more) }
    }

    /// Serves one client; gives the port.
    pub(crate) async fn serve(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            self.talk(stream).await;
        });
        port
    }

    async fn talk(self, mut stream: TcpStream) {
        // A client that leaves early is what some tests are about.
        let _ = stream.write_all(&self.answer).await;
        match self.then {
            Then::Close => drop(stream.shutdown().await),
            Then::Keep => {}
            Then::Repeat(more) => {
                let more = more.repeat(1000);
                while stream.write_all(&more).await.is_ok() {}
            }
        }
        // A question that was not read would turn the end into a reset, and the answer be lost.
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
    }
}
