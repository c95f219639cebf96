//! Nothing that comes over the wire panics: the bodies of the fuzz targets, over random bytes and over samples that were
//! damaged.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::samples::samples;

#[path = "../bodies/catalog.rs"]
mod catalog;
#[path = "../bodies/reply.rs"]
mod reply;
#[path = "../bodies/stream.rs"]
mod stream;

/// One kind of damage.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Delete(Index, usize),
    Repeat(Index, usize),
    Insert(Index, &'static [u8]),
    Cut(Index),
}

/// What parsers stumble over.
const STUMBLING: [&[u8]; 24] = [
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"0.1",
    b"\"\"",
    b"\"\\u0000\"",
    b"\"\\ud800\"",
    b"{}",
    b"[]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"error\":",
    b"{\"id\":\"a/m\",\"pricing\":{\"prompt\":\"1e-7\",\"overrides\":[{\"prompt\":\"9\"}]}}",
    b"{\"index\":1,\"id\":\"x\"}",
    b"\"error\":\"x\",",
    b"\"index\":7,",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\r",
    b"\n\n",
    b"\r\n",
    b"data: ",
    b"data: [DONE]\n\n",
    b": warm\n",
];

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        (place(), 1_usize..40).prop_map(|(at, length)| Damage::Delete(at, length)),
        (place(), 1_usize..200).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (place(), select(STUMBLING.to_vec())).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        place().prop_map(Damage::Cut),
    ]
}

fn damaged(mut body: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        let at = |place: &Index| place.index(body.len() + 1);
        let until = |at: usize, length: usize| (at + length).min(body.len());
        match damage {
            Damage::Flip(place, byte) if !body.is_empty() => {
                let at = place.index(body.len());
                body[at] = *byte;
            }
            Damage::Flip(..) => {}
            Damage::Delete(place, length) => {
                let (from, to) = (at(place), until(at(place), *length));
                body.drain(from..to);
            }
            Damage::Repeat(place, length) => {
                let (from, to) = (at(place), until(at(place), *length));
                body.extend_from_within(from..to);
            }
            Damage::Insert(place, bytes) => {
                let at = at(place);
                body.splice(at..at, bytes.iter().copied());
            }
            Damage::Cut(place) => body.truncate(at(place)),
        }
    }
    body
}

/// Samples with some damage, two bytes before them for the bodies to choose by.
fn mutated(prefixes: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<Vec<u8>> = prefixes.iter().flat_map(|prefix| samples(prefix)).map(|sample| sample.body).collect();
    // large lists are cut so that a case stays quick; their entries are alike
    let bodies: Vec<Vec<u8>> = bodies.into_iter().filter(|body| body.len() < 12_000).collect();
    (any::<[u8; 2]>(), select(bodies), proptest::collection::vec(damage(), 0..6))
        .prop_map(|(head, body, damage)| [&head[..], &damaged(body, &damage)].concat())
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams(data in mutated(&["stream_"])) {
        stream::run(&data);
    }

    #[test]
    fn replies(data in mutated(&["chat_", "error_", "messages_", "responses_", "key", "credits", "generation", "embeddings_success"])) {
        reply::run(&data[1..]);
    }

    #[test]
    fn catalogs(data in mutated(&["model", "endpoints_", "embeddings_models", "providers"])) {
        catalog::run(&data[2..]);
    }

    #[test]
    fn random_bytes(data in noise()) {
        stream::run(&data);
        reply::run(&data);
        catalog::run(&data);
    }
}
