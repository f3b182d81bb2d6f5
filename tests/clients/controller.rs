//! The example `controller` of sdk/rust as a process of its own: finalizer, events, leader lease,
//! and watches that outlive the server.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;

use http::{Method, StatusCode};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::forwarder::Forwarder;
use crate::harness::{Answer, Spur, until};
use crate::needs::Need;

type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

const ALL: [(&str, Case); 5] = [
    ("controller::keeps_what_a_greeting_asks_for", || Box::pin(keeps())),
    ("controller::cleans_up_before_a_greeting_is_gone", || Box::pin(cleans_up())),
    ("controller::lets_a_namespace_go", || Box::pin(lets_go())),
    ("controller::another_instance_leads_when_the_leader_is_killed", || Box::pin(takes_over())),
    ("controller::goes_on_after_the_server_was_away", || Box::pin(goes_on())),
];

const GREETINGS: &str = "/apis/example.spur.dev/v1/namespaces/default/greetings";

/// The lease's name, and the field manager.
const MANAGER: &str = "greeting-controller";

pub(crate) fn trials() -> Vec<Trial> {
    let path = example();
    let absent = (!path.exists()).then(|| {
        format!("`{}` is not built; `cargo build -p spur-sdk --example controller` does it", path.display())
    });
    let need = Need::new("controller", absent);
    ALL.iter().map(|(name, case)| need.trial(name, case)).collect()
}

/// Cargo puts examples beside the folder of test executables.
fn example() -> PathBuf {
    let this = std::env::current_exe().expect("this executable has a path");
    let profile = this.ancestors().nth(2).expect("target/PROFILE/deps/NAME");
    profile.join("examples/controller")
}

/// A controller that runs.
struct Instance {
    child: Child,
    log: PathBuf,
}

// === impl Instance ===

impl Instance {
    /// The lease is long, so that a busy machine never loses it.
    fn start(spur: &Spur, kubeconfig: impl AsRef<Path>) -> Self {
        Self::start_as(spur, kubeconfig, "only", 60)
    }

    fn start_as(spur: &Spur, kubeconfig: impl AsRef<Path>, identity: &str, lease_seconds: u16) -> Self {
        let mut command = Command::new(example());
        command.env_clear().env("KUBECONFIG", kubeconfig.as_ref()).env("HOME", spur.data().home());
        command.args(["--identity", identity, "--lease-seconds", &lease_seconds.to_string()]);
        let log = spur.data().home().join(format!("{identity}.log"));
        let stderr = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stderr(stderr).kill_on_drop(true);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Ends it as a supervisor does.
    async fn end(mut self) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = until("the controller has ended", async || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err("it still runs"),
        })
        .await;
        assert_eq!(status.code(), Some(0));
        let log = std::fs::read_to_string(&self.log).unwrap();
        assert!(!log.contains("panicked at"), "{log}");
    }

    /// Kills it as its machine's end would.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- the controller's log\n{log}\n---");
        }
    }
}

async fn ask(spur: &Spur, method: Method, path: &str, body: Value) -> Answer {
    spur.api().ask(method, path).body("application/json", body.to_string()).send().await
}

