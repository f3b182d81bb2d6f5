//! What the shop's HTTP services tell each other, and how a cart is written in a
//! request. Leaves gRPC messages to `shop`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// A cart holds no more than this, which bounds the calls that one request causes.
const SKUS_MAX: usize = 20;

/// A sku is no longer than this; the catalogue's are under 10 characters.
const SKU_MAX_BYTES: usize = 40;

/// The answer of `GET /price/{sku}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) sku: String,
    pub(crate) cents: u32,
    /// ISO 4217.
    pub(crate) currency: String,
    /// The version of pricing that set it.
    pub(crate) version: String,
}

/// The answer of `GET /stock/{sku}`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) in_stock: u32,
    pub(crate) version: String,
}

/// The answer of `/checkout`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) lines: Vec<Line>,
    pub(crate) total_cents: u64,
    pub(crate) currency: String,
    pub(crate) answered: Answered,
}

/// One line of an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) cents: u32,
    pub(crate) in_stock: u32,
}

/// The answer of `/api/cart`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cart {
    #[serde(flatten)]
    pub(crate) order: Order,
    pub(crate) recommended: Vec<Suggested>,
    /// The routing key that the request came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

/// A product that somebody might like as well.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Suggested {
    pub(crate) sku: String,
    pub(crate) name: String,
}

/// Which version of each service answered. Several versions of one service, as a
/// weighted route gives, are joined by ` + `.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Answered {
    pub(crate) versions: BTreeMap<String, String>,
}

// === impl Answered ===

impl Answered {
    pub(crate) fn note(&mut self, service: &str, version: &str) {
        let versions = self.versions.entry(service.to_owned()).or_default();
        if versions.is_empty() {
            version.clone_into(versions);
        } else if !versions.split(" + ").any(|known| known == version) {
            *versions += " + ";
            *versions += version;
        }
    }
}

/// Reads skus as they stand in `?sku=mug,cap`; `service` is who reads.
pub(crate) fn parse_skus(service: &'static str, list: &str) -> Result<Vec<String>, Failure> {
    let skus = list.split(',').map(|sku| sku.trim().to_owned()).collect();
    check_skus(service, skus)
}

/// A cart of at least one sku, each of them fit to stand in a path.
pub(crate) fn check_skus(service: &'static str, skus: Vec<String>) -> Result<Vec<String>, Failure> {
    let bad_request = |what| Err(Failure::BadRequest { service, what });
    if skus.is_empty() || skus.len() > SKUS_MAX {
        return bad_request(format!("found {} skus, wanted 1 to {SKUS_MAX}", skus.len()));
    }
    match skus.iter().find(|sku| !is_sku(sku)) {
        Some(sku) => {
            bad_request(format!("found `{}`, wanted a sku: letters, digits and `-`", sku.escape_default()))
        }
        None => Ok(skus),
    }
}

fn is_sku(sku: &str) -> bool {
    (1..=SKU_MAX_BYTES).contains(&sku.len())
        && sku.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, expected: Result<&[&str], &str>) {
        let found = parse_skus("checkout", list).map_err(|failure| failure.to_string());
        let expected = expected.map(|skus| skus.iter().map(|sku| (*sku).to_owned()).collect());
        assert_eq!(found, expected.map_err(str::to_owned), "`{list}`");
    }

    #[test]
    fn a_cart_is_a_list_of_skus() {
        check("mug", Ok(&["mug"]));
        check("mug, cap,mug", Ok(&["mug", "cap", "mug"]));
    }

    #[test]
    fn what_cannot_stand_in_a_path_is_refused() {
        let wanted = "wanted a sku: letters, digits and `-`";
        check("", Err(&format!("found ``, {wanted}")));
        check("../x", Err(&format!("found `../x`, {wanted}")));
        check("a?b", Err(&format!("found `a?b`, {wanted}")));
        check("mug,", Err(&format!("found ``, {wanted}")));
        check(&["a"; 21].join(","), Err("found 21 skus, wanted 1 to 20"));
    }

    #[test]
    fn every_version_that_answered_is_kept_once() {
        let mut answered = Answered::default();
        for version in ["v1", "v2", "v1", "v2"] {
            answered.note("pricing", version);
        }
        assert_eq!(answered.versions["pricing"], "v1 + v2");
    }
}
