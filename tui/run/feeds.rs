//! What the server is asked for all the while: one task per stream, each begins anew when it breaks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use spur_api::meta;
use spur_trace::Trace;
use spur_trace::sanitize::log_line_for_terminal;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::api;
use crate::event::{LogSource, Told, Watched};

/// Between two tries: soon enough for a server that starts again, and seldom
/// enough to cost nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// How often those in flight are asked for: a hung request is seen within half a second.
const IN_FLIGHT_EVERY: Duration = Duration::from_millis(500);

/// How often the facts are asked for; they say the revision of the routes.
const FACTS_EVERY: Duration = Duration::from_secs(2);

/// The tasks; they end with this.
pub(super) struct Feeds {
    client: kube::Client,
    told_tx: mpsc::Sender<Told>,
    tasks: JoinSet<()>,
    log: Option<AbortHandle>,
}

/// Nobody listens any more.
struct Deaf;

// === impl Feeds ===

impl Feeds {
    /// Begins with traces and facts.
    pub(super) fn start(client: kube::Client, told_tx: mpsc::Sender<Told>) -> Self {
        let mut tasks = JoinSet::new();
        let feed = || (client.clone(), told_tx.clone());
        let (traces, in_flight, status) = (feed(), feed(), feed());
        tasks.spawn(async move { drop(follow_traces(traces.0, traces.1).await) });
        tasks.spawn(async move { drop(poll_in_flight(in_flight.0, in_flight.1).await) });
        tasks.spawn(async move { drop(poll_facts(status.0, status.1).await) });
        Self { client, told_tx, tasks, log: None }
    }

    /// Tells from now on of the objects of a kind.
    pub(super) fn watch(&mut self, watched: Watched) {
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.tasks.spawn(async move { drop(watch(client, watched, told_tx).await) });
    }

    /// Tells from now on of this log, and of no other.
    pub(super) fn follow_log(&mut self, source: LogSource) {
        if let Some(log) = self.log.take() {
            log.abort();
        }
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.log = Some(self.tasks.spawn(async move { drop(follow_log(client, source, told_tx).await) }));
    }
}

async fn tell(told_tx: &mpsc::Sender<Told>, told: Told) -> Result<(), Deaf> {
    told_tx.send(told).await.map_err(|_| Deaf)
}

async fn follow_traces(client: kube::Client, told_tx: mpsc::Sender<Told>) -> Result<(), Deaf> {
    loop {
        let why = match api::lines(&client, api::TRACES).await {
            Ok(mut lines) => {
                tell(&told_tx, Told::Connected).await?;
                loop {
                    match lines.next().await {
                        Ok(Some(line)) => match read_trace(&line) {
                            Ok(told) => tell(&told_tx, told).await?,
                            Err(error) => break format!("{error:#}"),
                        },
                        Ok(None) => break "the server ended the stream".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                }
            }
            Err(error) => error.to_string(),
        };
        tell(&told_tx, Told::Disconnected(why)).await?;
        sleep(AGAIN).await;
    }
}

/// A line of `/spur/v1/traces`: a trace, or `{"lost": n}`.
fn read_trace(line: &[u8]) -> Result<Told> {
    let error = match serde_json::from_slice::<Trace>(line) {
        Ok(trace) => return Ok(Told::Trace(Arc::new(trace))),
        Err(error) => error,
    };
    let lost = serde_json::from_slice::<Value>(line).ok().and_then(|line| line["lost"].as_u64());
    lost.map(Told::Missed)
        .ok_or(error)
        .context("failed to read a trace; the server may be of another version")
}

async fn poll_in_flight(client: kube::Client, told_tx: mpsc::Sender<Told>) -> Result<(), Deaf> {
    loop {
        // That there is no server is the other stream's to tell.
        if let Ok(traces) = in_flight(&client).await {
            tell(&told_tx, Told::InFlight(traces)).await?;
        }
        sleep(IN_FLIGHT_EVERY).await;
    }
}

async fn in_flight(client: &kube::Client) -> Result<Vec<Arc<Trace>>> {
    let mut lines = api::lines(client, api::IN_FLIGHT).await?;
    let mut traces = Vec::new();
    while let Some(line) = lines.next().await? {
        traces.push(Arc::new(serde_json::from_slice(&line)?));
    }
    Ok(traces)
}

async fn poll_facts(client: kube::Client, told_tx: mpsc::Sender<Told>) -> Result<(), Deaf> {
    loop {
        if let Ok(facts) = api::get(&client, api::STATUS).await {
            tell(&told_tx, Told::Facts(facts)).await?;
        }
        sleep(FACTS_EVERY).await;
    }
}

async fn watch(client: kube::Client, watched: Watched, told_tx: mpsc::Sender<Told>) -> Result<(), Deaf> {
    loop {
        // A watch that ends, breaks or falls behind is begun anew with a list.
        if let Ok(Err(Deaf)) = watch_once(&client, watched, &told_tx).await {
            return Err(Deaf);
        }
        sleep(AGAIN).await;
    }
}

async fn watch_once(
    client: &kube::Client,
    watched: Watched,
    told_tx: &mpsc::Sender<Told>,
) -> Result<Result<(), Deaf>> {
    let path = api::collection(watched);
    let mut list = api::get(client, &path).await?;
    let version = meta::resource_version(&list).to_owned();
    let Value::Array(objects) = list["items"].take() else { bail!("a list without items") };
    if let Err(deaf) = tell(told_tx, Told::Listed(watched, objects)).await {
        return Ok(Err(deaf));
    }
    let mut lines = api::lines(client, &format!("{path}?watch=true&resourceVersion={version}")).await?;
    while let Some(line) = lines.next().await? {
        let mut event: Value = serde_json::from_slice(&line)?;
        let object = event["object"].take();
        let told = match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Told::There(watched, object),
            Some("DELETED") => Told::Gone(watched, object),
            Some("BOOKMARK") => continue,
            _ => bail!("the watch has fallen behind"),
        };
        if let Err(deaf) = tell(told_tx, told).await {
            return Ok(Err(deaf));
        }
    }
    Ok(Ok(()))
}

async fn follow_log(
    client: kube::Client,
    source: LogSource,
    told_tx: mpsc::Sender<Told>,
) -> Result<(), Deaf> {
    let how = match api::lines(&client, &api::log(&source)).await {
        Ok(mut lines) => loop {
            match lines.next().await {
                Ok(Some(line)) => {
                    let line = log_line_for_terminal(&line);
                    tell(&told_tx, Told::LogLine(source.clone(), line)).await?;
                }
                Ok(None) => break "(the log ends here; enter on the pod follows it again)".to_owned(),
                Err(error) => break format!("(the log broke off: {error})"),
            }
        },
        Err(error) => format!("({error})"),
    };
    tell(&told_tx, Told::LogEnded(source, how)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace};

    #[test]
    fn a_line_is_a_trace_or_a_loss() {
        let line = serde_json::to_vec(&*trace(1, vec![hop("gw", "front")])).unwrap();
        assert!(matches!(read_trace(&line), Ok(Told::Trace(found)) if found.hops.len() == 1));
        assert!(matches!(read_trace(br#"{"lost":7}"#), Ok(Told::Missed(7))));
        assert!(read_trace(b"{}").is_err());
        assert!(read_trace(b"nonsense").is_err());
    }
}
