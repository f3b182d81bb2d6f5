//! From a request to an upgraded connection: WebSocket (RFC 6455 section 4.2),
//! with one of the subprotocols that kubectl and its like speak.
//!
//! A browser sends WebSocket requests across origins without asking anybody; what
//! comes from another site's page was refused before (`access/gate.rs`).

use axum::body::Body;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use spur_api::Status;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::Protocol;
use crate::answer::{self, Answer};

/// A connection that will be a WebSocket.
pub(super) struct Upgrade {
    pub(super) connection: OnUpgrade,
    pub(super) protocol: Protocol,
    accept: String,
}

/// Checks the handshake; what is wrong with it is the answer.
pub(super) fn read(parts: &mut Parts) -> Result<Upgrade, Box<Answer>> {
    let refuse = |status: Status| Box::new(answer::failure(&status));
    check_upgrade(parts).map_err(|why| refuse(Status::bad_request(why)))?;
    let headers = &parts.headers;
    if text(headers, &SEC_WEBSOCKET_VERSION) != "13" {
        let why = "the WebSocket version must be 13 (RFC 6455)";
        let mut answer = answer::failure(&Status::new(426, "UpgradeRequired", why));
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(answer));
    }
    let key = text(headers, &SEC_WEBSOCKET_KEY);
    // 16 bytes in base64 (section 4.1).
    if key.len() != 24 || !key.ends_with("==") {
        return Err(refuse(Status::bad_request("Sec-WebSocket-Key is missing or is no base64 of 16 bytes")));
    }
    let accept = derive_accept_key(key.as_bytes());
    let protocol = protocol(headers).map_err(|why| refuse(Status::bad_request(why)))?;
    let Some(connection) = parts.extensions.remove::<OnUpgrade>() else {
        let why = "streams need a connection of their own: this client has none to the server";
        return Err(refuse(Status::bad_request(why)));
    };
    Ok(Upgrade { connection, protocol, accept })
}

fn check_upgrade(parts: &Parts) -> Result<(), String> {
    if parts.version != Version::HTTP_11 {
        return Err(format!(
            "exec and attach need HTTP/1.1, whose connections can become a WebSocket; this is {:?}",
            parts.version
        ));
    }
    let upgrade = text(&parts.headers, &UPGRADE);
    let is_asked = words(&parts.headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"));
    if upgrade.is_empty() || !is_asked {
        return Err(format!(
            "Upgrade request required: the streams are carried by a WebSocket with the subprotocol {}",
            Protocol::NAMES.join(" or ")
        ));
    }
    if upgrade.to_ascii_lowercase().starts_with("spdy/") {
        return Err(format!(
            "{upgrade} is not supported: the streams are carried by a WebSocket, as kubectl does by itself \
             since 1.31; \
             take KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false out of its environment, or set it to true for 1.29 \
             and 1.30"
        ));
    }
    if !words(&parts.headers, &UPGRADE).any(|word| word.eq_ignore_ascii_case("websocket")) {
        return Err(format!("an upgrade to {upgrade} is not supported: ask for `websocket`"));
    }
    if parts.method != Method::GET {
        return Err("a WebSocket is asked for with GET".to_owned());
    }
    Ok(())
}

fn protocol(headers: &HeaderMap) -> Result<Protocol, String> {
    let offered: Vec<&str> = words(headers, &SEC_WEBSOCKET_PROTOCOL).collect();
    let known = Protocol::NAMES.join(" or ");
    if offered.is_empty() {
        return Err(format!("Sec-WebSocket-Protocol is missing: want {known}"));
    }
    Protocol::best(&offered)
        .ok_or_else(|| format!("none of the subprotocols {} is supported: want {known}", offered.join(", ")))
}

/// The words of a list that may stand in several lines (RFC 9110 section 5.6.1).
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim()
}

// === impl Upgrade ===

impl Upgrade {
    /// 101.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::from_str(&self.accept).expect("base64 is plain");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol.name()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_subprotocol_that_is_offered_is_taken() {
        let check = |lines: &[&str], wanted: Option<Protocol>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(protocol(&headers).ok(), wanted, "{lines:?}");
        };
        check(&["v4.channel.k8s.io"], Some(Protocol::V4));
        check(&["v4.channel.k8s.io, v5.channel.k8s.io"], Some(Protocol::V5));
        check(&["channel.k8s.io", "v4.channel.k8s.io"], Some(Protocol::V4));
        check(&["channel.k8s.io"], None);
        check(&[], None);
    }
}
