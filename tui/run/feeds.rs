//! What the server is asked for all the while: one task per stream, each begins anew when it breaks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use spur_api::meta;
use spur_trace::sanitize::log_line_for_terminal;
use spur_trace::{LogLine, Trace};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::{api, export};
use crate::event::{Ask, Export, LogSource, Put, Told, Watched};

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
    traces: AbortHandle,
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
        let traces = tasks.spawn(async move { drop(follow_traces(traces.0, traces.1, "").await) });
        tasks.spawn(async move { drop(poll_in_flight(in_flight.0, in_flight.1).await) });
        tasks.spawn(async move { drop(poll_facts(status.0, status.1).await) });
        Self { client, told_tx, tasks, traces, log: None }
    }

    /// Tells from now on of traces that fit a filter, and of no others.
    pub(super) fn subscribe(&mut self, filter: String) {
        self.traces.abort();
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.traces = self.tasks.spawn(async move { drop(follow_traces(client, told_tx, &filter).await) });
    }

    /// Asks, and tells the answer.
    pub(super) fn ask(&mut self, ask: Ask) {
        self.reap();
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.tasks.spawn(async move {
            let answer = answer(&client, &ask).await.map_err(|error| format!("{error:#}"));
            drop(tell(&told_tx, Told::Answered(ask, answer)).await);
        });
    }

    /// Puts an object, and tells what came of it.
    pub(super) fn put(&mut self, put: Put) {
        self.reap();
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.tasks.spawn(async move {
            let answer = api::put(&client, &put).await;
            drop(tell(&told_tx, Told::Put(put, answer)).await);
        });
    }

    /// Writes traces into a file, and tells what came of it.
    pub(super) fn export(&mut self, export: Export) {
        self.reap();
        let (client, told_tx) = (self.client.clone(), self.told_tx.clone());
        self.tasks.spawn(async move {
            let told = match export::write(&client, &export).await {
                Ok(done) => Told::Done(done),
                Err(error) => Told::Failed(format!("{error:#}")),
            };
            drop(tell(&told_tx, told).await);
        });
    }

    /// Tells of the filters in a file, where there is one.
    pub(super) fn read_filters(&mut self, path: PathBuf) {
        let told_tx = self.told_tx.clone();
        self.tasks.spawn(async move {
            // That there is none is how it begins.
            if let Ok(text) = tokio::fs::read_to_string(path).await {
                let filters = text.lines().map(str::trim).filter(|line| !line.is_empty());
                drop(tell(&told_tx, Told::SavedFilters(filters.map(str::to_owned).collect())).await);
            }
        });
    }

    /// Writes filters into a file.
    pub(super) fn save_filters(&mut self, path: PathBuf, filters: Vec<String>) {
        let told_tx = self.told_tx.clone();
        self.tasks.spawn(async move {
            if let Err(error) = write_whole(&path, &filters.join("\n")).await {
                let why = format!("failed to write `{}`: {error}", path.display());
                drop(tell(&told_tx, Told::Failed(why)).await);
            }
        });
    }

    /// Panics in a task.
    pub(super) fn panic(&mut self) {
        self.tasks.spawn(async { panic!("a task was asked to panic") });
    }

    /// Forgets tasks that have ended: the set would keep them for ever.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
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

/// The file is there whole, or as it was.
async fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let beside = path.with_extension("new");
    tokio::fs::write(&beside, format!("{text}\n")).await?;
    tokio::fs::rename(&beside, path).await
}

async fn answer(client: &kube::Client, ask: &Ask) -> Result<Value> {
    let (Ask::Baselines(_) | Ask::LogsOf(_)) = ask else { return api::ask(client, ask).await };
    let mut lines = api::lines(client, &api::question(ask)).await?;
    let mut found = Vec::new();
    while let Some(line) = lines.next().await? {
        found.push(serde_json::from_slice(&line)?);
    }
    Ok(Value::Array(found))
}

async fn follow_traces(client: kube::Client, told_tx: mpsc::Sender<Told>, filter: &str) -> Result<(), Deaf> {
    let path = api::traces(filter);
    loop {
        let why = match api::lines(&client, &path).await {
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

/// A line of `/spur/v1/traces`: a trace, `{"lost": n}` or `{"sampled": n}`.
fn read_trace(line: &[u8]) -> Result<Told> {
    let error = match serde_json::from_slice::<Trace>(line) {
        Ok(trace) => return Ok(Told::Trace(Arc::new(trace))),
        Err(error) => error,
    };
    let line: Option<Value> = serde_json::from_slice(line).ok();
    let number = |field: &str| line.as_ref().and_then(|line| line[field].as_u64());
    let lost = number("lost").map(Told::Missed);
    lost.or(number("sampled").map(Told::Sampled))
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
                Ok(Some(line)) => tell(&told_tx, read_log_line(&source, &line)).await?,
                Ok(None) => break "(the log ends here; enter on the pod follows it again)".to_owned(),
                Err(error) => break format!("(the log broke off: {error})"),
            }
        },
        Err(error) => format!("({error})"),
    };
    tell(&told_tx, Told::LogEnded(source, how)).await
}

/// A line of a container's log as it was printed, or one of `/spur/v1/logs`: a line, or
/// `{"lost": n}`.
fn read_log_line(source: &LogSource, line: &[u8]) -> Told {
    let read = match source {
        LogSource::Container { .. } => Ok(LogLine::read(SystemTime::now(), line)),
        LogSource::All { .. } => serde_json::from_slice(line),
    };
    match read {
        Ok(mut line) => {
            line.message = log_line_for_terminal(line.message.as_bytes());
            Told::LogLine(source.clone(), Box::new(line))
        }
        Err(error) => {
            let value: Option<Value> = serde_json::from_slice(line).ok();
            match value.and_then(|value| value["lost"].as_u64()) {
                Some(n) => Told::Done(format!("{n} lines went by too fast to be shown")),
                None => Told::Failed(format!("failed to read a line: {error}")),
            }
        }
    }
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
        assert!(matches!(read_trace(br#"{"sampled":8}"#), Ok(Told::Sampled(8))));
        assert!(read_trace(b"{}").is_err());
        assert!(read_trace(b"nonsense").is_err());
    }

    #[test]
    fn a_line_of_a_log_is_cleaned_and_says_its_level() {
        let container =
            LogSource::Container { namespace: "a".into(), pod: "b".into(), container: "c".into() };
        let printed = b"level=warn \x1b[31mred \x1b]52;c;x\x07";
        let Told::LogLine(_, line) = read_log_line(&container, printed) else { panic!() };
        assert_eq!(
            (line.message.as_str(), line.severity.word()),
            (r"level=warn red \x1b]52;c;x\x07", "warn")
        );
        let all = LogSource::All { filter: String::new(), trace: None };
        let json = serde_json::to_vec(&crate::made::log_line("cart", "\x1b[1mhi")).unwrap();
        let Told::LogLine(_, line) = read_log_line(&all, &json) else { panic!() };
        assert_eq!((&*line.service, line.message.as_str()), ("cart", "hi"));
        let Told::Done(notice) = read_log_line(&all, br#"{"lost":3}"#) else { panic!() };
        assert_eq!(notice, "3 lines went by too fast to be shown");
        assert!(matches!(read_log_line(&all, b"{}"), Told::Failed(_)));
    }

    #[tokio::test]
    async fn a_file_is_written_whole_into_a_folder_that_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spur/filters");
        write_whole(&path, "a\nb").await.unwrap();
        write_whole(&path, "c").await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
        assert_eq!(std::fs::read_dir(folder.path().join("spur")).unwrap().count(), 1);
    }
}
