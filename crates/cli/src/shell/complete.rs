//! What a word at the cursor could become.

const KEYWORDS: &str = "SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT OFFSET DISTINCT UNION ALL INTERSECT EXCEPT JOIN LEFT RIGHT FULL INNER CROSS \
                        USING WITH RECURSIVE CASE WHEN THEN ELSE END AND NOT NULL LIKE ILIKE BETWEEN EXISTS CAST VALUES CREATE REPLACE VIEW TABLE \
                        EXTERNAL LOCATION STORED COMMENT COLUMN DROP INSERT INTO COPY OPTIONS SHOW TABLES DESCRIBE EXPLAIN ANALYZE ASC DESC";

/// Where the word under the cursor begins, and what it could become. Keywords keep the case in which they were begun.
pub(super) fn candidates(before: &str, words: &[String]) -> (usize, Vec<String>) {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let start = before.char_indices().rev().take_while(|(_, character)| is_part(*character)).last().map_or(before.len(), |(at, _)| at);
    let begun = &before[start..];
    if begun.is_empty() {
        return (start, Vec::new());
    }
    let lower = begun.to_lowercase();
    let in_lower = begun.chars().all(|character| !character.is_uppercase());
    let mut found: Vec<String> =
        words.iter().filter(|word| word.to_lowercase().starts_with(&lower) && word.chars().all(is_part)).cloned().collect();
    let keywords = KEYWORDS.split_whitespace().filter(|keyword| keyword.to_lowercase().starts_with(&lower));
    found.extend(keywords.map(|keyword| if in_lower { keyword.to_lowercase() } else { keyword.to_owned() }));
    found.sort();
    found.dedup();
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_where_they_begin() {
        let words = ["semantic_map".to_owned(), "reviews".to_owned(), "Rating".to_owned()];
        assert_eq!(candidates("SELECT sem", &words), (7, vec!["semantic_map".to_owned()]));
        assert_eq!(candidates("SELECT r.ra", &words), (9, vec!["Rating".to_owned()]));
        assert_eq!(candidates("sel", &words), (0, vec!["select".to_owned()]));
        assert_eq!(candidates("SEL", &words), (0, vec!["SELECT".to_owned()]));
        assert_eq!(candidates("SELECT ", &words), (7, Vec::new()));
        assert_eq!(candidates("é.re", &words), (3, vec!["recursive".to_owned(), "replace".to_owned(), "reviews".to_owned()]));
    }
}
