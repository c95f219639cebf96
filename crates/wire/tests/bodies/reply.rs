//! A reply of any bytes to any request: an answer, an error or unreadable, and nothing in it can make reading it panic.
//!
//! Run by a property test of this crate and by a fuzz target.

use std::time::Duration;

use corsac_wire::account::{Credits, Generation, KeyInfo};
use corsac_wire::header::{ComeBack, is_event_stream};
use corsac_wire::{EmbeddingsReply, Reply, Usd};
use serde_json::Value;

/// The first byte chooses the status, the rest is the body.
pub(crate) fn run(data: &[u8]) {
    const STATUS: [u16; 8] = [200, 200, 200, 400, 404, 429, 502, 524];
    let [first, body @ ..] = data else { return };
    let status = STATUS[usize::from(*first) % STATUS.len()];
    judge(status, &Reply::decode(status, body));
    for failure in [
        Reply::data::<KeyInfo>(status, body).err(),
        Reply::data::<Generation>(status, body).err(),
        Reply::data::<Credits>(status, body).map(|credits| credits.balance()).err(),
    ] {
        assert!(failure.is_none_or(|reply| !matches!(*reply, Reply::Chat(_))), "no answer to another question");
    }
    embedded(status, body);
    headers(&String::from_utf8_lossy(body));
}

fn judge(status: u16, reply: &Reply) {
    match reply {
        Reply::Chat(chat) => {
            assert!(status < 400 && !chat.choices.is_empty() && chat.error.is_none());
            let _ = (chat.text(), chat.arguments("f"));
            for choice in &chat.choices {
                let message = choice.message.verbatim();
                let read: Value = serde_json::from_str(message.get()).unwrap_or_default();
                assert!(read.is_object(), "a message is handed back as an object: {}", message.get());
                let _ = (choice.message.reasoning_details(), choice.message.annotations(), choice.message.images());
            }
        }
        Reply::Error { error, status, .. } => {
            assert!(*status >= 400, "an error has an error's status");
            assert!(error.retry_after().is_none_or(|wait| wait <= Duration::from_secs(86_400)), "no wait is longer than a day");
            let _ = (error.reason(), error.provider(), error.header("Retry-After"), error.previous_errors());
        }
        Reply::Unreadable { excerpt, .. } => assert!(excerpt.chars().count() <= 200 && !excerpt.contains('\n')),
    }
}

fn embedded(status: u16, body: &[u8]) {
    let Ok(reply) = EmbeddingsReply::decode(status, body) else { return };
    let count = reply.data.len();
    if let Ok(vectors) = reply.vectors(count) {
        assert!(vectors.iter().all(|vector| vector.len() == vectors[0].len() && vector.iter().all(|number| number.is_finite())));
    }
}

fn headers(text: &str) {
    let come_back = ComeBack::read(|_| Some(text), 1_700_000_000_000);
    assert!(come_back.wait().is_none_or(|wait| wait <= Duration::from_secs(172_800)), "no wait is longer than two days");
    let _ = is_event_stream(text);
    if let Ok(amount) = Usd::parse(text) {
        let written = serde_json::to_string(&amount).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Usd>(&written).ok(), Some(amount), "money is written exactly");
        let _ = (amount.to_string(), amount.times(u64::MAX), amount.per(3));
    }
}
