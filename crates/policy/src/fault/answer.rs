//! Faults in answers that came with HTTP 200 and no error: broken off, filtered, cut, declined, empty. Whether an answer
//! satisfies its schema is judged elsewhere.

use corsac_wire::ChatReply;

use super::{Fault, FaultClass};
use crate::Strategy;

impl Fault {
    /// What is wrong with an answer whatever was asked for, if anything is. `text` is the part of it that would be read.
    pub fn in_answer(chat: &ChatReply, text: Option<&str>, asked_by: Strategy) -> Option<Fault> {
        let choice = chat.choices.first();
        let finish = choice.and_then(|choice| choice.finish_reason.as_deref()).unwrap_or("stop");
        let native = choice.and_then(|choice| choice.native_finish_reason.as_deref());
        let message = choice.map(|choice| &choice.message);
        let nothing = text.is_none_or(|text| text.trim().is_empty());
        let reasoned = message.is_some_and(|message| message.reasoning.as_deref().is_some_and(|text| !text.trim().is_empty()));
        let class_and_words = match finish {
            // the provider could not read the call its model wrote
            "error" if native.is_some_and(|native| native.contains("FUNCTION_CALL")) => {
                (FaultClass::MalformedCall, "the provider could not read the function call its model wrote".to_owned())
            }
            "error" => {
                (FaultClass::Overloaded, format!("the provider broke off while answering ({})", native.unwrap_or("no reason given")))
            }
            "content_filter" => (FaultClass::Filtered, "the answer was stopped by a content filter".to_owned()),
            "length" => (FaultClass::Truncated, truncated(chat, nothing && reasoned)),
            _ if !nothing => return None,
            _ => {
                let refusal = message.and_then(|message| message.refusal.as_deref()).map(str::trim).filter(|refusal| !refusal.is_empty());
                match refusal {
                    Some(refusal) => (FaultClass::Declined, format!("the model declined: {refusal}")),
                    None if finish == "tool_calls" && asked_by == Strategy::ForcedTool => {
                        (FaultClass::MalformedCall, "a function call without its data".to_owned())
                    }
                    None if reasoned => (FaultClass::Empty, "reasoning, and no answer after it".to_owned()),
                    None => (FaultClass::Empty, format!("an answer with nothing in it ({})", native.unwrap_or(finish))),
                }
            }
        };
        let (class, words) = class_and_words;
        Some(Fault::new(class, words).from_provider(chat.provider.as_deref()))
    }
}

fn truncated(chat: &ChatReply, only_reasoned: bool) -> String {
    let usage = chat.usage.unwrap_or_default();
    let tokens = usage.completion_tokens;
    let reasoning = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0);
    if only_reasoned || (reasoning > 0 && reasoning >= tokens) {
        format!("all {tokens} tokens of its limit went into reasoning, before an answer began")
    } else {
        format!("the answer was cut at its limit of {tokens} tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(choice: serde_json::Value, text: Option<&str>, asked_by: Strategy) -> Option<(FaultClass, String)> {
        let chat: ChatReply = serde_json::from_value(json!({"provider": "P", "choices": [choice]})).unwrap();
        Fault::in_answer(&chat, text, asked_by).map(|fault| (fault.class, fault.message))
    }

    #[test]
    fn an_answer_without_one_says_why() {
        let found = |choice, text| check(choice, text, Strategy::ForcedTool);
        assert_eq!(found(json!({"finish_reason": "stop"}), Some("fine")), None);
        assert_eq!(found(json!({"finish_reason": "tool_calls"}), Some("{}")), None);
        assert_eq!(found(json!({"finish_reason": "tool_calls"}), None).unwrap().0, FaultClass::MalformedCall);
        assert_eq!(check(json!({"finish_reason": "tool_calls"}), None, Strategy::Text).unwrap().0, FaultClass::Empty);
        let filtered = found(json!({"finish_reason": "content_filter"}), Some("half of"));
        assert_eq!(filtered.unwrap().0, FaultClass::Filtered);
        let declined = found(json!({"finish_reason": "stop", "message": {"refusal": " I will not. "}}), Some(" "));
        assert_eq!(declined.unwrap(), (FaultClass::Declined, "the model declined: I will not.".to_owned()));
        let thought = found(json!({"finish_reason": "stop", "message": {"reasoning": "hm"}}), None);
        assert_eq!(thought.unwrap(), (FaultClass::Empty, "reasoning, and no answer after it".to_owned()));
        assert_eq!(check(json!({"finish_reason": "error"}), Some("half"), Strategy::Text).unwrap().0, FaultClass::Overloaded);
    }
}
