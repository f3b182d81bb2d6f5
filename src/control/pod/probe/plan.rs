//! Reading a probe from the spec, with ports that really listen; and the check that stands in
//! for a readiness probe where the spec has none.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use spur_api::labels;
use spur_runtime::probe::{GrpcHealth, HttpGet, Protocol, Scheme};

use super::Kind;
use super::guess::{self, Guess};
use crate::pod::LOOPBACK;
use crate::pod::ports::PodPorts;

/// A probe, ready to be run.
#[derive(Clone, Debug)]
pub(in crate::pod) struct Plan {
    pub(in crate::pod) kind: Kind,
    pub(super) check: Check,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) success_threshold: u32,
    pub(super) failure_threshold: u32,
    /// The longest pause between extra tries, which then go on until the first success; else
    /// they end where they would be rarer than the tries that count.
    pub(super) longest_pause: Option<Duration>,
    /// Nobody asked for this check: why it is made, for people.
    pub(super) guessed: Option<String>,
    /// How long the container is given to end when this probe has failed it.
    pub(in crate::pod) grace: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    Http(HttpGet),
    Tcp {
        host: String,
        port: u16,
    },
    Grpc(GrpcHealth),
    Speaks {
        protocol: Protocol,
        host: String,
        port: u16,
    },
    Exec(Vec<String>),
    /// Every try fails for this reason, as with the kubelet, which tries all the same.
    Impossible(String),
}

/// A guessed check has time for a page that is made when it is first asked for. Nothing waits
/// for it meanwhile, since a server that does not listen refuses at once (our choice).
const GUESSED_TIMEOUT: Duration = Duration::from_secs(5);

/// How late a server that took long to start may be found ready where nobody chose a period
/// (our choice).
const GUESSED_PAUSE: Duration = Duration::from_secs(1);

/// The value of [`labels::READINESS`] with which nothing is guessed.
const NONE: &str = "none";

// === impl Plan ===

impl Plan {
    /// The probes of a container; where it has none for readiness, what its port speaks is
    /// asked for once it answers ([`guess`]), unless the pod wants none.
    pub(in crate::pod) fn all(pod: &Pod, container: &Container, ports: &PodPorts) -> Vec<Self> {
        let mut plans = Self::of_spec(container, ports);
        let wants_guess = pod.annotations().get(labels::READINESS).is_none_or(|value| value != NONE);
        if container.readiness_probe.is_none() && wants_guess {
            plans.extend(guess::guess(container).and_then(|guess| Self::guessed(&guess, container, ports)));
        }
        plans
    }

    fn of_spec(container: &Container, ports: &PodPorts) -> Vec<Self> {
        let probes = [
            (Kind::Startup, &container.startup_probe),
            (Kind::Liveness, &container.liveness_probe),
            (Kind::Readiness, &container.readiness_probe),
        ];
        let plan =
            |(kind, probe): (Kind, &Option<Probe>)| Some(Self::new(kind, probe.as_ref()?, container, ports));
        probes.into_iter().filter_map(plan).collect()
    }

