//! The definitions of Istio and Gateway API, as they are published: each says what the bundled one
//! says, is accepted in its place, and serves objects.
//!
//! They are no part of this project. Where their folder is absent every test is reported as
//! ignored, with that reason; with `SPUR_REQUIRE=crds` its absence fails them.

mod bundled;
mod samples;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Map, Value, json};
use spur_api::{meta, yaml};
use spur_runtime::{FakeRuntime, Runtimes};
use spur_server::{Identity, Parts, User, bootstrap};
use spur_store::{Options, Store};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What `SPUR_REQUIRE` calls it.
const NEED: &str = "crds";

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The files that are known, and how many definitions each holds.
const FILES: [(&str, usize); 2] = [("istio.yaml.gz", 15), ("gateway-api-standard.yaml.gz", 10)];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let is_required =
        std::env::var("SPUR_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == NEED));
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/crds"));
    let absent = (!folder.is_dir()).then(|| format!("there is no folder `{}`", folder.display()));
    let trials = FILES.iter().map(|(name, n_wanted)| match &absent {
        None => {
            let file = folder.join(name);
            Trial::test(*name, move || {
                run(file, *n_wanted);
                Ok(())
            })
        }
        Some(why) if is_required => {
            let why = format!("SPUR_REQUIRE asks for the definitions, and {why}");
            Trial::test(*name, move || Err(why.into()))
        }
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

fn run(file: PathBuf, n_wanted: usize) {
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().expect("gzip runs");
    let text = String::from_utf8(unpacked.stdout).expect("UTF-8");
    let documents = yaml::documents(&text).expect("YAML");
    let definitions: Vec<Value> =
        documents.into_iter().filter(|document| document["kind"] == "CustomResourceDefinition").collect();
    assert_eq!(definitions.len(), n_wanted, "{}", file.display());
    let differences: Vec<String> = definitions.iter().flat_map(bundled::differences).collect();
    let n_entries: usize = definitions.iter().map(bundled::count).sum();
    println!("{n_entries} entries compared, {} differ", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = Server::start().await;
        for definition in &definitions {
            server.define(definition).await;
        }
        for sample in samples::all() {
            let group = meta::text(&sample, "/apiVersion").split('/').next().unwrap_or_default().to_owned();
            if definitions.iter().any(|definition| meta::text(definition, "/spec/group") == group) {
                server.hold(&sample, &definitions).await;
            }
        }
    });
}

/// A server over a store in memory.
struct Server(Router);

// === impl Server ===

impl Server {
    async fn start() -> Self {
        let store = Arc::new(Store::in_memory(Options::default()));
        bootstrap(&store).await.expect("the first namespaces can be made");
        let (_collector, traces) = spur_trace::collector(Vec::new(), spur_trace::Limits::default());
        Self(
            spur_server::Server::new(Parts {
                identity: Arc::new(Identity::generate().expect("random numbers")),
                store,
                runtimes: Runtimes::only(Arc::new(FakeRuntime::new())),
                table: Arc::default(),
                traces,
                logs: spur_trace::Logs::default(),
                redaction: std::sync::Arc::default(),
                entry: ([127, 0, 0, 1], 0).into(),
                facts: tokio::sync::watch::channel(Map::new()).1,
                routes: tokio::sync::watch::channel(0).1,
                ejected: std::sync::Arc::new(Vec::new),
                telemetry: std::sync::Arc::new(|| serde_json::Value::Null),
                draining: CancellationToken::new(),
            })
            .acting_as(User::admin()),
        )
    }

    /// Applies a definition and looks at what it brings.
    async fn define(&self, definition: &Value) {
        let name = meta::name(definition);
        let path = format!("{DEFINITIONS}?fieldValidation=Strict");
        let (code, created) = self.send(Method::POST, &path, definition).await;
        assert_eq!(code, 201, "{name}: {}", created["message"]);
        let conditions = created["status"]["conditions"].as_array().expect("conditions");
        assert!(conditions.iter().all(|condition| condition["status"] == "True"), "{name}: {conditions:?}");
        let (group, plural) =
            (meta::text(definition, "/spec/group"), meta::text(definition, "/spec/names/plural"));
        for version in
            meta::list(definition, "/spec/versions").iter().filter(|version| version["served"] == true)
        {
            let version = meta::text(version, "/name");
            let (code, list) =
                self.send(Method::GET, &format!("/apis/{group}/{version}/{plural}"), &Value::Null).await;
            assert_eq!((code, &list["items"]), (200, &json!([])), "{name} {version}");
            let (code, document) =
                self.send(Method::GET, &format!("/openapi/v3/apis/{group}/{version}"), &Value::Null).await;
            assert_eq!(code, 200);
            let schemas = document["components"]["schemas"].as_object().expect("schemas");
            let kind = meta::text(definition, "/spec/names/kind");
            assert!(
                schemas.keys().any(|key| key.ends_with(&format!(".{version}.{kind}"))),
                "{name} {version}"
            );
        }
    }

    /// Makes an object, reads it, changes it and shows it as a row.
    async fn hold(&self, sample: &Value, definitions: &[Value]) {
        let kind = meta::text(sample, "/kind");
        let definition = definitions.iter().find(|found| meta::text(found, "/spec/names/kind") == kind);
        let definition = definition.unwrap_or_else(|| panic!("no definition of {kind}"));
        let api_version = meta::text(sample, "/apiVersion");
        let within = if definition["spec"]["scope"] == "Namespaced" { "/namespaces/default" } else { "" };
        let plural = meta::text(definition, "/spec/names/plural");
        let path = format!("/apis/{api_version}{within}/{plural}");
        let (code, created) =
            self.send(Method::POST, &format!("{path}?fieldValidation=Strict"), sample).await;
        assert_eq!(code, 201, "{kind}: {}", created["message"]);
        let one = format!("{path}/{}", meta::name(sample));
        let (_, read) = self.send(Method::GET, &one, &Value::Null).await;
        assert_eq!(read, created, "{kind}");
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        let (code, changed) = self.send(Method::PATCH, &one, &label).await;
        assert_eq!(code, 200, "{kind}: {}", changed["message"]);
        for broken in samples::broken(sample) {
            let (code, refused) = self.send(Method::PATCH, &one, &broken).await;
            assert_eq!(code, 422, "{kind} took {broken}: {refused}");
        }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let media = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let bytes = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        let answer =
            self.0.clone().oneshot(request.body(bytes).expect("a request")).await.expect("an answer");
        let code = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        (code, serde_json::from_slice(&bytes).expect("JSON"))
    }
}
