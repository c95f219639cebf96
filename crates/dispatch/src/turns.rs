//! A line in which several callers take turns, so that a long query does not keep a short one waiting.

use std::collections::VecDeque;

/// Items by caller, taken in turns; within one caller, first come, first served.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    /// The caller whose turn it is stands first. No line is empty.
    lines: VecDeque<(u64, VecDeque<T>)>,
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns { lines: VecDeque::new() }
    }
}

impl<T> Turns<T> {
    pub(crate) fn push(&mut self, caller: u64, item: T) {
        match self.lines.iter_mut().find(|(other, _)| *other == caller) {
            Some((_, line)) => line.push_back(item),
            None => self.lines.push_back((caller, VecDeque::from([item]))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whose turn it is.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.lines.front()?.1.front()
    }

    /// Takes it, and lets the next caller have a turn.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (caller, mut line) = self.lines.pop_front()?;
        let item = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((caller, line));
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_each() {
        let mut turns = Turns::default();
        for (caller, item) in [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'x'), (2, 'y')] {
            turns.push(caller, item);
        }
        let mut order = String::new();
        while let Some(next) = turns.peek().copied() {
            assert_eq!(turns.pop(), Some(next));
            order.push(next);
        }
        assert_eq!(order, "axbyc");
        assert!(turns.is_empty());
    }
}
