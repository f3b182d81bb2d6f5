//! Where a request carries its key, and in which order the places count.
//!
//! The first carrier that holds a key wins; further ones that hold another
//! are counted. What a key then means is left to `decide`.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Uri, header};
use serde::{Deserialize, Serialize};

use crate::explain::{CarrierFinding, CarrierOutcome};
use crate::witness::Witness;
use crate::{baggage, percent, tracestate};

/// The header that only Spur reads; nothing beats it.
pub static SPUR_KEY: HeaderName = HeaderName::from_static("spur-key");

/// The longest key. A key is a sandbox's name unless somebody chose another,
/// and names in Kubernetes have at most 253 characters
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>);
/// it also stays under the 256 that a `tracestate` value may have
/// (<https://www.w3.org/TR/trace-context-2/#value>).
pub const KEY_MAX_LEN: usize = 253;

/// Our member in `baggage`.
pub(crate) const BAGGAGE_KEY: &str = "spur-key";
/// Our member in `tracestate`.
pub(crate) const TRACESTATE_KEY: &str = "spur";
/// Signadot's member in both
/// (<https://www.signadot.com/docs/guides/set-up-context-propagation>).
const SD_ROUTING_KEY: &str = "sd-routing-key";

/// Headers that are nothing but a key.
#[must_use]
pub fn key_headers() -> [&'static HeaderName; 3] {
    [&SPUR_KEY, &OT_BAGGAGE, &UBERCTX]
}

/// Members of `baggage` that are a key.
pub const BAGGAGE_KEYS: [&str; 2] = [BAGGAGE_KEY, SD_ROUTING_KEY];
/// Members of `tracestate` that are a key.
pub const TRACESTATE_KEYS: [&str; 2] = [TRACESTATE_KEY, SD_ROUTING_KEY];

/// OpenTracing's and Jaeger's baggage headers with Signadot's key, which its
/// browser extension still sends (`headerNames.ts` of signadot/browser-extension).
static OT_BAGGAGE: HeaderName = HeaderName::from_static("ot-baggage-sd-routing-key");
static UBERCTX: HeaderName = HeaderName::from_static("uberctx-sd-routing-key");

/// A place that can hold a key; in this order the first that does wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// The `spur-key` header.
    Header,
    /// The host `<sandbox>--<service>.<namespace>.localhost`.
    PreviewHost,
    /// The `baggage` member `spur-key`.
    Baggage,
    /// The `baggage` member `sd-routing-key`.
    BaggageSdRoutingKey,
    /// The `tracestate` member `spur`.
    Tracestate,
    /// The `tracestate` member `sd-routing-key`.
    TracestateSdRoutingKey,
    /// A header named in [`CarrierSpec::headers`].
    CustomHeader,
    /// The header `ot-baggage-sd-routing-key`.
    OtBaggage,
    /// The header `uberctx-sd-routing-key`.
    Uberctx,
    /// The cookie named in [`CarrierSpec::cookie`].
    Cookie,
    /// The query parameter named in [`CarrierSpec::query`].
    Query,
    /// None: the key of the sandbox whose workload is calling.
    Implied,
}

/// Further carriers that somebody configured; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarrierSpec {
    /// Headers whose whole value is the key, in order.
    pub headers: Vec<HeaderName>,
    /// The name of a cookie whose value is the key.
    pub cookie: Option<Arc<str>>,
    /// The name of a query parameter whose value is the key.
    pub query: Option<Arc<str>>,
}

/// What a request's carriers hold.
pub(crate) struct Reading<'a> {
    /// The first key found.
    pub(crate) winner: Option<(Carrier, Cow<'a, str>)>,
    /// How many carriers hold another key than the winner's.
    pub(crate) n_disagreeing: u8,
    /// How many hold something that cannot be a key.
    pub(crate) n_malformed: u8,
    /// Whether a service that hands on nothing but `baggage` and `tracestate`
    /// would hand on the winner.
    pub(crate) w3c_hands_on_winner: bool,
}

/// Whether this can be a key: a token (RFC 9110, section 5.6.2), which goes
/// into every carrier as it is, of 1 to [`KEY_MAX_LEN`] characters.
#[must_use]
pub fn is_valid_key(key: &[u8]) -> bool {
    !key.is_empty() && key.len() <= KEY_MAX_LEN && key.iter().all(|byte| is_token_char(*byte))
}

