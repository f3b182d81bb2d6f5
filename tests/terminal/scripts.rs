//! Without a terminal: keys from a file, and lines in the place of frames.

use std::process::Stdio;

use libtest_mimic::Trial;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{DEADLINE, Spur};

/// A test that needs nothing.
macro_rules! trial {
    ($name:ident) => {
        Trial::test(stringify!($name), || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on($name());
            Ok(())
        })
    };
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial!(a_script_dumps_what_it_came_to),
        trial!(a_script_says_what_did_not_come_and_where),
        trial!(a_pipe_gets_lines_and_is_told),
    ]
}

async fn a_script_dumps_what_it_came_to() {
    let spur = Spur::shop().await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    let script = spur.data().write("keys.txt", "wait n=1\npress enter\nwait why\nsize 100x30\npress down\n");
    let dump = spur.data().home().join("screen.txt");
    let (script, dump) = (script.to_str().unwrap(), dump.to_str().unwrap());
    spur.run(&["ui", "--script", script, "--size", "80x24", "--dump", dump]).await.ok();
    let screen = std::fs::read_to_string(dump).unwrap();
    assert_eq!(screen.lines().count(), 30, "{screen}");
    assert!(screen.contains("[2 Trace]") && screen.contains("GET /api/cart?n=1"), "{screen}");
    assert!(screen.contains("why · frontend → "), "{screen}");
    spur.end().await;
}

async fn a_script_says_what_did_not_come_and_where() {
    let spur = Spur::up().start().await;
    let script = spur.data().write("keys.txt", "press 4\n\nwait no such text\n");
    let output = spur.run(&["ui", "--script", script.to_str().unwrap()]).await.code(1);
    assert!(output.stderr.contains("line 3: `no such text` did not come within 10 s"), "{}", output.stderr);
    let script = spur.data().write("keys.txt", "hop\n");
    let output = spur.run(&["ui", "--script", script.to_str().unwrap()]).await.code(2);
    assert!(output.stderr.contains("line 1: `hop` is no step"), "{}", output.stderr);
    spur.end().await;
}

async fn a_pipe_gets_lines_and_is_told() {
    let spur = Spur::shop().await;
    let mut command = spur.command(&["ui"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = tokio::time::timeout(DEADLINE, said.next_line()).await.unwrap().unwrap().unwrap();
    assert!(said.contains("no terminal"), "{said}");
    spur.service("frontend").get("/api/cart?n=7").send().await.ok();
    let line = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            assert!(!line.contains('\u{1b}'), "{line:?}");
            if line.contains("n=7") {
                return line;
            }
        }
    };
    let line = tokio::time::timeout(DEADLINE, line).await.unwrap();
    assert!(line.contains("gw ▸ frontend"), "{line}");
    spur.end().await;
}
