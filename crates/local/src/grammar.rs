//! Which tokens may come next, so that an answer is valid under its JSON Schema by construction.
//!
//! `llguidance` keeps the grammar; this file gives it the model's own tokenizer, so that text with no choice in it
//! is known as the very tokens the model would read and needs no decoding step.

use std::collections::HashMap;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use crate::bound::{Bounds, bounded};
use crate::error::LocalError;
use crate::tokenizer::Tokenizer;

/// Grammars kept ready; queries use few schemas, so the oldest going first is good enough.
const KEPT: usize = 64;

/// Compiles schemas once and hands out a fresh matcher for each answer.
pub(crate) struct Grammars {
    factory: ParserFactory,
    compiled: HashMap<String, Matcher>,
}

impl Grammars {
    /// Builds the token trie, which takes a moment for a large vocabulary.
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Result<Self, LocalError> {
        let mut info = TokRxInfo::new(tokenizer.vocabulary() as u32, tokenizer.ends().first().copied().unwrap_or(0));
        info.tok_end_of_turn = tokenizer.ends().get(1).copied();
        let words: Vec<Vec<u8>> = (0..tokenizer.vocabulary() as u32)
            .map(|token| {
                let bytes = tokenizer.bytes(token).to_vec();
                if tokenizer.is_special(token) { [vec![TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat() } else { bytes }
            })
            .collect();
        let trie = TokTrie::from(&info, &words);
        let environment: TokEnv = Arc::new(Vocabulary { tokenizer, trie });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
        let slices = llguidance::earley::SlicedBiasComputer::json_slices();
        let mut factory = ParserFactory::new(&environment, capabilities, &slices).map_err(|error| LocalError::Decode(error.to_string()))?;
        // errors go to the caller, and never with the answer's text in them
        factory.quiet().limits_mut().verbose_errors = false;
        Ok(Self { factory, compiled: HashMap::new() })
    }

    /// A matcher at the start of an answer of at most about `max_tokens`.
    pub(crate) fn matcher(&mut self, schema: &Value, max_tokens: usize) -> Result<Matcher, LocalError> {
        let bounds = Bounds::for_tokens(schema, max_tokens);
        let key = format!("{}/{}/{schema}", bounds.string_characters, bounds.list_items);
        if let Some(matcher) = self.compiled.get(&key) {
            return Ok(matcher.deep_clone());
        }
        let mut schema = bounded(schema, bounds);
        if let Value::Object(object) = &mut schema {
            // one way to write each value, the way the model has mostly seen it
            object.insert(
                "x-guidance".into(),
                json!({"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false, "json_allowed_escapes": "nrt\"\\"}),
            );
        }
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        if let Some(error) = matcher.get_error() {
            return Err(LocalError::BadSchema(error.lines().next().unwrap_or("unknown reason").to_owned()));
        }
        if self.compiled.len() >= KEPT {
            self.compiled.clear();
        }
        self.compiled.insert(key, matcher.deep_clone());
        Ok(matcher)
    }
}

/// The tokenizer as `llguidance` wants to see it.
struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let mut tokens = Vec::new();
        for chunk in bytes.utf8_chunks() {
            self.tokenizer.encode(chunk.valid(), &mut tokens, usize::MAX);
            // half a character has no canonical tokens; its bytes stand alone
            tokens.extend(self.trie.greedy_tokenize(chunk.invalid()));
        }
        tokens
    }

    fn tokenize_is_canonical(&self) -> bool {
        true
    }
}
