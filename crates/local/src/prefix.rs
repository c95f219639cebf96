//! Remembers the keys and values of prompt beginnings, so that what many prompts share is computed once.

use std::collections::VecDeque;

use crate::sequence::Part;

/// A beginning that is worth keeping saves at least this many tokens.
const WORTH: usize = 8;
const RECENT: usize = 4;

/// Computed beginnings, the most recently used last, and the latest prompts to compare new ones with.
pub(crate) struct Prefixes {
    entries: VecDeque<Entry>,
    recent: VecDeque<Vec<u32>>,
    most_tokens: usize,
}

struct Entry {
    tokens: Vec<u32>,
    parts: Vec<Part>,
}

impl Prefixes {
    /// Keeps at most `most_tokens` computed tokens.
    pub(crate) fn new(most_tokens: usize) -> Self {
        Self { entries: VecDeque::new(), recent: VecDeque::new(), most_tokens }
    }

    /// The longest computed beginning of the prompt, leaving at least its last token to compute.
    pub(crate) fn longest(&mut self, prompt: &[u32]) -> Vec<Part> {
        let best = self.entries.iter().enumerate().map(|(index, entry)| (shared(&entry.tokens, prompt), index)).max();
        let Some((tokens, index)) = best.filter(|(tokens, _)| *tokens > 0) else { return Vec::new() };
        let Some(entry) = self.entries.remove(index) else { return Vec::new() };
        let parts = first_tokens(&entry.parts, tokens);
        self.entries.push_back(entry);
        parts
    }

    /// How much of this prompt should be computed first because another prompt begins the same way.
    pub(crate) fn worth_computing<'a>(&mut self, prompt: &[u32], waiting: impl Iterator<Item = &'a [u32]>) -> Option<usize> {
        let waiting = waiting.map(|other| shared(other, prompt)).max().unwrap_or(0);
        let recent = self.recent.iter().map(|other| shared(other, prompt)).max().unwrap_or(0);
        let common = waiting.max(recent);
        let known = self.entries.iter().map(|entry| shared(&entry.tokens, prompt)).max().unwrap_or(0);
        self.recent.push_back(prompt.to_vec());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        (common >= known + WORTH).then_some(common)
    }

    /// Keeps a computed beginning.
    pub(crate) fn keep(&mut self, tokens: &[u32], parts: Vec<Part>) {
        // a beginning of the new entry is of no use any more
        self.entries.retain(|entry| !tokens.starts_with(&entry.tokens));
        self.entries.push_back(Entry { tokens: tokens.to_vec(), parts });
        while self.entries.len() > 1 && self.entries.iter().map(|entry| entry.tokens.len()).sum::<usize>() > self.most_tokens {
            self.entries.pop_front();
        }
    }
}

/// Tokens that two prompts share from the start, short of all of `prompt`.
fn shared(other: &[u32], prompt: &[u32]) -> usize {
    let most = prompt.len().saturating_sub(1);
    other.iter().zip(&prompt[..most]).take_while(|(left, right)| left == right).count()
}

fn first_tokens(parts: &[Part], mut tokens: usize) -> Vec<Part> {
    let mut kept = Vec::new();
    for part in parts {
        let take = part.tokens.min(tokens);
        if take == 0 {
            break;
        }
        kept.push(Part { segment: part.segment.clone(), tokens: take });
        tokens -= take;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sequence::Segment;

    fn part(tokens: usize) -> Part {
        Part { segment: Arc::new(Segment { layers: Vec::new(), tokens }), tokens }
    }

    fn reused(prefixes: &mut Prefixes, prompt: &[u32]) -> usize {
        prefixes.longest(prompt).iter().map(|part| part.tokens).sum()
    }

    #[test]
    fn the_longest_beginning_is_reused_but_never_the_whole_prompt() {
        let mut prefixes = Prefixes::new(100);
        prefixes.keep(&[1, 2, 3, 4], vec![part(2), part(2)]);
        assert_eq!(reused(&mut prefixes, &[1, 2, 3, 9]), 3);
        assert_eq!(reused(&mut prefixes, &[1, 2, 3, 4]), 3);
        assert_eq!(reused(&mut prefixes, &[9, 2, 3, 4]), 0);
    }

    #[test]
    fn a_beginning_is_computed_once_two_prompts_share_it() {
        let mut prefixes = Prefixes::new(100);
        let first: Vec<u32> = (0..20).collect();
        let second: Vec<u32> = (0..15).chain(90..95).collect();
        assert_eq!(prefixes.worth_computing(&first, std::iter::empty()), None);
        assert_eq!(prefixes.worth_computing(&second, std::iter::empty()), Some(15));
        prefixes.keep(&second[..15], vec![part(15)]);
        assert_eq!(prefixes.worth_computing(&first, std::iter::empty()), None);
    }

    #[test]
    fn old_beginnings_make_room() {
        let mut prefixes = Prefixes::new(5);
        prefixes.keep(&[1, 1, 1], vec![part(3)]);
        prefixes.keep(&[2, 2, 2], vec![part(3)]);
        assert_eq!((reused(&mut prefixes, &[1, 1, 1, 1]), reused(&mut prefixes, &[2, 2, 2, 2])), (0, 3));
    }
}
