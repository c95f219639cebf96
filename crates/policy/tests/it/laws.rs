//! Laws that hold whatever comes back: every call ends, waits are honoured, what was answered with nothing is not sent
//! again.

use std::time::Duration;

use corsac_policy::{Course, Effort, Efforts, Fault, FaultClass, Hop, Limits, Parameter, Parameters, Step, Strategy, remedy};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;

fn class() -> impl Generate<Value = FaultClass> {
    use FaultClass as F;
    let plain = vec![
        F::Unauthorized,
        F::Forbidden,
        F::Region,
        F::AgenticHarness,
        F::OutOfCredits,
        F::KeyLimit,
        F::TooDear,
        F::InFlightBudget,
        F::Moderated,
        F::Filtered,
        F::Guardrail,
        F::Declined,
        F::UnknownModel,
        F::WrongEndpoint,
        F::ModelGone,
        F::FreeEnded,
        F::NoEndpoints,
        F::NoEndpointsForParameters,
        F::NoToolSupport,
        F::ImageUnsupported,
        F::DataPolicy,
        F::SchemaRefused,
        F::StrictRefused,
        F::ReasoningMandatory,
        F::EffortUnsupported { supported: Efforts::default() },
        F::EffortUnsupported { supported: Efforts::from_iter([Effort::High, Effort::None]) },
        F::ContextLength { limit: None, input: None },
        F::PayloadTooLarge,
        F::BadRequest,
        F::RateLimited,
        F::FreeRateLimited,
        F::UpstreamRateLimited,
        F::AtCapacity,
        F::DailyQuota,
        F::Overloaded,
        F::ServerError,
        F::Timeout,
        F::Unreachable,
        F::Cut,
        F::Garbled,
        F::NotTheService,
        F::NotReady,
        F::Empty,
        F::Empty,
        F::Empty,
        F::Truncated,
        F::MalformedCall,
        F::Invalid,
    ];
    prop_oneof![
        8 => proptest::sample::select(plain),
        1 => proptest::sample::select(Parameter::ALL.to_vec()).prop_map(|parameter| F::ParameterRefused { parameter }),
        1 => any::<u32>().prop_map(|affordable| F::CannotAfford { affordable }),
        1 => (any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(most, least)| F::MaxTokensRefused { most, least }),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(limit, input)| F::ContextLength { limit: Some(limit), input: Some(input) }),
    ]
}

fn fault() -> impl Generate<Value = Fault> {
    let provider = proptest::option::of(proptest::sample::select(vec!["P", "Q", "R", "S", "T"]));
    let wait = proptest::option::of((0u64..200_000).prop_map(Duration::from_millis));
    (class(), provider, wait, proptest::option::weighted(0.1, any::<bool>())).prop_map(|(class, provider, come_back, retryable)| Fault {
        come_back,
        retryable,
        ..Fault::new(class, "said").from_provider(provider)
    })
}

fn hop() -> impl Generate<Value = Hop> {
    let numbers = (0u16..3, 0u16..2, 0u16..2, any::<bool>());
    let known = (proptest::option::of(16u32..20_000), proptest::option::of(1_000u64..200_000), proptest::option::of(0u16..4));
    (numbers, known).prop_map(|((model, account, host, free), (max_tokens_cap, context, providers))| Hop {
        model,
        account,
        host,
        free,
        max_tokens_cap,
        context,
        providers,
        ..Hop::default()
    })
}

fn limits() -> impl Generate<Value = Limits> {
    let strategy = proptest::sample::select(vec![Strategy::Text, Strategy::ResponseFormat, Strategy::ForcedTool, Strategy::Prompted]);
    let routes = proptest::collection::vec(hop(), 0..5);
    let sent = any::<u32>()
        .prop_map(|bits| Parameter::ALL.into_iter().filter(|parameter| bits & (1 << *parameter as u32) != 0).collect::<Parameters>());
    let rest = (1u32..30, any::<bool>(), any::<bool>(), proptest::option::of(proptest::sample::select(Effort::ALL.to_vec())));
    (strategy, routes, sent, rest).prop_map(|(strategy, routes, sent, (attempts, may_pay_for_free, may_ask_others, effort))| Limits {
        routes,
        strategy,
        sent,
        attempts,
        effort,
        may_pay_for_free,
        may_ask_others,
        ..Limits::default()
    })
}

