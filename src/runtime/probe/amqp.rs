//! AMQP 0-9-1: our protocol header is answered with `Connection.Start`,
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf> sections 2.2.4 and 4.2.3.
//!
//! RabbitMQ closes at once as long as it starts.

use super::exchange::{Exchange, shown};

/// `Connection.Start` tells capabilities and mechanisms, less than a kilobyte from
/// RabbitMQ 4; before tuning no frame may be longer than 4096 bytes (section 4.2.3,
/// `frame-min-size`), but servers with many mechanisms write more: 64 KiB (our choice).
const FRAME_MAX_BYTES: usize = 64 * 1024;

const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xce;
/// Class `connection` (10), method `start` (10).
const CONNECTION_START: [u8; 4] = [0, 10, 0, 10];

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    server.send(b"AMQP\x00\x00\x09\x01").await?;
    let head = server.read::<7>().await?;
    if head.starts_with(b"AMQP") {
        return other_version(server, head).await;
    }
    let [METHOD_FRAME, 0, 0, size @ ..] = head else {
        return Err(format!("wanted Connection.Start, found {}", shown(&head)));
    };
    let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
    // Method, version 0-9, and the three lengths of what follows.
    if size < 18 {
        return Err(format!("wanted Connection.Start, found a frame of {size} bytes"));
    }
    let payload = server.read_up_to(size, FRAME_MAX_BYTES).await?;
    let [end] = server.read::<1>().await?;
    match &payload[..] {
        [a, b, c, d, major, minor, ..] if [*a, *b, *c, *d] == CONNECTION_START && end == FRAME_END => {
            Ok(format!("AMQP {major}-{minor}: Connection.Start"))
        }
        _ => Err(format!("wanted Connection.Start, found {}", shown(&payload))),
    }
}

/// A broker that does not speak 0-9-1 answers with the header of what it speaks, and closes
/// (section 4.2.2; AMQP 1.0 section 2.2). It is up: its clients know what to speak.
async fn other_version(server: &mut Exchange, head: [u8; 7]) -> Result<String, String> {
    let [revision] = server.read::<1>().await?;
    let [.., _protocol, major, minor] = head;
    Ok(format!("it speaks AMQP {major}.{minor}.{revision}"))
}
