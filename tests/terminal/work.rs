//! What is done with the interface: filtered, compared, weighed, asked.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::harness::manifests::{cheaper, sample};
use crate::harness::{Spur, until};
use crate::needs::Need;
use crate::tmux::Terminal;

pub(crate) fn trials(tmux: &Need) -> Vec<Trial> {
    vec![
        tmux.trial(
            "a_filter_is_completed_and_given_to_the_server",
            a_filter_is_completed_and_given_to_the_server,
        ),
        tmux.trial("what_a_sandbox_changed_is_compared", what_a_sandbox_changed_is_compared),
        tmux.trial("weights_are_edited_and_applied", weights_are_edited_and_applied),
        tmux.trial("where_a_request_would_go_is_asked", where_a_request_would_go_is_asked),
        tmux.trial("ascii_and_a_keymap_are_obeyed", ascii_and_a_keymap_are_obeyed),
        tmux.trial("a_click_selects_once_the_mouse_is_taken", a_click_selects_once_the_mouse_is_taken),
    ]
}

async fn a_filter_is_completed_and_given_to_the_server() {
    let spur = Spur::shop().await;
    let terminal = Terminal::open(&spur, (120, 40)).await;
    terminal.ui("", "").await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    spur.service("pricing").get("/health?n=2").send().await.ok();
    terminal.until("/health?n=2").await;

    terminal.press(&["/"]);
    terminal.press(&["-l", "svc:check"]);
    terminal.press(&["Tab"]);
    terminal.until("filter ▸ svc:checkout").await;
    terminal.press(&["-l", " status>"]);
    // What is wrong stands under the caret, and the last filter that could be read holds.
    terminal.until("^ wanted a value for `status`").await;
    let screen = terminal.until_gone("n=2").await;
    assert!(screen.contains("n=1"), "{screen}");
    terminal.press(&["-l", "=200"]);
    terminal.press(&["Enter"]);
    terminal.until("filter ▸ svc:checkout status>=200").await;

    // From here on the server tells of such requests alone.
    spur.service("pricing").get("/health?n=3").send().await.ok();
    spur.service("frontend").get("/api/cart?n=4").send().await.ok();
    let screen = terminal.until("/api/cart?n=4").await;
    assert!(!screen.contains("n=3"), "{screen}");
    // Without it the latest that were left out come again, where they belong.
    terminal.press(&["X"]);
    let screen = terminal.until("/health?n=3").await;
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("no {text}: {screen}"));
    assert!(at("n=2") < at("n=3") && at("n=3") < at("n=4"), "{screen}");

    // It is found again by up-arrow, and saved for the next time.
    terminal.press(&["/", "Up"]);
    terminal.until("filter ▸ svc:checkout status>=200").await;
    terminal.press(&["Enter", "F", "s"]);
    terminal.until("│ svc:checkout status>=200").await;
    terminal.press(&["Escape"]);
    // Alt-q is sent as escape and q.
    terminal.until_gone("│ svc:checkout").await;
    terminal.press(&["q"]);
    terminal.until("code 0").await;
    terminal.run("clear");
    terminal.ui("", "").await;
    terminal.press(&["F"]);
    terminal.until("│ svc:checkout status>=200").await;
    spur.end().await;
}

async fn what_a_sandbox_changed_is_compared() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let terminal = Terminal::open(&spur, (140, 40)).await;
    terminal.ui("", "").await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    terminal.until("/api/cart?n=1").await;
    spur.service("frontend").get("/api/cart?n=2").key("k-1").send().await.ok();
    terminal.until("/api/cart?n=2").await;
    terminal.press(&["G", "d"]);
    let screen = terminal.until("[Diff]").await;
    assert!(screen.contains("the only one without a key"), "{screen}");
    assert!(screen.contains("key none → k-1") && screen.contains("baseline → ◆cheaper"), "{screen}");
    terminal.press(&["n", "Enter"]);
    terminal.until("[2 Trace]").await;
    // The same in the figures: the fork stands beside what it is a fork of.
    terminal.press(&["3"]);
    let screen = terminal.until("◆pricing (cheaper)").await;
    assert!(screen.contains("─▶ frontend") && screen.contains("─▶ pricing"), "{screen}");
    spur.end().await;
}

/// Nine of ten requests to `pricing` stay with it.
fn canary() -> Value {
    let to = |host: &str, weight: u32| json!({"destination": {"host": host}, "weight": weight});
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "pricing"},
        "spec": {"hosts": ["pricing"], "http": [{"route": [to("pricing", 90), to("pricing-v2", 10)]}]},
    })
}

fn weights(rule: &Value) -> Vec<u64> {
    let routes = rule["spec"]["http"][0]["route"].as_array().unwrap();
    routes.iter().map(|route| route["weight"].as_u64().unwrap_or(0)).collect()
}

