//! Sandboxes on Docker: the built binary from outside, with containers on the engine of this machine.
//!
//! | module | what it holds |
//! |---|---|
//! | `shop` | the demo's shop in containers: names, forks, callers, the same story as with processes |
//! | `lives` | `kill -9` and take-over, a holder that dies, a daemon that restarts |
//! | `environments` | two at once; `ps`, `down`, `clean`, and who cleans up after a dead owner |
//! | `pods` | volumes, init containers, crash loops, images that are not there, what is not allowed |
//! | `services` | node ports, load balancers, headless, external names, datagrams |
//! | `crowds` | many pods at once, deleted while they are made, names that are taken, registries that hang |
//! | `disk` | what an engine without space says, and that it goes on when there is some |
//! | `builds` | images from a Dockerfile, and what the doctor says |
//! | `streams` | `kubectl logs`, `exec`, `attach`, `cp` |
//!
//! Images are Debian's static busybox and this executable: no registry is asked.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[path = "../harness/bridge.rs"]
mod bridge;
#[expect(dead_code, unused_imports, reason = "the other test binaries use more of it")]
#[path = "../harness/harness.rs"]
mod harness;
#[path = "../harness/needs.rs"]
mod needs;

mod builds;
mod crowds;
mod daemon;
mod disk;
mod environments;
mod lives;
mod pods;
mod services;
mod shop;
mod streams;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::needs::Need;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let docker = Need::new("docker", world::why_not());
    let dockerd = Need::new("dockerd", world::why_no_daemon());
    let kubectl = Need::new("kubectl", world::why_not().or_else(streams::why_not));
    let trials = vec![
        docker.trial("the_demo_tells_the_same_story_in_containers", shop::demo),
        docker.trial("a_fork_gets_the_requests_with_its_key_and_callers_are_known", shop::forks),
        docker.trial("services_have_names_and_their_own_ports_in_every_namespace", shop::names),
        docker.trial("sb_3_containers_outlive_a_spur_that_is_killed", lives::taken_over),
        docker.trial("a_holder_that_dies_is_made_anew", lives::holder),
        dockerd.trial("sb_2_a_daemon_that_restarts_gets_its_pods_back", lives::daemon),
        dockerd.trial("where_containers_outlive_their_daemon_no_request_fails", lives::live_restore),
        docker.trial("two_environments_of_one_project_run_at_once", environments::two),
        docker.trial("an_environment_is_shown_and_taken_down", environments::down),
        docker.trial("what_a_dead_owner_leaves_is_removed", environments::reaped),
        docker.trial("volumes_are_shared_and_follow_what_they_are_made_of", pods::volumes),
        docker.trial("init_containers_come_first_and_containers_share_a_network", pods::several),
        docker.trial("sb_4_an_image_that_is_not_there_is_tried_again_later", pods::images),
        docker.trial("sb_5_a_container_that_keeps_failing_waits_longer_each_time", pods::crash_loop),
        docker.trial("sb_9_many_pods_at_once_come_and_go", crowds::many),
        docker.trial("sb_9_pods_that_are_deleted_while_they_are_made_leave_nothing", crowds::deleted),
        docker.trial("sb_9_names_are_told_apart_however_long_they_are", crowds::names),
        docker.trial("sb_9_a_registry_that_hangs_holds_up_nobody", crowds::stuck),
        dockerd.trial("sb_13_a_full_disk_is_said_and_left_behind", disk::full),
        docker.trial("sb_13_who_takes_too_much_of_the_disk_is_evicted", disk::evicted),
        docker.trial("sb_10_what_reaches_out_of_a_container_is_refused", pods::security),
        docker.trial("a_claim_belongs_to_the_pods_group", pods::claims_of_a_group),
        docker.trial("hooks_run_and_last_words_are_kept", pods::hooks),
        docker.trial("services_of_every_type_are_reached", services::types),
        docker.trial("pods_of_a_headless_service_have_names_of_their_own", services::headless),
        docker.trial("containers_report_where_their_variables_say", services::telemetry),
        docker.trial("datagrams_go_by_name_and_by_node_port", services::datagrams),
        docker.trial("an_image_is_built_from_a_dockerfile", builds::build),
        docker.trial("ctrl_c_ends_a_build", builds::interrupted),
        docker.trial("the_doctor_says_what_works", builds::doctor),
        kubectl.trial("kubectl_talks_with_containers", streams::kubectl),
    ];
    libtest_mimic::run(&args, trials).exit_code()
}
