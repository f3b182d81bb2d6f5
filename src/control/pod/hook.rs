//! A container's lifecycle hooks: what one asks for, and one run of it. When it runs, and what its
//! failure means, is the worker's.
//!
//! Source of rules and words: `pkg/kubelet/lifecycle/handlers.go`.

use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use spur_net::Dial;
use spur_runtime::probe::{HttpGet, http_send};
use spur_runtime::{ExecError, PodId, Runtime};

use super::ports::PodPorts;
use super::probe;

/// A command of a hook has no limit in Kubernetes but the pod's grace, by which whoever waits for it
/// gives up; this one is for runtimes that want a number.
const EXEC_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How services tell hooks apart; the version is that of the API we serve.
const AGENT: HeaderValue = HeaderValue::from_static("kube-lifecycle/1.36");

/// A `postStart` or `preStop`, ready to be run.
#[derive(Clone, Debug)]
pub(super) enum Hook {
    Exec(Vec<String>),
    Http(HttpGet),
    Sleep(Duration),
    /// It fails each time for this reason. So does `tcpSocket`, which the API takes and no kubelet
    /// carries out.
    Impossible(String),
}

// === impl Hook ===

impl Hook {
    pub(super) fn new(handler: &LifecycleHandler, container: &Container, ports: &PodPorts) -> Self {
        let LifecycleHandler { exec, http_get, sleep, tcp_socket: _ } = handler;
        if let Some(exec) = exec {
            return Self::Exec(exec.command.clone().unwrap_or_default());
        }
        if let Some(get) = http_get {
            return match probe::http_target(get, container, ports) {
                Ok(mut target) => {
                    target.headers.entry(USER_AGENT).or_insert(AGENT);
                    Self::Http(target)
                }
                Err(why) => Self::Impossible(why),
            };
        }
        match sleep {
            Some(sleep) => Self::Sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or_default())),
            None => Self::Impossible("invalid handler".to_owned()),
        }
    }

    /// Runs it once, to its end.
    ///
    /// # Errors
    /// Why it has failed, in the kubelet's words.
    pub(super) async fn run(
        &self,
        (dial, runtime): (&Dial, &dyn Runtime),
        (pod, name): (&PodId, &str),
    ) -> Result<(), String> {
        let PodId { namespace, name: pod_name, uid } = pod;
        let of = format!("for Container {name:?} in Pod \"{pod_name}_{namespace}({uid})\" failed - error:");
        match self {
            Self::Sleep(duration) => {
                tokio::time::sleep(*duration).await;
                Ok(())
            }
            Self::Http(get) => {
                let answered = http_send(dial, get).await.map(|_| ());
                answered.map_err(|why| format!("HTTP lifecycle hook ({}) {of} {why}", get.path))
            }
            Self::Exec(command) => {
                let ran = runtime.exec(pod, name, command.clone(), EXEC_MAX).await;
                let (why, output) = match ran {
                    Ok(output) if output.exit_code == 0 => return Ok(()),
                    Ok(output) => {
                        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                        let code = output.exit_code;
                        let why = format!("command '{}' exited with {code}: {stderr}", command.join(" "));
                        (why, String::from_utf8_lossy(&output.stdout).into_owned() + &stderr)
                    }
                    Err(
                        error @ (ExecError::NotRunning { .. } | ExecError::TimedOut(_) | ExecError::Start(_)),
                    ) => (error.to_string(), String::new()),
                };
                let command = command.join(" ");
                Err(format!("Exec lifecycle hook ([{command}]) {of} {why}, message: {output:?}"))
            }
            Self::Impossible(why) => Err(format!("Cannot run handler: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spur_runtime::{ContainerPlan, ExecOutput, FakeRuntime};

    use super::*;

    fn hook(handler: Value) -> Hook {
        let handler: LifecycleHandler = serde_json::from_value(handler).unwrap();
        let container = json!({"name": "a", "ports": [{"name": "web", "containerPort": 8080}]});
        Hook::new(&handler, &serde_json::from_value(container).unwrap(), &PodPorts::default())
    }

    #[test]
    fn a_hook_is_what_its_handler_says() {
        let check = |handler: Value, wanted: &str| {
            let found = match hook(handler) {
                Hook::Exec(command) => format!("exec {command:?}"),
                Hook::Http(get) => format!("{}:{}{} {:?}", get.host, get.port, get.path, get.headers),
                Hook::Sleep(duration) => format!("sleep {duration:?}"),
                Hook::Impossible(why) => format!("impossible: {why}"),
            };
            assert_eq!(found, wanted);
        };
        check(json!({"exec": {"command": ["a", "b"]}}), "exec [\"a\", \"b\"]");
        check(json!({"sleep": {"seconds": 5}}), "sleep 5s");
        let agent = "{\"user-agent\": \"kube-lifecycle/1.36\"}";
        check(json!({"httpGet": {"port": "web", "path": "/bye"}}), &format!("127.0.0.1:8080/bye {agent}"));
        check(json!({"httpGet": {"port": "nope"}}), "impossible: couldn't find port by name nope");
        check(json!({"tcpSocket": {"port": 1}}), "impossible: invalid handler");
    }

    #[tokio::test]
    async fn a_command_that_fails_says_so_in_the_kubelets_words() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("shop", "web", "u-1"));
        fake.start(&pod, ContainerPlan::new("app", &["x"])).await.unwrap();
        let run = async || {
            hook(json!({"exec": {"command": ["sh", "-c"]}}))
                .run((&Dial::default(), &fake), (&pod, "app"))
                .await
        };
        assert_eq!(run().await, Ok(()));
        fake.on_exec(Box::new(|_, _| {
            let (stdout, stderr) = ("out".into(), "err".into());
            Ok(ExecOutput { exit_code: 3, stdout, stderr, is_truncated: false })
        }));
        let wanted = "Exec lifecycle hook ([sh -c]) for Container \"app\" in Pod \"web_shop(u-1)\" failed - \
                      error: command 'sh -c' exited with 3: err, message: \"outerr\"";
        assert_eq!(run().await, Err(wanted.to_owned()));
    }

    #[tokio::test]
    async fn any_answer_will_do_and_none_will_not() {
        let (fake, pod) = (FakeRuntime::new(), PodId::new("shop", "web", "u-1"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hook = hook(json!({"httpGet": {"port": port, "path": "/bye"}}));
        let app = axum::Router::new();
        let served = tokio::spawn(async move { axum::serve(listener, app).await });
        assert_eq!(hook.run((&Dial::default(), &fake), (&pod, "app")).await, Ok(()), "it is a 404");
        served.abort();
        assert!(served.await.unwrap_err().is_cancelled());
        let why = hook.run((&Dial::default(), &fake), (&pod, "app")).await.unwrap_err();
        assert!(why.starts_with("HTTP lifecycle hook (/bye) for Container \"app\""), "{why}");
        assert!(why.contains("connection refused"), "{why}");
    }
}
