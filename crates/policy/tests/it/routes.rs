//! Which route is taken next: by what it has that the failed one lacks.

use std::time::Duration;

use corsac_policy::{Course, Effort, Fault, FaultClass, Hop, Ladder, Limits, Parameter, Parameters, Step, Strategy};

use crate::travel::{Travel, follow, steps, structured, three_routes};

/// The same model with two keys, then another model, then another host.
fn four() -> Vec<Hop> {
    let first = Hop::default();
    vec![first, Hop { account: 1, ..first }, Hop { model: 1, ..first }, Hop { model: 2, account: 2, host: 1, ..first }]
}

#[test]
fn a_key_that_fails_is_left_for_another_key() {
    for class in [FaultClass::Unauthorized, FaultClass::KeyLimit, FaultClass::OutOfCredits, FaultClass::Forbidden, FaultClass::Guardrail] {
        // not route 3: the same key asks another model there
        assert_eq!(follow(class.clone(), None, &structured(four())), ["route 2", "route 4", "give up"], "{class:?}");
    }
}

#[test]
fn a_model_that_fails_is_left_for_another_model() {
    for class in
        [FaultClass::UnknownModel, FaultClass::ModelGone, FaultClass::Moderated, FaultClass::Declined, FaultClass::ImageUnsupported]
    {
        assert_eq!(follow(class.clone(), None, &structured(four())), ["route 3", "route 4", "give up"], "{class:?}");
    }
}

#[test]
fn a_host_that_fails_is_left_for_another_host() {
    assert_eq!(follow(FaultClass::NotTheService, None, &structured(four())), ["route 4", "give up"]);
    // a second try at once costs little; patience only where there is nobody else
    let waits = ["retry after 250 ms", "retry after 500 ms", "retry after 1000 ms"];
    let expected: Vec<&str> = ["retry after 250 ms", "route 4"].into_iter().chain(waits).chain(["give up"]).collect();
    assert_eq!(follow(FaultClass::Unreachable, None, &structured(four())), expected);
}

#[test]
fn without_money_a_free_model_still_answers() {
    let routes = vec![Hop::default(), Hop { model: 1, ..Hop::default() }, Hop { model: 2, free: true, ..Hop::default() }];
    let travel = Travel::new(&structured(routes)).follow_out(&Fault::new(FaultClass::OutOfCredits, "Insufficient credits"));
    assert_eq!(travel.steps(), ["route 3", "give up"]);
    assert_eq!(travel.remedies[0].reason, "a model that costs nothing");
}

#[test]
fn a_spent_daily_quota_leaves_all_free_models() {
    let free = Hop { free: true, ..Hop::default() };
    let routes = vec![free, Hop { model: 1, ..free }, Hop { model: 2, ..Hop::default() }, Hop { model: 1, host: 1, ..free }];
    let quota = Fault { come_back: Some(Duration::from_secs(40_000)), ..Fault::new(FaultClass::DailyQuota, "per day") };
    assert_eq!(Travel::new(&structured(routes.clone())).meets(&quota), "route 3");
    // the free model of another host has a quota of its own
    let without_paid = vec![routes[0], routes[1], routes[3]];
    assert_eq!(steps(&quota, &structured(without_paid)), ["route 3", "give up"]);
    // the paid twin only if that is allowed, and then first: it is the model that was asked for
    let may_pay = Limits { may_pay_for_free: true, ..structured(routes) };
    assert_eq!(Travel::new(&may_pay).meets(&quota), "the paid variant");
    let alone = structured(vec![free]);
    let travel = Travel::new(&alone).follow_out(&quota);
    assert_eq!(travel.steps(), ["give up"]);
    assert_eq!(travel.remedies[0].reason, "nothing free is left, and to pay in its place is not allowed");
    assert_eq!(steps(&quota, &Limits { may_pay_for_free: true, ..alone }), ["the paid variant", "give up"]);
}

#[test]
fn a_long_input_goes_where_it_fits() {
    let hop = |model, context| Hop { model, context, ..Hop::default() };
    let routes = vec![hop(0, Some(16_000)), hop(1, Some(8_000)), hop(2, None), hop(3, Some(200_000))];
    let travel = Travel::new(&structured(routes))
        .follow_out(&Fault::new(FaultClass::ContextLength { limit: Some(16_000), input: Some(20_000) }, "too long"));
    assert_eq!(travel.steps(), ["route 3", "route 4", "give up"]);
    assert_eq!(travel.remedies[0].reason, "another model, whose context may be larger");
    assert_eq!(travel.remedies[1].reason, "a model with a larger context");
}

#[test]
fn an_endpoint_with_room_comes_before_another_model() {
    let routes = vec![Hop { context: Some(131_072), ..Hop::default() }, Hop { model: 1, ..Hop::default() }];
    let fault = Fault::new(FaultClass::ContextLength { limit: Some(24_000), input: Some(30_000) }, "too long");
    let mut travel = Travel::new(&structured(routes));
    assert_eq!(travel.meets(&fault.from_provider(Some("Cloudflare"))), "without Cloudflare");
    assert_eq!(travel.remedies[0].reason, "another provider has a context of 131072 tokens");
}

