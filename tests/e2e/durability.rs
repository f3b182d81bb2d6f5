//! What was acknowledged survives `kill -9`, and a directory has one Spur.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::http::Connection;
use crate::harness::{Data, Spur, command, until};

/// As many clients write at once; their writes share transactions.
const WRITERS: usize = 8;

/// A round is killed after so many acknowledged writes: some transactions of all
/// writers, in some tens of milliseconds.
const WRITES_A_ROUND: usize = 120;

/// What servers have acknowledged, over all rounds.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The last acknowledged value and revision of each object.
    objects: BTreeMap<String, (u64, u64)>,
    /// Every revision that was ever acknowledged.
    revisions: BTreeSet<u64>,
    reused: Vec<u64>,
}

fn rounds() -> usize {
    let rounds = std::env::var("SPUR_KILL_ROUNDS").ok();
    rounds.map_or(5, |rounds| rounds.parse().expect("SPUR_KILL_ROUNDS is a number"))
}

/// ST-1: through the API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_writes_loses_nothing_acknowledged() {
    let data = Data::new();
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let rounds = rounds();
    for round in 0..rounds {
        let spur = Spur::up().on(&data).start().await;
        let checked = check(&spur, &acknowledged).await;
        let enough = acknowledged.lock().unwrap().revisions.len() + WRITES_A_ROUND;
        let n_written = Arc::new(AtomicUsize::new(acknowledged.lock().unwrap().revisions.len()));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let site = crate::harness::Site::of_kubeconfig(spur.kubeconfig());
            let (acknowledged, n_written, checked) =
                (acknowledged.clone(), n_written.clone(), checked.clone());
            writers.spawn(async move {
                let mut connection = site.connect().await;
                let name = format!("counter-{writer}");
                let mut value = checked.get(writer).copied().unwrap_or(0);
                loop {
                    value += 1;
                    let Ok(revisions) = write(&site, &mut connection, (round, writer), &name, value).await
                    else {
                        return;
                    };
                    acknowledged.lock().unwrap().note(&revisions);
                    n_written.fetch_add(revisions.len(), Ordering::Relaxed);
                }
            });
        }
        until("enough is written", async || match n_written.load(Ordering::Relaxed) {
            n if n >= enough => Ok(()),
            n => Err(format!("{n} of {enough}")),
        })
        .await;
        spur.kill().await;
        while writers.join_next().await.is_some() {}
    }
    let spur = Spur::up().on(&data).start().await;
    check(&spur, &acknowledged).await;
    spur.end().await;
    let acknowledged = acknowledged.lock().unwrap();
    println!(
        "{rounds} rounds of kill -9: {} acknowledged writes, 0 lost, 0 revisions reused",
        acknowledged.revisions.len()
    );
}

/// Every acknowledged object is there with its value or a later one, and the
/// server's revision is past all it ever told. Gives the counters' values.
async fn check(spur: &Spur, acknowledged: &Mutex<Acknowledged>) -> Arc<[u64; WRITERS]> {
    let api = spur.api();
    let answer = api.ask(Method::GET, "/api/v1/namespaces/default/configmaps").send().await.ok().json();
    let list: BTreeMap<&str, &Value> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["metadata"]["name"].as_str().unwrap(), object))
        .collect();
    let acknowledged = acknowledged.lock().unwrap();
    assert_eq!(acknowledged.reused, [0_u64; 0], "revisions that were given twice");
    for (name, (value, revision)) in &acknowledged.objects {
        let object = list.get(&**name).unwrap_or_else(|| panic!("`{name}` (revision {revision}) is lost"));
        let found = (value_of(object), revision_of(object));
        assert!(
            found >= (*value, *revision),
            "`{name}`: acknowledged {value} at {revision}, found {found:?}"
        );
    }
    let newest = acknowledged.revisions.last().copied().unwrap_or(0);
    let listed = answer["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(listed >= newest, "the list is at {listed}, and {newest} was acknowledged");
    let values =
        (0..WRITERS).map(|writer| list.get(&*format!("counter-{writer}")).map_or(0, |o| value_of(o)));
    Arc::new(values.collect::<Vec<_>>().try_into().unwrap())
}

/// Creates an object and changes another one; gives both with their revisions.
async fn write(
    site: &crate::harness::Site,
    connection: &mut Connection,
    (round, writer): (usize, usize),
    counter: &str,
    value: u64,
) -> Result<Vec<(String, u64, u64)>, String> {
    const PATH: &str = "/api/v1/namespaces/default/configmaps";
    let created = format!("w-{round}-{writer}-{value}");
    let object = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value.to_string()}});
    let create = site.ask(Method::POST, PATH).body("application/json", object(&created).to_string());
    let create = connection.send(create).await?.ok();
    let apply = site
        .ask(Method::PATCH, &format!("{PATH}/{counter}?fieldManager=e2e"))
        .body("application/apply-patch+yaml", object(counter).to_string());
    let apply = connection.send(apply).await?.ok();
    Ok(vec![
        (created, value, revision_of(&create.json())),
        (counter.to_owned(), value, revision_of(&apply.json())),
    ])
}

fn value_of(object: &Value) -> u64 {
    object["data"]["value"].as_str().unwrap().parse().unwrap()
}

fn revision_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

// === impl Acknowledged ===

impl Acknowledged {
    fn note(&mut self, written: &[(String, u64, u64)]) {
        for (name, value, revision) in written {
            if !self.revisions.insert(*revision) {
                self.reused.push(*revision);
            }
            self.objects.insert(name.clone(), (*value, *revision));
        }
    }
}

/// ST-8: told who is there, and the first goes on.
#[tokio::test]
async fn a_second_spur_on_one_directory_is_refused_with_the_firsts_pid() {
    let spur = Spur::up().start().await;
    let mut second = command::spur(spur.data().home());
    second.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--data"]).arg(spur.data().path());
    let refused = command::run(second).await.code(1);
    refused.tells(&["in use", &format!("pid {}", spur.pid()), "hint: "]).prints_nothing();
    // The first is not disturbed.
    spur.api().get("namespaces", "default").await;
    spur.end().await;
}

#[tokio::test]
async fn objects_and_their_revisions_survive_a_restart() {
    let spur = Spur::up().start().await;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}});
    let before = spur.api().create(&map).await.ok().json();
    let data = spur.end().await;
    let spur = Spur::up().on(&data).start().await;
    assert_eq!(spur.api().get("configmaps", "kept").await, before);
    let later = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}});
    let later = spur.api().create(&later).await.ok().json();
    assert!(revision_of(&later) > revision_of(&before));
    spur.end().await;
}

/// ST-6: rubbish is kept for whoever may rescue it.
#[tokio::test]
async fn a_damaged_store_is_named_and_not_overwritten() {
    let spur = Spur::up().start().await;
    let data = spur.end().await;
    let store = data.path().join("store/store.redb");
    let rubbish = vec![0xa5_u8; 64 << 10];
    std::fs::write(&store, &rubbish).unwrap();
    let mut command = command::spur(data.home());
    command.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--data"]).arg(data.path());
    let refused = command::run(command).await.code(1);
    refused.tells(&[&store.display().to_string()]);
    assert!(std::fs::read(&store).unwrap() == rubbish, "what is damaged may still be rescued");
}