    /// The numbers where a field is absent are Kubernetes' defaults
    /// (`pkg/apis/core/v1/defaults.go`, `SetDefaults_Probe`).
    fn new(kind: Kind, probe: &Probe, container: &Container, ports: &PodPorts) -> Self {
        let seconds = |field: Option<i32>, default: u64, min: u64| {
            let seconds = field.and_then(|n| u64::try_from(n).ok()).filter(|n| *n >= min);
            Duration::from_secs(seconds.unwrap_or(default))
        };
        let times = |field: Option<i32>, default: u32| {
            field.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default)
        };
        let grace = probe.termination_grace_period_seconds.and_then(|n| u64::try_from(n).ok());
        Self {
            kind,
            check: Check::new(probe, container, ports).unwrap_or_else(Check::Impossible),
            initial_delay: seconds(probe.initial_delay_seconds, 0, 0),
            period: seconds(probe.period_seconds, 10, 1),
            timeout: seconds(probe.timeout_seconds, 1, 1),
            success_threshold: times(probe.success_threshold, 1),
            failure_threshold: times(probe.failure_threshold, 3),
            longest_pause: None,
            guessed: None,
            grace: grace.map(Duration::from_secs),
        }
    }

    /// Kubernetes' defaults where nothing speaks against them.
    fn guessed(guess: &Guess, container: &Container, ports: &PodPorts) -> Option<Self> {
        let Guess { port: declared, protocol, by } = guess;
        let (host, port) = address(None, &IntOrString::Int(*declared), container, ports).ok()?;
        let why = format!(
            "Spur asks port {declared} for {protocol}, told by {by}, since there is no readinessProbe; annotation `{}: {NONE}` on the pod turns this off",
            labels::READINESS
        );
        Some(Self {
            kind: Kind::Readiness,
            check: Check::Speaks { protocol: *protocol, host, port },
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            timeout: GUESSED_TIMEOUT,
            success_threshold: 1,
            failure_threshold: 3,
            longest_pause: Some(GUESSED_PAUSE),
            guessed: Some(why),
            grace: None,
        })
    }

    /// Whether the first success is all that is wanted. A guess tells when a server has come
    /// up and nothing later: without a probe Kubernetes keeps a container ready as long as it
    /// runs, a guess must not take that away, and servers count and log who only looks in.
    pub(super) fn ends_with_success(&self) -> bool {
        match self.kind {
            Kind::Startup => true,
            Kind::Liveness | Kind::Readiness => self.guessed.is_some(),
        }
    }

    /// A failure as its event tells it.
    pub(super) fn failed(&self, why: &str) -> String {
        let word = self.kind.word();
        match &self.guessed {
            None => format!("{word} probe failed: {why}"),
            Some(guessed) => format!("{word} probe failed: {why} ({guessed})"),
        }
    }
}

// === impl Check ===

impl Check {
    fn new(probe: &Probe, container: &Container, ports: &PodPorts) -> Result<Self, String> {
        if let Some(get) = &probe.http_get {
            return Ok(Self::Http(http_target(get, container, ports)?));
        }
        if let Some(grpc) = &probe.grpc {
            let (host, port) = address(None, &IntOrString::Int(grpc.port), container, ports)?;
            return Ok(Self::Grpc(GrpcHealth {
                host,
                port,
                service: grpc.service.clone().unwrap_or_default(),
            }));
        }
        if let Some(tcp) = &probe.tcp_socket {
            let (host, port) = address(tcp.host.as_deref(), &tcp.port, container, ports)?;
            return Ok(Self::Tcp { host, port });
        }
        if let Some(exec) = &probe.exec {
            return Ok(Self::Exec(exec.command.clone().unwrap_or_default()));
        }
        Err("missing probe handler".to_owned())
    }
}

/// What an `httpGet` asks, of probes and of hooks.
pub(in crate::pod) fn http_target(
    get: &HTTPGetAction,
    container: &Container,
    ports: &PodPorts,
) -> Result<HttpGet, String> {
    let (host, port) = address(get.host.as_deref(), &get.port, container, ports)?;
    let path = get.path.clone().unwrap_or_else(|| "/".to_owned());
    Ok(HttpGet { host, port, scheme: scheme(get)?, path, headers: headers(get)? })
}

/// Host and port to connect to. On this machine a port that the container declares is the
/// real one in its place; any other number, and every port of another host, is meant as it is.
fn address(
    host: Option<&str>,
    port: &IntOrString,
    container: &Container,
    ports: &PodPorts,
) -> Result<(String, u16), String> {
    let own = ports.address();
    let host = host.filter(|host| !host.is_empty()).unwrap_or(&own);
    let declared = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => named(name, container)?,
    };
    let is_here = host == own || own == LOOPBACK && host == "localhost";
    let real = ports.real(&container.name, declared).filter(|_| is_here);
    let number = u16::try_from(declared).ok().filter(|number| *number > 0);
    match real.or(number) {
        Some(number) => Ok((host.to_owned(), number)),
        None => Err(format!("invalid port number: {declared}")),
    }
}