#[test]
fn a_long_wait_is_not_waited_while_there_is_another_way() {
    let limited = |seconds| Fault { come_back: Some(Duration::from_secs(seconds)), ..Fault::new(FaultClass::RateLimited, "slow down") };
    let mut travel = Travel::new(&structured(three_routes()));
    assert_eq!(travel.meets(&limited(3)), "retry after 3000 ms");
    assert_eq!(travel.meets(&limited(40)), "route 2");
    assert_eq!(travel.remedies[1].reason, "40 s are too long to wait while there is another model");
    assert_eq!(travel.meets(&limited(40)), "route 3");
    // nothing untried is left: now it is worth waiting for
    assert_eq!(travel.meets(&limited(40)), "retry after 40000 ms");
    // a route that only rested is taken up again once the last one fails for good
    assert_eq!(travel.meets(&Fault::new(FaultClass::NotTheService, "not found")), "route 1");
    assert_eq!(travel.meets(&Fault::new(FaultClass::Unauthorized, "no")), "give up");
}

#[test]
fn a_route_left_for_good_is_not_returned_to() {
    let mut travel = Travel::new(&structured(three_routes()));
    assert_eq!(travel.meets(&Fault::new(FaultClass::Moderated, "flagged")), "route 2");
    assert_eq!(travel.meets(&Fault::new(FaultClass::Moderated, "flagged")), "route 3");
    assert_eq!(travel.meets(&Fault::new(FaultClass::Moderated, "flagged")), "give up");
}

#[test]
fn routes_behind_an_open_circuit_come_last() {
    let down = |place: usize| place == 1;
    let mut travel = Travel::new(&structured(three_routes()));
    assert_eq!(travel.meets_with(&Fault::new(FaultClass::Moderated, "flagged"), &down), "route 3");
    assert_eq!(travel.meets_with(&Fault::new(FaultClass::Moderated, "flagged"), &down), "route 2", "better than none");
    // a long wait is not exchanged for a route that is down
    let limited = Fault { come_back: Some(Duration::from_secs(40)), ..Fault::new(FaultClass::AtCapacity, "full") };
    let mut travel = Travel::new(&structured(three_routes()[..2].to_vec()));
    assert_eq!(travel.meets_with(&limited, &down), "retry after 40000 ms");
}

#[test]
fn a_route_brings_its_own_ways() {
    let ladder = Some(Ladder::new([Strategy::ForcedTool, Strategy::Prompted]));
    let other = Hop {
        model: 1,
        ladder,
        max_tokens: Some(2_000),
        max_tokens_cap: Some(1_024),
        nobody_takes: Parameters::from_iter([Parameter::Seed, Parameter::TopP]),
        ..Hop::default()
    };
    let mut travel = Travel::new(&structured(vec![Hop::default(), other]));
    travel.meets(&Fault::new(FaultClass::ParameterRefused { parameter: Parameter::Temperature }, "no"));
    travel.meets(&Fault::new(FaultClass::Truncated, "cut"));
    assert_eq!((travel.course.max_tokens, travel.course.dropped.to_string()), (4_096, "temperature".to_owned()));
    travel.meets(&Fault::new(FaultClass::ModelGone, "gone"));
    let course = &travel.course;
    assert_eq!((course.route, course.strategy, course.max_tokens), (1, Strategy::ForcedTool, 1_024));
    assert_eq!(course.dropped.to_string(), "seed", "of what is sent, what nobody takes here");
    assert_eq!(travel.meets(&Fault::new(FaultClass::NoToolSupport, "no tools")), "ask by prompted");
}

#[test]
fn with_another_key_nothing_is_found_out_twice() {
    let routes = vec![Hop::default(), Hop { account: 1, ..Hop::default() }];
    let mut travel = Travel::new(&structured(routes));
    travel.meets(&Fault::new(FaultClass::ParameterRefused { parameter: Parameter::Seed }, "no"));
    travel.meets(&Fault::new(FaultClass::StrictRefused, "no"));
    travel.meets(&Fault::new(FaultClass::SchemaRefused, "no").from_provider(Some("Groq")));
    travel.meets(&Fault::new(FaultClass::ReasoningMandatory, "no"));
    assert_eq!(travel.meets(&Fault::new(FaultClass::KeyLimit, "spent")), "route 2");
    let course = &travel.course;
    assert_eq!((course.dropped.to_string().as_str(), course.ignored.as_slice()), ("seed", ["Groq".to_owned()].as_slice()));
    assert_eq!((course.strategy, course.effort), (Strategy::LooseFormat, Some(Effort::Low)));
}

#[test]
fn the_only_provider_is_not_left_out() {
    let fault = Fault::new(FaultClass::SchemaRefused, "no").from_provider(Some("OpenAI"));
    let only = Hop { providers: Some(1), ..Hop::default() };
    assert_eq!(Travel::new(&structured(vec![only])).meets(&fault), "ask by forced_tool");
    let two = Hop { providers: Some(2), ..Hop::default() };
    assert_eq!(Travel::new(&structured(vec![two])).meets(&fault), "without OpenAI");
}

#[test]
fn an_empty_list_of_routes_is_one_route() {
    let mut travel = Travel::new(&Limits { routes: Vec::new(), ..Limits::default() });
    assert_eq!(travel.meets(&Fault::new(FaultClass::Unauthorized, "no")), "give up");
    assert_eq!(travel.remedies[0].step, Step::GiveUp);
}

#[test]
fn a_call_may_begin_elsewhere() {
    let mut travel = Travel::new(&structured(three_routes()));
    travel.course.begin_on(1);
    assert_eq!(travel.meets(&Fault::new(FaultClass::Moderated, "flagged")), "route 1", "it was only passed over");
    travel.course.begin_on(2);
    assert_eq!(travel.course.route, 0, "once something was sent, only a remedy moves a call");
    let mut course = Course::new(&Limits::default());
    course.begin_on(7);
    assert_eq!(course.route, 0);
}
