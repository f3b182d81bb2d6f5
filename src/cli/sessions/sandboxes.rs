//! sandbox create, list, delete; the tests are the controller.

use serde_json::json;

use super::world::World;

const CHEAPER: &str = "/apis/spur.dev/v1alpha1/namespaces/default/sandboxes/cheaper";

#[tokio::test]
async fn create_prints_the_key_and_where_to_look() {
    let world = World::start().await;
    let create =
        world.run("sandbox create cheaper --fork pricing --env PRICE_PERCENT=90 --wait --timeout 30s");
    let control = async {
        let made = world.appears(CHEAPER).await;
        assert_eq!(made["spec"]["forks"][0]["env"][0]["value"], "90");
        let status = json!({
            "routingKey": "k3x9", "phase": "Ready", "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "forks": [{"of": {"kind": "Deployment", "name": "pricing"}, "workload": "cheaper-pricing",
                "ready": true, "services": ["pricing"]}],
        });
        world.set_status(CHEAPER, status).await;
    };
    let (said, ()) = tokio::join!(create, control);
    insta::assert_snapshot!(said.all(), @"
    sandbox.spur.dev/cheaper created
    key      k3x9
    preview  http://cheaper--pricing.default.localhost:8080  (pricing)
    ! Requests with the header `spur-key: k3x9` now reach the fork.
    ");
    insta::assert_snapshot!(world.run("sandbox ls").await.all(), @"
    NAME      KEY    STATUS   FORKS   AGE
    cheaper   k3x9   Ready    1/1     0s
    ");
    insta::assert_snapshot!(world.run("sandbox create cheaper --fork pricing").await.all(), @r#"
    ! error: failed to create sandbox `cheaper`: sandboxes.spur.dev "cheaper" already exists
    ! hint: choose another name, or change the object with `spur apply -f FILE`
    exit 1
    "#);
    insta::assert_snapshot!(world.run("sandbox rm cheaper").await.all(), @"sandbox.spur.dev/cheaper deleted");
}

#[tokio::test]
async fn a_sandbox_that_cannot_become_ready_says_why_before_the_time_is_up() {
    let world = World::start().await;
    let create = world.run("sandbox create cheaper --fork nobody --wait --timeout 10m");
    let control = async {
        world.appears(CHEAPER).await;
        let status = json!({"routingKey": "k3x9", "conditions": [{
            "type": "Ready", "status": "False", "reason": "BaselineNotFound",
            "message": "deployments.apps \"nobody\" not found in namespace \"default\"",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]});
        world.set_status(CHEAPER, status).await;
    };
    let (said, ()) = tokio::join!(create, control);
    insta::assert_snapshot!(said.all(), @r#"
    sandbox.spur.dev/cheaper created
    ! error: sandbox `cheaper` cannot become ready: deployments.apps "nobody" not found in namespace "default"
    ! hint: change it with `spur apply`, or `spur sandbox delete cheaper -n default`
    exit 1
    "#);
}
