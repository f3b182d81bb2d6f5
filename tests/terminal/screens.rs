//! What is seen while a shop works, at several sizes.

use libtest_mimic::Trial;

use crate::harness::manifests::cheaper;
use crate::harness::{Spur, until};
use crate::needs::Need;
use crate::tmux::Terminal;

pub(crate) fn trials(tmux: &Need) -> Vec<Trial> {
    vec![
        tmux.trial("a_request_is_seen_opened_and_explained", a_request_is_seen_opened_and_explained),
        tmux.trial("sandboxes_events_logs_and_edges_are_seen", sandboxes_events_logs_and_edges_are_seen),
        tmux.trial("a_storm_of_sizes_leaves_a_whole_screen", a_storm_of_sizes_leaves_a_whole_screen),
        tmux.trial(
            "no_color_keeps_the_selection_and_has_no_colour",
            no_color_keeps_the_selection_and_has_no_colour,
        ),
        tmux.trial("a_server_that_is_gone_is_told", a_server_that_is_gone_is_told),
    ]
}

async fn a_request_is_seen_opened_and_explained() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let terminal = Terminal::open(&spur, (120, 40)).await;
    terminal.ui("", "").await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    spur.service("frontend").get("/api/cart?n=2").key("k-1").send().await.ok();
    terminal.until("/api/cart?n=2").await;

    terminal.press(&["/"]);
    terminal.press(&["-l", "\"n=2\" key=k-1"]);
    terminal.press(&["Enter"]);
    // With the space: `51 shown` was on the screen before.
    terminal.until(" 1 shown").await;
    // A frame may be seen while it is written.
    terminal.until_gone("n=1").await;

    terminal.press(&["Enter"]);
    let screen = terminal.until("why · gw → frontend").await;
    assert!(screen.contains("◆pricing GET") && screen.contains("◆ fork cheaper"), "{screen}");
    terminal.press(&["Down", "Down", "Down"]);
    // The third call below the entry is of `pricing` or of `inventory`, which run side by side.
    let screen = terminal.until("why · checkout → ").await;
    assert!(screen.contains("k-1 from header `spur-key`") || screen.contains("k-1 from baggage"), "{screen}");
    terminal.press(&["q"]);
    terminal.until("code 0").await;
    assert!(!terminal.is_alternate());
    spur.end().await;
}

async fn sandboxes_events_logs_and_edges_are_seen() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let terminal = Terminal::open(&spur, (120, 40)).await;
    terminal.ui("", "").await;
    terminal.press(&["4"]);
    terminal.until("● ready").await;
    terminal.press(&["k"]);
    terminal.until("curl -H 'spur-key: k-1' http://pricing.default.localhost:").await;
    terminal.press(&["Escape"]);
    // Alt-8 is sent as escape and 8.
    terminal.until_gone("curl -H").await;
    terminal.press(&["8"]);
    terminal.until("ScalingReplicaSet").await;
    spur.service("frontend").get("/api/cart").key("k-1").send().await.ok();
    terminal.press(&["3"]);
    terminal.until("◆pricing (cheaper)").await;
    terminal.press(&["6"]);
    // All workloads come first; which pod comes next is chance.
    let screen = terminal.until("cheaper-pricing-").await;
    let mut rows = screen.lines().skip_while(|line| !line.contains("┌ logs of")).skip(1);
    let n_rows = rows.position(|line| line.contains("│  checkout-")).unwrap_or_else(|| panic!("{screen}"));
    (0..n_rows).for_each(|_| terminal.press(&["Down"]));
    terminal.until("▶ checkout-").await;
    terminal.press(&["Enter"]);
    terminal.until("GET /checkout 200").await;
    spur.end().await;
}

async fn a_storm_of_sizes_leaves_a_whole_screen() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 40)).await;
    terminal.ui("", "").await;
    for (width, height) in [(50, 20), (200, 50), (10, 2), (1, 1), (40, 10), (80, 24), (160, 40)] {
        terminal.resize(width, height);
    }
    terminal.resize(80, 24);
    // A frame may be seen while it is written.
    until("the first line and the last are there", async || {
        let screen = terminal.screen();
        let is_whole =
            screen.starts_with(" ● live  [1 Live] 2 Trace 3 Topo") && screen.contains("? help  : commands");
        if is_whole { Ok(()) } else { Err(screen) }
    })
    .await;
    terminal.resize(20, 5);
    terminal.until("req/s").await;
    spur.end().await;
}

async fn no_color_keeps_the_selection_and_has_no_colour() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (80, 24)).await;
    terminal.ui("NO_COLOR=1", "").await;
    // A request that nothing here can answer is a failure, which would be red.
    spur.host("nowhere.default.localhost").get("/lost").send().await;
    terminal.until("/lost").await;
    let painted = terminal.painted();
    let is_colour = |code: &str| matches!(code.parse::<u8>(), Ok(30..=38 | 40..=48 | 90..=107));
    let codes: Vec<&str> = painted
        .split("\u{1b}[")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('m')?.0))
        .flat_map(|codes| codes.split(';'))
        .collect();
    assert!(!codes.iter().any(|code| is_colour(code)), "{painted:?}");
    assert!(codes.contains(&"7"), "{painted:?}");
    let row = painted.lines().find(|line| line.contains("/lost")).unwrap();
    assert!(row.contains("\u{1b}[7m▶"), "{row:?}");
    spur.end().await;
}

async fn a_server_that_is_gone_is_told() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    terminal.ui("", "").await;
    let _data = spur.end().await;
    terminal.until("✗ no server").await;
    terminal.until("trying again").await;
    terminal.press(&["q"]);
    terminal.until("code 0").await;
    assert!(!terminal.is_alternate());
}
