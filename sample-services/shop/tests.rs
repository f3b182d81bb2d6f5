//! Compares `shop.proto` with the messages in `shop.rs`: every field of the one
//! is encoded by the other under the same number and wire type.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::{LIST_PATH, ListReply, ListRequest, Suggestion, WATCH_PATH, WatchRequest};

const PROTO: &str = include_str!("../shop.proto");

/// The wire types of <https://protobuf.dev/programming-guides/encoding/#structure>.
const VARINT: u64 = 0;
const LEN: u64 = 2;

/// `message.field` → (number, wire type).
type Fields = BTreeMap<String, (u64, u64)>;

/// The fields as `shop.proto` declares them.
fn declared() -> Fields {
    let mut fields = Fields::new();
    let mut message = None;
    for line in PROTO.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("message ") {
            message = Some(name.trim_end_matches(" {"));
        } else if line == "}" {
            message = None;
        } else if let Some(message) = message
            && !line.starts_with("//")
        {
            let words: Vec<_> = line.trim_end_matches(';').split_whitespace().collect();
            let [.., kind, name, "=", number] = words[..] else {
                panic!("a field in shop.proto: found `{line}`, wanted `TYPE NAME = NUMBER;`");
            };
            let wire = if kind == "uint32" { VARINT } else { LEN };
            fields.insert(format!("{message}.{name}"), (number.parse().unwrap(), wire));
        }
    }
    fields
}

/// A message with only this field set, as prost encodes it: the key of
/// <https://protobuf.dev/programming-guides/encoding/#structure>, in one byte for
/// numbers up to 15.
fn key(message: &impl Message) -> (u64, u64) {
    let key = u64::from(message.encode_to_vec()[0]);
    (key >> 3, key & 7)
}

/// The fields as `shop.rs` encodes them. Every struct is written in full, so a
/// new field does not compile until it has a row.
fn encoded() -> Fields {
    let x = || "x".to_owned();
    let suggestion = |sku: String, name: String, version: String| Suggestion { sku, name, version };
    let list = |sku: String, limit: u32| ListRequest { sku, limit };
    let watch = |sku: String, interval_ms: u32, limit: u32| WatchRequest { sku, interval_ms, limit };
    let reply = |suggestions: Vec<Suggestion>, version: String| ListReply { suggestions, version };
    let none = String::new;
    let rows = [
        ("ListRequest.sku", key(&list(x(), 0))),
        ("ListRequest.limit", key(&list(none(), 1))),
        ("ListReply.suggestions", key(&reply(vec![suggestion(x(), none(), none())], none()))),
        ("ListReply.version", key(&reply(vec![], x()))),
        ("WatchRequest.sku", key(&watch(x(), 0, 0))),
        ("WatchRequest.interval_ms", key(&watch(none(), 1, 0))),
        ("WatchRequest.limit", key(&watch(none(), 0, 1))),
        ("Suggestion.sku", key(&suggestion(x(), none(), none()))),
        ("Suggestion.name", key(&suggestion(none(), x(), none()))),
        ("Suggestion.version", key(&suggestion(none(), none(), x()))),
    ];
    rows.into_iter().map(|(name, key)| (name.to_owned(), key)).collect()
}

#[test]
fn the_messages_agree_with_the_proto_file() {
    assert_eq!(encoded(), declared());
}

#[test]
fn the_paths_agree_with_the_proto_file() {
    let word_after = |line: &str, word: &str| -> Option<String> {
        let rest = line.trim().strip_prefix(word)?.trim();
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    let find = |word| PROTO.lines().find_map(|line| word_after(line, word)).unwrap();
    let (package, service) = (find("package "), find("service "));
    let declared: BTreeSet<_> = PROTO
        .lines()
        .filter_map(|line| word_after(line, "rpc "))
        .map(|method| format!("/{package}.{service}/{method}"))
        .collect();
    assert_eq!(declared, BTreeSet::from([LIST_PATH.to_owned(), WATCH_PATH.to_owned()]));
}
