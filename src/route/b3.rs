//! The headers of B3, by which older services tell of traces: one header, or several.
//!
//! Rules: <https://github.com/openzipkin/b3-propagation>. Read where there is no `traceparent`, and
//! forwarded as they came; what is invalid is `None`.

use http::{HeaderMap, HeaderName};

use crate::traceparent::{SpanId, TraceId, TraceParent};

/// `b3: TraceId-SpanId[-Sampled[-ParentSpanId]]`.
pub static B3: HeaderName = HeaderName::from_static("b3");

static TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
static SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
static SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
static FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// Reads them from a request. Where both are there the one header counts, as the page has it; if
/// that is invalid nothing is guessed from the others.
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<TraceParent> {
    match headers.contains_key(&B3) {
        true => single(text(headers, &B3)?),
        false => several(headers),
    }
}

fn single(value: &str) -> Option<TraceParent> {
    let mut parts = value.split('-');
    let (trace_id, span_id) = (trace_id(parts.next()?)?, span_id(parts.next()?)?);
    let is_sampled = parts.next().map_or(Some(true), |state| match state {
        // `d`: debug, which is sampled whatever else is said.
        "1" | "d" => Some(true),
        "0" => Some(false),
        _ => None,
    })?;
    let is_parent_valid = parts.next().is_none_or(|parent| self::span_id(parent).is_some());
    (is_parent_valid && parts.next().is_none()).then(|| made(trace_id, span_id, is_sampled))
}

fn several(headers: &HeaderMap) -> Option<TraceParent> {
    let (trace_id, span_id) = (trace_id(text(headers, &TRACE_ID)?)?, span_id(text(headers, &SPAN_ID)?)?);
    let is_debug = text(headers, &FLAGS) == Some("1");
    // `true` and `false` are of early versions, and are still to be read.
    let is_refused = matches!(text(headers, &SAMPLED), Some("0" | "false"));
    Some(made(trace_id, span_id, is_debug || !is_refused))
}

/// Where nothing is decided we decide, and what passes here is to be seen.
fn made(trace_id: TraceId, parent_id: SpanId, is_sampled: bool) -> TraceParent {
    TraceParent { trace_id, parent_id, flags: u8::from(is_sampled) }
}

/// The only value of a header: of two nobody can say which one holds.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Traces had 64 bits once, which are the low ones of today's 128.
fn trace_id(text: &str) -> Option<TraceId> {
    match text.len() {
        16 | 32 => TraceId::new(hex(text)?),
        _ => None,
    }
}

fn span_id(text: &str) -> Option<SpanId> {
    match text.len() {
        16 => SpanId::new(u64::try_from(hex(text)?).ok()?),
        _ => None,
    }
}

/// Lower-case digits, as both formats are defined.
fn hex(text: &str) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";

    fn read(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        from_headers(&map).map(|found| found.to_string())
    }

    #[test]
    fn one_header_says_all() {
        for (value, expected) in [
            (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"), Some(format!("00-{TRACE}-{SPAN}-01"))),
            (format!("{TRACE}-{SPAN}-d"), Some(format!("00-{TRACE}-{SPAN}-01"))),
            (format!("{TRACE}-{SPAN}-0"), Some(format!("00-{TRACE}-{SPAN}-00"))),
            (format!("{TRACE}-{SPAN}"), Some(format!("00-{TRACE}-{SPAN}-01"))),
            (
                format!("64fe8b2a57d3eff7-{SPAN}-1"),
                Some(format!("00-{:032x}-{SPAN}-01", 0x64fe_8b2a_57d3_eff7_u64)),
            ),
            ("0".into(), None),
            (format!("{TRACE}-{SPAN}-x"), None),
            (format!("{TRACE}-{SPAN}-1-2"), None),
            (format!("{TRACE}-{SPAN}-1-{SPAN}-1"), None),
            (format!("{}-{SPAN}", TRACE.to_uppercase()), None),
            (format!("{TRACE}-0000000000000000-1"), None),
            (format!("{TRACE}-é-1"), None),
        ] {
            assert_eq!(read(&[("b3", &value)]), expected, "{value}");
        }
        assert_eq!(read(&[("b3", &format!("{TRACE}-{SPAN}")), ("b3", &format!("{TRACE}-{SPAN}"))]), None);
    }

    #[test]
    fn several_headers_say_it_together() {
        let both = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
        let with = |name, value| read(&[both[0], both[1], (name, value)]);
        let (sampled, refused) = (format!("00-{TRACE}-{SPAN}-01"), format!("00-{TRACE}-{SPAN}-00"));
        assert_eq!(read(&both), Some(sampled.clone()));
        assert_eq!(with("x-b3-sampled", "1"), Some(sampled.clone()));
        assert_eq!(with("x-b3-sampled", "0"), Some(refused.clone()));
        assert_eq!(with("x-b3-sampled", "false"), Some(refused));
        assert_eq!(with("x-b3-flags", "1"), Some(sampled));
        // The one header is the one that counts.
        assert_eq!(with("b3", "0"), None);
        assert_eq!(read(&both[..1]), None);
        assert_eq!(read(&both[1..]), None);
        assert_eq!(read(&[]), None);
    }
}
