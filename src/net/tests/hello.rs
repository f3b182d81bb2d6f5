//! Reading a client's first message: its name, whatever pieces it comes in, and its bounds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use spur_net::{HelloError, read_hello, server_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// What a client for this name, or address, sends first.
fn hello(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), server_name(name).unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn a_name_is_read_and_the_bytes_are_given_back() {
    for (name, expected) in [("Shop.example.com", Some("shop.example.com")), ("127.0.0.1", None)] {
        let sent = [&hello(name)[..], b"more"].concat();
        let (mut client, server) = duplex(64 * 1024);
        client.write_all(&sent).await.unwrap();
        let (hello, mut stream) = read_hello(server).await.unwrap();
        assert_eq!(hello.server_name.as_deref(), expected);
        drop(client);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, sent);
    }
}

/// PX-10: pieces of one byte.
#[tokio::test]
async fn px_10_single_bytes_make_a_first_message() {
    let (mut client, server) = duplex(1);
    let sent = hello("a.com");
    let (read, ()) = tokio::join!(read_hello(server), async { client.write_all(&sent).await.unwrap() });
    assert_eq!(read.unwrap().0.server_name.as_deref(), Some("a.com"));
}

/// PX-10: 64 KiB in pieces of one byte.
#[tokio::test]
async fn px_10_a_first_message_of_64_kib_in_single_bytes_is_read_no_further_than_16() {
    let (mut client, server) = duplex(1);
    // Four records of a handshake message that says it has 65,531 bytes (RFC 8446, section 4).
    let mut sent = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xfb];
    sent.resize(5 + 0x4000, 0);
    sent.extend([22, 3, 1, 0x40, 0]);
    sent.resize(64 * 1024, 0);
    let drip = async {
        for byte in sent {
            if client.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    };
    let (read, ()) = tokio::join!(read_hello(server), drip);
    assert!(matches!(read.unwrap_err(), HelloError::TooLong | HelloError::Invalid(_)));
}

#[tokio::test]
async fn what_is_no_first_message_is_told() {
    let (mut client, server) = duplex(64);
    client.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    assert!(matches!(read_hello(server).await.unwrap_err(), HelloError::Invalid(_)));
    let (mut client, server) = duplex(4096);
    client.write_all(&hello("a.com")[..20]).await.unwrap();
    drop(client);
    assert!(matches!(read_hello(server).await.unwrap_err(), HelloError::Closed { n_bytes: 20 }));
}
