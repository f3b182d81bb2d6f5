//! `ws-echo`: says back what it is told over a WebSocket, for tests of upgrades
//! and long connections through the proxy.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::routing::any;
use tokio_util::sync::CancellationToken;

use crate::serve::Setup;
use crate::settings::SettingError;

pub(crate) const NAME: &str = "ws-echo";

/// The longest message. One is held per session, so 512 sessions hold 512 MiB at
/// the very worst; tungstenite's own default is 64 MiB each.
const MESSAGE_MAX_BYTES: usize = 1024 * 1024;

/// `/ws`; `GET` for HTTP/1.1, `CONNECT` for HTTP/2 (RFC 8441).
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    Ok(Router::new().route("/ws", any(upgrade)).with_state(setup.clone()))
}

async fn upgrade(State(setup): State<Setup>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(MESSAGE_MAX_BYTES)
        .max_frame_size(MESSAGE_MAX_BYTES)
        .on_upgrade(move |socket| setup.sessions.track_future(echo(socket, setup.stop)))
}

/// Ends with the peer, or with the service, which then says so (1001, "going
/// away", RFC 6455, section 7.4.1). Pings are answered by the protocol itself.
async fn echo(mut socket: WebSocket, stop: CancellationToken) {
    loop {
        let received = tokio::select! {
            received = socket.recv() => received,
            () = stop.cancelled() => {
                let going_away = CloseFrame { code: close_code::AWAY, reason: "shutting down".into() };
                let _gone_already = socket.send(Message::Close(Some(going_away))).await;
                return;
            }
        };
        let sent = match received {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
