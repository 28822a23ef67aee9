//! Targets that exit while DAMON is sent commands. On 6.14 to 6.17 a second
//! command to a kdamond that has stopped is a BUG, and DAMON's lock is never let
//! go again; the guest ends at the first oops.

use std::process::Child;
use std::time::Duration;

use crate::kit::{Scene, damon_is_on, kernel, parameters, until};
use crate::others::sleeper;

/// How often: `DAMO_ROUNDS`, for release checks.
fn rounds() -> u32 {
    let more = std::env::var("DAMO_ROUNDS").ok();
    more.map_or(if kernel() == "6.17" { 50 } else { 8 }, |rounds| {
        rounds.parse().unwrap()
    })
}

fn end(mut target: Child) {
    let _ = target.kill();
    let _ = target.wait();
}

#[test]
fn a_target_may_exit_at_the_worst_moment() {
    let scene = Scene::quiet("races");
    let before = parameters();
    let commands: [&[&str]; 4] = [
        &["tune", "--maxr", "500"],
        &["status"],
        &["stop"],
        &["tune", "--damos_action", "stat"],
    ];
    let (mut alive, mut gone) = (0, 0);
    for round in 0..rounds() {
        let target = sleeper();
        let pid = target.id().to_string();
        scene
            .run(&["start", "--damos_action", "stat", &pid])
            .exits(0);
        let command = commands[round as usize % commands.len()];
        let started = scene.start(command);
        // From its first instruction to its end, in steps of its own length.
        std::thread::sleep(Duration::from_millis(u64::from(round * 7 % 160)));
        end(target);
        let ran = started.wait();
        match ran.status.code() {
            Some(0) => alive += 1,
            Some(1) => gone += 1,
            _ => panic!("round {round}, {command:?}: {}", ran.stderr),
        }
        until("the end of the kdamond", || !damon_is_on());
        // Both of its ends are fine; DAMON's lock that stays held is not.
        let stop = scene.run(&["stop"]);
        assert!(
            !stop.stderr.contains("lock"),
            "round {round}: {}",
            stop.stderr
        );
        assert_eq!(parameters(), before, "round {round}: {}", stop.stderr);
    }
    println!("the command came first {alive} times, the end {gone} times");
    scene.run(&["record", "--timeout", "1", "paddr"]).exits(0);
}
