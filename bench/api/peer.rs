//! etcd, on which a kube-apiserver waits for each write: what it does alone, over plain HTTP, on the
//! same disk in the same run. An API server in front of it is slower than it is.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::until;
use crate::installed::find;

/// Puts of 1 KB under names that nobody else has. Both are base64 as they stand.
pub(crate) const WRK_SCRIPT: &str = r#"
local number, value = 0, string.rep("xxxx", 342)
local who
init = function(args) who = string.rep("x", 5 - #args[1]) .. args[1] end
request = function()
  number = number + 1
  return wrk.format("POST", "/v3/kv/put", nil,
    string.format('{"key":"configmaps/%s%012d","value":"%s"}', who, number, value))
end
"#;

/// A server that ends with its owner.
pub(crate) struct Etcd {
    child: Child,
    pub(crate) url: String,
    _directory: tempfile::TempDir,
}

// === impl Etcd ===

impl Etcd {
    /// Starts one with an empty store beside others at `parent`; `None` where etcd is not installed.
    pub(crate) async fn start(parent: &Path) -> Option<Self> {
        let etcd = find("etcd")?;
        let directory = tempfile::tempdir_in(parent).unwrap();
        let [clients, peers] = [(); 2].map(|()| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        });
        let child = Command::new(etcd)
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--data-dir"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = clients.trim_start_matches("http://").to_owned();
        until("etcd has elected itself and takes a write", async || {
            let answer = put(&address).await.map_err(|error| error.to_string())?;
            if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
        })
        .await;
        Some(Self { child, url: clients, _directory: directory })
    }
}

/// A put, and the answer.
async fn put(address: &str) -> std::io::Result<String> {
    let body = r#"{"key":"aaaa","value":"aaaa"}"#;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST /v3/kv/put HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}
