//! Who may in: credentials, tokens of service accounts, impersonation, reviews.

use std::time::SystemTime;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use spur_net::ClientCertificate;
use tower::ServiceExt;

use super::world::{CONFIG_MAPS, PODS, Reply, World, certificate, config_map, pod, world};
use crate::User;

const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/builder";
const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const SELF_ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A client that comes over the network.
struct Client<'a> {
    world: &'a World,
    headers: Vec<(String, String)>,
    client: Option<spur_net::Client>,
}

impl World {
    fn network(&self) -> Client<'_> {
        Client { world: self, headers: vec![("host".to_owned(), "localhost:6443".to_owned())], client: None }
    }

    fn admin(&self) -> Client<'_> {
        self.network().certificate(User::ADMIN, &[User::ADMIN_GROUP])
    }

    /// A service account `builder`, and a token of it.
    async fn builder_token(&self, spec: Value) -> String {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "builder"}});
        self.post("/api/v1/namespaces/default/serviceaccounts", &account).await.expect(201);
        let made = self.post(&format!("{ACCOUNT}/token"), &token_request(spec)).await.expect(201);
        made["status"]["token"].as_str().expect("a token").to_owned()
    }
}

impl Client<'_> {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    fn certificate(mut self, name: &str, groups: &[&str]) -> Self {
        self.client = Some(spur_net::Client::Known(certificate(name, groups)));
        self
    }

    fn expired_certificate(mut self, name: &str) -> Self {
        let expired = ClientCertificate { until: SystemTime::UNIX_EPOCH, ..certificate(name, &[]) };
        self.client = Some(spur_net::Client::Known(expired));
        self
    }

    fn foreign_certificate(mut self) -> Self {
        self.client = Some(spur_net::Client::Unknown { why: "another's".to_owned() });
        self
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request.body(body).expect("a request");
        if let Some(client) = &self.client {
            request.extensions_mut().insert(client.clone());
        }
        let answer = self.world.server.on_network(&[]).oneshot(request).await.expect("an answer");
        Reply::read(answer).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &Value::Null).await
    }

    async fn code(&self, path: &str) -> u16 {
        self.get(path).await.code.as_u16()
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body).await
    }
}

fn token_request(spec: Value) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
}

fn token_review(spec: Value) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec})
}

fn self_access(spec: Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec})
}

