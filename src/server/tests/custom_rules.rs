//! CEL rules over the API: on create, on update, on what was there before.

use serde_json::{Value, json};

use super::world::{DEFINITIONS, WIDGETS, World, widget, widgets, world};

async fn world_with_rules(rules: Value) -> World {
    let world = world().await;
    let spec = json!({"type": "object", "x-kubernetes-validations": rules, "properties": {
        "min": {"type": "integer"}, "max": {"type": "integer"}, "name": {"type": "string", "maxLength": 5},
    }});
    world.post(DEFINITIONS, &widgets(spec)).await.expect(201);
    world
}

#[tokio::test]
async fn rules_hold_for_new_and_changed_objects() {
    let world = world_with_rules(json!([
        {"rule": "self.min <= self.max", "messageExpression": "'min ' + string(self.min) + ' is over max'"},
        {"rule": "self.name == oldSelf.name", "message": "name is immutable", "fieldPath": ".name"},
    ]))
    .await;
    let message =
        world.post(WIDGETS, &widget("a", json!({"min": 2, "max": 1, "name": "x"}))).await.message(422);
    assert_eq!(
        message,
        "Widget.example.com \"a\" is invalid: spec: Invalid value: \"object\": min 2 is over max"
    );
    let sent = widget("a", json!({"min": 1, "max": 1, "name": "x"}));
    world.post(WIDGETS, &sent).await.expect(201);
    let path = format!("{WIDGETS}/a");
    let message = world.patch(&path, "merge-patch+json", &json!({"spec": {"name": "y"}})).await.message(422);
    assert_eq!(
        message,
        "Widget.example.com \"a\" is invalid: spec.name: Invalid value: \"object\": name is immutable"
    );
    world.patch(&path, "merge-patch+json", &json!({"spec": {"max": 5}})).await.expect(200);
}

#[tokio::test]
async fn rules_are_not_asked_of_values_of_the_wrong_type() {
    let world = world_with_rules(json!([{"rule": "self.min <= self.max"}])).await;
    let message = world.post(WIDGETS, &widget("a", json!({"min": "x", "max": 1}))).await.message(422);
    assert!(message.contains("spec.min in body must be of type integer"), "{message}");
    assert!(
        message.contains("<nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid"),
        "{message}"
    );
}

#[tokio::test]
async fn what_a_new_rule_finds_wrong_may_stay_as_it_is() {
    let world = world_with_rules(json!([])).await;
    world.post(WIDGETS, &widget("a", json!({"min": 2, "max": 1, "name": "x"}))).await.expect(201);
    let change = json!([
        {"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations",
            "value": [{"rule": "self.min <= self.max"}]},
        {"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/name/minLength", "value": 3},
    ]);
    world.patch(&format!("{DEFINITIONS}/widgets.example.com"), "json-patch+json", &change).await.expect(200);
    let path = format!("{WIDGETS}/a");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    world.patch(&path, "merge-patch+json", &label).await.expect(200);
    world
        .patch(&format!("{path}/status"), "merge-patch+json", &json!({"status": {"x": 1}}))
        .await
        .expect(200);
    world.patch(&path, "merge-patch+json", &json!({"spec": {"max": 0}})).await.expect(422);
    world.patch(&path, "merge-patch+json", &json!({"spec": {"max": 2}})).await.expect(200);
}

#[tokio::test]
async fn an_optional_old_self_is_asked_on_create_too() {
    let rule = "oldSelf.hasValue() ? oldSelf.value().min == self.min : self.min == 1";
    let world = world_with_rules(
        json!([{"rule": rule, "optionalOldSelf": true, "message": "starts at 1 and stays"}]),
    )
    .await;
    world.post(WIDGETS, &widget("a", json!({"min": 2}))).await.expect(422);
    world.post(WIDGETS, &widget("a", json!({"min": 1}))).await.expect(201);
    world.patch(&format!("{WIDGETS}/a"), "merge-patch+json", &json!({"spec": {"min": 3}})).await.expect(422);
}
