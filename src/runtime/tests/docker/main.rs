//! The Docker runtime with real containers, on the engine of this machine.
//!
//! The image is Debian's static busybox and nothing else: no registry is asked.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../../../../tests/harness/bridge.rs"]
mod bridge;
#[path = "../../../../tests/harness/needs.rs"]
mod needs;
mod world;

mod adopt;
mod build;
mod daemon;
mod end;
mod exec;
mod logs;
mod network;
mod security;
mod start;
mod stats;
mod tls;

use libtest_mimic::{Arguments, Trial};
use needs::Need;

fn main() {
    // What Spur itself runs in containers is this program.
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("__pause") => return spur_holder::pause().unwrap(),
        Some("__holder") => return spur_holder::hold(args[2].as_ref()).unwrap(),
        _ => {}
    }
    let docker = Need::new("docker", world::why_not());
    let dockerd = Need::new("dockerd", world::why_no_daemon());
    let mut tests = vec![Trial::test("sb_1_an_engine_that_is_not_there_is_named_with_a_way_out", || {
        world::run(start::nobody_answers());
        Ok(())
    })];
    tests.extend([
        docker.trial("a_container_runs_its_command_and_its_end_is_told", start::runs_and_ends),
        docker.trial("the_images_own_command_counts_where_none_is_given", start::images_own_command),
        docker.trial("sb_4_an_image_that_is_not_there_is_said_in_the_engines_words", start::no_image),
        docker.trial("a_program_that_is_not_in_the_image_never_ran", start::no_program),
        docker.trial("of_two_starts_at_once_one_is_refused", start::twice),
        docker.trial("a_start_that_was_interrupted_is_in_nobodys_way", start::interrupted),
        docker.trial("who_hears_sigterm_ends_by_itself_and_who_does_not_is_killed", end::stop),
        docker.trial("what_others_do_to_a_container_is_told", end::killed_by_others),
        docker.trial("whoever_it_runs_as_a_container_can_say_why_it_ends", end::last_words),
        docker.trial("nothing_is_left_of_a_pod_that_is_removed", end::remove),
        docker.trial("output_comes_whole_from_its_end_and_as_it_is_written", logs::output),
        docker.trial("the_start_before_the_last_keeps_its_output", logs::previous),
        docker.trial("a_command_gives_output_and_exit_code", exec::run),
        docker.trial("a_command_that_takes_too_long_is_given_up", exec::too_long),
        docker.trial("a_command_reads_and_writes_while_it_runs", exec::session),
        docker.trial("a_command_has_a_terminal_that_changes_its_size", exec::terminal),
        docker.trial("who_attaches_talks_with_the_container_itself", exec::attach),
        docker.trial("a_pod_keeps_its_address_and_is_reached_at_its_own_ports", network::address),
        docker.trial("there_are_more_networks_than_the_engine_has_by_itself", network::many),
        docker.trial("containers_of_one_pod_share_a_network_that_outlives_each", network::several),
        docker.trial("a_pod_whose_network_is_lost_says_so_and_gets_it_back", network::lost),
        docker.trial("services_have_addresses_that_are_kept", network::services),
        docker.trial("what_a_container_uses_is_what_its_cgroup_says", stats::cgroup),
        docker.trial("sb_6_who_wants_more_memory_than_it_may_is_oom_killed", security::memory),
        docker.trial("sb_10_rights_are_those_that_were_asked_for", security::rights),
        docker.trial("sb_3_containers_outlive_spur_and_are_taken_over", adopt::taken_over),
        dockerd.trial("sb_2_a_daemon_that_restarts_is_followed_again", daemon::restarts),
        docker.trial("an_image_is_built_with_tags_arguments_and_stages", build::whole),
        docker.trial("what_docker_has_built_is_found_in_the_cache", build::same_as_docker),
        docker.trial("a_build_that_fails_says_at_which_step", build::fails),
        docker.trial("a_build_that_nobody_waits_for_ends", build::cancelled),
        dockerd.trial("an_engine_at_a_port_is_spoken_with_by_certificates", tls::certificates),
        docker.trial("environments_on_one_engine_do_not_see_each_other", adopt::others),
    ]);
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
