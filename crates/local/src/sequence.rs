//! The keys and values of the tokens that a sequence has seen, in shared frozen parts and one growing part.

use std::sync::Arc;

/// Keys and values of consecutive tokens, for every layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    pub(crate) layers: Vec<LayerCache>,
    pub(crate) tokens: usize,
}

/// One layer's keys and values: `[token][key/value head][dimension]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerCache {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

/// The first `tokens` tokens of a computed segment.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    pub(crate) tokens: usize,
}

/// What attention looks back on: shared parts in order, then the sequence's own segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence {
    pub(crate) shared: Vec<Part>,
    pub(crate) own: Segment,
}

impl Sequence {
    /// A sequence that goes on after what others computed.
    pub(crate) fn after(shared: Vec<Part>) -> Self {
        Self { shared, own: Segment::default() }
    }

    /// Tokens seen so far.
    pub(crate) fn tokens(&self) -> usize {
        self.shared.iter().map(|part| part.tokens).sum::<usize>() + self.own.tokens
    }

    /// Freezes what this sequence computed itself, so that others can go on from it.
    pub(crate) fn freeze(&mut self) -> Vec<Part> {
        if self.own.tokens > 0 {
            let segment = Arc::new(std::mem::take(&mut self.own));
            let tokens = segment.tokens;
            self.shared.push(Part { segment, tokens });
        }
        self.shared.clone()
    }
}
