//! Answers that are cut short, have no end, or make no sense: a failure each time, soon.

use std::time::Duration;

use spur_net::Dial;
use spur_runtime::probe::{ProbeResult, Protocol, speaks};

use super::answers::good;
use super::script::Script;
use super::{LONG, ask};

#[tokio::test]
async fn an_answer_cut_short_is_none() {
    for (protocol, answer, _) in good() {
        for n_bytes in 0..answer.len() {
            let found = ask(protocol, Script::says(&answer[..n_bytes])).await;
            assert!(!found.is_success(), "{protocol} cut to {n_bytes} bytes: {found:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let starts: [&[u8]; 12] = [
        b"",
        b"+PONG",
        b"-",
        b"R\xff\xff\xff\xff",
        b"E\0\x7f\xff\xff",
        b"\xff\xff\xff\0\x0a",
        b"\x01\0\0\x7f\xff\xff\xff",
        b"INFO {",
        b"\x7f\xff\xff\xff\0\0\0\x01",
        b"\xff\xff\xff\x7f\x09\0\0\0\x01\0\0\0\xdd\x07\0\0\0\0\0\0\0",
        b"HTTP/1.1 200 ",
        b"\xff\xff\xff\x04\0\0\0\0\0",
    ];
    for protocol in Protocol::ALL {
        for start in starts {
            for more in [b"\0", b"a"] {
                let found = ask(protocol, Script::repeats(start, more)).await;
                let ProbeResult::Failure(why) = found else {
                    panic!("{protocol} {}: {found:?}", start.escape_ascii());
                };
                assert!(!why.contains("no answer within"), "it was read to the deadline: {why}");
            }
        }
    }
}

#[tokio::test]
async fn what_comes_after_the_answer_is_not_waited_for() {
    for (protocol, answer, words) in good() {
        let found = ask(protocol, Script::repeats(&answer, b"x")).await;
        assert_eq!(found, ProbeResult::Success(words.into()), "{protocol}");
    }
}

#[tokio::test]
async fn silence_is_a_failure_at_the_deadline() {
    for (protocol, answer, _) in good() {
        let port = Script::keeps(&answer[..answer.len() - 1]).serve().await;
        let found = speaks(&Dial::default(), protocol, ("127.0.0.1", port), Duration::from_millis(50)).await;
        let why = format!("{protocol} on 127.0.0.1:{port}: no answer within 50ms");
        assert_eq!(found, ProbeResult::Failure(why));
    }
}

#[tokio::test]
async fn nobody_listening_is_said_as_for_a_plain_connection() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    for protocol in Protocol::ALL {
        let found = speaks(&Dial::default(), protocol, ("127.0.0.1", port), LONG).await;
        let why = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
        assert_eq!(found, ProbeResult::Failure(why));
    }
}

/// Noise from a seed (xorshift, <https://www.jstatsoft.org/article/view/v008i14>).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

#[tokio::test]
async fn noise_is_no_answer() {
    let mut noise = Noise(0x5eed);
    for protocol in Protocol::ALL {
        for _ in 0..100 {
            let answer: Vec<u8> = (0..noise.below(200)).map(|_| noise.byte()).collect();
            let found = ask(protocol, Script::says(&answer)).await;
            assert!(!found.is_success(), "{protocol} {}: {found:?}", answer.escape_ascii());
        }
    }
}

/// A byte may be changed without harm, as one of a version; whatever it is, the answer ends.
#[tokio::test]
async fn an_answer_with_wrong_bytes_is_judged_at_once() {
    let mut noise = Noise(0xbad5eed);
    for (protocol, answer, _) in good() {
        for _ in 0..200 {
            let mut answer = answer.clone();
            for _ in 0..=noise.below(3) {
                let idx = noise.below(answer.len());
                answer[idx] = noise.byte();
            }
            if let ProbeResult::Failure(why) = ask(protocol, Script::says(&answer)).await {
                assert!(!why.contains("no answer within"), "{protocol} {}: {why}", answer.escape_ascii());
                assert!(!why.contains(char::is_control), "{protocol}: {why:?} is no line of text");
            }
        }
    }
}
