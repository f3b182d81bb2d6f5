//! The formats of strings that are checked.
//!
//! The names are those that CustomResourceDefinitions may use (`k8s.io/apiextensions-apiserver/
//! pkg/apiserver/validation/formats.go`); the rules are go-openapi's (`strfmt`). Not checked, as
//! nobody was seen using them: bsonobjectid, isbn, creditcard, ssn, rgbcolor, password.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `text` is of the format called `name`; any text is where the format is not known.
pub(crate) fn accepts(name: &str, text: &str) -> bool {
    match name {
        "date-time" | "datetime" => is_date_time(text),
        "date" => is_date(text.as_bytes()),
        "byte" => is_base64(text),
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<IpAddr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some(b'3')),
        "uuid4" => is_uuid(text, Some(b'4')),
        "uuid5" => is_uuid(text, Some(b'5')),
        "hexcolor" => is_hex_color(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "uri" => is_uri(text),
        "k8s-short-name" => is_label(text),
        "k8s-long-name" => text.len() <= 253 && text.split('.').all(is_label_part),
        _ => true,
    }
}

/// RFC 3339, section 5.6; a fraction of any length.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(date), Some(rest)) = (bytes.get(..10), bytes.get(10..)) else { return false };
    let [b'T' | b't', rest @ ..] = rest else { return false };
    let Some((time, rest)) = rest.split_at_checked(8) else { return false };
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let n_digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if n_digits == 0 {
                return false;
            }
            &fraction[n_digits..]
        }
        rest => rest,
    };
    let is_offset = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => pair(*h1, *h2) < 24 && pair(*m1, *m2) < 60,
        _ => false,
    };
    let is_time = matches!(time, [h1, h2, b':', m1, m2, b':', s1, s2]
        // 60 is a leap second.
        if pair(*h1, *h2) < 24 && pair(*m1, *m2) < 60 && pair(*s1, *s2) <= 60);
    is_date(date) && is_time && is_offset
}

fn is_date(bytes: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else { return false };
    let (century, year) = (pair(y1, y2), pair(y3, y4));
    let (month, day) = (pair(m1, m2), pair(d1, d2));
    if century > 99 || year > 99 {
        return false;
    }
    let year = century * 100 + year;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let n_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=n_days).contains(&day)
}

/// Two digits as a number; 100 and more where they are none, which is over every bound.
fn pair(tens: u8, ones: u8) -> u32 {
    let digit = |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { 1_000 };
    digit(tens) * 10 + digit(ones)
}

/// RFC 4648, section 4, with padding.
fn is_base64(text: &str) -> bool {
    // Go's decoder skips line ends.
    let bytes: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let n_padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &bytes[..bytes.len() - n_padding];
    bytes.len().is_multiple_of(4)
        && n_padding <= 2
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Go's `time.ParseDuration`, or a number of days and the like as `strfmt.ParseDuration` adds.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['+', '-']);
    if text.len() - rest.len() > 1 || rest.is_empty() {
        return false;
    }
    if rest == "0" {
        return true;
    }
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let n_digits = rest.len() - number.len();
        if n_digits == 0 || rest[..n_digits].matches('.').count() > 1 || &rest[..n_digits] == "." {
            return false;
        }
        let number = number.trim_start_matches(' ');
        let unit_end = number.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(number.len());
        let (unit, next) = number.split_at(unit_end);
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h", "d", "w", "day", "days", "week", "weeks"];
        if !units.contains(&unit.trim_end()) {
            return false;
        }
        rest = next;
    }
    true
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else { return false };
    length <= if address.is_ipv4() { 32 } else { 128 }
}

