//! apply, and delete -f.

use super::world::World;

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, command: [sleep, '1']}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: '1'}
";

#[tokio::test]
async fn apply_says_what_became_of_each_object_in_an_order_that_works() {
    let world = World::start().await;
    let file = world.file("shop.yaml", SHOP);
    let apply = format!("apply -f {file}");
    insta::assert_snapshot!(world.run(&apply).await.all(), @"");
    insta::assert_snapshot!(world.run(&apply).await.all(), @"");
    world.file("shop.yaml", &SHOP.replace("a: '1'", "a: '2'"));
    insta::assert_snapshot!(world.run(&apply).await.all(), @"");
    world.file("shop.yaml", &SHOP.replace("a: '2'", "a: '3'"));
    insta::assert_snapshot!(world.run(&format!("{apply} --dry-run")).await.all(), @"");
    insta::assert_snapshot!(world.run(&format!("{apply} -o name")).await.all(), @"");
    insta::assert_snapshot!(world.run(&format!("delete -f {file}")).await.all(), @"");
}

#[tokio::test]
async fn what_cannot_be_applied_is_named_and_the_rest_is_applied() {
    let world = World::start().await;
    let text = format!(
        "{SHOP}\n---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: Bad_Name}}}}\n---\n\
         {{apiVersion: v1, kind: ConfigMap, metadata: {{name: typo}}, dta: {{}}}}"
    );
    world.file("shop.yaml", &text);
    let directory = world.directory().display().to_string();
    let said = world.run(&format!("apply -f {directory}")).await;
    insta::assert_snapshot!(said.all().replace(&directory, "DIR"), @"");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing() {
    let world = World::start().await;
    let directory = world.directory().display().to_string();
    let said = async |name: &str, text: &str| {
        let file = world.file(name, text);
        let said = world.run(&format!("apply -f {file}")).await;
        said.all().replace(&directory, "DIR")
    };
    insta::assert_snapshot!(said("broken.yaml", &format!("{SHOP}\n---\na: [1,\n")).await, @"");
    insta::assert_snapshot!(said("job.yaml", "{apiVersion: batch/v1, kind: Job, metadata: {name: a}}").await, @"");
    let elsewhere = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nowhere}}";
    insta::assert_snapshot!(said("elsewhere.yaml", elsewhere).await, @"");
    let file = world.file("elsewhere.yaml", elsewhere);
    let said = world.run(&format!("apply -f {file} -n default")).await;
    insta::assert_snapshot!(said.all().replace(&directory, "DIR"), @"");
    assert_eq!(world.run("get deploy,cm").await.talk, "No resources found in default namespace.\n");
}