async fn weights_are_edited_and_applied() {
    let spur = Spur::shop().await;
    spur.api().create_all(&sample("pricing-v2", "pricing", &[])).await;
    spur.until_routed("pricing-v2").await;
    spur.api().create_all(&[canary()]).await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    terminal.ui("", "").await;
    terminal.press(&["5"]);
    terminal.until("VirtualService default/pricing http[0]").await;
    for n in 0..30 {
        spur.service("frontend").get(&format!("/api/cart?n={n}")).send().await.ok();
    }
    // Nearly all of 30 are the first's; the interval says how sure that is.
    terminal.until("% ±").await;
    terminal.press(&["Down", "Right", "Right", "Right", "Right", "Right"]);
    terminal.until("edited 90/10 → 85/15 (not applied yet)").await;
    assert_eq!(weights(&spur.api().get("virtualservices", "pricing").await), [90, 10]);
    terminal.press(&["Enter"]);
    terminal.until("applied 85/15").await;
    assert_eq!(weights(&spur.api().get("virtualservices", "pricing").await), [85, 15]);
    terminal.press(&["u"]);
    terminal.until("taken back to 90/10").await;
    assert_eq!(weights(&spur.api().get("virtualservices", "pricing").await), [90, 10]);
    // Somebody else's change is seen under an edit, which then applies to it.
    terminal.press(&["0"]);
    terminal.until("edited 90/10 → 100/0").await;
    let labels = json!({"metadata": {"labels": {"seen": "yes"}}});
    spur.api().patch("virtualservices", "pricing", &labels).await.ok();
    until("the edit is applied", async || {
        terminal.press(&["Enter"]);
        let rule = spur.api().get("virtualservices", "pricing").await;
        if weights(&rule) == [100, 0] { Ok(()) } else { Err(terminal.screen()) }
    })
    .await;
    assert_eq!(spur.api().get("virtualservices", "pricing").await["metadata"]["labels"]["seen"], "yes");
    spur.end().await;
}

async fn where_a_request_would_go_is_asked() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let terminal = Terminal::open(&spur, (120, 40)).await;
    terminal.ui("", "").await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    terminal.until("/api/cart?n=1").await;
    terminal.press(&["7", "L"]);
    let screen = terminal.until("✔ baseline: taken").await;
    assert!(screen.contains("http://frontend.default.localhost/api/cart?n=1"), "{screen}");
    // Typed: what the sandbox forks, with its key.
    terminal.press(&["e"]);
    terminal.press(&["Home"]);
    for _ in 0..60 {
        terminal.press(&["Right", "BSpace"]);
    }
    terminal.press(&["End"]);
    for _ in 0..60 {
        terminal.press(&["BSpace"]);
    }
    terminal.press(&["-l", "http://pricing.default.localhost/"]);
    terminal.press(&["Tab", "Tab"]);
    terminal.press(&["-l", "spur-key: k-1"]);
    terminal.press(&["Enter"]);
    let screen = terminal.until("key `k-1` forks this service").await;
    assert!(screen.contains("✔ sandbox default/cheaper: taken"), "{screen}");
    terminal.press(&["D"]);
    // Those that were refused before their service was ready would be answered now.
    terminal.until("would go elsewhere now").await;
    spur.end().await;
}

async fn ascii_and_a_keymap_are_obeyed() {
    let spur = Spur::up().start().await;
    let keymap = spur.data().write("keys", "quit = Q\n");
    let terminal = Terminal::open(&spur, (120, 30)).await;
    let flags = format!("ui --ascii --keymap {}", keymap.display());
    terminal.run(&format!("{} {flags}; echo \"code $?\"", env!("CARGO_BIN_EXE_spur")));
    let screen = terminal.until("* live").await;
    assert!(screen.is_ascii(), "{screen}");
    terminal.press(&["q", "8"]);
    terminal.until("[8 Events]").await;
    terminal.press(&["Q"]);
    terminal.until("code 0").await;
    let keymap = spur.data().write("keys", "quit = j\n");
    let output = spur.run(&["ui", "--keymap", keymap.to_str().unwrap()]).await.code(2);
    assert!(output.stderr.contains("`j` is `down` and `quit` on Live"), "{}", output.stderr);
    spur.end().await;
}

async fn a_click_selects_once_the_mouse_is_taken() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (80, 24)).await;
    terminal.ui("", "").await;
    for path in ["/one", "/two", "/three"] {
        spur.host("nowhere.default.localhost").get(path).send().await;
        // One after the other: those of one sweep are published in no order.
        terminal.until(path).await;
    }
    let is_selected = async |path: &str| {
        until(&format!("{path} is selected"), async || {
            let screen = terminal.screen();
            let row = screen.lines().find(|line| line.contains(path)).unwrap_or_default();
            if row.starts_with('▶') { Ok(()) } else { Err(screen) }
        })
        .await;
    };
    is_selected("/three").await;
    terminal.press(&["M"]);
    terminal.until("the mouse is ours").await;
    // The second row of the list, which is the fifth of the screen (xterm's SGR mode, from 1).
    terminal.press(&["-l", "\u{1b}[<0;10;5M"]);
    is_selected("/two").await;
    // A notch of the wheel is three rows: to the first.
    terminal.press(&["-l", "\u{1b}[<64;10;5M"]);
    is_selected("/one").await;
    terminal.press(&["M"]);
    terminal.until("the mouse is the terminal's").await;
    terminal.press(&["q"]);
    terminal.until("code 0").await;
    spur.end().await;
}
