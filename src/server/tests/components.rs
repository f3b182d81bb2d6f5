//! ComponentStatuses, which are as the server is when they are asked for.

use serde_json::json;

use super::world::world;

const PATH: &str = "/api/v1/componentstatuses";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test]
async fn the_store_is_healthy_until_it_takes_no_writes() {
    let world = world().await;
    let list = world.get(PATH).await.expect(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ComponentStatusList"), &json!("v1")));
    let healthy = json!([{"type": "Healthy", "status": "True", "message": "ok"}]);
    assert_eq!(list["items"][0]["conditions"], healthy);
    assert_eq!(world.get(&format!("{PATH}/store")).await.expect(200)["conditions"], healthy);
    let table = world.get_as(PATH, TABLE).await.expect(200);
    assert_eq!(table["rows"][0]["cells"], json!(["store", "Healthy", "ok", ""]));
    world.store.close();
    let closed = world.get_as(PATH, TABLE).await.expect(200);
    assert_eq!(closed["rows"][0]["cells"], json!(["store", "Unhealthy", "", "closed"]));
}

#[tokio::test]
async fn they_are_read_and_nothing_else() {
    let world = world().await;
    let status = json!({"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": "mine"}});
    world.post(PATH, &status).await.expect(405);
    world.delete(&format!("{PATH}/store")).await.expect(405);
    world.get(&format!("{PATH}?watch=true")).await.expect(405);
    assert_eq!(
        world.get(&format!("{PATH}/etcd-0")).await.message(404),
        "componentstatuses \"etcd-0\" not found"
    );
    let none = world.get(&format!("{PATH}?labelSelector=a%3Db")).await.expect(200);
    assert_eq!(none["items"], json!([]));
}
