//! How endpoints are chosen.

use http::HeaderName;
use spur_route::policy::{HashCookie, HashKey, LoadBalancer};
use spur_schema::FieldError;

use crate::object::{Field, Held, Message};

const ONE_LOCALITY: &str = "there is one locality";
const ONE_ALGORITHM: &str = "keys are hashed by rendezvous, which needs no size";

pub(super) const FIELDS: &[Field] = &[
    Field::honoured("simple"),
    Field::holds("consistentHash", HASH),
    Field::reported("localityLbSetting", ONE_LOCALITY),
    Field::reported("zoneAwareLbSetting", ONE_LOCALITY),
    Field::reported("warmup", "not supported yet"),
    Field::reported("warmupDurationSecs", "not supported yet"),
];

const HASH: &[Field] = &[
    Field::honoured("httpHeaderName"),
    Field::holds("httpCookie", COOKIE),
    Field::honoured("useSourceIp"),
    Field::honoured("httpQueryParameterName"),
    Field::reported("ringHash", ONE_ALGORITHM),
    Field::reported("maglev", ONE_ALGORITHM),
    Field::reported("minimumRingSize", ONE_ALGORITHM),
];

const COOKIE: &[Field] = &[
    Field::honoured("name"),
    Field::honoured("path"),
    Field::honoured("ttl"),
    Field::reported("attributes", "not supported yet"),
];

const SIMPLE: [&str; 6] =
    ["UNSPECIFIED", "LEAST_REQUEST", "LEAST_CONN", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH"];

/// `None`: the default.
pub(super) fn read(held: &Held<'_>) -> Option<LoadBalancer> {
    let balancer = held.checked(FIELDS);
    if let Some(hash) = balancer.message("consistentHash") {
        if balancer.has("simple") {
            let detail = "may not be given together with `simple`";
            balancer.fault(FieldError::forbidden(balancer.at("consistentHash"), detail));
        }
        return hash_key(&hash.checked(HASH)).map(LoadBalancer::ConsistentHash);
    }
    match balancer.text("simple")? {
        "UNSPECIFIED" | "LEAST_REQUEST" | "LEAST_CONN" => Some(LoadBalancer::LeastRequest),
        "ROUND_ROBIN" => Some(LoadBalancer::RoundRobin),
        "RANDOM" => Some(LoadBalancer::Random),
        "PASSTHROUGH" => {
            balancer.unsupported("simple", "callers' own addresses are not known: LEAST_REQUEST is used");
            None
        }
        other => {
            balancer.fault(FieldError::not_supported(balancer.at("simple"), other, SIMPLE));
            None
        }
    }
}

fn hash_key(hash: &Message<'_>) -> Option<HashKey> {
    let keys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];
    let given: Vec<&str> = keys.into_iter().filter(|key| hash.has(key)).collect();
    match given[..] {
        [] => {
            hash.fault(FieldError::required(hash.at(""), "consistent hash needs a key"));
            None
        }
        ["httpHeaderName"] => {
            let text = hash.text("httpHeaderName")?;
            let name = HeaderName::try_from(text).ok();
            if name.is_none() {
                let detail = "must be the name of a header";
                hash.fault(FieldError::invalid(hash.at("httpHeaderName"), text, detail));
            }
            name.map(HashKey::Header)
        }
        ["httpCookie"] => {
            let held = hash.message("httpCookie")?;
            let cookie = held.checked(COOKIE);
            let name = cookie.text("name").unwrap_or_default();
            if name.is_empty() {
                cookie.fault(FieldError::required(cookie.at("name"), "name required for HttpCookie"));
                return None;
            }
            Some(HashKey::Cookie(HashCookie {
                name: name.into(),
                path: cookie.text("path").filter(|path| !path.is_empty()).map(Into::into),
                ttl: cookie.duration_or_zero("ttl"),
            }))
        }
        ["useSourceIp"] => hash.flag("useSourceIp").filter(|uses| *uses).map(|_| HashKey::SourceIp),
        ["httpQueryParameterName"] => {
            let name = hash.text("httpQueryParameterName")?;
            Some(HashKey::QueryParameter(name.into()))
        }
        _ => {
            hash.fault(FieldError::forbidden(
                hash.at(given[given.len() - 1]),
                "consistent hash takes one key",
            ));
            None
        }
    }
}
