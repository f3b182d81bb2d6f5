//! What may be a name.
//!
//! Source of every rule: Kubernetes' `apimachinery/pkg/util/validation`, whose
//! wording clients and people know.

/// Longest DNS-1123 label, in bytes (RFC 1123 section 2.1).
pub const LABEL_MAX: usize = 63;
/// Longest DNS-1123 subdomain, in bytes (RFC 1123 section 2.1).
pub const SUBDOMAIN_MAX: usize = 253;

const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035_MESSAGE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE_MESSAGE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED_NAME_MESSAGE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// The kind of name a resource's objects carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// DNS-1123 subdomain: most kinds.
    Subdomain,
    /// DNS-1123 label: namespaces, sandboxes.
    Label,
    /// DNS-1035 label: services.
    Label1035,
    /// Whatever can be a segment of a path: roles, which are named `system:node`.
    PathSegment,
    /// An IP address as it is usually written: IPAddresses.
    IpAddress,
}

/// What is wrong with `name` under `rule`; `None` when nothing is.
pub fn check(rule: NameRule, name: &str) -> Option<String> {
    match rule {
        NameRule::Subdomain => subdomain(name),
        NameRule::Label => label(name),
        NameRule::Label1035 => label_1035(name),
        NameRule::PathSegment => path_segment(name),
        NameRule::IpAddress => ip_address(name),
    }
}

/// Checks a DNS-1123 label.
pub fn label(name: &str) -> Option<String> {
    if name.len() > LABEL_MAX {
        return Some(too_long(LABEL_MAX));
    }
    (!is_label(name)).then(|| LABEL_MESSAGE.to_owned())
}

/// Checks a DNS-1123 subdomain.
pub fn subdomain(name: &str) -> Option<String> {
    if name.len() > SUBDOMAIN_MAX {
        return Some(too_long(SUBDOMAIN_MAX));
    }
    (!name.split('.').all(is_label)).then(|| SUBDOMAIN_MESSAGE.to_owned())
}

/// Checks a DNS-1035 label: a DNS-1123 label that begins with a letter.
pub fn label_1035(name: &str) -> Option<String> {
    if name.len() > LABEL_MAX {
        return Some(too_long(LABEL_MAX));
    }
    let begins_with_letter = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    (!(begins_with_letter && is_label(name))).then(|| LABEL_1035_MESSAGE.to_owned())
}

/// Checks a name that only has to be one segment of a path
/// (`apimachinery/pkg/api/validation/path.IsValidPathSegmentName`).
pub fn path_segment(name: &str) -> Option<String> {
    if matches!(name, "." | "..") {
        return Some(format!("may not be '{name}'"));
    }
    let found = ["/", "%"].into_iter().find(|part| name.contains(part))?;
    Some(format!("may not contain '{found}'"))
}

/// Checks an IP address in its usual spelling, so that one address has one name
/// (`pkg/apis/networking/validation.ValidateIPAddressName`).
pub fn ip_address(name: &str) -> Option<String> {
    let Ok(address) = name.parse::<std::net::IpAddr>() else {
        return Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned());
    };
    let usual = address.to_string();
    (usual != name).then(|| format!("must be in canonical form (\"{usual}\")"))
}

/// Checks a label's value: up to 63 characters, may be empty.
pub fn label_value(value: &str) -> Option<String> {
    if value.len() > LABEL_MAX {
        return Some(too_long(LABEL_MAX));
    }
    (!value.is_empty() && !is_qualified_part(value)).then(|| LABEL_VALUE_MESSAGE.to_owned())
}

/// Checks a label's or annotation's key: `[prefix/]name`.
pub fn qualified_name(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            if let Some(message) = subdomain(prefix) {
                return Some(format!("prefix part {message}"));
            }
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > LABEL_MAX {
        return Some(format!("name part {}", too_long(LABEL_MAX)));
    }
    (!is_qualified_part(name)).then(|| QUALIFIED_NAME_MESSAGE.to_owned())
}

/// Checks the name of a ConfigMap's or Secret's key: `[-._a-zA-Z0-9]+`, at most 253.
pub fn config_key(key: &str) -> Option<String> {
    if key.len() > SUBDOMAIN_MAX {
        return Some(too_long(SUBDOMAIN_MAX));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_valid = !key.is_empty() && key != "." && !key.starts_with("..") && key.bytes().all(is_plain);
    (!is_valid).then(|| "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".to_owned())
}

/// Checks the name of an environment variable: printable ASCII without `=`
/// (Kubernetes' relaxed rule, on by default since 1.32).
pub fn env_name(name: &str) -> Option<String> {
    let is_valid = !name.is_empty() && name.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=');
    (!is_valid).then(|| {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .to_owned()
    })
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn is_label(part: &str) -> bool {
    let bytes = part.as_bytes();
    let is_plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(is_plain)
        && bytes.last().is_some_and(is_plain)
        && bytes.iter().all(|b| is_plain(b) || *b == b'-')
}

fn is_qualified_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-6: names that look like directions.
    #[test]
    fn dots_and_slashes_never_become_names() {
        for name in ["", ".", "..", "a/b", "%2e%2e", "A", "a_b", "-a", "a-", "a..b", "ä", "a\0"] {
            assert!(subdomain(name).is_some(), "{name:?} was taken");
        }
        for name in ["a", "a.b", "a-b.c1", "0"] {
            assert_eq!(subdomain(name), None, "{name:?} was refused");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(label(&"a".repeat(63)), None);
        assert!(label(&"a".repeat(64)).is_some());
        assert!(subdomain(&"a".repeat(254)).is_some());
    }

    #[test]
    fn roles_have_colons_and_addresses_one_spelling() {
        assert_eq!(path_segment("system:node-proxier"), None);
        for name in ["..", "a/b", "a%2fb"] {
            assert!(path_segment(name).is_some(), "{name:?} was taken");
        }
        assert_eq!(ip_address("2001:db8::1"), None);
        for name in ["2001:DB8::1", "10.0.0", "::0001"] {
            assert!(ip_address(name).is_some(), "{name:?} was taken");
        }
    }

    #[test]
    fn services_begin_with_a_letter() {
        assert!(label_1035("1a").is_some());
        assert_eq!(label_1035("a1"), None);
    }

    #[test]
    fn label_values_may_be_empty_and_keys_may_have_a_prefix() {
        assert_eq!(label_value(""), None);
        assert_eq!(qualified_name("spur.dev/sandbox"), None);
        assert!(qualified_name("Spur.dev/x").is_some());
        assert!(qualified_name("a/").is_some());
    }
}
