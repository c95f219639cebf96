//! Texts that fit a regular expression, for the `pattern` keyword: literals, classes, groups,
//! alternatives and counts. What is beyond that gets no text.

use std::iter::Peekable;
use std::str::Chars;

use crate::seed::Draw;

/// How often something without an upper count is repeated at most.
const REPEATS: u64 = 3;

/// A text that fits the pattern; none if the pattern uses more than is known here.
pub(crate) fn example(pattern: &str, draw: &mut Draw) -> Option<String> {
    let body = pattern.strip_prefix('^').unwrap_or(pattern);
    let body = body.strip_suffix('$').unwrap_or(body);
    let mut reader = Reader { characters: body.chars().peekable(), depth: 0 };
    let alternatives = reader.alternatives()?;
    if reader.characters.peek().is_some() {
        return None;
    }
    let mut text = String::new();
    write_one(&alternatives, draw, &mut text);
    (text.len() <= 10_000).then_some(text)
}

enum Piece {
    Literal(char),
    OneOf(Vec<(char, char)>),
    Group(Vec<Vec<Counted>>),
}

struct Counted {
    piece: Piece,
    least: u64,
    most: u64,
}

struct Reader<'p> {
    characters: Peekable<Chars<'p>>,
    depth: u32,
}

impl Reader<'_> {
    fn alternatives(&mut self) -> Option<Vec<Vec<Counted>>> {
        self.depth += 1;
        if self.depth > 32 {
            return None;
        }
        let mut all = vec![Vec::new()];
        while let Some(character) = self.characters.peek().copied() {
            match character {
                ')' => break,
                '|' => {
                    self.characters.next();
                    all.push(Vec::new());
                }
                _ => {
                    let counted = self.counted()?;
                    all.last_mut()?.push(counted);
                }
            }
        }
        self.depth -= 1;
        Some(all)
    }

    fn counted(&mut self) -> Option<Counted> {
        let piece = self.piece()?;
        let (least, most) = match self.characters.peek() {
            Some('?') => (0, 1),
            Some('*') => (0, REPEATS),
            Some('+') => (1, REPEATS),
            Some('{') => {
                return self.braces().map(|(least, most)| Counted { piece, least, most });
            }
            _ => {
                return Some(Counted { piece, least: 1, most: 1 });
            }
        };
        self.characters.next();
        Some(Counted { piece, least, most })
    }

    fn braces(&mut self) -> Option<(u64, u64)> {
        self.characters.next();
        let inside: String = self.characters.by_ref().take_while(|character| *character != '}').collect();
        let (least, most) = match inside.split_once(',') {
            None => (inside.parse().ok()?, inside.parse().ok()?),
            Some((least, "")) => {
                let least: u64 = least.parse().ok()?;
                (least, least.saturating_add(REPEATS))
            }
            Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
        };
        (least <= most && most <= 1_000).then_some((least, most))
    }

    fn piece(&mut self) -> Option<Piece> {
        match self.characters.next()? {
            '(' => {
                if self.characters.next_if_eq(&'?').is_some() {
                    self.characters.next_if_eq(&':')?;
                }
                let inner = self.alternatives()?;
                self.characters.next_if_eq(&')')?;
                Some(Piece::Group(inner))
            }
            '[' => self.class(),
            '.' => Some(Piece::OneOf(vec![('a', 'z')])),
            '\\' => escape(self.characters.next()?),
            '^' | '$' | '*' | '+' | '?' => None,
            literal => Some(Piece::Literal(literal)),
        }
    }

    fn class(&mut self) -> Option<Piece> {
        if self.characters.peek() == Some(&'^') {
            return None;
        }
        let mut ranges = Vec::new();
        loop {
            let first = match self.characters.next()? {
                ']' => break,
                '\\' => match escape(self.characters.next()?)? {
                    Piece::Literal(literal) => literal,
                    Piece::OneOf(more) => {
                        ranges.extend(more);
                        continue;
                    }
                    Piece::Group(_) => return None,
                },
                literal => literal,
            };
            let mut ahead = self.characters.clone();
            let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|character| *character != ']');
            let last = if is_range {
                self.characters.next();
                self.characters.next().filter(|last| *last >= first)?
            } else {
                first
            };
            ranges.push((first, last));
        }
        (!ranges.is_empty()).then_some(Piece::OneOf(ranges))
    }
}

fn escape(character: char) -> Option<Piece> {
    match character {
        'd' => Some(Piece::OneOf(vec![('0', '9')])),
        'w' => Some(Piece::OneOf(vec![('a', 'z'), ('A', 'Z'), ('0', '9')])),
        's' => Some(Piece::Literal(' ')),
        other if other.is_alphanumeric() => None,
        other => Some(Piece::Literal(other)),
    }
}

fn write_one(alternatives: &[Vec<Counted>], draw: &mut Draw, text: &mut String) {
    for counted in alternatives.get(draw.index(alternatives.len())).into_iter().flatten() {
        for _ in 0..counted.least + draw.below(counted.most - counted.least + 1) {
            if text.len() > 10_000 {
                return;
            }
            match &counted.piece {
                Piece::Literal(literal) => text.push(*literal),
                Piece::OneOf(ranges) => text.extend(pick(ranges, draw)),
                Piece::Group(inner) => write_one(inner, draw, text),
            }
        }
    }
}

fn pick(ranges: &[(char, char)], draw: &mut Draw) -> Option<char> {
    let (first, last) = ranges.get(draw.index(ranges.len())).copied()?;
    let width = u64::from(u32::from(last) - u32::from(first)) + 1;
    let offset = u32::try_from(draw.below(width)).ok()?;
    char::from_u32(u32::from(first) + offset).or(Some(first))
}

#[cfg(test)]
mod tests {
    use super::example;
    use crate::seed::Draw;

    #[test]
    fn texts_have_the_shape() {
        let mut draw = Draw::new(5);
        let text = example(r"^[A-Z]{3}-\d{4}(a|b)?$", &mut draw).unwrap();
        assert!(text.len() == 8 || text.len() == 9, "{text}");
        assert!(text[..3].bytes().all(|byte| byte.is_ascii_uppercase()), "{text}");
        assert!(text[4..8].bytes().all(|byte| byte.is_ascii_digit()), "{text}");
    }

    #[test]
    fn what_is_unknown_gets_no_text() {
        for pattern in ["(?=a)b", "[^a]", r"\bword\b", "a{2,1}", "(a", "a)"] {
            assert_eq!(example(pattern, &mut Draw::new(1)), None, "{pattern}");
        }
    }
}
