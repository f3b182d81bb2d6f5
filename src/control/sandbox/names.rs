//! Names of what a sandbox makes: as readable as they fit.

use spur_api::names::LABEL_MAX;
use xxhash_rust::xxh3::xxh3_64;

/// Hex digits of the hash in a shortened name: 32 bits, so that two long names
/// of one namespace practically never meet (one in a million for a hundred of them).
const HASH_LEN: usize = 8;

/// The name of a sandbox's copy of a workload: `<sandbox>-<name>`, of so many characters at most.
pub(super) fn workload(sandbox: &str, name: &str, max: usize) -> String {
    fit(format!("{sandbox}-{name}"), max)
}

/// The name of a sandbox's copy of a Service. It begins with a letter, as
/// Service names must (RFC 1035) and sandbox names need not.
pub(super) fn service(sandbox: &str, name: &str) -> String {
    let prefix = if sandbox.starts_with(|first: char| first.is_ascii_digit()) { "s-" } else { "" };
    fit(format!("{prefix}{sandbox}-{name}"), LABEL_MAX)
}

/// A name as a label's value: a workload's name may be longer than that.
pub(super) fn label_value(name: &str) -> String {
    fit(name.to_owned(), LABEL_MAX)
}

/// Cuts what is too long and marks it by a hash of the whole.
fn fit(name: String, max: usize) -> String {
    if name.len() <= max {
        return name;
    }
    let cut = name.floor_char_boundary(max - HASH_LEN - 1);
    let hash = xxh3_64(name.as_bytes()) & 0xffff_ffff;
    format!("{}-{hash:08x}", name[..cut].trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(sandbox: &str, name: &str) -> String {
        super::workload(sandbox, name, LABEL_MAX)
    }

    #[test]
    fn short_names_are_joined() {
        assert_eq!(workload("pr-1", "cart"), "pr-1-cart");
        assert_eq!(service("pr-1", "cart"), "pr-1-cart");
        assert_eq!(label_value("cart"), "cart");
    }

    #[test]
    fn a_service_name_begins_with_a_letter() {
        assert_eq!(service("421", "cart"), "s-421-cart");
        assert_eq!(workload("421", "cart"), "421-cart");
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let (a, b) = (workload("pr", &"x".repeat(80)), workload("pr", &"x".repeat(81)));
        assert_eq!((a.len(), b.len()), (LABEL_MAX, LABEL_MAX));
        assert_ne!(a, b);
        assert_eq!(super::workload("pr", &"x".repeat(80), 52).len(), 52);
        assert_eq!(a, workload("pr", &"x".repeat(80)));
        assert_eq!(label_value(&"y".repeat(64)).len(), LABEL_MAX);
        let cut_at_hyphens = workload("pr", &format!("{}-.-.-.-.-.-", "z".repeat(50)));
        assert!(cut_at_hyphens.starts_with(&format!("pr-{}-", "z".repeat(50))), "{cut_at_hyphens}");
        assert!(!cut_at_hyphens.contains('.') && !cut_at_hyphens.contains("--"), "{cut_at_hyphens}");
    }
}