/// Everything by which two requests of a call can differ.
type Request = (usize, Strategy, u32, Vec<String>, Parameters, Option<Effort>, bool, Option<String>);

fn request(course: &Course) -> Request {
    let mut ignored = course.ignored.clone();
    ignored.sort();
    let correction = course.correction.clone();
    (course.route, course.strategy, course.max_tokens, ignored, course.dropped, course.effort, course.paid, correction)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn every_call_ends_within_its_bound(
        faults in proptest::collection::vec(fault(), 1..60),
        limits in limits(),
        down in any::<u8>(),
        chance in 0.0f64..1.0,
    ) {
        let mut course = Course::new(&limits);
        let mut requests = 0;
        for fault in faults.iter().cycle() {
            requests += 1;
            prop_assert!(requests <= limits.most_requests(), "{requests} requests");
            course.count(&fault.class);
            let found = remedy(fault, &course, chance, &|place| down & (1 << (place % 8)) != 0);
            prop_assert!(!found.reason.is_empty());
            if found.step == Step::GiveUp {
                break;
            }
            course.take(&found.step);
            prop_assert!(course.route < limits.routes.len().max(1));
            prop_assert!(course.max_tokens >= 1 || course.max_tokens_cap() < 16);
        }
    }

    #[test]
    fn what_was_answered_with_nothing_is_not_sent_again(
        faults in proptest::collection::vec(fault(), 1..60),
        limits in limits(),
    ) {
        let mut course = Course::new(&limits);
        let mut barren: Vec<Request> = Vec::new();
        for fault in faults.iter().cycle() {
            prop_assert!(!barren.contains(&request(&course)), "sent again: {:?}", request(&course));
            if fault.class == FaultClass::Empty {
                barren.push(request(&course));
            }
            course.count(&fault.class);
            let found = remedy(fault, &course, 0.5, &|_| false);
            if found.step == Step::GiveUp {
                break;
            }
            course.take(&found.step);
        }
    }

    #[test]
    fn a_wait_that_was_named_is_waited(fault in fault(), limits in limits()) {
        let mut course = Course::new(&limits);
        course.count(&fault.class);
        if let (Step::Retry { after }, Some(wait)) = (remedy(&fault, &course, 0.0, &|_| false).step, fault.come_back) {
            let at_once = matches!(fault.class, FaultClass::Timeout | FaultClass::MalformedCall);
            prop_assert!(at_once || after == wait || wait < Duration::from_millis(100) && after > wait, "{after:?} of {wait:?}");
        }
    }

    #[test]
    fn token_limits_stay_within_what_is_allowed(faults in proptest::collection::vec(fault(), 1..40), limits in limits()) {
        let mut course = Course::new(&limits);
        for fault in &faults {
            prop_assert!(course.max_tokens <= course.max_tokens_cap(), "{} of {}", course.max_tokens, course.max_tokens_cap());
            course.count(&fault.class);
            let found = remedy(fault, &course, 0.5, &|_| false);
            if found.step == Step::GiveUp {
                break;
            }
            course.take(&found.step);
        }
    }

    #[test]
    fn no_route_is_taken_more_than_twice(faults in proptest::collection::vec(fault(), 1..80), limits in limits()) {
        let mut course = Course::new(&limits);
        let mut visits = vec![0; limits.routes.len().max(1)];
        visits[0] = 1;
        for fault in &faults {
            course.count(&fault.class);
            let found = remedy(fault, &course, 0.5, &|_| false);
            if let Step::NextRoute(route) = found.step {
                prop_assert!(route != course.route);
                visits[route] += 1;
                prop_assert!(visits[route] <= 2);
            }
            if found.step == Step::GiveUp {
                break;
            }
            course.take(&found.step);
        }
    }
}
