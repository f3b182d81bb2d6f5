//! One client and one session of the runtime: bytes both ways, each way as fast
//! as its slower end, until one of them is done.
//!
//! Reading and writing are independent: a command that waits for its output to
//! be read still gets its input, and a client that does not read is still heard.
//! Between them stands one frame each way; everything else stays in the pipe and
//! in the socket.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, SplitSink, SplitStream};
use futures::{FutureExt, SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use spur_api::Status;
use spur_runtime::{ExecError, OutputStream, PodId, Session, Stdin, Streams, TerminalSize};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frames::{self, Input, Protocol};
use super::handshake::Upgrade;
use crate::state::State;

/// What is asked for.
pub(super) struct Call {
    pub(super) pod: PodId,
    pub(super) container: String,
    pub(super) with: With,
    pub(super) streams: Streams,
    pub(super) has_tty: bool,
}

/// With whom one talks.
pub(super) enum With {
    /// A command in the container.
    Command(Vec<String>),
    /// The container itself.
    Container,
}

/// A client is asked this often whether it is there, as kubectl asks the server: nothing else
/// may be said for hours, and where the command takes no more input, so that the server does
/// not read, it is the write that fails once the client has gone.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A client that says nothing for so long, not even in answer to a ping, is gone. Python's
/// client answers only while its program reads, so this is far above what a program may do
/// in between.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);

/// How long a client may take to say which size its terminal has, so that a program that asks
/// once gets the answer. kubectl says it at once; one that never does waits this long.
const FIRST_SIZE_MAX: Duration = Duration::from_millis(100);

/// How long a client may take to close what has been closed to it (RFC 6455 section 7.1.1).
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Largest message of a client: that of Kubernetes, which is the default of Go's
/// `x/net/websocket`. Programs write their whole input at once.
const MESSAGE_MAX_BYTES: usize = 32 * 1024 * 1024;

/// What is read from the socket at once: a piece of input as kubectl sends it.
const READ_BYTES: usize = 32 * 1024;

/// Output in one frame.
const PIECE_MAX_BYTES: usize = 64 * 1024;

/// Frames that wait to be written: one of output and what the protocol answers by itself.
const WRITE_MAX_BYTES: usize = 2 * PIECE_MAX_BYTES;

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Sink = SplitSink<Socket, Message>;
type Frames = SplitStream<Socket>;

/// Why a conversation is over.
enum Over {
    /// The command or container has ended, and all it wrote is sent.
    Ended(i32),
    /// The client's input is at its end, and with it the conversation.
    InputEnded,
    /// The client has closed or left.
    Gone,
    /// The server drains.
    Draining,
}

/// Waits for the upgrade, and talks until one side is done.
pub(super) async fn hold(state: State, call: Call, upgrade: Upgrade) {
    // A client that leaves before it has the answer.
    let Ok(connection) = upgrade.connection.await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(config)).await;
    let (mut sink, mut frames) = socket.split();
    let last_word = talk(&state, call, upgrade.protocol, (&mut sink, &mut frames)).await;
    let (word, code) = match last_word {
        Some(word) => (Some(word), CloseCode::Normal),
        None => (None, CloseCode::Away),
    };
    let closing = close(sink, frames, word, code);
    let _ = timeout(CLOSE_MAX, closing).await;
}

/// Gives what is to be said last; `None` where nobody is there to hear it.
async fn talk(
    state: &State,
    call: Call,
    protocol: Protocol,
    (sink, frames): (&mut Sink, &mut Frames),
) -> Option<Message> {
    let first = if call.has_tty { first_frame(frames).await? } else { None };
    let is_command = matches!(call.with, With::Command(_));
    let session = match open(state, call, (protocol, first.as_ref())).await {
        Ok(session) => session,
        Err(error) => return Some(frames::failed(&not_started(is_command, &error))),
    };
    let Session { stdin, output, size_tx, exit, ends_with_stdin } = session;
    let mut reading = Reading { protocol, stdin, size_tx, ends_with_stdin };
    let (exit_tx, exit_rx) = oneshot::channel();
    // The exit is awaited beside the rest: it may apply sizes meanwhile.
    let exit = exit.map(|code| {
        // Nobody waits for it once the client has gone.
        let _ = exit_tx.send(code);
        Ok(())
    });
    let writing = async { tokio::try_join!(write(sink, output, exit_rx), exit) };
    let over = tokio::select! {
        written = writing => written.map_or(Over::Gone, |(code, ())| Over::Ended(code)),
        over = reading.read(first, frames) => over,
        () = state.draining.cancelled() => Over::Draining,
    };
    match over {
        // As with Kubernetes, whoever attached is not told how the container ended: its pod is.
        Over::Ended(code) => Some(frames::exited(if is_command { code } else { 0 })),
        Over::InputEnded => Some(frames::exited(0)),
        Over::Draining => Some(frames::failed(&Status::internal("spur is shutting down"))),
        Over::Gone => None,
    }
}

