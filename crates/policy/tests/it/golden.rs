//! Every sample exchange that failed: its class with all details, and what is done about it, to the end.

use std::fmt::Write;

use corsac_policy::Hop;

use crate::samples::{Sample, samples};
use crate::travel::{Travel, structured, three_routes};

/// What is known of the fault in a sample, and the remedies until none is left. The call has three routes: the model,
/// another model with a larger context, and the first model with another key at another host.
fn described(sample: &Sample) -> Option<String> {
    let fault = sample.fault()?;
    let mut text = format!("{}\n", sample.name);
    let status = fault.status.map_or("-".to_owned(), |status| status.to_string());
    let _ = writeln!(text, "  {status} {:?} by {:?}", fault.class, fault.blame());
    let _ = writeln!(text, "  {}", fault.message);
    let mut details = Vec::new();
    details.extend(fault.come_back.map(|wait| format!("come back after {} s", wait.as_secs_f64())));
    details.extend(fault.retryable.map(|said| format!("retryable {said}")));
    if let Some(advice) = &fault.advice {
        details.extend(advice.limit.map(|limit| format!("limit {limit}")));
        details.extend((!advice.instead.is_empty()).then(|| format!("instead {}", advice.instead.join(", "))));
        details.extend(advice.hint.as_ref().map(|hint| format!("hint: {hint}")));
    }
    if !details.is_empty() {
        let _ = writeln!(text, "  {}", details.join("; "));
    }
    let mut routes = three_routes();
    for hop in &mut routes[..1] {
        *hop = Hop { free: sample.is_free(), ..*hop };
    }
    let travel = Travel::new(&structured(routes)).follow_out(&fault);
    let mut lines: Vec<(String, u32)> = Vec::new();
    for remedy in &travel.remedies {
        let lesson = remedy.lesson.as_ref().map_or(String::new(), |lesson| format!("  [{lesson}]"));
        let line = format!("    {}: {}{lesson}", remedy.step.name(), remedy.reason);
        match lines.last_mut().filter(|(last, _)| *last == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        }
    }
    for (line, times) in lines {
        let _ = if times == 1 { writeln!(text, "{line}") } else { writeln!(text, "{line}  ×{times}") };
    }
    Some(text)
}

fn table(prefix: &str) -> String {
    samples(prefix).iter().filter_map(described).collect::<Vec<_>>().join("\n")
}

#[test]
fn errors() {
    let all = samples("error_");
    assert!(all.len() >= 45, "{} samples", all.len());
    for sample in &all {
        assert!(sample.fault().is_some(), "{} is an error", sample.name);
    }
    insta::assert_snapshot!(table("error_"));
}

#[test]
fn answers() {
    insta::assert_snapshot!(table("chat_"));
}

#[test]
fn streams() {
    insta::assert_snapshot!(table("stream_"));
}

#[test]
fn another_door() {
    insta::assert_snapshot!(table("messages_"));
}