/// Go's `net.ParseMAC`: 6, 8 or 20 bytes, by colons, hyphens or in groups of four digits.
fn is_mac(text: &str) -> bool {
    let (separator, width) = match text.find([':', '-', '.']) {
        Some(2) => (&text[2..3], 2),
        Some(4) if text[4..].starts_with('.') => (".", 4),
        _ => return false,
    };
    let groups: Vec<&str> = text.split(separator).collect();
    let is_hex = |group: &&str| group.len() == width && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.iter().all(is_hex) && matches!(groups.len() * width / 2, 6 | 8 | 20)
}

/// With or without hyphens, as `strfmt`'s `UUIDPattern` allows.
fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
    let is_grouped = text.len() == 32 || text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    digits.len() == 32
        && is_grouped
        && digits.iter().all(u8::is_ascii_hexdigit)
        && version.is_none_or(|version| digits[12] == version)
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An address without a display name; only its outline is checked.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && !text.contains([' ', '\t', '\n', '<', '>', ',']) && is_hostname(domain)
}

/// RFC 1034, section 3.5, with digits first as RFC 1123 allows.
fn is_hostname(text: &str) -> bool {
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    text.len() <= 255 && text.split('.').all(is_part)
}

/// Go's `url.ParseRequestURI`: an absolute URI or an absolute path.
fn is_uri(text: &str) -> bool {
    if text.bytes().any(|byte| byte < 0x21 || byte == 0x7f) {
        return false;
    }
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    text.starts_with('/')
        || text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

/// RFC 1123 label (`k8s.io/apimachinery/pkg/util/validation`).
fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_part(text)
}

fn is_label_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !bytes.is_empty()
        && bytes.iter().all(|&byte| is_alphanumeric(byte) || byte == b'-')
        && is_alphanumeric(bytes[0])
        && is_alphanumeric(bytes[bytes.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn formats_accept_and_refuse() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "date-time",
                &["2026-11-20T10:00:00Z", "2024-02-29T23:59:60.123456+05:30"],
                &[
                    "",
                    "2026-11-20",
                    "2026-11-20 10:00:00Z",
                    "2023-02-29T00:00:00Z",
                    "2026-11-20T24:00:00Z",
                    "2026-11-20T10:00:00",
                    "2026-11-20T10:00:00.Z",
                    "2026-11-20T10:00:00+24:00",
                    "é026-11-20T10:00:00Z",
                ],
            ),
            ("date", &["2000-02-29"], &["1900-02-29", "2026-13-01", "2026-1-1"]),
            ("byte", &["", "YQ==", "YWJj", "YW\nJj"], &["YQ", "Y===", "?Q=="]),
            ("duration", &["1h30m", "0", "-1.5s", "300ms", "1 d"], &["", "1", "h", "1x", "--1s", "."]),
            ("ipv4", &["127.0.0.1"], &["127.0.0", "::1"]),
            ("ipv6", &["::1"], &["127.0.0.1"]),
            ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33"]),
            ("mac", &["00:1b:63:84:45:e6", "001b.6384.45e6"], &["00:1b", "00:1b:63:84:45:zz"]),
            (
                "uuid",
                &["123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"],
                &["123e4567", "x"],
            ),
            ("uuid4", &["123e4567-e89b-42d3-a456-426614174000"], &["123e4567-e89b-12d3-a456-426614174000"]),
            ("hexcolor", &["#fff", "00ff00"], &["#ff", "red"]),
            ("email", &["a@b.c"], &["a", "@b", "a b@c"]),
            ("hostname", &["a-b.c", "1.2"], &["-a", "a..b", "a_b"]),
            ("uri", &["https://a/b?c", "/a", "mailto:x"], &["a/b", "", "http ://x"]),
            ("k8s-short-name", &["a-1"], &["A", "a.b", "a-"]),
            ("k8s-long-name", &["a.b-c"], &["a..b", "A"]),
            ("anything-else", &["", "x"], &[]),
        ];
        for (format, good, bad) in cases {
            for text in *good {
                assert!(accepts(format, text), "{format} refuses `{text}`");
            }
            for text in *bad {
                assert!(!accepts(format, text), "{format} accepts `{text}`");
            }
        }
    }
}
