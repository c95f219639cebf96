//! A test for each thing that the engine is to do by itself, fed from the sample exchanges: the table of faults and
//! remedies in the design, then what users of the service complain about.

use std::time::Duration;

use corsac_policy::{Advice, Effort, Efforts, Fault, FaultClass, Hop, Limits, Parameter, Parameters, Step, Strategy};

use crate::samples::sample;
use crate::travel::{Travel, alone, follow, steps, structured, three_routes};

fn fault(name: &str) -> Fault {
    sample(name).fault().unwrap_or_else(|| panic!("{name} is a fault"))
}

fn advice(fault: &Fault) -> Advice {
    fault.advice.as_deref().cloned().unwrap_or_default()
}

#[test]
fn nobody_takes_all_parameters() {
    let mut travel = Travel::new(&structured(three_routes()));
    let met: Vec<String> = (0..6).map(|_| travel.meets(&fault("error_404_no_endpoints_parameters"))).collect();
    let expected = ["without seed", "without temperature", "without reasoning", "ask by forced_tool", "ask by prompted", "route 2"];
    assert_eq!(met, expected);
    // only what is sent is dropped
    let bare = Limits { sent: Parameters::NONE, ..alone() };
    assert_eq!(steps(&fault("error_404_no_endpoints_parameters"), &bare)[0], "ask by forced_tool");
}

#[test]
fn the_order_of_dropping_is_fixed() {
    let all = Limits { sent: Parameter::ALL.into_iter().collect(), attempts: 40, strategy: Strategy::Text, ..alone() };
    let dropped = follow(FaultClass::NoEndpointsForParameters, None, &all);
    assert_eq!(
        dropped,
        [
            "without top_logprobs",
            "without logprobs",
            "without parallel_tool_calls",
            "without prediction",
            "without seed",
            "without logit_bias",
            "without frequency_penalty",
            "without presence_penalty",
            "without repetition_penalty",
            "without top_k",
            "without min_p",
            "without top_a",
            "without top_p",
            "without verbosity",
            "without cache_control",
            "without temperature",
            "without stop",
            "without reasoning",
            "without max_tokens",
            "give up"
        ]
    );
}

#[test]
fn a_provider_refuses_the_schema() {
    // this refusal is about what `strict` asks for, so the loose form may pass
    let refused = fault("error_400_provider_invalid_schema");
    assert_eq!(refused.class, FaultClass::StrictRefused);
    assert_eq!(steps(&refused, &alone()), ["without OpenAI", "ask by loose_format", "ask by forced_tool", "ask by prompted", "give up"]);
    let mut travel = Travel::new(&alone());
    travel.meets(&refused);
    let lesson = travel.remedies[0].lesson.as_ref().map(ToString::to_string);
    assert_eq!(lesson.as_deref(), Some("refuses OpenAI by response_format"));
    // one that is not goes to the forced tool at once
    let other = Fault::new(FaultClass::SchemaRefused, "invalid schema for response format").from_provider(Some("Groq"));
    assert_eq!(steps(&other, &alone()), ["without Groq", "ask by forced_tool", "ask by prompted", "give up"]);
}

#[test]
fn all_providers_that_take_the_schema_are_gone() {
    let mut travel = Travel::new(&alone());
    let refusal = |provider| Fault::new(FaultClass::SchemaRefused, "invalid schema").from_provider(Some(provider));
    assert_eq!(travel.meets(&refusal("Groq")), "without Groq");
    assert_eq!(travel.meets(&fault("error_404_allowed_providers")), "all providers again");
    assert_eq!(travel.meets(&refusal("Groq")), "ask by forced_tool");
}

#[test]
fn an_answer_fails_validation() {
    let invalid = Fault::new(FaultClass::Invalid, "at /stars: expected an integer").from_provider(Some("DeepInfra"));
    let mut travel = Travel::new(&structured(three_routes()));
    let met: Vec<String> = (0..5).map(|_| travel.meets(&invalid)).collect();
    let expected = ["ask again with the error shown", "without DeepInfra", "ask by forced_tool", "ask by prompted", "route 2"];
    assert_eq!(met, expected);
    assert_eq!(travel.remedies[0].step, Step::AskAgain("at /stars: expected an integer".to_owned()));
}

