//! Bad input: the thing, the cause and the next step are named, and nothing else
//! is disturbed.

use http::Method;
use serde_json::{Value, json};

use crate::harness::manifests::{cheaper, fork, sample};
use crate::harness::{Data, Spur, command};

/// A file that is applied, and what is said about it.
#[tokio::test]
async fn files_that_cannot_be_used_are_told_with_their_place() {
    let spur = Spur::up().start().await;
    for (name, text, code, told) in [
        (
            "broken.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n bad: [\n",
            2,
            &["broken.yaml:5:"][..],
        ),
        ("list.yaml", "- 1\n- 2\n", 2, &["list.yaml", "apiVersion"]),
        ("kind.yaml", "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n", 2, &["kind.yaml", "Nonsense"]),
        ("noname.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", 2, &["noname.yaml", "name"]),
        ("empty.yaml", "# nothing\n", 2, &["empty.yaml"]),
        (
            "field.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replcas: 1}\n",
            1,
            &["replcas"],
        ),
        ("type.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1}\n", 1, &["data"]),
        ("name.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n", 1, &["Bad_Name"]),
        (
            "namespace.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n",
            1,
            &["nowhere"],
        ),
    ] {
        let path = spur.data().write(name, text).display().to_string();
        spur.run(&["apply", "-f", &path]).await.code(code).prints_nothing().tells(told);
    }
    spur.run(&["apply", "-f", "no-such-file.yaml"]).await.code(2).tells(&["no-such-file.yaml"]);
    for name in ["x", "Bad_Name"] {
        assert_eq!(spur.api().find("configmaps", name).await, None);
    }
    spur.end().await;
}

#[tokio::test]
async fn the_api_says_what_it_found_and_what_it_wanted() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let created = api.create(&map("one")).await.ok().json();
    let twice = api.create(&map("one")).await;
    assert_eq!((twice.status.as_u16(), &twice.json()["reason"]), (409, &json!("AlreadyExists")));

    let mut changed = created.clone();
    changed["data"] = json!({"a": "1"});
    let path = "/api/v1/namespaces/default/configmaps/one";
    let put = |object: &Value| api.ask(Method::PUT, path).body("application/json", object.to_string()).send();
    put(&changed).await.ok();
    let stale = put(&changed).await;
    assert_eq!((stale.status.as_u16(), &stale.json()["reason"]), (409, &json!("Conflict")));
    assert!(stale.json()["message"].as_str().unwrap().contains("\"one\""), "{}", stale.text());

    let missing = api.ask(Method::GET, "/api/v1/namespaces/default/configmaps/two").send().await;
    assert_eq!((missing.status.as_u16(), &missing.json()["reason"]), (404, &json!("NotFound")));
    let nowhere = api.ask(Method::GET, "/apis/nothing.dev/v1/things").send().await;
    assert_eq!(nowhere.status, 404);
    let garbage = api
        .ask(Method::POST, "/api/v1/namespaces/default/configmaps")
        .body("application/json", "{")
        .send()
        .await;
    assert_eq!((garbage.status.as_u16(), &garbage.json()["kind"]), (400, &json!("Status")));
    let mut invalid = sample("web", "pricing", &[])[1].clone();
    invalid["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
    let invalid = api.create(&invalid).await;
    assert_eq!((invalid.status.as_u16(), &invalid.json()["reason"]), (422, &json!("Invalid")));
    assert!(
        invalid.json()["message"].as_str().unwrap().contains("spec.template.metadata.labels"),
        "{}",
        invalid.text()
    );
    spur.end().await;
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_is_refused_or_says_why() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("pricing", "pricing", &[])).await;
    let with = |field: &str, value: Value| {
        let mut sandbox = cheaper("bad", "k-1");
        sandbox["spec"][field] = value;
        sandbox
    };
    let mut dashed = cheaper("bad", "k-1");
    dashed["metadata"]["name"] = json!("a--b");
    for (sandbox, told) in [
        (with("routingKey", json!("no spaces")), "spec.routingKey"),
        (with("routingKey", json!("x".repeat(64))), "spec.routingKey"),
        (with("fallback", json!("maybe")), "spec.fallback"),
        (with("ttl", json!({"duration": "soon"})), "spec.ttl.duration"),
        (with("forks", json!([{"of": {"kind": "Pod", "name": "x"}}])), "spec.forks[0].of.kind"),
        (dashed, "metadata.name"),
    ] {
        let refused = api.create(&sandbox).await;
        assert_eq!(refused.status.as_u16(), 422, "{}", refused.text());
        assert!(refused.json()["message"].as_str().unwrap().contains(told), "{told}: {}", refused.text());
    }
    // A patch that makes no Deployment is found when it is made.
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "pricing", "ports": [{"containerPort": 99999}]}]}}}});
    api.create_all(&[fork("patched", "k-2", "pricing", json!({"patch": patch}))]).await;
    let found = api
        .until(("sandboxes", "patched"), "explained", |found| {
            found["status"]["conditions"][0]["reason"] == "InvalidFork"
        })
        .await;
    let message = found["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("containerPort") || message.contains("99999"), "{message}");
    spur.end().await;
}

/// ST-9: below a file.
#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_named() {
    let home = Data::new();
    let file = home.write("a-file", "");
    let mut up = command::spur(home.home());
    up.args(["up", "-o", "json", "--data"]).arg(file.join("below"));
    command::run(up).await.code(1).prints_nothing().tells(&["a-file/below", "--data"]);
}

#[tokio::test]
async fn up_with_a_bad_file_says_so_and_ends() {
    let home = Data::new();
    let file = home.write("bad.yaml", "kind: [\n");
    let mut up = command::spur(home.home());
    up.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--data"]).arg(home.path());
    up.arg("-f").arg(file);
    command::run(up).await.code(2).prints_nothing().tells(&["bad.yaml:1:"]);
}

/// AP-16: no listening for other machines without authentication.
#[tokio::test]
async fn what_is_not_supported_is_refused_and_not_done_otherwise() {
    let home = Data::new();
    for (args, told) in [
        (["--runtime", "docker"], "cannot talk to Docker at `unix:///nowhere`"),
        (["--listen", "0.0.0.0"], "the entry has no authentication"),
        (["--limit", "header=1"], "no limit `header`"),
    ] {
        let mut up = command::spur(home.home());
        up.args(["up", "-o", "json", "--data"]).arg(home.path()).args(args);
        up.env("DOCKER_HOST", "unix:///nowhere");
        command::run(up).await.code(1).prints_nothing().tells(&[told, "hint: "]);
    }
}
