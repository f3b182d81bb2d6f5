//! What a rule says about trying again.

use spur_route::rules::{Retries, RetryOn, RetryPolicy};
use spur_schema::FieldError;

use crate::object::{Field, Message};

pub(super) const FIELDS: &[Field] = &[
    Field::honoured("attempts"),
    Field::honoured("perTryTimeout"),
    Field::honoured("retryOn"),
    Field::reported("retryRemoteLocalities", "there is one locality"),
    Field::honoured("retryIgnorePreviousHosts"),
    Field::honoured("backoff"),
];

/// Without the field the mesh's default, with no attempts none (`retry.go`, `ConvertPolicy`).
pub(super) fn read(route: &Message<'_>) -> Retries {
    let Some(held) = route.message("retries") else { return Retries::Default };
    let retries = held.checked(FIELDS);
    let attempts = retries.number_within("attempts", 0, 10_000).unwrap_or(0);
    let usual = RetryPolicy::default();
    let on = match retries.text("retryOn").filter(|on| !on.is_empty()) {
        None => usual.on,
        Some(text) => match RetryOn::parse(text) {
            Ok((on, ignored)) => {
                if !ignored.is_empty() {
                    let why = "some of these words mean nothing here and are passed over";
                    retries.unsupported("retryOn", why);
                }
                on
            }
            Err(word) => {
                let detail = format!("`{word}` is not a valid retryOn policy");
                retries.fault(FieldError::invalid(retries.at("retryOn"), text, detail));
                usual.on
            }
        },
    };
    let policy = RetryPolicy {
        attempts,
        per_try_timeout: retries.duration("perTryTimeout"),
        on,
        backoff: retries.duration("backoff").unwrap_or(usual.backoff),
        avoids_previous: retries.flag("retryIgnorePreviousHosts").unwrap_or(true),
    };
    if attempts == 0 { Retries::Off } else { Retries::Policy(policy) }
}
