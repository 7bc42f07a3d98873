//! Runs of `aft train text` that are killed, interrupted, starved of disk or device, and go on: whatever happens, the folder
//! holds whole files, and in the end the model of a run that nothing happened to. `AFT_TEST_ALL` kills more often.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../harness.rs"]
mod harness;

mod folders;
mod killed;
mod place;
mod resumed;

use libtest_mimic::Trial;

fn main() {
    harness::run(&Default::default(), |gpu| {
        let trial = |name, test: fn()| harness::trial(&gpu, name, move |_| test());
        let mounts = |name, test| if folders::may_mount() { trial(name, test) } else { ignored(name, "may not mount") };
        let mut trials = vec![
            trial("a run that lost its device ends as if it had not", resumed::lost_device),
            trial("a run that loses every device ends with 5", resumed::lost_devices),
            trial("a run saved nowhere begins again", resumed::never_saved),
            trial("a finished run says so", resumed::finished),
            trial("a checkpoint begins a folder of its own", resumed::from_a_file),
            trial("a broken checkpoint gives way to the one before it", resumed::broken_checkpoint),
            trial("a text that moved is known again", resumed::moved_text),
            trial("how often it is saved may change, and stays so", resumed::other_habits),
            trial("options that do not fit a run end with 2", resumed::misfits),
            trial("a run goes on to more steps than it had", resumed::longer),
            trial("a run begins with the weights of another, on any text", resumed::from_weights),
            trial("a configuration of another version ends with 4", resumed::other_configs),
            trial("of two runs into one folder one is refused", folders::two_runs),
        ];
        if cfg!(unix) {
            trials.extend([
                trial("kill -9 at random moments changes nothing", || killed::killed("KILL")),
                trial("Ctrl-C at random moments changes nothing", || killed::killed("INT")),
                trial("Ctrl-C saves and ends with 130", killed::interrupted),
                trial("Ctrl-C twice ends at once", killed::interrupted_twice),
                trial("an evaluation is stopped by a signal", killed::evaluating),
                trial("a slow start does not end a timed run early", killed::slow_start),
                trial("a signal that is to be ignored is", killed::ignored),
                trial("files that may not grow end with 4", folders::no_growth),
                mounts("a full disk ends with 4", folders::full_disk),
                mounts("a read-only folder ends with 4", folders::read_only),
            ]);
        }
        #[cfg(unix)]
        trials.push(trial("links, devices and modes in a run's folder stay", folders::links_and_modes));
        trials
    });
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind(reason)
}