fn named(name: &str, container: &Container) -> Result<i32, String> {
    let port = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name));
    port.map(|port| port.container_port).ok_or_else(|| format!("couldn't find port by name {name}"))
}

/// The words are the API's; admission takes no other.
fn scheme(get: &HTTPGetAction) -> Result<Scheme, String> {
    match get.scheme.as_deref() {
        None | Some("" | "HTTP") => Ok(Scheme::Http),
        Some("HTTPS") => Ok(Scheme::Https),
        Some(other) => Err(format!("scheme {other:?} is neither HTTP nor HTTPS")),
    }
}

fn headers(get: &HTTPGetAction) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in get.http_headers.iter().flatten() {
        let name: HeaderName =
            header.name.parse().map_err(|_| format!("invalid header name: {:?}", header.name))?;
        let value: HeaderValue =
            header.value.parse().map_err(|_| format!("invalid value of header {}", header.name))?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;
    use crate::pod::tests::port_allocator;

    /// What a readiness probe asks, with `REAL` for the real port of 8080.
    fn asks(probe: Value) -> String {
        let container = json!({"readinessProbe": probe, "ports": [{"containerPort": 8080, "name": "web"}]});
        asks_of(json!({}), container).expect("there is a probe")
    }

    /// What a container is asked for readiness.
    fn asks_of(metadata: Value, mut container: Value) -> Option<String> {
        container["name"] = json!("a");
        let pod = json!({"metadata": metadata, "spec": {"containers": [container]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let ports = PodPorts::allocate(&pod, &port_allocator()).unwrap();
        let plans = Plan::all(&pod, &pod.spec.as_ref().unwrap().containers[0], &ports);
        let plan = plans.iter().find(|plan| plan.kind == Kind::Readiness)?;
        let text = match &plan.check {
            Check::Http(get) => {
                let scheme = if get.scheme == Scheme::Https { "https" } else { "http" };
                format!("{scheme}://{}:{}{} {:?}", get.host, get.port, get.path, get.headers)
            }
            Check::Grpc(grpc) => format!("grpc {}:{} {:?}", grpc.host, grpc.port, grpc.service),
            Check::Tcp { host, port } => format!("tcp {host}:{port}"),
            Check::Speaks { protocol, host, port } => format!("{protocol} {host}:{port}"),
            Check::Exec(command) => format!("exec {command:?}"),
            Check::Impossible(why) => format!("impossible: {why}"),
        };
        Some(text.replace(&ports.real("a", 8080).unwrap().to_string(), "REAL"))
    }

    #[test]
    fn a_guess_stands_in_for_a_readiness_probe_only() {
        let check = |metadata: Value, container: Value, wanted: Option<&str>| {
            assert_eq!(asks_of(metadata, container.clone()).as_deref(), wanted, "{container}");
        };
        let ports = json!([{"containerPort": 8080, "name": "http"}]);
        let exec = json!({"exec": {"command": ["x"]}});
        let guess = Some("HTTP 127.0.0.1:REAL");
        check(json!({}), json!({"ports": ports}), guess);
        check(json!({}), json!({"ports": ports, "livenessProbe": exec, "startupProbe": exec}), guess);
        check(json!({}), json!({"ports": ports, "readinessProbe": exec}), Some("exec [\"x\"]"));
        check(json!({}), json!({"ports": [{"containerPort": 8080}]}), None);
        let annotated = |value: &str| json!({"annotations": {"spur.dev/readiness": value}});
        check(annotated("none"), json!({"ports": ports}), None);
        check(annotated("something"), json!({"ports": ports}), guess);
    }

    #[test]
    fn a_guess_says_so_in_its_event_and_ends_with_its_success() {
        let container = json!({"name": "a", "image": "redis:8", "ports": [{"containerPort": 6379}]});
        let container: Container = serde_json::from_value(container).unwrap();
        let plan = Plan::all(&Pod::default(), &container, &PodPorts::default()).remove(0);
        assert_eq!(
            plan.failed("it loads"),
            "Readiness probe failed: it loads (Spur asks port 6379 for Redis, told by the image `redis:8`, since there is no readinessProbe; annotation `spur.dev/readiness: none` on the pod turns this off)"
        );
        assert!(plan.ends_with_success());
        let asked = json!({"name": "a", "readinessProbe": {"exec": {"command": ["x"]}}});
        let asked: Container = serde_json::from_value(asked).unwrap();
        let plan = Plan::all(&Pod::default(), &asked, &PodPorts::default()).remove(0);
        assert_eq!(plan.failed("no"), "Readiness probe failed: no");
        assert!(!plan.ends_with_success());
    }

    #[test]
    fn declared_ports_become_real_ones() {
        let check = |probe: Value, wanted: &str| assert_eq!(asks(probe), wanted);
        check(json!({"httpGet": {"port": "web", "path": "/ok"}}), "http://127.0.0.1:REAL/ok {}");
        check(json!({"httpGet": {"port": 8080}}), "http://127.0.0.1:REAL/ {}");
        check(json!({"httpGet": {"port": 8080, "host": "localhost"}}), "http://localhost:REAL/ {}");
        check(json!({"httpGet": {"port": 8080, "host": "10.0.0.1"}}), "http://10.0.0.1:8080/ {}");
        check(json!({"httpGet": {"port": "web", "scheme": "HTTPS"}}), "https://127.0.0.1:REAL/ {}");
        check(json!({"httpGet": {"port": 8080, "scheme": "HTTP"}}), "http://127.0.0.1:REAL/ {}");
        check(json!({"grpc": {"port": 8080, "service": "shop"}}), "grpc 127.0.0.1:REAL \"shop\"");
        check(json!({"grpc": {"port": 9000}}), "grpc 127.0.0.1:9000 \"\"");
        check(json!({"tcpSocket": {"port": "web"}}), "tcp 127.0.0.1:REAL");
        check(json!({"tcpSocket": {"port": 5432}}), "tcp 127.0.0.1:5432");
        check(json!({"exec": {"command": ["true"]}}), "exec [\"true\"]");
        let headers = json!([{"name": "X-A", "value": "1"}]);
        check(
            json!({"httpGet": {"port": "web", "httpHeaders": headers}}),
            "http://127.0.0.1:REAL/ {\"x-a\": \"1\"}",
        );
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let check = |probe: Value, wanted: &str| assert_eq!(asks(probe), format!("impossible: {wanted}"));
        check(json!({"httpGet": {"port": "nope"}}), "couldn't find port by name nope");
        check(json!({"tcpSocket": {"port": 70000}}), "invalid port number: 70000");
        check(json!({"grpc": {"port": 0}}), "invalid port number: 0");
        let ftp = json!({"httpGet": {"port": 1, "scheme": "FTP"}});
        check(ftp, "scheme \"FTP\" is neither HTTP nor HTTPS");
        let headers = json!([{"name": "a b", "value": "1"}]);
        check(json!({"httpGet": {"port": 1, "httpHeaders": headers}}), "invalid header name: \"a b\"");
    }

    #[test]
    fn absent_numbers_are_kubernetes_defaults() {
        let container: Container = serde_json::from_value(json!({
            "name": "a",
            "livenessProbe": {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 7},
            "startupProbe": {"exec": {"command": ["x"]}, "periodSeconds": 2, "failureThreshold": 5,
                             "timeoutSeconds": 3, "initialDelaySeconds": 4},
        }))
        .unwrap();
        let plans = Plan::all(&Pod::default(), &container, &PodPorts::default());
        let numbers = |plan: &Plan| {
            let seconds = [plan.initial_delay, plan.period, plan.timeout].map(|time| time.as_secs());
            (plan.kind, seconds, plan.success_threshold, plan.failure_threshold)
        };
        assert_eq!(numbers(&plans[0]), (Kind::Startup, [4, 2, 3], 1, 5));
        assert_eq!(numbers(&plans[1]), (Kind::Liveness, [0, 10, 1], 1, 3));
        assert_eq!(plans[1].grace, Some(Duration::from_secs(7)));
    }
}