#[test]
fn a_refusal_of_all_is_doubted_where_others_were_answered() {
    for class in [FaultClass::Unauthorized, FaultClass::UnknownModel, FaultClass::NoEndpoints] {
        let fault = Fault::new(class, "no");
        assert_eq!(steps(&fault, &alone()), ["give up"]);
        let mut travel = Travel::new(&alone());
        travel.course.others_answered = true;
        let met: Vec<String> = (0..3).map(|_| travel.meets(&fault)).collect();
        assert_eq!(met, ["retry after 250 ms", "retry after 500 ms", "give up"]);
    }
    // another way to ask comes before the same once more
    let mut travel = Travel::new(&alone());
    travel.course.others_answered = true;
    assert_eq!(travel.meets(&Fault::new(FaultClass::NoToolSupport, "no tools")), "ask by prompted");
}

#[test]
fn a_limit_is_waited_for_as_long_as_it_says() {
    let pool = fault("error_429_upstream_shared_pool");
    assert_eq!((pool.class.clone(), pool.come_back), (FaultClass::UpstreamRateLimited, Some(Duration::from_secs(17))));
    assert_eq!(Travel::new(&alone()).meets(&pool), "retry after 17000 ms");
    // known to have others, the model goes on without the one that is limited
    let several = Hop { providers: Some(3), ..Hop::default() };
    assert_eq!(Travel::new(&structured(vec![several])).meets(&pool), "without DigitalOcean");
    let minute = fault("error_429_free_per_min");
    assert_eq!(minute.class, FaultClass::FreeRateLimited);
    assert_eq!((advice(&minute).limit, minute.come_back), (Some(20), Some(Duration::ZERO)), "its reset has passed when the sample plays");
    assert_eq!(Travel::new(&alone()).meets(&minute), "retry after 250 ms", "a reset in the past is no leave to hurry");
    let capacity = fault("error_429_capacity_exhausted");
    assert_eq!((capacity.class.clone(), capacity.come_back), (FaultClass::AtCapacity, Some(Duration::from_secs(40))));
    assert_eq!(Travel::new(&structured(three_routes())).meets(&capacity), "route 2");
    assert_eq!(Travel::new(&alone()).meets(&capacity), "retry after 40000 ms");
}

#[test]
fn money_runs_short_in_different_ways() {
    let held = fault("error_402_in_flight_budget");
    assert_eq!(Travel::new(&alone()).meets(&held), "retry after 5000 ms");
    assert_eq!(steps(&held, &alone()), ["retry after 5000 ms ×64", "give up"]);
    let limits = Limits { max_tokens: 8_000, ..alone() };
    let afford = fault("error_402_max_tokens_unaffordable");
    assert_eq!(steps(&afford, &limits), ["max_tokens 3225", "give up"], "95 % of 3395, once");
    assert_eq!(steps(&fault("error_402_weight_exceeds_budget"), &limits), ["max_tokens 4000", "give up"]);
    for out in ["error_402_insufficient_credits", "error_402_key_limit", "error_403_key_limit", "error_403_budget"] {
        assert_eq!(steps(&fault(out), &limits), ["give up"], "{out}");
        assert_eq!(Travel::new(&structured(three_routes())).meets(&fault(out)), "route 3", "{out}: another key");
    }
}

#[test]
fn a_key_limit_says_when_it_ends() {
    let wait = |name: &str| fault(name).come_back.map(|wait| wait.as_secs_f64() / 86_400.0);
    // 22 November to 1 December
    assert!((8.0..9.0).contains(&wait("error_402_key_limit").unwrap()), "monthly");
    assert!((8.0..380.0).contains(&wait("error_403_budget").unwrap()), "named");
    assert_eq!(wait("error_403_key_limit"), None, "a total limit does not end");
}

