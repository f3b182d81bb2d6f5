//! `pods/<name>/exec` and `/attach`: the streams of a command or of a container,
//! carried by a WebSocket.
//!
//! ```text
//!  request ─► asked (query) ─► pod and container ─► handshake (101) ─► conversation
//!                                                                        │ frames ▲
//!                                                                        ▼        │
//!                                                                  Session of trait Runtime
//! ```
//!
//! Everything that can be refused is refused before the upgrade, with a status
//! and with the same words to every kind of upgrade: kubectl asks a second time,
//! by SPDY, when its WebSocket was refused, and shows that answer.
//!
//! Source: `pkg/registry/core/pod/rest/subresources.go`, `kubelet/pkg/cri/streaming`.

mod asked;
mod conversation;
mod frames;
mod handshake;

use http::Method;
use http::request::Parts;
use serde_json::Value;
use spur_api::{Status, Subresource, meta};
use spur_runtime::PodId;

use crate::answer::{self, Outcome};
use crate::path::Target;
use crate::state::State;
use crate::{containers, object};

use asked::Asked;
use conversation::{Call, With};

/// What these subresources are asked with: GET by WebSocket, POST by SPDY.
pub(crate) const METHODS: &[&str] = &["GET", "POST"];

/// Answers 101 and goes on with the streams in a task of its own, which ends with them, with
/// its client, or when the server drains.
pub(crate) async fn connect(
    state: &State,
    (target, part): (&Target, Subresource),
    mut parts: Parts,
) -> Outcome {
    if !matches!(parts.method, Method::GET | Method::POST) {
        return Ok(answer::method_not_allowed(METHODS));
    }
    let pod = object::get(state, &target.kind, target.namespace.as_deref(), target.object_name())?.value;
    if part == Subresource::PortForward {
        return Ok(answer::failure(&port_forward(&pod)));
    }
    let asked = Asked::parse(parts.uri.query().unwrap_or(""))?;
    let call = call(state, &pod, part, asked)?;
    let upgrade = match handshake::read(&mut parts) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(*refusal),
    };
    let answer = upgrade.answer();
    tokio::spawn(conversation::hold(state.clone(), call, upgrade));
    Ok(answer)
}

fn call(state: &State, pod: &Value, part: Subresource, asked: Asked) -> Result<Call, Status> {
    let container = containers::named(pod, &asked.container)?;
    let with = match part {
        Subresource::Exec if asked.command.is_empty() => {
            return Err(Status::bad_request("you must specify at least one command for the container"));
        }
        Subresource::Exec => With::Command(asked.command),
        _ => With::Container,
    };
    let id = PodId::new(meta::namespace(pod), meta::name(pod), meta::uid(pod));
    if !state.runtimes.holding(&id, &container).state(&id, &container).is_some_and(|state| state.is_running())
    {
        return Err(containers::not_running(pod, &container));
    }
    Ok(Call { pod: id, container, with, streams: asked.streams, has_tty: asked.has_tty })
}

fn port_forward(pod: &Value) -> Status {
    let ports = meta::text(pod, "/metadata/annotations/spur.dev~1ports");
    let next = if ports.is_empty() {
        "reach its Service at the entry address that `spur status` shows".to_owned()
    } else {
        format!("its ports are open on this machine, see the annotation spur.dev/ports: {ports}")
    };
    Status::not_supported(format!("port-forward is not supported yet; pod \"{}\": {next}", meta::name(pod)))
}
