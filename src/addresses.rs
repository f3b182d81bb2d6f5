//! Where a running Spur is reached, and the three ways to tell: the ready line,
//! the kubeconfig, and the facts of `/spur/v1/status`.

use std::path::PathBuf;

use anyhow::Result;
use base64::Engine;
use serde_json::{Map, Value, json};
use spur_cli::args::UpOutput;

use crate::identity::{self, Admin};

/// Where to reach what runs.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) api: String,
    pub(crate) entry: String,
    pub(crate) metrics: String,
    pub(crate) otlp: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) data: PathBuf,
}

/// Says on stdout that everything is ready.
pub(crate) fn announce(addresses: &Addresses, output: UpOutput) {
    match output {
        UpOutput::Json => {
            let line = json!({
                "pid": std::process::id(),
                "api": addresses.api,
                "kubeconfig": addresses.kubeconfig,
                "entry": addresses.entry,
            });
            println!("{line}");
        }
        UpOutput::Text => {
            println!("spur is up");
            println!("  API    {}", addresses.api);
            println!("  entry  {}   (http://<service>.<namespace>.localhost:…)", addresses.entry);
            println!("  data   {}", addresses.data.display());
            println!("  export KUBECONFIG={}", addresses.kubeconfig.display());
            println!("Ctrl-C ends it and its pods.");
        }
    }
}

/// A kubeconfig for this server; readable by its owner only.
pub(crate) fn write_kubeconfig(addresses: &Addresses, admin: &Admin) -> Result<()> {
    let Admin { authority_pem, credential, token } = admin;
    let data = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "spur", "cluster": {
            "server": addresses.api,
            "certificate-authority-data": data(authority_pem),
        }}],
        "contexts": [{"name": "spur", "context": {"cluster": "spur", "user": "spur", "namespace": "default"}}],
        "users": [{"name": "spur", "user": {
            "client-certificate-data": data(&credential.certificate_pem),
            "client-key-data": data(&credential.key_pem),
            "token": token,
        }}],
        "current-context": "spur",
    });
    identity::write_private(&addresses.kubeconfig, spur_api::yaml::to_string(&config).as_bytes())
}

// === impl Addresses ===

impl Addresses {
    /// What `/spur/v1/status` tells.
    pub(crate) fn facts(&self) -> Map<String, Value> {
        let facts = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "api": self.api,
            "entry": self.entry,
            "metrics": self.metrics,
            "otlp": self.otlp,
            "kubeconfig": self.kubeconfig,
            "data": self.data,
            "services": {},
        });
        match facts {
            Value::Object(facts) => facts,
            _ => Map::new(),
        }
    }
}
