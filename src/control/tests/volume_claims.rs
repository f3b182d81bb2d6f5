use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_claim_is_bound_to_a_volume_of_its_own_that_goes_with_it() {
    let world = World::start().await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    world
        .create_at(
            claims,
            json!({"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            }}),
        )
        .await;
    let path = format!("{claims}/data");
    let is_bound = async |path: &str| {
        let found = world.get_at(path).await;
        if found["status"]["phase"] == "Bound" { Ok(found) } else { Err(format!("{found:#}")) }
    };
    let claim = world.until("the claim is bound", async || is_bound(&path).await).await;
    assert_eq!(claim["status"]["capacity"]["storage"], "1Gi");
    let volume =
        format!("/api/v1/persistentvolumes/{}", claim["spec"]["volumeName"].as_str().expect("a name"));
    let found = world.until("the volume is bound", async || is_bound(&volume).await).await;
    assert_eq!(found["spec"]["claimRef"]["uid"], claim["metadata"]["uid"]);
    world.delete_at(&path).await;
    world.until_gone_at(&volume).await;
}
