//! Tokens from the real API.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::world::World;
use crate::pod::token;
use crate::pod::volumes::TokenAsk;

async fn review(world: &World, token: &str) -> TokenReview {
    let spec = TokenReviewSpec { token: token.to_owned(), audiences: Some(vec!["vault".to_owned()]) };
    let reviews: Api<TokenReview> = Api::all(world.client.clone());
    reviews.create(&PostParams::default(), &TokenReview { spec, ..TokenReview::default() }).await.unwrap()
}

#[tokio::test]
async fn a_token_is_that_of_the_account_and_dies_with_the_pod() {
    let world = World::new().await;
    world.run_app("web", json!({})).await;
    let pod = world.ready("web").await;
    let ask = TokenAsk { audience: Some("vault".to_owned()), expiration_seconds: 600 };
    let missing = token::request(&world.client, &pod, &ask).await.unwrap_err().to_string();
    assert!(missing.contains("serviceaccounts \"default\" not found"), "{missing}");

    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), "default");
    let account = serde_json::from_value(json!({"metadata": {"name": "default"}})).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let before = jiff::Timestamp::now();
    let token = token::request(&world.client, &pod, &ask).await.unwrap();
    let due_in = token.renew_at.as_second() - before.as_second();
    assert!((469..=481).contains(&due_in), "80 % of 600 s, or 10 s less: {due_in}");
    let status = review(&world, &token.text).await.status.unwrap();
    assert_eq!(status.authenticated, Some(true), "{status:?}");
    let user = status.user.unwrap();
    assert_eq!(user.username.as_deref(), Some("system:serviceaccount:default:default"));
    let extra = user.extra.unwrap();
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], ["web"]);

    world.delete("web", 0).await;
    world.gone("web").await;
    assert_ne!(review(&world, &token.text).await.status.unwrap().authenticated, Some(true));
    let gone = token::request(&world.client, &pod, &ask).await.unwrap_err().to_string();
    assert!(gone.contains("pods \"web\" not found"), "{gone}");
}
