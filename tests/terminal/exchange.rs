//! What was said between services: shown, sent again, and written to logs.

use http::Method;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::harness::Spur;
use crate::harness::manifests::cheaper;
use crate::needs::Need;
use crate::tmux::Terminal;

pub(crate) fn trials(tmux: &Need) -> Vec<Trial> {
    vec![
        tmux.trial(
            "a_request_is_shown_and_its_secrets_when_wanted",
            a_request_is_shown_and_its_secrets_when_wanted,
        ),
        tmux.trial("a_request_is_sent_again_and_compared", a_request_is_sent_again_and_compared),
        tmux.trial("a_trace_leads_to_its_lines", a_trace_leads_to_its_lines),
    ]
}

/// A shop with a cheaper fork, whose requests with its key are captured, and the interface on it.
async fn shop() -> (Spur, Terminal) {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let terminal = Terminal::open(&spur, (160, 45)).await;
    terminal.ui("", "").await;
    let asked = spur.service("frontend").get("/api/cart?n=1").key("k-1");
    asked.header("authorization", "Bearer s3cret").send().await.ok();
    terminal.until("/api/cart?n=1").await;
    (spur, terminal)
}

async fn a_request_is_shown_and_its_secrets_when_wanted() {
    let (spur, terminal) = shop().await;
    terminal.press(&["G", "Enter"]);
    terminal.until("[2 Trace]").await;
    terminal.press(&["Tab", "Tab"]);
    let screen = terminal.until("authorization: Bearer •••• (redacted, R shows it)").await;
    assert!(screen.contains("GET /api/cart?n=1 HTTP/1.1") && !screen.contains("s3cret"), "{screen}");
    terminal.press(&["R"]);
    terminal.until("authorization: Bearer s3cret").await;
    terminal.press(&["R"]);
    terminal.until_gone("s3cret").await;
    // The answer, laid out, alone on the screen.
    terminal.press(&["Tab", "z"]);
    let screen = terminal.until("[response]").await;
    assert!(!screen.contains("why ·"), "{screen}");
    terminal.until("\"total_cents\": 1080").await;
    // A command that can be pasted, for what was captured.
    terminal.press(&["y", "c"]);
    terminal.until("copied curl ").await;
    // An archive of what is shown.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.har");
    terminal.press(&["x"]);
    terminal.until("export 1 request as HAR").await;
    for _ in 0.."spur-20261120-120410.har".len() {
        terminal.press(&["BSpace"]);
    }
    terminal.press(&["-l", path.to_str().unwrap()]);
    terminal.press(&["Enter"]);
    terminal.until("wrote 1 request to").await;
    let har = std::fs::read_to_string(&path).unwrap();
    assert!(har.contains("total_cents") && !har.contains("s3cret"), "{har}");
    spur.end().await;
}

async fn a_request_is_sent_again_and_compared() {
    let (spur, terminal) = shop().await;
    terminal.press(&["G", "r"]);
    terminal.until("[ ] with key k-1").await;
    terminal.press(&["b", "Enter"]);
    let screen = terminal.until("body .total_cents: 1200 → 1080").await;
    assert!(screen.contains("↺ baseline  200") && screen.contains("baseline and k-1: "), "{screen}");
    terminal.press(&["Escape"]);
    terminal.until("↺ /api/cart?n=1").await;
    // What may change something is sent when it is confirmed, and not before.
    let order = spur.service("frontend").ask(Method::POST, "/api/cart?n=2");
    order.key("k-1").body("application/json", r#"{"sku":"mug"}"#).send().await;
    terminal.until("/api/cart?n=2").await;
    terminal.press(&["/"]);
    terminal.press(&["-l", "method:POST"]);
    terminal.press(&["Enter", "r"]);
    terminal.until("replay ↺ POST /api/cart?n=2").await;
    terminal.press(&["Enter"]);
    terminal.until("it may change something: y sends it").await;
    terminal.press(&["n"]);
    let screen = terminal.until("enter sends").await;
    assert!(!screen.contains("↺ /api/cart?n=2"), "{screen}");
    terminal.press(&["Enter", "y"]);
    terminal.until("↺ same").await;
    terminal.press(&["Escape"]);
    terminal.until("↺ /api/cart?n=2").await;
    spur.end().await;
}

/// A Deployment of a process that writes a line of no request, and one that names a trace.
fn talker(trace_id: &str) -> Value {
    let script = format!(
        r#"echo '{{"level":"error","msg":"other"}}'; echo '{{"level":"error","msg":"ours","trace_id":"{trace_id}"}}'; sleep 60"#
    );
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "talker"},
        "spec": {
            "selector": {"matchLabels": {"app": "talker"}},
            "template": {
                "metadata": {"labels": {"app": "talker"}},
                "spec": {"containers": [{"name": "main", "command": ["sh", "-c", script]}]},
            },
        },
    })
}

async fn a_trace_leads_to_its_lines() {
    let (spur, terminal) = shop().await;
    terminal.press(&["G", "Enter"]);
    terminal.until("[2 Trace]").await;
    terminal.press(&["l"]);
    let screen = terminal.until("all workloads, trace ").await;
    assert!(screen.contains("[6 Logs]"), "{screen}");
    let traced = spur.run(&["trace", "--key", "k-1", "-o", "json"]).await.ok().stdout;
    let trace: Value = serde_json::from_str(traced.lines().next().unwrap()).unwrap();
    // They come while it is followed.
    spur.api().create_all(&[talker(trace["trace_id"].as_str().unwrap())]).await;
    let screen = terminal.until(r#""msg":"ours""#).await;
    assert!(!screen.contains(r#""msg":"other""#), "{screen}");
    terminal.press(&["t"]);
    let screen = terminal.until(r#""msg":"other""#).await;
    assert!(screen.contains("talker       {"), "{screen}");
    // The server leaves out what the filter does not want.
    terminal.press(&["/"]);
    terminal.press(&["-l", "level>=error ours"]);
    terminal.press(&["Enter"]);
    terminal.until_gone(r#""msg":"other""#).await;
    terminal.until(r#""msg":"ours""#).await;
    // And back to where it came from.
    terminal.press(&["Escape"]);
    terminal.until("[2 Trace]").await;
    // The same lines beside the request.
    terminal.press(&["Tab", "Tab", "Tab", "Tab"]);
    terminal.until(r#"talker {"level":"error","msg":"ours""#).await;
    spur.end().await;
}
