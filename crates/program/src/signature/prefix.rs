//! The label that DSPy derives from a field's name and keeps in its saved state.

/// A name as words: `camelCase2x` → `Camel Case 2 x:`. Words in capitals stay as they are.
pub fn inferred_prefix(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut split = String::with_capacity(name.len() + 4);
    for (place, c) in chars.iter().enumerate() {
        if place > 0 && is_seam(chars[place - 1], *c, chars.get(place + 1).copied()) {
            split.push('_');
        }
        split.push(*c);
    }
    let words = split.split('_').filter(|word| !word.is_empty()).map(titled);
    words.collect::<Vec<_>>().join(" ") + ":"
}

fn is_seam(before: char, c: char, after: Option<char>) -> bool {
    let camel = c.is_uppercase()
        && (before.is_lowercase() || before.is_numeric() || before.is_uppercase() && after.is_some_and(char::is_lowercase));
    camel || c.is_numeric() != before.is_numeric() && c != '_' && before != '_'
}

fn titled(word: &str) -> String {
    if word.chars().all(|c| c.is_uppercase() || c.is_numeric()) {
        return word.to_owned();
    }
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::inferred_prefix;

    #[test]
    fn names_become_words() {
        for (name, prefix) in [
            ("question", "Question:"),
            ("some_attribute_name", "Some Attribute Name:"),
            ("reasoning_attempt_1", "Reasoning Attempt 1:"),
            ("camelCase", "Camel Case:"),
            ("URL", "URL:"),
        ] {
            assert_eq!(inferred_prefix(name), prefix);
        }
    }
}
