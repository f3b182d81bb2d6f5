//! `spur up`: build every part, connect them, run, drain.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, json};
use spur_cli::args::{
    ApplyArgs, CaptureArgs, CaptureChoice, RuntimeChoice, ServicePortsChoice, Tracing, UpArgs, UpOutput,
};
use spur_cli::{ClientCommand, ConnectionArgs};
use spur_control::{GatewayPorts, ServiceNetworkOf, ServicePorts, UsualRuntime};
use spur_intake::{ExportTarget, Intake, MetricStore};
use spur_net::{Callers, Destination, Dial, Inlet, Limits, Listening};
use spur_proxy::{AccessLog, AccessLogWriter, Config as ProxyConfig, Proxy};
use spur_route::RoutingTable;
use spur_runtime::ports::PortAllocator;
use spur_runtime::process::{PRIVATE_NETWORK, ProcessConfig, ProcessRuntime};
use spur_runtime::volumes::Volumes;
use spur_runtime::{Runtime, RuntimeKind, Runtimes};
use spur_server::{Server, User};
use spur_store::{Options, Store};
use spur_trace::{CapturePolicy, Logs, Redaction, SpillTo};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::addresses::{Addresses, announce, write_kubeconfig};
use crate::config::Config;
use crate::docker::{self, Docker};
use crate::environments;
use crate::gateways::Gateways;
use crate::identity;
use crate::interface::{self, Interface};
use crate::recording::{self, Recording};
use crate::say::say;
use crate::scrape;
use crate::shutdown::{Signals, stdin_ended, store_failed};
use crate::status;

/// What pods get to end after SIGTERM when all of Spur ends. Shorter than
/// Kubernetes' 30 s: a developer waits for the prompt.
const POD_GRACE: Duration = Duration::from_secs(5);
/// What requests get to end where nothing else is asked for.
const REQUEST_GRACE: Duration = Duration::from_secs(5);
/// How long a client of the API may leave an answer unread: nginx' `send_timeout`. Whoever watches
/// comes back with what it has seen last.
const UNREAD_FOR: Duration = Duration::from_secs(60);

/// Everything that runs, and what ends it.
struct Running {
    store: Arc<Store>,
    processes: Arc<ProcessRuntime>,
    docker: Docker,
    proxy: spur_proxy::Handle,
    api: Server,
    /// Ends controllers, then the server.
    stop_control: CancellationToken,
    stop_server: CancellationToken,
    control: JoinHandle<()>,
    server: JoinHandle<spur_net::Served>,
    recording: Recording,
    /// What requests get to end.
    request_grace: Duration,
    log_writer: Option<AccessLogWriter>,
    addresses: Addresses,
}

