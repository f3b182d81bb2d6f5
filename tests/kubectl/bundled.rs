//! The kinds of Istio and Gateway API, with no definition applied.

use crate::harness::Spur;
use crate::kubectl::run;

const ROUTES: &str = "\
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: ann}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  hostnames: [shop.example.com]
";

pub(crate) async fn bundled_kinds() {
    let spur = Spur::up().start().await;
    let file = spur.data().write("routes.yaml", ROUTES).display().to_string();
    let created = ["virtualservice.networking.istio.io/reviews", "httproute.gateway.networking.k8s.io/shop"];
    run(&spur, &["apply", "--server-side", "-f", &file]).await.ok().prints(&created);
    run(&spur, &["get", "virtualservices"]).await.ok().prints(&["GATEWAYS", "HOSTS", "[\"reviews\"]"]);
    run(&spur, &["get", "vs", "reviews", "-o", "yaml"])
        .await
        .ok()
        .prints(&["apiVersion: networking.istio.io/v1\n"]);
    run(&spur, &["get", "httproutes"]).await.ok().prints(&["HOSTNAMES", "[\"shop.example.com\"]"]);
    run(&spur, &["get", "httproute", "shop", "-o", "jsonpath={.spec.rules[0].matches[0].path.type}"])
        .await
        .ok()
        .prints(&["PathPrefix"]);
    run(&spur, &["explain", "vs.spec.http"]).await.ok().prints(&["FIELDS:", "retries", "corsPolicy"]);
    run(&spur, &["explain", "httproute.spec.rules.matches"]).await.ok().prints(&["FIELDS:", "queryParams"]);
    run(&spur, &["api-resources", "--api-group=networking.istio.io"]).await.ok().prints(&[
        "destinationrules",
        "dr",
        "networking.istio.io/v1",
        "EnvoyFilter",
    ]);
    let none = run(&spur, &["get", "crd"]).await.ok();
    assert_eq!(none.stdout, "", "no definition is listed");
    let typo = spur.data().write("typo.yaml", &ROUTES.replace("exact:", "exactly:")).display().to_string();
    run(&spur, &["apply", "--server-side", "-f", &typo]).await.code(1).tells(&["exactly"]);
    let rule = r#"{"spec": {"rules": [{"filters": [{"type": "URLRewrite"}]}]}}"#;
    run(&spur, &["patch", "httproute", "shop", "--type=merge", "-p", rule])
        .await
        .code(1)
        .tells(&["filter.urlRewrite must be specified for URLRewrite filter.type"]);
    run(&spur, &["delete", "-f", &file, "--timeout=10s"]).await.ok();
    spur.end().await;
}
