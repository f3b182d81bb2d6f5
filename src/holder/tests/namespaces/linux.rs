//! The holder in network namespaces of the tests' own (`unshare`): nothing outside changes, and
//! nothing is left.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../../../../tests/harness/needs.rs"]
mod needs;
mod world;

mod dial;
mod garbage;
mod listen;
mod pid_1;
mod pod;
mod take_over;

use std::path::Path;

use libtest_mimic::Arguments;
use needs::Need;

pub(crate) fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("be-a-holder") => spur_holder::hold(Path::new(&args[2])).unwrap(),
        Some("be-a-pause") => spur_holder::pause().unwrap(),
        Some("be-a-spur") => take_over::be_a_spur(Path::new(&args[2])),
        Some("be-a-neighbour") => world::be_a_neighbour(&args[2]),
        Some("be-a-server") => pod::be_a_server(&args[2]),
        Some("__pod") => std::process::exit(pod::be_a_pod(&args[2..])),
        _ => test(),
    }
}

fn test() {
    let namespaces = Need::new("namespaces", world::why_not());
    let tests = vec![
        namespaces.trial("two_addresses_have_the_same_port", listen::two_addresses),
        namespaces.trial("a_datagram_is_answered_from_where_it_was_sent_to", listen::datagrams),
        namespaces
            .trial("a_closed_place_is_closed_for_all_and_its_address_goes_with_the_last", listen::close),
        namespaces.trial("a_question_may_be_repeated_and_another_tag_is_refused", listen::repeated),
        namespaces.trial("a_connection_is_made_from_inside", dial::from_inside),
        namespaces.trial("what_cannot_be_reached_is_said_with_its_errno", dial::unreachable),
        namespaces.trial("a_killed_spurs_listeners_are_taken_over_with_who_waits", take_over::killed_spur),
        namespaces.trial("more_than_a_page_is_taken_over", take_over::pages),
        namespaces.trial("a_holder_that_ends_is_told", take_over::holder_ends),
        namespaces.trial("garbage_harms_nobody_else", garbage::dropped),
        namespaces.trial("who_does_not_read_is_dropped", garbage::deaf),
        namespaces.trial("a_second_holder_does_not_take_the_path_of_one_that_lives", garbage::second),
        namespaces.trial("pid_1_reaps_and_ends_at_sigterm", pid_1::holder),
        namespaces.trial("a_pause_reaps_and_ends_at_sigterm", pid_1::pause),
        namespaces.trial("a_pod_listens_where_a_service_does_and_each_is_reached", pod::same_port),
        namespaces.trial("a_program_in_a_pod_is_who_it_was_and_sees_what_it_is_shown", pod::entered),
        namespaces.trial("a_pod_reaches_nothing_else", pod::alone),
        namespaces.trial("a_holder_of_a_pod_ends_with_its_client", pod::ends),
        namespaces.trial("what_cannot_be_started_says_why", pod::mistaken),
        namespaces.trial("what_the_kernel_refuses_is_named", pod::refused),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
