//! Whole lists of many objects.

use std::time::Instant;

use crate::figures::{figure, megabytes, millis, quantile};
use crate::harness::{Site, Spur};
use crate::process;
use crate::writes::OBJECTS;

const TIMES: usize = 9;
const PATH: &str = "/api/v1/namespaces/default/configmaps";

pub(crate) async fn run(spur: &Spur) {
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let mut connection = site.connect().await;
    let cases = [
        ("list of 24,500", PATH.to_owned(), "peer 0.42 s"),
        ("list of 10,000", format!("{PATH}?limit=10000"), "budget 300 ms"),
        ("page of 500", format!("{PATH}?limit=500"), ""),
        ("list of 24,500 by a label", format!("{PATH}?labelSelector=none%3Dsuch"), ""),
    ];
    for (what, path, compared) in cases {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            let answer = connection.send(site.get(&path)).await.unwrap().ok();
            times.push(start.elapsed());
            size = answer.body.len();
        }
        times.sort();
        let found = format!("{} ({:.1} MB)", millis(quantile(&times, 0.5)), size as f64 / 1e6);
        figure(what, found, compared);
    }
    let answer = connection.send(site.get(PATH)).await.unwrap().ok().json();
    // The root certificate's ConfigMap is there too.
    assert!(answer["items"].as_array().unwrap().len() >= OBJECTS, "the list is whole");
    figure("memory after the lists", megabytes(process::resident(spur.pid())), "");
}
