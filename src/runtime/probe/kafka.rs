//! Kafka: `ApiVersions`, then `Metadata` of no topic, which has to name a broker,
//! <https://kafka.apache.org/protocol>.
//!
//! A broker that has not joined its cluster yet answers the first question and knows nobody
//! for the second.

use bytes::Buf;

use super::exchange::{Exchange, shown, told};

/// Both answers grow with what a cluster is made of, some 40 bytes for each broker; 256 KiB
/// are thousands of them (our choice).
const ANSWER_MAX_BYTES: usize = 256 * 1024;

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// Versions of `Metadata` whose layout is written here: 0 would ask for every topic, and from
/// 9 on numbers are written in another way (KIP-482).
const METADATA_VERSIONS: std::ops::RangeInclusive<i16> = 1..=8;

/// `UNSUPPORTED_VERSION`.
const UNSUPPORTED_VERSION: i16 = 35;

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    let versions = call(server, request((API_VERSIONS, 0), 1, &[]), 1).await?;
    let version = metadata_version(&versions).unwrap_or_else(|| Err(garbage("ApiVersions", &versions)))?;
    let metadata = call(server, request((METADATA, version), 2, no_topics(version)), 2).await?;
    match broker(&metadata, version) {
        None => Err(garbage("Metadata", &metadata)),
        Some(None) => Err("no broker has joined the cluster yet".to_owned()),
        Some(Some((n_brokers, address))) => Ok(format!("{n_brokers} broker(s), the first at {address}")),
    }
}

/// Header version 1 (<https://kafka.apache.org/protocol#protocol_messages>), and a body.
fn request((key, version): (i16, i16), correlation: i32, body: &[u8]) -> Vec<u8> {
    const CLIENT: &[u8] = b"\x00\x0akube-probe";
    let length = 8 + CLIENT.len() + body.len();
    let mut message = Vec::with_capacity(4 + length);
    message.extend(i32::try_from(length).expect("some dozen bytes").to_be_bytes());
    message.extend(key.to_be_bytes());
    message.extend(version.to_be_bytes());
    message.extend(correlation.to_be_bytes());
    message.extend(CLIENT);
    message.extend(body);
    message
}

/// An array of no topics; then that none may be made (from 4 on), and that nobody wants to
/// know what it may do (two flags in 8).
fn no_topics(version: i16) -> &'static [u8] {
    match version {
        8.. => &[0, 0, 0, 0, 0, 0, 0],
        4.. => &[0, 0, 0, 0, 0],
        _ => &[0, 0, 0, 0],
    }
}

/// Sends a request; the answer without its length and correlation.
async fn call(server: &mut Exchange, request: Vec<u8>, correlation: i32) -> Result<Vec<u8>, String> {
    server.send(&request).await?;
    let head = server.read::<8>().await?;
    let (length, found) = (i32::from_be_bytes([head[0], head[1], head[2], head[3]]), &head[4..]);
    match usize::try_from(length).ok().and_then(|length| length.checked_sub(4)) {
        Some(rest) if found == correlation.to_be_bytes() => server.read_up_to(rest, ANSWER_MAX_BYTES).await,
        Some(_) | None => Err(format!("wanted an answer of Kafka, found {}", shown(&head))),
    }
}

fn garbage(what: &str, answer: &[u8]) -> String {
    format!("wanted {what}, found {}", shown(answer))
}

/// The version of `Metadata` to ask in; `None` where the answer makes no sense.
fn metadata_version(mut answer: &[u8]) -> Option<Result<i16, String>> {
    let error = answer.try_get_i16().ok()?;
    if error != 0 && error != UNSUPPORTED_VERSION {
        return Some(Err(format!("ApiVersions fails with error {error}")));
    }
    let n_apis = answer.try_get_i32().ok()?;
    for _ in 0..n_apis {
        let key = answer.try_get_i16().ok()?;
        let (min, max) = (answer.try_get_i16().ok()?, answer.try_get_i16().ok()?);
        if key == METADATA {
            let version = min.max(*METADATA_VERSIONS.start());
            let is_known = METADATA_VERSIONS.contains(&version) && version <= max;
            let unknown = || format!("Metadata of versions {min} to {max} is not supported");
            return Some(is_known.then_some(version).ok_or_else(unknown));
        }
    }
    None
}

/// How many brokers there are, and where clients are sent by the first; `None` where the
/// answer makes no sense.
fn broker(mut answer: &[u8], version: i16) -> Option<Option<(i32, String)>> {
    if version >= 3 {
        let _throttle_ms = answer.try_get_i32().ok()?;
    }
    let n_brokers = answer.try_get_i32().ok()?;
    if n_brokers == 0 {
        return Some(None);
    }
    if n_brokers < 0 {
        return None;
    }
    let _node = answer.try_get_i32().ok()?;
    let length = usize::try_from(answer.try_get_i16().ok()?).ok()?;
    let (host, mut rest) = answer.split_at_checked(length)?;
    let port = u16::try_from(rest.try_get_i32().ok()?).ok()?;
    // A domain name has at most 253 characters (RFC 1035, section 2.3.4).
    Some(Some((n_brokers, format!("{}:{port}", told(host, 253)))))
}