/// The first thing a client says, if it says something soon; `None` where it has left.
async fn first_frame(frames: &mut Frames) -> Option<Option<Bytes>> {
    match timeout(FIRST_SIZE_MAX, next(frames)).await {
        Ok(frame) => frame.map(Some),
        Err(_elapsed) => Some(None),
    }
}

async fn open(
    state: &State,
    call: Call,
    (protocol, first): (Protocol, Option<&Bytes>),
) -> Result<Session, ExecError> {
    let Call { pod, container, with, streams, has_tty } = call;
    let size = first.map(|frame| match frames::input(protocol, frame.clone()) {
        Input::Resize(size) => size,
        Input::Stdin(_) | Input::EndOfStdin | Input::Nothing => TerminalSize::default(),
    });
    let terminal = has_tty.then(|| size.unwrap_or_default());
    let streams = Streams { terminal, ..streams };
    let runtime = state.runtimes.holding(&pod, &container);
    match with {
        With::Command(command) => runtime.exec_session(&pod, &container, command, streams).await,
        With::Container => runtime.attach(&pod, &container, streams).await,
    }
}

/// In the kubelet's words, which people search for.
fn not_started(is_command: bool, error: &ExecError) -> Status {
    let what = if is_command { "executing command in" } else { "attaching to" };
    let why = match error {
        ExecError::Start(error) => error.text(),
        ExecError::NotRunning { .. } | ExecError::TimedOut(_) => error.to_string(),
    };
    Status::internal(format!("error {what} container: {why}"))
}

/// Sends what is written and asks whether the client is there, until all is said and the exit
/// is known. Fails where the client has left.
async fn write(
    sink: &mut Sink,
    mut output: BoxStream<'static, (OutputStream, Bytes)>,
    mut exit_rx: oneshot::Receiver<i32>,
) -> Result<i32, Error> {
    let mut pings = interval(PING_EVERY);
    pings.reset();
    let (mut is_open, mut exit_code) = (true, None);
    loop {
        if let (false, Some(code)) = (is_open, exit_code) {
            return Ok(code);
        }
        tokio::select! {
            piece = output.next(), if is_open => match piece {
                Some(piece) => send(sink, piece).await?,
                None => is_open = false,
            },
            code = &mut exit_rx, if exit_code.is_none() => {
                exit_code = Some(code.expect("the exit is told before it is dropped"));
            }
            _ = pings.tick() => sink.send(Message::Ping(Bytes::new())).await?,
        }
    }
}

/// In frames that the write buffer has room for, whatever a runtime gives at once.
async fn send(sink: &mut Sink, (stream, bytes): (OutputStream, Bytes)) -> Result<(), Error> {
    for piece in bytes.chunks(PIECE_MAX_BYTES) {
        sink.send(frames::output(stream, piece)).await?;
    }
    Ok(())
}

/// The next frame with data; `None` where the client has closed, left, or is silent. Pings are
/// answered on the way.
async fn next(frames: &mut Frames) -> Option<Bytes> {
    loop {
        match timeout(SILENCE_MAX, frames.next()).await.ok()??.ok()? {
            Message::Binary(bytes) => return Some(bytes),
            Message::Text(text) => return Some(Bytes::from(text)),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

/// Says the last word and closes; then waits until the client has closed too.
async fn close(mut sink: Sink, mut frames: Frames, word: Option<Message>, code: CloseCode) {
    if let Some(word) = word {
        let _ = sink.feed(word).await;
    }
    let frame = CloseFrame { code, reason: "".into() };
    if sink.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = frames.next().await {}
    }
}

/// Where a client's input goes.
struct Reading {
    protocol: Protocol,
    /// `None` once it is at its end or its reader has left: what comes then is dropped.
    stdin: Option<Stdin>,
    size_tx: Option<mpsc::Sender<TerminalSize>>,
    ends_with_stdin: bool,
}

// === impl Reading ===

impl Reading {
    /// Takes what the client says, `first` before the rest, until it is done.
    async fn read(&mut self, first: Option<Bytes>, frames: &mut Frames) -> Over {
        let mut frame = first;
        loop {
            if let Some(bytes) = frame
                && self.take(bytes).await
            {
                return Over::InputEnded;
            }
            frame = next(frames).await;
            if frame.is_none() {
                return Over::Gone;
            }
        }
    }

    /// Whether the conversation is over.
    async fn take(&mut self, frame: Bytes) -> bool {
        match frames::input(self.protocol, frame) {
            Input::Stdin(bytes) => {
                if let Some(stdin) = &mut self.stdin
                    && stdin.write_all(&bytes).await.is_err()
                {
                    self.stdin = None;
                }
                false
            }
            Input::EndOfStdin => {
                if let Some(mut stdin) = self.stdin.take() {
                    let _ = stdin.shutdown().await;
                }
                self.ends_with_stdin
            }
            Input::Resize(size) => {
                if let Some(size_tx) = &self.size_tx {
                    // Nobody takes it once the command has ended.
                    let _ = size_tx.send(size).await;
                }
                false
            }
            Input::Nothing => false,
        }
    }
}