/// Runs until a signal; errors are told on stderr.
pub(crate) async fn up(args: UpArgs, config: Config) -> ExitCode {
    match run(args, config).await {
        Ok(code) => code,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: UpArgs, config: Config) -> Result<ExitCode> {
    let UpArgs {
        data,
        filename,
        listen,
        port,
        entry_port,
        metrics_listen,
        otlp_listen,
        otlp_export,
        runtime,
        service_ports,
        output,
        no_ui,
        workers,
        limit,
        tracing,
        capture,
        access_log,
        rm,
        until_stdin_ends,
    } = args;
    check_supported(listen)?;
    let export = otlp_export.map(|url| export_target(&url, config.otlp_headers.as_deref())).transpose()?;
    let usual = Limits { drain_timeout: REQUEST_GRACE, ..Limits::default() };
    let api_limits = limits(Limits { unread_timeout: Some(UNREAD_FOR), ..usual.clone() }, &limit)?;
    let limits = limits(usual, &limit)?;
    let mut signals = Signals::listen().context("failed to take over signals")?;
    let data = data.unwrap_or_else(|| config.data_dir.clone());
    make_private(&data)?;
    let identity = data.join("identity");
    identity::check(&identity)?;
    let dial = Dial::new(PRIVATE_NETWORK);
    let (store, processes) = open(&data, &config, dial.clone()).await?;
    let docker = docker::open(&data, &config, runtime).await?;
    let identity = identity::open(&identity)?;
    let api = bind(listen, port, UpArgs::PORT_USUAL, output, "--port")?;
    let entry = bind(listen, entry_port, UpArgs::ENTRY_PORT_USUAL, output, "--entry-port")?;
    let metrics = spur_net::bind(metrics_listen)?;
    let otlp = spur_net::bind(otlp_listen)?;
    let access_log = crate::access_log::open(&access_log)?;
    let workers =
        workers.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let running = start(
        &data,
        &config,
        Bound {
            store,
            processes,
            dial,
            docker,
            usual_runtime: usual_runtime(runtime),
            service_ports: match service_ports {
                ServicePortsChoice::Own => ServicePorts::Own,
                ServicePortsChoice::Free => ServicePorts::Free,
            },
            identity,
            api,
            entry,
            metrics,
            otlp,
            export,
            workers,
            limits,
            api_limits,
            tracing,
            capture,
            access_log,
        },
    )
    .await?;
    let recorded = environments::record(&config, &data, &running.addresses.api, rm)?;
    let applied = if filename.is_empty() {
        ExitCode::SUCCESS
    } else {
        apply(&running.addresses, filename, &config).await
    };
    let mut code = applied;
    if applied == ExitCode::SUCCESS {
        announce(&running.addresses, output);
        let wants_ui = !no_ui && output == UpOutput::Text;
        let mut shown = wants_ui.then(|| Interface::open(&running.addresses, &config)).flatten();
        tokio::select! {
            () = signals.next() => {}
            () = stdin_ended(), if until_stdin_ends => {}
            () = interface::interrupted(&mut shown) => {}
            cause = store_failed(running.store.health_changes()) => {
                let data = data.display();
                say(format_args!(
                    "error: the store in `{data}` takes no writes any more: {cause}\nhint: see to the disk, then start again: nothing acknowledged is lost"
                ));
                code = ExitCode::FAILURE;
            }
        }
        if let Some(interface) = shown {
            interface.close().await;
        }
    }
    let end = async {
        running.end().await;
        if rm {
            environments::remove_own(&config, &data).await;
        }
        drop(recorded);
    };
    tokio::select! {
        () = end => Ok(code),
        () = signals.next() => {
            say("second signal: ending at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The usual limits, but for what was asked for.
pub(crate) fn limits(mut limits: Limits, asked: &[String]) -> Result<Limits> {
    for assignment in asked {
        limits.set(assignment)?;
    }
    Ok(limits)
}

fn usual_runtime(choice: RuntimeChoice) -> UsualRuntime {
    match choice {
        RuntimeChoice::Auto => UsualRuntime::Auto,
        RuntimeChoice::Process => UsualRuntime::Process,
        RuntimeChoice::Docker => UsualRuntime::Docker,
    }
}

/// Says what is not built instead of doing something else.
fn check_supported(listen: IpAddr) -> Result<()> {
    if !listen.is_loopback() {
        bail!(
            "refusing to listen on `{listen}`: the entry has no authentication, so listening for other machines is not supported yet\nhint: leave --listen out to listen on 127.0.0.1"
        );
    }
    Ok(())
}

/// Where traces are sent on to.
fn export_target(url: &str, headers: Option<&str>) -> Result<ExportTarget> {
    let target: ExportTarget = url.parse().context("failed to read --otlp-export")?;
    target.with_headers(headers.unwrap_or_default()).context("failed to read OTEL_EXPORTER_OTLP_HEADERS")
}

fn make_private(dir: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let found = made.and_then(|()| std::fs::metadata(dir));
    let found = found.with_context(|| {
        format!("failed to make the data directory `{}` (choose another with --data)", dir.display())
    })?;
    // Others may look: what is secret lies in directories of its own. Who may write could put
    // directories of theirs in the place of those (`sshd_config`, StrictModes, for the same reason).
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let dir = dir.display();
        bail!(
            "data directory `{dir}` can be written by other users: mode {mode:03o}, expected 700\nhint: chmod 700 '{dir}'"
        );
    }
    Ok(())
}

/// Opens the store, then the runtime: whoever holds the store owns the processes.
async fn open(data: &Path, config: &Config, dial: Dial) -> Result<(Arc<Store>, Arc<ProcessRuntime>)> {
    let store_dir = data.join("store");
    let store = tokio::task::spawn_blocking(move || Store::open(&store_dir, Options::default()));
    let store = store.await.context("the store crashed while it was opened")??;
    let dir = data.join("pods");
    let base_env = config.pod_env.clone();
    let (runtime, reaped) = ProcessRuntime::open(ProcessConfig { dir, base_env, dial }).await?;
    if !reaped.is_empty() {
        say(format_args!("ended {} processes that an earlier spur left behind", reaped.len()));
    }
    Ok((Arc::new(store), Arc::new(runtime)))
}

/// Secrets lie in memory where the system has a place for that.
fn open_volumes(data: &Path) -> Result<Volumes> {
    let id = docker::environment_id(data)?;
    let memory = Some(memory_dir(&id)).filter(|dir| dir.parent().is_some_and(Path::is_dir));
    let volumes = Volumes::open(&data.join("volumes"), memory.as_deref());
    volumes.context("failed to open the place for volumes")
}

/// Where an environment's secrets lie in memory.
pub(crate) fn memory_dir(id: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("spur-{id}"))
}

/// Binds the port that was asked for, else the usual one, else, for scripts, a free one.
fn bind(listen: IpAddr, asked: Option<u16>, usual: u16, output: UpOutput, flag: &str) -> Result<TcpListener> {
    let bound = spur_net::bind(SocketAddr::new(listen, asked.unwrap_or(usual)));
    match (bound, asked, output) {
        (Ok(listener), ..) => Ok(listener),
        (Err(_), None, UpOutput::Json) => Ok(spur_net::bind(SocketAddr::new(listen, 0))?),
        (Err(error), ..) => {
            let error = anyhow::Error::from(error);
            bail!("{error:#}\nhint: choose another port with {flag}, or {flag} 0 for a free one")
        }
    }
}

/// What was opened and bound before anything runs.
struct Bound {
    store: Arc<Store>,
    processes: Arc<ProcessRuntime>,
    /// How pods are reached.
    dial: Dial,
    docker: Docker,
    usual_runtime: UsualRuntime,
    service_ports: ServicePorts,
    identity: identity::Opened,
    api: TcpListener,
    entry: TcpListener,
    metrics: TcpListener,
    otlp: TcpListener,
    /// Where finished traces are sent on to.
    export: Option<ExportTarget>,
    workers: usize,
    limits: Limits,
    api_limits: Limits,
    tracing: Tracing,
    capture: CaptureArgs,
    access_log: Option<(AccessLog, AccessLogWriter)>,
}

async fn start(data: &Path, config: &Config, bound: Bound) -> Result<Running> {
    let Bound {
        store,
        processes,
        dial,
        docker,
        usual_runtime,
        service_ports,
        identity,
        api,
        entry,
        metrics,
        otlp,
        export,
        workers,
        limits,
        api_limits,
        tracing,
        capture,
        access_log,
    } = bound;
    let api_address = api.local_addr()?;
    let entry_address = entry.local_addr()?;
    let table = Arc::new(ArcSwap::from_pointee(RoutingTable::build(0, Vec::new(), Vec::new())));
    let request_grace = limits.drain_timeout;
    let redaction = Arc::new(Redaction::default().with(&capture.redact));
    let (access_log, log_writer) = access_log.unzip();
    let config_of_proxy = ProxyConfig {
        limits,
        dial: dial.clone(),
        records_hops: tracing == Tracing::On,
        capture: match capture.capture {
            CaptureChoice::Keyed => CapturePolicy::Keyed,
            CaptureChoice::All => CapturePolicy::All,
            CaptureChoice::Off => CapturePolicy::Off,
        },
        redaction: redaction.clone(),
        access_log,
        ..ProxyConfig::new(workers, table.clone())
    };
    let proxy = Proxy::start(config_of_proxy)?;
    let entry = Inlet {
        listener: entry,
        callers: Callers::Anybody,
        destination: Destination::Entry,
        closed: CancellationToken::new(),
    };
    proxy.inlets().send(entry).await.context("the proxy ended at once")?;

    let disk = capture.keep_on_disk.map(|max_bytes| SpillTo { dir: data.join("traces"), max_bytes });
    let rings = proxy.rings().to_vec();
    let recording =
        Recording::start(recording::Wanted { rings, redaction: redaction.clone(), disk, export })?;
    let traces = recording.traces.clone();

    let stop_server = CancellationToken::new();
    let (logs, reported) = (Logs::default(), MetricStore::default());
    let metrics = scrape::serve(metrics, (proxy.metrics(), Some(reported.clone())), stop_server.clone())?;
    let intake = Intake::new(spur_intake::Parts {
        spans: recording.spans.clone(),
        logs: logs.clone(),
        metrics: reported.clone(),
        traces: traces.clone(),
        stop: stop_server.clone(),
    });
    let otlp = spur_intake::serve(otlp, intake.clone())?;
    let addresses = Addresses {
        api: format!("https://{api_address}"),
        entry: format!("http://{entry_address}"),
        metrics: format!("http://{metrics}/metrics"),
        otlp: format!("http://{otlp}"),
        kubeconfig: data.join("kubeconfig"),
        data: data.to_owned(),
    };
    let (services_tx, services_rx) = watch::channel(Map::new());
    let (routes_tx, routes) = watch::channel(0);
    let (ports_tx, ports_rx) = watch::channel(GatewayPorts::default());
    let gateways = Gateways::new(entry_address.ip(), proxy.inlets());
    tokio::spawn(gateways.follow(table.clone(), routes.clone(), ports_tx));
    let mut facts = addresses.facts();
    facts.insert("tracing".to_owned(), json!(if tracing == Tracing::On { "on" } else { "off" }));
    let (facts_tx, facts_rx) = watch::channel(facts.clone());
    // At once, so that they share a transaction and its fsyncs.
    tokio::try_join!(
        spur_server::bootstrap(&store),
        spur_server::publish_address(&store, api_address),
        spur_server::publish_telemetry(&store, otlp)
    )?;
    let identity::Opened { identity, tls, admin } = identity;
    let docker_runtime = docker.clone().map(|docker| docker as Arc<dyn Runtime>);
    let runtimes = Runtimes::new(processes.clone(), docker_runtime);
    let server = Server::new(spur_server::Parts {
        store: store.clone(),
        runtimes: runtimes.clone(),
        identity,
        table: table.clone(),
        traces,
        logs: logs.clone(),
        redaction,
        entry: entry_address,
        facts: facts_rx,
        routes,
        ejected: Arc::new(status::ejected(proxy.metrics())),
        telemetry: Arc::new(status::telemetry(intake.clone(), (logs, reported), recording.told())),
        draining: stop_server.clone(),
    });
    api.set_nonblocking(true)?;
    let listening = Listening { tcp: tokio::net::TcpListener::from_std(api)?, tls: Some(tls) };
    let service = TowerToHyperService::new(server.on_network(&[]));
    let serving = tokio::spawn(spur_net::serve(listening, service, api_limits, stop_server.clone()));
    write_kubeconfig(&addresses, &admin)?;

    let volumes = open_volumes(data)?;
    let stop_control = CancellationToken::new();
    tokio::spawn(status::merge_facts(facts, (services_rx, ports_rx.clone()), facts_tx));
    let client = kube::Client::new(server.acting_as(User::controller("spur")), "default");
    let heartbeat = spur_control::heartbeat(client.clone(), stop_control.clone());
    let controllers = spur_control::run(spur_control::Parts {
        client,
        runtimes,
        usual_runtime,
        service_networks: service_networks(data, &processes, &docker)?,
        dial,
        volumes: Arc::new(volumes),
        inlets_tx: proxy.inlets(),
        datagrams_tx: proxy.datagrams(),
        service_ports,
        table,
        services_tx,
        routes_tx,
        gateway_ports_rx: ports_rx,
        entry_port: entry_address.port(),
        telemetry: Some(otlp),
        executable: config.environment.executable.clone(),
        search_path: config.pod_env.get("PATH").cloned().unwrap_or_default(),
        ports: Arc::new(PortAllocator::per_user(&config.environment.temp_dir)?),
        authority_pem: admin.authority_pem,
        stop: stop_control.clone(),
    });
    let control = tokio::spawn(async { tokio::join!(controllers, heartbeat).0 });
    Ok(Running {
        store,
        processes,
        docker,
        proxy,
        api: server,
        stop_control,
        stop_server,
        control,
        server: serving,
        recording,
        request_grace,
        log_writer,
        addresses,
    })
}

/// Where pods reach Services at addresses: private ones of processes, and containers.
fn service_networks(
    data: &Path,
    processes: &ProcessRuntime,
    docker: &Docker,
) -> Result<Vec<ServiceNetworkOf>> {
    let data = std::path::absolute(data)?;
    let of_processes = ServiceNetworkOf {
        runtime: RuntimeKind::Process,
        network: processes.service_network(),
        hosts_dir: data.join("pods/hosts"),
    };
    let of_docker = docker.as_ref().ok().map(|docker| ServiceNetworkOf {
        runtime: RuntimeKind::Docker,
        network: docker.service_network(),
        hosts_dir: data.join("docker/hosts"),
    });
    Ok(std::iter::once(of_processes).chain(of_docker).collect())
}

/// Applies files through the API, as `spur apply -f` does; stdout is for the one line of [`announce`].
async fn apply(addresses: &Addresses, filename: Vec<PathBuf>, config: &Config) -> ExitCode {
    let connection =
        ConnectionArgs { kubeconfig: Some(addresses.kubeconfig.clone()), ..ConnectionArgs::default() };
    let command = ClientCommand::Apply(ApplyArgs {
        filename: filename.into_iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        recursive: false,
        namespace: None,
        force_conflicts: false,
        dry_run: false,
        output: None,
    });
    spur_cli::run_on_stderr(connection, command, config.environment.clone()).await
}

// === impl Running ===

impl Running {
    /// Ends everything, in the order in which the parts depend on each other:
    /// `/readyz` says no, no new requests, no new pods, then pods, then the server and the store.
    async fn end(self) {
        let Self {
            store,
            processes,
            docker,
            proxy,
            api,
            stop_control,
            stop_server,
            control,
            server,
            recording,
            request_grace,
            log_writer,
            addresses: _,
        } = self;
        api.begin_ending();
        let drained = proxy.drain(request_grace).await;
        tracing::info!(?drained, "the proxy has ended");
        if let Some(writer) = log_writer {
            writer.finish();
        }
        stop_control.cancel();
        let _ = control.await;
        tracing::info!("the controllers have ended");
        let (of_processes, of_docker) = tokio::join!(processes.shutdown(POD_GRACE), async {
            match &docker {
                Ok(docker) => docker.shutdown(POD_GRACE).await,
                Err(_) => Ok(()),
            }
        });
        for error in of_processes.err().into_iter().chain(of_docker.err()) {
            say(format_args!("warning: {error}"));
        }
        tracing::info!("the pods have ended");
        stop_server.cancel();
        let _ = server.await;
        tracing::info!("the server has ended");
        recording.end().await;
        let closed = tokio::task::spawn_blocking(move || store.close());
        let _ = closed.await;
    }
}
