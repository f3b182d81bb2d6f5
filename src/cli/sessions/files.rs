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
    insta::assert_snapshot!(world.run(&apply).await.all(), @"
    configmap/settings created
    service/web created
    deployment.apps/web created
    ");
    insta::assert_snapshot!(world.run(&apply).await.all(), @"
    configmap/settings unchanged
    service/web unchanged
    deployment.apps/web unchanged
    ");
    world.file("shop.yaml", &SHOP.replace("a: '1'", "a: '2'"));
    insta::assert_snapshot!(world.run(&apply).await.all(), @"
    configmap/settings configured
    service/web unchanged
    deployment.apps/web unchanged
    ");
    world.file("shop.yaml", &SHOP.replace("a: '1'", "a: '3'"));
    insta::assert_snapshot!(world.run(&format!("{apply} --dry-run")).await.all(), @"
    configmap/settings configured (server dry run)
    service/web unchanged (server dry run)
    deployment.apps/web unchanged (server dry run)
    ");
    insta::assert_snapshot!(world.run(&format!("{apply} -o name")).await.all(), @"
    configmap/settings
    service/web
    deployment.apps/web
    ");
    insta::assert_snapshot!(world.run(&format!("delete -f {file}")).await.all(), @"
    deployment.apps/web deleted
    service/web deleted
    configmap/settings deleted
    ");
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
    insta::assert_snapshot!(said.all().replace(&directory, "DIR"), @r#"
    configmap/settings created
    service/web created
    deployment.apps/web created
    ! error: DIR/shop.yaml, document 4: failed to apply configmap/Bad_Name: ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
    ! error: DIR/shop.yaml, document 5: failed to apply configmap/typo: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta"
    exit 1
    "#);
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
    insta::assert_snapshot!(said("broken.yaml", &format!("{SHOP}\n---\na: [1,\n")).await, @"
    ! error: DIR/broken.yaml:22:4: unclosed bracket '['
    exit 2
    ");
    insta::assert_snapshot!(said("task.yaml", "{apiVersion: batch/v1, kind: Task, metadata: {name: a}}").await, @"
    ! error: DIR/task.yaml: `Task` of `batch/v1` is no kind that spur serves (object `a`)
    ! hint: `batch/v1` has CronJob, Job
    exit 2
    ");
    let elsewhere = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nowhere}}";
    insta::assert_snapshot!(said("elsewhere.yaml", elsewhere).await, @"
    ! error: DIR/elsewhere.yaml: there is no namespace `nowhere`
    ! hint: put a Namespace of that name into one of the files, or give another one with -n
    exit 1
    ");
    let file = world.file("elsewhere.yaml", elsewhere);
    let said = world.run(&format!("apply -f {file} -n default")).await;
    insta::assert_snapshot!(said.all().replace(&directory, "DIR"), @"
    ! error: DIR/elsewhere.yaml: configmap/a is in namespace `nowhere`, but -n says `default`
    ! hint: leave out -n, or `metadata.namespace`
    exit 2
    ");
    assert_eq!(world.run("get deploy,cm").await.talk, "No resources found in default namespace.\n");
}