#[tokio::test]
async fn without_credentials_only_health_and_version_are_open() {
    let world = world().await;
    let nobody = world.network();
    for path in ["/livez", "/readyz", "/healthz", "/version"] {
        assert_eq!(nobody.code(path).await, 200, "{path}");
    }
    for path in ["/", "/api", "/apis", "/openapi/v3", "/spur/v1/status", "/nowhere", "/apis/apps/v1", PODS] {
        assert_eq!(nobody.code(path).await, 403, "{path}");
    }
    assert_eq!(
        nobody.get(PODS).await.message(403),
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(
        nobody.get("/api").await.message(403),
        "forbidden: User \"system:anonymous\" cannot get path \"/api\""
    );
    assert_eq!(nobody.send(Method::POST, "/version", &Value::Null).await.code, StatusCode::FORBIDDEN);
    let counted = world.admin().get("/metrics").await.expect(200);
    assert!(!counted.as_str().expect("text").contains("code=\"403\""), "nobody fills the counts");
}

#[tokio::test]
async fn credentials_that_are_not_valid_are_told_even_where_none_are_needed() {
    let world = world().await;
    for value in ["Bearer nobody-knows-this-token", "Bearer a.b.c", "Basic YTpi", "Bearer "] {
        let reply = world.network().header("authorization", value).get("/version").await;
        assert_eq!(reply.message(401), "Unauthorized", "{value}");
    }
}

#[tokio::test]
async fn a_certificate_names_its_user_and_groups() {
    let world = world().await;
    world.admin().post(CONFIG_MAPS, &config_map("a")).await.expect(201);
    let jane = world.network().certificate("jane", &["dev"]);
    assert_eq!(jane.code("/apis").await, 200);
    assert_eq!(jane.code(CONFIG_MAPS).await, 403);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let found = jane.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await.expect(201);
    let info = json!({"username": "jane", "groups": ["dev", "system:authenticated"]});
    assert_eq!(found["status"]["userInfo"], info);
}

/// Without a token it is a 401, also where nobody has to be anybody; beside one it says nothing.
#[tokio::test]
async fn a_foreign_certificate_leaves_it_to_a_token() {
    let world = world().await;
    let token = world.builder_token(json!({})).await;
    let foreign = || world.network().foreign_certificate();
    assert_eq!(foreign().get("/version").await.message(401), "Unauthorized");
    assert_eq!(foreign().bearer(&token).code("/apis").await, 200);
    assert_eq!(foreign().bearer("nobody-knows-this-token").code("/apis").await, 401);
}

/// A connection may last longer than the certificate that was shown when it began.
#[tokio::test]
async fn a_certificate_names_nobody_once_it_has_expired() {
    let world = world().await;
    let token = world.builder_token(json!({})).await;
    let expired = || world.network().expired_certificate("jane");
    assert_eq!(expired().get("/version").await.message(401), "Unauthorized");
    assert_eq!(expired().bearer(&token).code("/apis").await, 200);
}

#[tokio::test]
async fn no_credential_makes_a_controller() {
    let world = world().await;
    let claims_to_be = world.network().certificate("system:controller:deployment", &[]);
    assert_eq!(claims_to_be.code(CONFIG_MAPS).await, 403);
    let as_one = world.admin().header("impersonate-user", "system:controller:deployment");
    assert_eq!(as_one.code(CONFIG_MAPS).await, 403);
    assert_eq!(world.get(CONFIG_MAPS).await.code, StatusCode::OK);
}

#[tokio::test]
async fn ap_15_a_foreign_page_gets_nothing() {
    let world = world().await;
    let admin = || world.admin();
    assert_eq!(admin().header("origin", "https://evil.example").code(CONFIG_MAPS).await, 403);
    assert_eq!(admin().header("sec-fetch-site", "cross-site").code("/livez").await, 403);
    let mut rebound = admin();
    rebound.headers[0].1 = "evil.example:6443".to_owned();
    assert_eq!(rebound.code(CONFIG_MAPS).await, 403);
}

#[tokio::test]
async fn a_service_accounts_token_names_it() {
    let world = world().await;
    let token = world.builder_token(json!({})).await;
    let builder = world.network().bearer(&token);
    assert_eq!(builder.code("/apis").await, 200);
    let refused = builder.get(PODS).await.message(403);
    assert!(refused.contains("User \"system:serviceaccount:default:builder\""), "{refused}");
    let found = world.admin().post(TOKEN_REVIEWS, &token_review(json!({"token": token}))).await.expect(201);
    let user = &found["status"]["user"];
    assert_eq!(found["status"]["authenticated"], true);
    assert_eq!(user["username"], "system:serviceaccount:default:builder");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"];
    assert_eq!(user["groups"], json!(groups));
    world.delete(ACCOUNT).await.expect(200);
    assert_eq!(builder.code("/apis").await, 401, "it has gone with its account");
}

#[tokio::test]
async fn a_token_for_another_audience_is_no_key_to_the_api() {
    let world = world().await;
    let token = world.builder_token(json!({"audiences": ["vault"], "expirationSeconds": 600})).await;
    assert_eq!(world.network().bearer(&token).code("/apis").await, 401);
    let asked = json!({"token": token, "audiences": ["vault", "other"]});
    let found = world.post(TOKEN_REVIEWS, &token_review(asked)).await.expect(201);
    assert_eq!(found["status"]["authenticated"], true);
    // Whoever asks for `other` is to see that it is not for them.
    assert_eq!(found["status"]["audiences"], json!(["vault"]));
    for spec in [json!({"token": token}), json!({"token": token, "audiences": ["other"]})] {
        let found = world.post(TOKEN_REVIEWS, &token_review(spec)).await.expect(201);
        assert_eq!(found["status"].get("authenticated"), None);
        assert!(found["status"]["error"].as_str().unwrap().contains("audience"));
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_pod_dies_with_it() {
    let world = world().await;
    world.post(PODS, &pod("web")).await.expect(201);
    let bound = json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "web"}});
    let token = world.builder_token(bound).await;
    assert_eq!(world.network().bearer(&token).code("/apis").await, 200);
    let found = world.post(TOKEN_REVIEWS, &token_review(json!({"token": token}))).await.expect(201);
    assert_eq!(found["status"]["user"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["web"]));
    world.delete(&format!("{PODS}/web?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(world.network().bearer(&token).code("/apis").await, 401);
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_node_dies_with_it() {
    let world = world().await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}});
    let uid = world.post("/api/v1/nodes", &node).await.expect(201)["metadata"]["uid"].clone();
    let bound = json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "other", "uid": uid}});
    let token = world.builder_token(bound).await;
    let found = world.post(TOKEN_REVIEWS, &token_review(json!({"token": token}))).await.expect(201);
    assert_eq!(found["status"]["user"]["extra"]["authentication.kubernetes.io/node-uid"], json!([uid]));
    world.delete("/api/v1/nodes/other").await.expect(200);
    assert_eq!(world.network().bearer(&token).code("/apis").await, 401);
}

