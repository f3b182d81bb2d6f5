//! `spur logs` of all workloads: one stream, filtered, joined to requests.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{DEADLINE, Spur, until};

/// A Deployment of a process that runs a line of shell.
fn talker(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "command": ["sh", "-c", script]}]},
            },
        },
    })
}

async fn lines(spur: &Spur, args: &[&str]) -> Vec<String> {
    let output = spur.run(&[&["logs"], args].concat()).await.ok();
    output.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn lines_of_all_workloads_stand_by_their_time_and_are_filtered() {
    let spur = Spur::up().start().await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let worse = format!(r#"echo '{{"level":"error","msg":"lost","trace_id":"{id}"}}'; sleep 60"#);
    spur.api()
        .create_all(&[talker("alpha", "echo INFO first; echo WARN second; sleep 60"), talker("beta", &worse)])
        .await;
    until("all three lines are there", async || {
        let found = lines(&spur, &[]).await;
        if found.len() == 3 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let warned = lines(&spur, &["--filter", "level>=warn"]).await;
    assert_eq!(warned.len(), 2, "{warned:?}");
    let times: Vec<_> = warned.iter().map(|line| line.split(' ').next()).collect();
    assert!(times.is_sorted(), "they begin with their time: {warned:?}");
    let of_alpha = lines(&spur, &["--filter", "svc=alpha & level>=warn"]).await;
    assert!(of_alpha.len() == 1 && of_alpha[0].ends_with("WARN  WARN second"), "{of_alpha:?}");
    let traced = lines(&spur, &["--filter", &format!("trace={id}"), "-o", "json"]).await;
    let [line] = &traced[..] else { panic!("{traced:?}") };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["service"], &line["container"]), (&"beta".into(), &"main".into()));
    assert_eq!(lines(&spur, &["--tail", "1"]).await.len(), 1);
    assert_eq!(lines(&spur, &["-n", "kube-system"]).await.len(), 0);
    spur.run(&["logs", "--filter", "level>=bad"]).await.code(2).tells(&["`bad` is not what `level` holds"]);
    spur.run(&["logs", "alpha", "--filter", "x"]).await.code(2);
    spur.end().await;
}

#[tokio::test]
async fn followed_lines_come_from_pods_that_start_later_too_and_after_a_restart() {
    let spur = Spur::up().start().await;
    let mut command = spur.command(&["logs", "-f", "--filter", "msg:tick"]);
    let mut following = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(following.stdout.take().unwrap()).lines();
    // Each run says its number, and ends: the second is after a restart.
    let script = "n=$(cat $TMPDIR/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > $TMPDIR/n; echo tick $n; sleep 0.2; exit 1";
    let mut later = talker("later", &script.replace("$TMPDIR", &spur.data().home().to_string_lossy()));
    later["spec"]["template"]["spec"]["restartPolicy"] = "Always".into();
    spur.api().create_all(&[later]).await;
    let mut seen = Vec::new();
    let reading = async {
        while seen.len() < 2 {
            seen.push(told.next_line().await.unwrap().expect("it goes on"));
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap_or_else(|_| panic!("two lines in time"));
    assert!(seen[0].ends_with("tick 1") && seen[1].ends_with("tick 2"), "{seen:?}");
    following.kill().await.unwrap();
    spur.end().await;
}

#[tokio::test]
async fn lines_of_a_request_are_those_of_its_pods_while_they_answered() {
    let spur = Spur::shop().await;
    spur.service("frontend").get("/api/cart?n=1").key("k-1").send().await.ok();
    let id = until("the request is recorded", async || {
        let output = spur.run(&["trace", "--key", "k-1", "-o", "json"]).await.ok().stdout;
        let trace = output.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap());
        trace.ok_or(output)
    })
    .await["trace_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = until("its pods have written", async || {
        let found = lines(&spur, &["--trace", &id]).await;
        let of = |name: &str| found.iter().any(|line| line.contains(&format!(" {name}-")));
        if of("checkout") && of("frontend") { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    assert!(!found.iter().any(|line| line.contains("/health")), "{found:?}");
    // What is written later, beyond the tenth of a second in which a line may be read late.
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    spur.service("frontend").get("/api/cart?n=2").send().await.ok();
    until("both requests are in the log", async || {
        let found = lines(&spur, &["--filter", "svc:frontend msg:cart"]).await;
        if found.len() == 2 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let found = lines(&spur, &["--trace", &id]).await;
    assert_eq!(found.iter().filter(|line| line.contains("/api/cart")).count(), 1, "{found:?}");
    spur.end().await;
}