async fn until_served(spur: &Spur) {
    until("greetings are served", async || {
        let answer = spur.api().ask(Method::GET, GREETINGS).send().await;
        if answer.status.is_success() { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

async fn greet(spur: &Spur, name: &str, who: &str) {
    let greeting = json!({
        "apiVersion": "example.spur.dev/v1", "kind": "Greeting",
        "metadata": {"name": name}, "spec": {"who": who},
    });
    ask(spur, Method::POST, GREETINGS, greeting).await.ok();
}

async fn find(spur: &Spur, name: &str) -> Option<Value> {
    let answer = spur.api().ask(Method::GET, &format!("{GREETINGS}/{name}")).send().await;
    (answer.status != StatusCode::NOT_FOUND).then(|| answer.ok().json())
}

/// Waits until the controller has done its work for this generation of the Greeting.
async fn until_ready(spur: &Spur, name: &str) -> Value {
    until(&format!("`{name}` is ready"), async || {
        let greeting = find(spur, name).await.ok_or("it does not exist")?;
        let status = &greeting["status"];
        let is_ready = status["observedGeneration"] == greeting["metadata"]["generation"]
            && status["conditions"][0]["status"] == "True";
        if is_ready { Ok(greeting) } else { Err("its status is old") }
    })
    .await
}

async fn until_text(spur: &Spur, name: &str, text: &str) -> Value {
    let what = format!("a greeting that says `{text}`");
    spur.api().until(("configmaps", name), &what, |map| map["data"]["greeting"] == text).await
}

/// Reason, message and reporting instance of the events about a Greeting.
async fn events(spur: &Spur, name: &str) -> Vec<(String, String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let events = spur.api().list("events").await;
    let about = events.iter().filter(|event| {
        event["involvedObject"]["kind"] == "Greeting" && event["involvedObject"]["name"] == name
    });
    about
        .map(|event| (text(event, "reason"), text(event, "message"), text(event, "reportingInstance")))
        .collect()
}

fn event(reason: &str, message: &str, instance: &str) -> (String, String, String) {
    (reason.to_owned(), message.to_owned(), instance.to_owned())
}

async fn until_leads(spur: &Spur, identity: &str) -> Value {
    let what = format!("held by `{identity}`");
    spur.api().until(("leases", MANAGER), &what, |lease| lease["spec"]["holderIdentity"] == identity).await
}

async fn keeps() {
    let spur = Spur::up().start().await;
    let controller = Instance::start(&spur, spur.kubeconfig());
    until_served(&spur).await;
    greet(&spur, "ann", "Ann").await;
    let greeting = until_ready(&spur, "ann").await;
    let map = spur.api().get("configmaps", "ann").await;
    assert_eq!(map["data"], json!({"greeting": "Hello, Ann!"}));
    let owner = &map["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["uid"]), (&json!("Greeting"), &greeting["metadata"]["uid"]));
    assert_eq!(events(&spur, "ann").await, [event("Greeted", "Hello, Ann!", "only")]);

    // What somebody else changes or deletes comes back, and is no news.
    let other = json!({"data": {"greeting": "Away with you"}});
    spur.api().patch("configmaps", "ann", &other).await.ok();
    until_text(&spur, "ann", "Hello, Ann!").await;
    spur.api().delete("configmaps", "ann").await.ok();
    until_text(&spur, "ann", "Hello, Ann!").await;
    assert_eq!(events(&spur, "ann").await.len(), 1);

    let changed = json!({"spec": {"who": "Anna"}});
    let path = format!("{GREETINGS}/ann");
    let patch = spur.api().ask(Method::PATCH, &path);
    patch.body("application/merge-patch+json", changed.to_string()).send().await.ok();
    until_ready(&spur, "ann").await;
    until_text(&spur, "ann", "Hello, Anna!").await;
    assert_eq!(spur.api().get("configmaps", "guest-book").await["data"], json!({"ann": "Anna"}));

    // The schema that the struct became.
    let nobody = json!({
        "apiVersion": "example.spur.dev/v1", "kind": "Greeting",
        "metadata": {"name": "nobody"}, "spec": {"who": ""},
    });
    let refused = ask(&spur, Method::POST, GREETINGS, nobody).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    controller.end().await;
    // Given up, so that the next one need not wait.
    let lease = spur.api().get("leases", MANAGER).await;
    assert_eq!(lease["spec"].get("holderIdentity"), None, "{lease:#}");
    spur.end().await;
}

async fn cleans_up() {
    let spur = Spur::up().start().await;
    let controller = Instance::start(&spur, spur.kubeconfig());
    until_served(&spur).await;
    greet(&spur, "ann", "Ann").await;
    greet(&spur, "bob", "Bob").await;
    until_ready(&spur, "ann").await;
    until_ready(&spur, "bob").await;
    assert_eq!(spur.api().get("configmaps", "guest-book").await["data"], json!({"ann": "Ann", "bob": "Bob"}));
    controller.end().await;

    // Nobody cleans up, so it stays.
    let deleted = ask(&spur, Method::DELETE, &format!("{GREETINGS}/ann"), json!({})).await.ok().json();
    assert!(deleted["metadata"]["deletionTimestamp"].is_string(), "{deleted:#}");
    let ann = find(&spur, "ann").await.unwrap();
    assert_eq!(ann["metadata"]["finalizers"], json!(["example.spur.dev/guest-book"]));

    let controller = Instance::start(&spur, spur.kubeconfig());
    until(
        "ann is gone",
        async || if find(&spur, "ann").await.is_none() { Ok(()) } else { Err("it is there") },
    )
    .await;
    assert_eq!(spur.api().get("configmaps", "guest-book").await["data"], json!({"bob": "Bob"}));
    assert!(events(&spur, "ann").await.contains(&event("Forgotten", "Goodbye, Ann!", "only")));
    // What is owned goes with its owner; the neighbour's stays.
    spur.api().until_gone("configmaps", "ann").await;
    spur.api().get("configmaps", "bob").await;
    controller.end().await;
    spur.end().await;
}

/// Nothing can be created in a namespace that is being deleted: neither an event nor a guest book.
async fn lets_go() {
    let spur = Spur::up().start().await;
    let controller = Instance::start(&spur, spur.kubeconfig());
    until_served(&spur).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short"}});
    spur.api().create_all(&[namespace]).await;
    let greetings = GREETINGS.replace("/default/", "/short/");
    let greeting = json!({
        "apiVersion": "example.spur.dev/v1", "kind": "Greeting",
        "metadata": {"name": "ann"}, "spec": {"who": "Ann"},
    });
    ask(&spur, Method::POST, &greetings, greeting).await.ok();
    until("ann is held", async || {
        let ann = spur.api().ask(Method::GET, &format!("{greetings}/ann")).send().await.ok().json();
        if ann["metadata"]["finalizers"].is_array() { Ok(()) } else { Err("she is not yet") }
    })
    .await;
    spur.api().delete("namespaces", "short").await.ok();
    spur.api().until_gone("namespaces", "short").await;
    controller.end().await;
    spur.end().await;
}

async fn takes_over() {
    let spur = Spur::up().start().await;
    let start = |identity| Instance::start_as(&spur, spur.kubeconfig(), identity, 3);
    let first = start("first");
    until_leads(&spur, "first").await;
    let second = start("second");
    greet(&spur, "ann", "Ann").await;
    until_ready(&spur, "ann").await;
    assert_eq!(events(&spur, "ann").await, [event("Greeted", "Hello, Ann!", "first")]);

    first.kill().await;
    // Nobody leads now.
    greet(&spur, "bob", "Bob").await;
    let lease = until_leads(&spur, "second").await;
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease:#}");
    until_ready(&spur, "bob").await;
    assert_eq!(events(&spur, "bob").await, [event("Greeted", "Hello, Bob!", "second")]);
    assert_eq!(events(&spur, "ann").await.len(), 1, "what is done is not news to the second");
    second.end().await;
    spur.end().await;
}

async fn goes_on() {
    let spur = Spur::up().start().await;
    let forwarder = Forwarder::start().await;
    forwarder.lead_to(&spur);
    let kubeconfig = forwarder.kubeconfig(&spur);
    let controller = Instance::start(&spur, &kubeconfig);
    until_served(&spur).await;
    greet(&spur, "before", "Ann").await;
    until_ready(&spur, "before").await;

    forwarder.lead_nowhere();
    // What happens meanwhile is not missed, whether the server was told of it before or after.
    greet(&spur, "cut", "Bob").await;
    let data = spur.kill().await;
    let spur = Spur::up().on(&data).start().await;
    greet(&spur, "restarted", "Cid").await;
    forwarder.lead_to(&spur);
    until_ready(&spur, "cut").await;
    until_ready(&spur, "restarted").await;
    greet(&spur, "after", "Dee").await;
    until_ready(&spur, "after").await;
    assert_eq!(events(&spur, "before").await, [event("Greeted", "Hello, Ann!", "only")]);
    controller.end().await;
    spur.end().await;
}