#[test]
fn what_was_stopped_or_declined() {
    for (name, class) in [
        ("error_403_moderation", FaultClass::Moderated),
        ("chat_error_body_http200_no_choices", FaultClass::Moderated),
        ("error_403_guardrail", FaultClass::Guardrail),
    ] {
        assert_eq!(fault(name).class, class, "{name}");
        assert_eq!(steps(&fault(name), &alone()), ["give up"], "{name}");
    }
    let others = structured(three_routes());
    assert_eq!(Travel::new(&others).meets(&fault("error_403_moderation")), "route 2");
    let travel = Travel::new(&Limits { may_ask_others: false, ..others }).follow_out(&fault("error_403_moderation"));
    assert_eq!((travel.steps(), travel.remedies[0].reason.as_str()), (vec!["give up".to_owned()], "no other model is to see it"));
    // a refusal for a privacy rule may mean that nobody takes a strict schema
    assert_eq!(Travel::new(&alone()).meets(&fault("error_404_guardrails_data_policy")), "ask by loose_format");
    // a guardrail is the account's: another model runs into it too
    assert_eq!(Travel::new(&structured(three_routes())).meets(&fault("error_403_guardrail")), "route 3");
}

#[test]
fn a_bad_moment_is_waited_out_then_the_provider_is_left_then_the_model() {
    let routes = three_routes()[..2].to_vec();
    let busy = fault("error_502_provider");
    assert_eq!(busy.provider.as_deref(), Some("Novita"));
    let mut travel = Travel::new(&structured(routes));
    let met: Vec<String> = (0..4).map(|_| travel.meets(&busy)).collect();
    assert_eq!(met, ["retry after 250 ms", "without Novita", "retry after 1000 ms", "route 2"]);
    for name in ["error_408", "error_504_timeout", "error_524", "error_524_cloudflare_html"] {
        assert_eq!(steps(&fault(name), &alone()), ["retry after 0 ms ×2", "give up"], "{name}");
    }
    for name in ["error_500", "error_529", "stream_truncated_no_done", "stream_midstream_error_empty_choices"] {
        assert_eq!(Travel::new(&alone()).meets(&fault(name)), "retry after 250 ms", "{name}");
    }
    assert_eq!(Travel::new(&alone()).meets(&fault("error_503")), "retry after 10000 ms");
}

#[test]
fn an_answer_is_cut_at_its_limit() {
    for name in ["chat_truncated_structured", "chat_reasoning_only_no_content"] {
        let cut = fault(name);
        assert_eq!(cut.class, FaultClass::Truncated, "{name}");
        assert_eq!(steps(&cut, &Limits { max_tokens: 64, ..alone() }), ["max_tokens 512", "max_tokens 4096", "give up"]);
    }
    assert_eq!(fault("chat_reasoning_only_no_content").message, "all 64 tokens of its limit went into reasoning, before an answer began");
    let capped = Hop { max_tokens_cap: Some(300), ..Hop::default() };
    let limits = Limits { max_tokens: 64, ..structured(vec![capped]) };
    assert_eq!(follow(FaultClass::Truncated, None, &limits), ["max_tokens 300", "give up"], "not above the endpoint's cap");
}

#[test]
fn an_input_is_too_long() {
    let long = fault("error_400_context_length");
    assert_eq!(long.class, FaultClass::ContextLength { limit: Some(16_384), input: Some(26_255) });
    assert_eq!(steps(&long, &structured(three_routes())), ["route 2", "give up"]);
    // it is the answer's limit that does not fit
    let both = Fault::new(FaultClass::ContextLength { limit: Some(16_384), input: Some(15_000) }, "too long");
    let mut travel = Travel::new(&Limits { max_tokens: 4_000, ..alone() });
    assert_eq!(travel.meets(&both), "max_tokens 1320");
    assert_eq!(travel.remedies[0].reason, "of a context of 16384 tokens the input takes 15000");
}

#[test]
fn a_model_that_always_reasons() {
    let mandatory = fault("error_400_reasoning_mandatory");
    let mut travel = Travel::new(&alone());
    assert_eq!(travel.meets(&mandatory), "reasoning effort low, max_tokens 2560");
    assert_eq!(travel.meets(&mandatory), "without reasoning");
    assert_eq!(travel.meets(&mandatory), "give up");
    let known = Hop { efforts: Efforts::from_iter([Effort::Minimal, Effort::Medium]), ..Hop::default() };
    assert_eq!(Travel::new(&structured(vec![known])).meets(&mandatory), "reasoning effort minimal, max_tokens 1536");
}

