//! Istio's objects: what they say is routed by, and what is not obeyed is said in their status.

use serde_json::{Value, json};
use spur_route::{Ask, Destination, Reason};

use super::world::{World, condition};

const PATH: &str = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";

fn virtual_service(name: &str, rule: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name},
        "spec": {"hosts": [format!("{name}.example.com")], "http": [rule]},
    })
}

#[tokio::test]
async fn what_is_not_obeyed_is_said_until_it_is_gone() {
    let world = World::start().await;
    let answer = json!({"directResponse": {"status": 200}, "mirror": {"host": "b"}});
    world.create_at(PATH, virtual_service("a", answer)).await;
    let path = format!("{PATH}/a");
    let told = async |status: &str| {
        world
            .until(&format!("PassedAnalysis is {status}"), async || {
                let condition = condition(&world.get_at(&path).await, "PassedAnalysis").clone();
                if condition["status"] == status { Ok(condition) } else { Err(condition.to_string()) }
            })
            .await
    };
    let condition = told("False").await;
    assert_eq!(condition["reason"], "NotSupported");
    let why = "spec.http[0].mirror: not supported yet: requests are handled as if it were not there";
    assert_eq!((&condition["message"], &condition["observedGeneration"]), (&json!(why), &json!(1)));
    world.patch_at(&path, json!({"spec": {"http": [{"directResponse": {"status": 200}}]}})).await;
    assert_eq!(told("True").await["observedGeneration"], 2);
}

#[tokio::test]
async fn a_rule_is_routed_by_once_it_is_written_and_no_more_once_it_is_deleted() {
    let world = World::start().await;
    let reason = async |wanted: Reason| {
        world
            .until_routed(&format!("the table says {wanted}"), |table| {
                let destination = Destination::Host("a.example.com");
                let ask = Ask::request(destination, None);
                let found = spur_route::decide(table, &ask).reason;
                if found == wanted { Ok(()) } else { Err(found.to_string()) }
            })
            .await;
    };
    reason(Reason::UnknownHost).await;
    world.create_at(PATH, virtual_service("a", json!({"directResponse": {"status": 200}}))).await;
    reason(Reason::Responded).await;
    world.delete_at(&format!("{PATH}/a")).await;
    reason(Reason::UnknownHost).await;
}
