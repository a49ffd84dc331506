//! How many agents are asked for, and when.

use std::collections::HashMap;

use super::fleet::*;

fn looked_for() -> [String; 3] {
    ["7_0", "7_1", "7_2"].map(str::to_owned)
}

fn handles(numbers: &[usize]) -> Result<Vec<(usize, String)>, String> {
    Ok(numbers.iter().map(|number| (*number, format!("7_{number}"))).collect())
}

#[test]
fn the_first_comes_alone_and_the_others_follow() {
    let mut fleet = Fleet::new(16, 2, (300.0, 60.0, 1.0));
    assert_eq!(fleet.step(0.0, 0), []);
    assert_eq!(fleet.step(0.0, 90), [Ask::Launch(vec![0])]);
    assert_eq!(fleet.step(1.0, 90), [], "it is awaited");
    fleet.launched(2.0, &[0], handles(&[0]));
    assert_eq!(fleet.step(22.0, 90), [], "not listed yet");
    assert_eq!(fleet.step(23.0, 90), [Ask::Look(vec!["7_0".into()])]);
    assert_eq!(fleet.step(82.0, 90), [], "once a minute");
    let reason = Queue::Waiting("Priority".into());
    assert_eq!(fleet.seen(3.0, &looked_for(), &[("7_0".to_owned(), reason)].into()), []);
    assert_eq!(fleet.standing(), (0, 1, Some("7_0: Priority".into())));
    fleet.is_up(0);
    assert_eq!(fleet.step(4.0, 7), [Ask::Launch(vec![1, 2, 3, 4])], "seven orders for two places each");
    fleet.launched(5.0, &[1, 2, 3, 4], handles(&[1, 2, 3, 4]));
    assert_eq!(fleet.step(6.0, 7), [], "these will get the orders");
    fleet.is_up(1);
    fleet.is_gone(6.0, 2, false);
    assert_eq!(fleet.step(6.0, 6), [], "it has not come yet, so it is not gone");
    fleet.is_gone(6.0, 0, false);
    assert_eq!(fleet.step(7.0, 90), [Ask::Launch(vec![0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])]);
    assert_eq!(fleet.standing().0, 1);
}

/// The first check that is late enough decides: waiting for the next one would lose a minute.
#[test]
fn an_agent_that_is_not_listed_is_asked_for_again_without_delay() {
    for (delay, looks) in [(1.0, 1), (60.0, 2)] {
        let mut fleet = Fleet::new(1, 1, (300.0, 60.0, delay));
        fleet.adopt(0.0, 0, Some("7_0".into()), false);
        let mut looked = 0;
        let found = (1..200).map(f64::from).find(|&now| {
            if fleet.step(now, 5).iter().any(|ask| matches!(ask, Ask::Look(_))) {
                looked += 1;
                fleet.seen(now, &looked_for(), &HashMap::new());
            }
            fleet.standing() == (0, 0, None)
        });
        assert_eq!((found, looked), (Some(20.0 + delay), looks));
    }
    // An earlier run asked for it, long before this one.
    let mut fleet = Fleet::new(1, 1, (300.0, 60.0, 60.0));
    fleet.adopt(-600.0, 0, Some("7_0".into()), false);
    assert_eq!(fleet.step(0.0, 5), [Ask::Look(vec!["7_0".into()])]);
    fleet.seen(0.0, &looked_for(), &HashMap::new());
    assert_eq!(fleet.step(0.0, 5), [Ask::Launch(vec![0])]);
}

#[test]
fn the_run_gives_up_after_three_agents_that_never_report() {
    let mut fleet = Fleet::new(4, 1, (300.0, 60.0, 60.0));
    let mut now = 0.0;
    for attempt in 1..=3 {
        assert_eq!(fleet.step(now, 4), [Ask::Launch(vec![0])], "{attempt}");
        fleet.launched(now, &[0], handles(&[0]));
        assert_eq!(fleet.seen(now + 79.0, &looked_for(), &HashMap::new()), [], "what it says may not be seen yet");
        now += 81.0;
        let asks = fleet.seen(now, &looked_for(), &HashMap::new());
        let why = "it ended before its first report".to_owned();
        let expected = if attempt == 3 { vec![Ask::GiveUp(Some(0), why)] } else { Vec::new() };
        assert_eq!(asks, expected);
        assert_eq!(fleet.step(now + 1.0, 4), [], "not at once");
        now += 2.0;
    }
    assert_eq!(fleet.step(1e6, 4), []);
    // The same if asking itself fails; once it has worked, it may work again.
    for (up, tries, pause) in [(false, 3, 2.0), (true, 10, 60.0)] {
        let mut fleet = Fleet::new(4, 1, (300.0, 60.0, 1.0));
        if up {
            fleet.is_up(3);
        }
        for attempt in 1..=tries {
            let now = f64::from(attempt) * pause;
            let numbers = if up { vec![0, 1, 2] } else { vec![0] };
            assert_eq!(fleet.step(now, 4), [Ask::Launch(numbers.clone())]);
            let asks = fleet.launched(now, &numbers, Err("no such partition".into()));
            assert_eq!(asks.len(), usize::from(attempt == tries), "{attempt}");
        }
    }
}