#[test]
fn an_effort_the_model_does_not_know() {
    let refused = fault("error_400_zod_enum");
    let FaultClass::EffortUnsupported { supported } = refused.class else { panic!("{:?}", refused.class) };
    assert!(Effort::ALL.into_iter().all(|effort| supported.contains(effort)), "{supported:?}");
    let some = Fault::new(FaultClass::EffortUnsupported { supported: Efforts::from_iter([Effort::Low, Effort::High]) }, "no");
    let limits = Limits { effort: Some(Effort::Max), ..alone() };
    assert_eq!(Travel::new(&limits).meets(&some), "reasoning effort high, max_tokens 512");
}

// What users complain about.

#[test]
fn the_provider_s_own_reason_is_shown() {
    let message = |name: &str| fault(name).message;
    assert!(message("error_400_provider_invalid_schema").starts_with("OpenAI: Invalid schema for response_format 'invoice'"));
    assert_eq!(message("error_502_provider"), "Novita: upstream connect error (before that deepinfra capacity_exhausted)");
    let pool = fault("error_429_upstream_shared_pool");
    assert!(pool.message.starts_with("DigitalOcean: deepseek/deepseek-v3.2 is temporarily rate-limited upstream"));
    assert!(advice(&pool).hint.unwrap().starts_with("Retry shortly, add your own provider key"));
}

#[test]
fn a_success_with_an_error_inside_is_an_error() {
    for name in ["chat_choice_error_http200", "stream_midstream_error", "stream_error_bare", "stream_error_bare_string_code"] {
        assert_ne!(fault(name).status, Some(200), "{name}");
    }
    assert_eq!(fault("chat_choice_error_http200").class, FaultClass::Overloaded);
    assert_eq!(fault("stream_midstream_error").class, FaultClass::UpstreamRateLimited, "the provider that was answering");
    assert_eq!(fault("stream_error_bare").class, FaultClass::DailyQuota);
    assert_eq!(fault("stream_error_bare_string_code").class, FaultClass::ServerError, "by its vocabulary, not as 502");
}

#[test]
fn an_empty_answer_is_asked_for_elsewhere() {
    let empty = fault("chat_empty_stop");
    let (first, other) = (structured(three_routes()), alone());
    let mut travel = Travel::new(&first);
    assert_eq!([travel.meets(&empty), travel.meets(&empty)], ["without OpenInference", "route 2"]);
    // with nowhere else to go, the model is told
    let mut travel = Travel::new(&other);
    assert_eq!([travel.meets(&empty), travel.meets(&empty)], ["without OpenInference", "ask again with the error shown"]);
}

#[test]
fn leaving_out_the_only_provider_does_not_repeat_an_empty_answer() {
    let mut travel = Travel::new(&Limits { strategy: Strategy::Text, ..alone() });
    assert_eq!(travel.meets(&fault("chat_empty_stop")), "without OpenInference");
    assert_eq!(travel.meets(&Fault::new(FaultClass::NoEndpoints, "none")), "all providers again");
    assert_eq!(travel.course.correction.as_deref(), Some("there was nothing in it"), "so that it is not the same request");
    assert_eq!(travel.meets(&fault("chat_empty_stop")), "give up");
}

#[test]
fn a_daily_quota_is_not_retried() {
    for name in ["error_429_free_per_day", "error_429_free_per_day_high_balance"] {
        let quota = fault(name);
        assert_eq!(quota.class, FaultClass::DailyQuota);
        assert!((80_000.0..86_400.0).contains(&quota.come_back.unwrap().as_secs_f64()), "{:?}", quota.come_back);
        let free = Hop { free: true, ..Hop::default() };
        assert_eq!(steps(&quota, &structured(vec![free])), ["give up"]);
        assert_eq!(Travel::new(&structured(vec![free, Hop { model: 1, ..Hop::default() }])).meets(&quota), "route 2");
    }
}