#[tokio::test]
async fn a_token_request_is_checked() {
    let world = world().await;
    world.builder_token(json!({})).await;
    let path = format!("{ACCOUNT}/token");
    let refused = |spec: Value| {
        let (world, path) = (&world, path.clone());
        async move { world.post(&path, &token_request(spec)).await }
    };
    let short = refused(json!({"expirationSeconds": 599})).await.message(422);
    assert!(short.contains("may not specify a duration less than 10 minutes"), "{short}");
    assert_eq!(refused(json!({"boundObjectRef": {"kind": "Pod", "name": "none"}})).await.code, 404);
    assert_eq!(refused(json!({"boundObjectRef": {"kind": "Job", "name": "n"}})).await.code, 400);
    let missing = world.post(&path.replace("builder", "none"), &token_request(json!({}))).await;
    assert_eq!(missing.message(404), "serviceaccounts \"none\" not found");
    assert_eq!(world.get(&path).await.code, 405);
}

#[tokio::test]
async fn an_administrator_may_act_as_others() {
    let world = world().await;
    let jane = world.admin().header("impersonate-user", "jane");
    assert!(jane.get(PODS).await.message(403).contains("User \"jane\""));
    let master =
        world.admin().header("impersonate-user", "jane").header("impersonate-group", "system:masters");
    assert_eq!(master.code(PODS).await, 200);
    let nobody = world.network().certificate("jane", &[]).header("impersonate-user", "bob");
    assert_eq!(
        nobody.get(PODS).await.message(403),
        "users \"bob\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
    );
}

#[tokio::test]
async fn access_reviews_answer_as_the_requests_would_be() {
    let world = world().await;
    let jane = world.network().certificate("jane", &[]);
    let list = json!({"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}});
    let of = async |client: &Client<'_>, spec: &Value| {
        client.post(SELF_ACCESS, &self_access(spec.clone())).await.expect(201)["status"]["allowed"] == true
    };
    assert!(of(&world.admin(), &list).await);
    assert!(!of(&jane, &list).await);
    let path = json!({"nonResourceAttributes": {"verb": "get", "path": "/apis"}});
    assert!(of(&jane, &path).await);
    assert_eq!(
        world.network().post(SELF_ACCESS, &self_access(list.clone())).await.code,
        403,
        "nobody has no self"
    );
    let both = json!({"resourceAttributes": {}, "nonResourceAttributes": {}});
    assert_eq!(jane.post(SELF_ACCESS, &self_access(both)).await.code, 422);

    let review = |spec: Value| json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
    let mut of_group = list.clone();
    of_group["groups"] = json!(["system:masters"]);
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(world.post(path, &review(of_group)).await.expect(201)["status"]["allowed"], true);
    assert_eq!(world.post(path, &review(list)).await.code, 422, "nobody is asked about");
    assert_eq!(jane.post(path, &review(json!({}))).await.code, 403);
}

#[tokio::test]
async fn rules_reviews_list_what_is_open() {
    let world = world().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "default"},
    });
    let all = world.admin().post(path, &review).await.expect(201);
    assert_eq!(all["status"]["resourceRules"][0]["verbs"], json!(["*"]));
    let jane = world.network().certificate("jane", &[]).post(path, &review).await.expect(201);
    assert_eq!(jane["status"]["resourceRules"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn reviews_are_made_and_nothing_else() {
    let world = world().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(world.send(method, TOKEN_REVIEWS, "application/json", "{}").await.code, 405);
    }
    assert_eq!(world.get(&format!("{TOKEN_REVIEWS}/x")).await.code, 405);
    let strict =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"tokem": "x"}});
    let refused = world.post(&format!("{TOKEN_REVIEWS}?fieldValidation=Strict"), &strict).await.message(400);
    assert!(refused.contains("unknown field \"spec.tokem\""), "{refused}");
}

#[tokio::test]
async fn others_can_verify_tokens() {
    let world = world().await;
    let jane = world.network().certificate("jane", &[]);
    let configuration = jane.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(configuration["issuer"], "https://kubernetes.default.svc.cluster.local");
    assert_eq!(configuration["jwks_uri"], "https://localhost:6443/openid/v1/jwks");
    let keys = jane.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(keys.body["keys"][0]["crv"], "P-256");
}
