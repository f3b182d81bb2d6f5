//! Random heads and bodies, faultless and not, cut anywhere: the same faults as a reading of what
//! they were made from.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// One field, or a line that is like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Length(&'static str),
    Coding(&'static str),
    Other(&'static str),
}

const KINDS: [Kind; 14] = [
    Kind::Length("0"),
    Kind::Length("3"),
    Kind::Length("+3"),
    Kind::Length("3, 3"),
    Kind::Length(""),
    Kind::Coding("chunked"),
    Kind::Coding("CHUNKED"),
    Kind::Coding("gzip, chunked"),
    Kind::Coding("identity"),
    Kind::Other("host: a"),
    Kind::Other("cookie: content-length: 4"),
    Kind::Other("content-lengthy: 4"),
    Kind::Other("transfer-encodings: gzip"),
    Kind::Other("x: a line that is longer than what is kept of one, to the last byte of all that is in it"),
];

/// Three bytes that are like others.
const BODIES: [&[u8]; 3] = [b"abc", b"#\n\r", b"\r\n\r"];

/// A request as it is written down.
#[derive(Clone, Debug)]
struct Written {
    has_fragment: bool,
    /// How each line ends, the first of them the request line.
    bare: Vec<bool>,
    kinds: Vec<Kind>,
    body: &'static [u8],
}

prop_compose! {
    fn written()(
        has_fragment in prop::bool::weighted(0.05),
        kinds in prop::collection::vec(select(&KINDS), 0..5),
        bare in prop::collection::vec(prop::bool::weighted(0.03), 6),
        body in select(&BODIES),
    ) -> Written {
        Written { has_fragment, bare, kinds, body }
    }
}

impl Written {
    fn bytes(&self) -> Vec<u8> {
        let end = |idx: usize| if self.bare[idx] { "\n" } else { "\r\n" };
        let mut text = format!("POST /a{} HTTP/1.1{}", if self.has_fragment { "#b" } else { "" }, end(0));
        for (idx, kind) in self.kinds.iter().enumerate() {
            let line = match kind {
                Kind::Length(value) => format!("Content-Length: {value}"),
                Kind::Coding(value) => format!("transfer-encoding:{value} "),
                Kind::Other(line) => (*line).to_owned(),
            };
            text = format!("{text}{line}{}", end(idx + 1));
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        if self.kinds.iter().any(|kind| matches!(kind, Kind::Coding(_))) {
            bytes.extend_from_slice(b"3;x=y\r\n");
            bytes.extend_from_slice(self.body);
            bytes.extend_from_slice(b"\r\n0\r\nx: y\r\n\r\n");
        } else if self.kinds.contains(&Kind::Length("3")) {
            bytes.extend_from_slice(self.body);
        }
        bytes
    }

    /// What is wrong with it, from what it was made from.
    fn fault(&self, bare_line_feeds: BareLineFeeds) -> Option<HeadFault> {
        let is_bare = |idx: usize| self.bare[idx] && bare_line_feeds == BareLineFeeds::Reject;
        if self.has_fragment {
            return Some(HeadFault::Fragment);
        }
        if is_bare(0) {
            return Some(HeadFault::BareLineFeed);
        }
        let (mut n_lengths, mut n_codings) = (0, 0);
        for (idx, kind) in self.kinds.iter().enumerate() {
            let fault = match kind {
                _ if is_bare(idx + 1) => Some(HeadFault::BareLineFeed),
                Kind::Length(_) if n_codings > 0 => Some(HeadFault::LengthAndCoding),
                Kind::Length(_) if n_lengths > 0 => Some(HeadFault::ManyLengths),
                Kind::Length(value) if !["0", "3"].contains(value) => Some(HeadFault::InvalidLength),
                Kind::Coding(_) if n_lengths > 0 => Some(HeadFault::LengthAndCoding),
                Kind::Coding(value) if n_codings > 0 || !value.eq_ignore_ascii_case("chunked") => {
                    Some(HeadFault::TransferEncoding)
                }
                Kind::Length(_) | Kind::Coding(_) | Kind::Other(_) => None,
            };
            if fault.is_some() {
                return fault;
            }
            n_lengths += usize::from(matches!(kind, Kind::Length(_)));
            n_codings += usize::from(matches!(kind, Kind::Coding(_)));
        }
        None
    }
}

/// What is told of `bytes` in pieces of these sizes, again and again.
fn read_in_pieces(bytes: &[u8], sizes: &[usize], bare: BareLineFeeds) -> Option<(u32, HeadFault)> {
    let (mut scan, mut left) = (Scan::new(bare), bytes);
    for size in sizes.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (piece, rest) = left.split_at((*size).min(left.len()));
        if let Some(fault) = scan.read(piece) {
            return Some(fault);
        }
        left = rest;
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_fault_is_told_wherever_the_bytes_are_cut(
        requests in prop::collection::vec(written(), 1..4),
        sizes in prop::collection::vec(1_usize..90, 1..6),
        rejects in any::<bool>(),
    ) {
        let bare = if rejects { BareLineFeeds::Reject } else { BareLineFeeds::Accept };
        let bytes: Vec<u8> = requests.iter().flat_map(Written::bytes).collect();
        let wanted = (0..).zip(&requests).find_map(|(idx, request)| Some((idx, request.fault(bare)?)));
        prop_assert_eq!(read_in_pieces(&bytes, &sizes, bare), wanted, "{}", bytes.escape_ascii());
    }

    #[test]
    fn any_bytes_are_read_alike_wherever_they_are_cut(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), select(&b"\r\n: #0123456789abcdefGETPOST/"[..])], 0..200,
        ),
        sizes in prop::collection::vec(1_usize..90, 1..6),
    ) {
        let whole = Scan::new(BareLineFeeds::Accept).read(&bytes);
        prop_assert_eq!(read_in_pieces(&bytes, &sizes, BareLineFeeds::Accept), whole);
    }
}
