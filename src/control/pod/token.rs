//! Service account tokens for the programs of a pod.
//!
//! Source: `pkg/kubelet/token/token_manager.go`. A token lives and dies with its pod; it is asked
//! for anew well before it expires, and programs read the file again.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};

use super::volumes::TokenAsk;

/// After so much of its life a token is asked for anew, in hundredths (`requiresRefresh`).
const RENEWED_AFTER: i64 = 80;
/// However long it lasts, it is at most a day old (`maxTTL`).
const OLDEST_SECONDS: i64 = 24 * 3600;
/// By so much at most it is renewed earlier, so that not all of them are at once (`maxJitter`).
const EARLIER_MAX: Duration = Duration::from_secs(10);

/// A token, and when another one is due.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) renew_at: Timestamp,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// The cause is in the text: kube's errors repeat theirs.
    #[error("failed to fetch token: {0}")]
    Api(kube::Error),
    #[error("failed to fetch token: there is none in the answer")]
    Empty,
}

/// Asks the API for a token of the pod's account that is bound to the pod.
pub(super) async fn request(client: &Client, pod: &Pod, ask: &TokenAsk) -> Result<Token, TokenError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    let asked = Timestamp::now();
    let answer = accounts
        .create_token_request(account.unwrap_or("default"), &PostParams::default(), &wanted(pod, ask))
        .await
        .map_err(TokenError::Api)?;
    let status = answer.status.ok_or(TokenError::Empty)?;
    let (text, expires) = status.token.zip(status.expiration_timestamp).ok_or(TokenError::Empty)?;
    let earlier = EARLIER_MAX.mul_f64(rand::random());
    Ok(Token { text, renew_at: renew_at(asked, expires.0, earlier) })
}

fn wanted(pod: &Pod, ask: &TokenAsk) -> TokenRequest {
    let TokenAsk { audience, expiration_seconds } = ask;
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        uid: pod.uid(),
    };
    let spec = TokenRequestSpec {
        audiences: audience.clone().map(|audience| vec![audience]),
        bound_object_ref: Some(bound),
        expiration_seconds: Some(*expiration_seconds),
    };
    TokenRequest { spec: Some(spec), ..TokenRequest::default() }
}

/// When a token that was asked for then, and expires then, is asked for anew.
fn renew_at(asked: Timestamp, expires: Timestamp, earlier: Duration) -> Timestamp {
    let lasts_seconds = (expires.as_second() - asked.as_second()).max(0);
    let used_seconds = (lasts_seconds * RENEWED_AFTER / 100).min(OLDEST_SECONDS);
    let earlier_seconds = i64::try_from(earlier.as_secs()).unwrap_or(0).min(used_seconds);
    // What was asked for in the future is due now.
    Timestamp::from_second(asked.as_second() + used_seconds - earlier_seconds).unwrap_or(asked)
}

// === impl Token ===

/// Never shown.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, renew_at } = self;
        formatter.debug_struct("Token").field("renew_at", renew_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_well_before_it_expires() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let check = |lasts: i64, earlier: u64, wanted: i64| {
            assert_eq!(renew_at(at(0), at(lasts), Duration::from_secs(earlier)), at(wanted), "{lasts}");
        };
        check(3600, 0, 2880);
        check(3600, 10, 2870);
        check(600, 0, 480);
        check(30 * 24 * 3600, 0, 24 * 3600);
        check(5, 10, 0);
        check(-5, 0, 0);
    }

    #[test]
    fn tokens_are_never_shown() {
        let token = Token { text: "sesame".to_owned(), renew_at: Timestamp::UNIX_EPOCH };
        assert!(!format!("{token:?}").contains("sesame"));
    }
}
