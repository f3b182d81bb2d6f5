//! What only a machine can do to Spur: a disk that is full, a file system that is read-only,
//! another user, a clock that jumps. From outside, with the built binary.
//!
//! Mounts are made in a namespace of the test's own (`unshare`), so nothing outside changes and
//! nothing is left. A test whose need is absent is reported as ignored, with that reason; with
//! `SPUR_REQUIRE=namespaces,user,faketime` its absence fails it.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

#[expect(dead_code, reason = "the other test binary uses more of it")]
#[path = "../harness/harness.rs"]
mod harness;

mod clock;
mod disk;
mod need;
mod private;
mod user;

use std::pin::Pin;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use need::Need;

/// A test, boxed.
type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// Makes a [`Case`] of each function of a module, under its own name.
macro_rules! cases {
    ($($need:ident $module:ident::$name:ident,)*) => {
        &[$((stringify!($name), Need::$need, || Box::pin($module::$name()))),*]
    };
}

const ALL: &[(&str, Need, Case)] = cases![
    Namespaces disk::st_3_a_full_disk_refuses_writes_and_recovers_when_there_is_room,
    Namespaces disk::st_3_a_log_on_the_full_disk_takes_nothing_along,
    Namespaces disk::st_9_a_read_only_file_system_is_refused,
    Namespaces user::ap_16_a_privileged_port_is_refused_with_what_helps,
    Networks private::two_pods_have_one_port_and_services_have_their_names,
    Networks private::a_private_pod_has_one_way_out_and_sees_volumes_where_there_is_a_place,
    Networks private::a_private_pod_reports_where_its_variables_say,
    Networks private::the_demo_runs_in_private_networks,
    Networks private::a_request_goes_through_private_pods_and_each_caller_is_known,
    Networks private::private_pods_are_there_again_after_a_kill,
    Networks private::a_pod_whose_network_is_lost_starts_again,
    Networks private::where_networks_are_forbidden_a_pod_is_shared_and_says_why,
    User user::st_9_a_directory_of_another_user_is_refused,
    Faketime clock::st_11_a_clock_that_jumps_by_400_days_changes_no_revision,
    Faketime clock::st_11_a_clock_that_went_back_an_hour_changes_no_revision,
    Faketime clock::st_11_a_client_with_a_wrong_clock_is_told_what_it_says,
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let required = std::env::var("SPUR_REQUIRE").unwrap_or_default();
    let trials = ALL.iter().map(|(name, need, case)| match need.absent() {
        None => Trial::test(*name, || {
            run(*case);
            Ok(())
        }),
        Some(why) if required.split(',').any(|required| required == need.name()) => {
            let why = format!("SPUR_REQUIRE asks for {}, and {why}", need.name());
            Trial::test(*name, move || Err(why.into()))
        }
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

fn run(case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(case());
}