/// Reads all carriers in order. `preview_key` is the key of the sandbox that
/// the host names, if it names one.
pub(crate) fn read<'a, W: Witness>(
    headers: &'a HeaderMap,
    uri: &'a Uri,
    extra: &CarrierSpec,
    preview_key: Option<&'a str>,
    witness: &mut W,
) -> Reading<'a> {
    let mut walk = Walk {
        reading: Reading { winner: None, n_disagreeing: 0, n_malformed: 0, w3c_hands_on_winner: false },
        is_w3c_seen: false,
        witness,
    };
    // Most requests have none of these, and one look at the names is all that they pay.
    let holds_any = headers.keys().any(is_carrier);
    if holds_any {
        walk.header(Carrier::Header, headers, &SPUR_KEY);
    }
    if let Some(key) = preview_key {
        walk.see(Carrier::PreviewHost, "", Some(Cow::Borrowed(key)), key.as_bytes());
    }
    let in_baggage = [(Carrier::Baggage, BAGGAGE_KEY), (Carrier::BaggageSdRoutingKey, SD_ROUTING_KEY)];
    for (carrier, name) in in_baggage.into_iter().filter(|_| holds_any) {
        for member in baggage::members(headers).filter(|member| member.name == name.as_bytes()) {
            walk.see(carrier, name, percent::decode(member.value), member.value);
        }
    }
    let in_tracestate =
        [(Carrier::Tracestate, TRACESTATE_KEY), (Carrier::TracestateSdRoutingKey, SD_ROUTING_KEY)];
    for (carrier, name) in in_tracestate.into_iter().filter(|_| holds_any) {
        for member in tracestate::members(headers).filter(|member| member.key == name.as_bytes()) {
            walk.see_plain(carrier, name, member.value);
        }
    }
    for name in &extra.headers {
        walk.header(Carrier::CustomHeader, headers, name);
    }
    if holds_any {
        walk.header(Carrier::OtBaggage, headers, &OT_BAGGAGE);
        walk.header(Carrier::Uberctx, headers, &UBERCTX);
    }
    if let Some(name) = &extra.cookie {
        for value in cookies(headers, name) {
            walk.see_plain(Carrier::Cookie, name, value);
        }
    }
    if let Some(name) = &extra.query {
        for value in query_values(uri, name) {
            walk.see(Carrier::Query, name, percent::decode(value), value);
        }
    }
    walk.reading
}

/// Whether a header of this name may hold a key, whatever is configured beside it.
fn is_carrier(name: &HeaderName) -> bool {
    [&SPUR_KEY, &baggage::BAGGAGE, &tracestate::TRACESTATE, &OT_BAGGAGE, &UBERCTX].contains(&name)
}

struct Walk<'a, 'w, W> {
    reading: Reading<'a>,
    is_w3c_seen: bool,
    witness: &'w mut W,
}

// === impl Carrier ===

impl Carrier {
    /// The carrier in words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Header => "header `spur-key`",
            Self::PreviewHost => "the preview host",
            Self::Baggage => "baggage member `spur-key`",
            Self::BaggageSdRoutingKey => "baggage member `sd-routing-key`",
            Self::Tracestate => "tracestate member `spur`",
            Self::TracestateSdRoutingKey => "tracestate member `sd-routing-key`",
            Self::CustomHeader => "a configured header",
            Self::OtBaggage => "header `ot-baggage-sd-routing-key`",
            Self::Uberctx => "header `uberctx-sd-routing-key`",
            Self::Cookie => "a cookie",
            Self::Query => "a query parameter",
            Self::Implied => "the calling workload",
        }
    }

    fn is_w3c(self) -> bool {
        matches!(
            self,
            Self::Baggage | Self::BaggageSdRoutingKey | Self::Tracestate | Self::TracestateSdRoutingKey
        )
    }
}

// === impl Walk ===

impl<'a, W: Witness> Walk<'a, '_, W> {
    fn header(&mut self, carrier: Carrier, headers: &'a HeaderMap, name: &HeaderName) {
        for value in headers.get_all(name) {
            self.see_plain(carrier, name.as_str(), value.as_bytes());
        }
    }

    fn see_plain(&mut self, carrier: Carrier, name: &str, raw: &'a [u8]) {
        let text = std::str::from_utf8(raw).ok().map(Cow::Borrowed);
        self.see(carrier, name, text, raw);
    }

    /// Takes note of one value: `text` is `raw` decoded, absent where that failed.
    fn see(&mut self, carrier: Carrier, name: &str, text: Option<Cow<'a, str>>, raw: &[u8]) {
        let key = text.filter(|key| is_valid_key(key.as_bytes()));
        let outcome = self.settle(carrier, key);
        self.witness.carrier(|| CarrierFinding::new(carrier, name, raw, outcome));
    }

    fn settle(&mut self, carrier: Carrier, key: Option<Cow<'a, str>>) -> CarrierOutcome {
        let reading = &mut self.reading;
        let Some(key) = key else {
            reading.n_malformed = reading.n_malformed.saturating_add(1);
            return CarrierOutcome::Malformed;
        };
        let is_first_w3c = carrier.is_w3c() && !self.is_w3c_seen;
        self.is_w3c_seen |= is_first_w3c;
        match &reading.winner {
            None => {
                reading.winner = Some((carrier, key));
                reading.w3c_hands_on_winner = is_first_w3c;
                CarrierOutcome::Won
            }
            Some((_, winner)) if *winner == key => {
                reading.w3c_hands_on_winner |= is_first_w3c;
                CarrierOutcome::Agrees
            }
            Some(_) => {
                reading.n_disagreeing = reading.n_disagreeing.saturating_add(1);
                CarrierOutcome::Disagrees
            }
        }
    }
}

/// The values of the cookies of this name (RFC 6265, section 5.4).
fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| value_of(pair.trim_ascii(), name))
}

fn query_values<'a>(uri: &'a Uri, name: &str) -> impl Iterator<Item = &'a [u8]> {
    uri.query()
        .unwrap_or_default()
        .as_bytes()
        .split(|byte| *byte == b'&')
        .filter_map(move |pair| value_of(pair, name))
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

fn is_token_char(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}