#[test]
fn an_agent_that_may_come_again_is_awaited_and_not_replaced() {
    let mut fleet = Fleet::new(1, 1, (300.0, 60.0, 1.0));
    fleet.step(0.0, 5);
    fleet.launched(0.0, &[0], handles(&[0]));
    fleet.is_up(0);
    fleet.is_gone(100.0, 0, true);
    assert_eq!(fleet.standing(), (0, 1, Some("7_0 may start again".into())));
    assert_eq!(fleet.step(120.0, 5), []);
    assert_eq!(fleet.step(121.0, 5), [Ask::Look(vec!["7_0".into()])]);
    assert_eq!(fleet.seen(121.0, &looked_for(), &[("7_0".to_owned(), Queue::Waiting("BeginTime".into()))].into()), []);
    fleet.is_up(0);
    for round in 1..=5 {
        let now = 1000.0 * f64::from(round);
        fleet.is_gone(now, 0, true);
        assert_eq!(fleet.seen(now + 30.0, &looked_for(), &HashMap::new()), [], "no failure");
        let asks = fleet.step(now + 30.0, 5);
        assert!(asks.contains(&Ask::Launch(vec![0])), "{asks:?}");
        fleet.launched(now + 30.0, &[0], handles(&[0]));
        fleet.is_up(0);
    }
    fleet.is_gone(9000.0, 0, true);
    assert_eq!(fleet.clear(), ["7_0"], "it is cancelled if the run ends");
}

#[test]
fn an_agent_that_left_before_its_first_report_is_asked_for_again() {
    let mut fleet = Fleet::new(1, 1, (300.0, 60.0, 60.0));
    fleet.step(0.0, 5);
    fleet.launched(5.0, &[0], handles(&[0]));
    // What was read before it was asked for belongs to another agent.
    assert!(!fleet.came_and_went(5.0, 0, true));
    assert_eq!(fleet.step(6.0, 5), [], "it is awaited");
    // The system that ended it starts it again: it is still awaited, and cancelled if the run ends before.
    assert!(fleet.came_and_went(100.0, 0, true));
    assert_eq!(fleet.standing(), (0, 1, Some("7_0 may start again".to_owned())));
    assert!(!fleet.came_and_went(200.0, 0, false));
    assert_eq!(fleet.standing(), (0, 0, None));
    assert_eq!(fleet.step(200.0, 5), [Ask::Launch(vec![0])]);
    assert_eq!(fleet.failures, 0);
}

#[test]
fn agents_are_not_asked_for_too_often_or_without_need() {
    let mut fleet = Fleet::new(100, 1, (300.0, 60.0, 1.0));
    fleet.is_up(0);
    let mut asked = 0;
    for second in 0..120 {
        let asks = fleet.step(f64::from(second), 1);
        for ask in asks {
            let Ask::Launch(numbers) = ask else { continue };
            asked += 1;
            // It comes and goes at once.
            fleet.launched(f64::from(second), &numbers, handles(&numbers));
            fleet.is_up(numbers[0]);
            fleet.is_gone(f64::from(second), numbers[0], false);
        }
    }
    assert_eq!(asked, 12, "six a minute");
    assert_eq!(fleet.step(200.0, 5), [Ask::Launch(vec![1, 2, 3, 4, 5])]);
    fleet.launched(200.0, &[1, 2, 3, 4, 5], handles(&[1, 2, 3, 4, 5]));
    fleet.is_up(1);
    fleet.step(201.0, 0);
    fleet.step(400.0, 0);
    let cancelled = fleet.step(502.0, 0).into_iter().find(|ask| matches!(ask, Ask::Cancel(_)));
    assert_eq!(cancelled, Some(Ask::Cancel(["7_2", "7_3", "7_4", "7_5"].map(str::to_owned).to_vec())));
}
