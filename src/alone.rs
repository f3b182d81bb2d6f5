//! `spur proxy`: the data plane alone, by the rules in files.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use serde_json::json;
use spur_cli::args::{ProxyArgs, Tracing, UpOutput};
use spur_net::{Callers, Destination, Inlet, Limits};
use spur_proxy::{Config as ProxyConfig, Drained, Proxy};
use spur_route::RoutingTable;
use spur_trace::CapturePolicy;
use tokio_util::sync::CancellationToken;

use crate::folder::{Folder, remark};
use crate::gateways::Gateways;
use crate::say::say;
use crate::scrape;
use crate::shutdown::Signals;

/// Runs until a signal; errors are told on stderr.
pub(crate) async fn proxy(args: ProxyArgs) -> ExitCode {
    match run(args).await {
        Ok(code) => code,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: ProxyArgs) -> Result<ExitCode> {
    let ProxyArgs { filename, listen, metrics_listen, workers, limit, tracing, access_log, output } = args;
    let limits = crate::up::limits(Limits::default(), &limit)?;
    let mut signals = Signals::listen().context("failed to take over signals")?;
    let listener = spur_net::bind(listen)?;
    let entry = listener.local_addr()?;
    let mut folder = Folder::new(filename, entry.port());
    // The first time there is nothing to stay with.
    let first = match folder.read() {
        Ok(first) => first.context("there are no files")?,
        Err(error) => {
            say(format_args!("error: {error}"));
            return Ok(ExitCode::from(2));
        }
    };
    remark(&first);
    let workers =
        workers.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let table = Arc::new(ArcSwap::from_pointee(RoutingTable::default()));
    let request_grace = limits.drain_timeout;
    let (access_log, log_writer) = crate::access_log::open(&access_log)?.unzip();
    let config = ProxyConfig {
        limits,
        records_hops: tracing == Tracing::On,
        // Nobody could ask for them.
        capture: CapturePolicy::Off,
        access_log,
        ..ProxyConfig::new(workers, table.clone())
    };
    let proxy = Proxy::start(config)?;
    let mut gateways = Gateways::new(entry.ip(), proxy.inlets());
    serve(&mut gateways, &first.table);
    let n_objects = first.n_objects;
    table.store(Arc::new(first.table));
    let inlet = Inlet {
        listener,
        callers: Callers::Anybody,
        destination: Destination::Entry,
        closed: CancellationToken::new(),
    };
    proxy.inlets().send(inlet).await.context("the proxy ended at once")?;
    let stop_metrics = CancellationToken::new();
    let metrics = spur_net::bind(metrics_listen)?;
    let metrics = scrape::serve(metrics, (proxy.metrics(), None), stop_metrics.clone())?;
    let _stops_metrics = stop_metrics.drop_guard();
    announce((entry, metrics), &gateways.ports().open, n_objects, output);
    tokio::select! {
        followed = folder.follow(table, |table| serve(&mut gateways, table)) => followed?,
        () = signals.next() => {}
    }
    tokio::select! {
        drained = proxy.drain(request_grace) => {
            if let Drained::Cut { n_connections } = drained {
                say(format_args!("cut {n_connections} connections that did not end in time"));
            }
            if let Some(writer) = log_writer {
                writer.finish();
            }
            Ok(ExitCode::SUCCESS)
        }
        () = signals.next() => {
            say("second signal: ending at once");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn announce((entry, metrics): (SocketAddr, SocketAddr), ports: &[u16], n_objects: usize, output: UpOutput) {
    match output {
        UpOutput::Json => println!(
            "{}",
            json!({
                "entry": format!("http://{entry}"),
                "gatewayPorts": ports,
                "metrics": format!("http://{metrics}/metrics"),
            })
        ),
        UpOutput::Text => {
            say(format_args!("listening on http://{entry}, {n_objects} objects"));
            say(format_args!("metrics   http://{metrics}/metrics"));
            for port in ports {
                say(format_args!("gateway   http://{}", SocketAddr::new(entry.ip(), *port)));
            }
        }
    }
}

/// Opens what the gateways of a table have, and tells what is wrong with their certificates.
fn serve(gateways: &mut Gateways, table: &RoutingTable) {
    gateways.serve(table);
    for (gateway, fault) in spur_control::certificate_faults(table) {
        say(format_args!("warning: gateway `{gateway}`: {fault}"));
    }
}