#[test]
fn a_token_limit_the_model_does_not_have() {
    let limits = Limits { max_tokens: 8_000, ..alone() };
    let refused = |most, least| Fault::new(FaultClass::MaxTokensRefused { most, least }, "no");
    assert_eq!(follow(refused(Some(4_096), None).class, None, &limits), ["max_tokens 4096", "give up"]);
    assert_eq!(Travel::new(&Limits { max_tokens: 8, ..alone() }).meets(&refused(None, Some(16))), "max_tokens 16");
    assert_eq!(Travel::new(&limits).meets(&refused(None, None)), "max_tokens 4000");
}

#[test]
fn a_parameter_refused_by_name_is_left_out() {
    let refused = Fault::new(FaultClass::ParameterRefused { parameter: Parameter::Temperature }, "no").from_provider(Some("P"));
    assert_eq!(steps(&refused, &alone()), ["without temperature", "without P", "give up"]);
    let log = Limits { sent: Parameters::from_iter([Parameter::Logprobs, Parameter::TopLogprobs]), ..alone() };
    let refused = Fault::new(FaultClass::ParameterRefused { parameter: Parameter::Logprobs }, "no");
    assert_eq!(Travel::new(&log).meets(&refused), "without top_logprobs, logprobs", "one is refused without the other");
}

#[test]
fn what_routing_left_out_is_named() {
    assert!(fault("error_404_data_policy").message.contains("https://openrouter.ai/settings/privacy"));
    assert!(fault("error_404_data_policy").message.ends_with("(none of 1 endpoints passed \"Filter by Data Policy\")"));
    assert_eq!(advice(&fault("error_404_allowed_providers")).instead, ["openai", "azure"]);
    for name in ["error_404_data_policy", "error_404_guardrails_data_policy", "error_404_privacy_restricted"] {
        assert_eq!(fault(name).class, FaultClass::DataPolicy, "{name}");
    }
}

#[test]
fn free_models_end_and_are_kept_for_some() {
    let free = structured(vec![Hop { free: true, ..Hop::default() }]);
    let may_pay = Limits { may_pay_for_free: true, ..free.clone() };
    for name in ["error_404_free_variant_ended", "error_403_agentic_harness", "error_404_no_endpoints_model"] {
        assert_eq!(steps(&fault(name), &free), ["give up"], "{name}");
        assert_eq!(steps(&fault(name), &may_pay), ["the paid variant", "give up"], "{name}");
    }
    assert_eq!(advice(&fault("error_404_free_variant_ended")).instead, ["acme/m"]);
}

#[test]
fn what_is_said_of_retrying_counts_for_more_than_the_status() {
    let said = |retryable| Fault { retryable: Some(retryable), ..Fault::new(FaultClass::Overloaded, "503") };
    assert_eq!(Travel::new(&structured(three_routes())).meets(&said(false)), "route 2");
    assert_eq!(Travel::new(&structured(three_routes())).meets(&said(true)), "retry after 250 ms");
    assert_eq!(fault("error_503_temporarily_unavailable").retryable, Some(true));
}

#[test]
fn a_message_one_provider_refuses_may_pass_at_another() {
    let refused = fault("error_422_upstream");
    assert_eq!((refused.class.clone(), refused.provider.as_deref()), (FaultClass::BadRequest, Some("DeepInfra")));
    assert_eq!(steps(&refused, &alone()), ["without DeepInfra", "give up"]);
}

#[test]
fn a_generation_that_is_not_ready_is_asked_for_again() {
    assert_eq!(
        steps(&fault("error_404_generation_not_ready"), &alone()),
        ["retry after 250 ms", "retry after 500 ms", "retry after 1000 ms", "give up"]
    );
}

#[test]
fn a_function_call_without_data_is_asked_for_in_another_way() {
    let malformed = fault("chat_toolcall_malformed_native");
    assert_eq!(malformed.class, FaultClass::MalformedCall);
    let forced = Limits { strategy: Strategy::ForcedTool, ..alone() };
    assert_eq!(Travel::new(&forced).meets(&malformed), "ask by prompted");
    assert!(sample("chat_toolcall_empty_arguments").fault().is_none(), "an empty text is an empty object");
}
