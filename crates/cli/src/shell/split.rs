//! Where one statement ends and the next begins: at a semicolon that stands in no text, no quoted name and no comment.

/// Whether there is nothing to run: blanks and comments alone.
pub(super) fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            match comment.split_once("*/") {
                Some((_, after)) => rest = after.trim_start(),
                None => return false,
            }
        } else {
            return rest.is_empty();
        }
    }
}

/// Takes the statements that have ended out of a text, without their semicolons; what has not ended stays.
pub(super) fn take(text: &mut String) -> Vec<String> {
    let mut statements = Vec::new();
    while let Some(end) = end_of_first(text) {
        let rest = text.split_off(end + 1);
        let mut statement = std::mem::replace(text, rest);
        statement.truncate(end);
        if !is_blank(&statement) {
            statements.push(statement);
        }
    }
    if is_blank(text) {
        text.clear();
    }
    statements
}

fn end_of_first(text: &str) -> Option<usize> {
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match (character, next) {
            (';', _) => return Some(at),
            ('\'' | '"' | '`', _) => {
                // a doubled quote ends one text and begins the next, which comes to the same
                let escapes =
                    character == '\'' && text[..at].ends_with(['E', 'e']) && !text[..at.saturating_sub(1)].ends_with(char::is_alphanumeric);
                while let Some((_, inner)) = rest.next() {
                    if inner == '\\' && escapes {
                        rest.next();
                    } else if inner == character {
                        break;
                    }
                }
            }
            ('-', Some('-')) => while rest.next().is_some_and(|(_, inner)| inner != '\n') {},
            ('/', Some('*')) => {
                let mut before = ' ';
                rest.next();
                for (_, inner) in rest.by_ref() {
                    if before == '*' && inner == '/' {
                        break;
                    }
                    before = inner;
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (Vec<String>, String) {
        let mut rest = text.to_owned();
        let statements = take(&mut rest);
        (statements, rest)
    }

    #[test]
    fn statements_end_at_semicolons_of_their_own() {
        assert_eq!(split("a; b;c"), (vec!["a".into(), " b".into()], "c".into()));
        assert_eq!(split("SELECT ';' , \"a;b\" FROM t;"), (vec!["SELECT ';' , \"a;b\" FROM t".into()], String::new()));
        assert_eq!(split("SELECT 'it''s; so'; x"), (vec!["SELECT 'it''s; so'".into()], " x".into()));
        assert_eq!(split("SELECT E'it\\'s; so'; x"), (vec!["SELECT E'it\\'s; so'".into()], " x".into()));
        assert_eq!(split("-- one; two\nSELECT 1 /* ; */;"), (vec!["-- one; two\nSELECT 1 /* ; */".into()], String::new()));
        assert_eq!(split("SELECT 'open;"), (Vec::new(), "SELECT 'open;".into()));
        assert_eq!(split(";;\n -- nothing\n;"), (Vec::new(), String::new()));
        assert_eq!(split("SELECT 5 - 4;"), (vec!["SELECT 5 - 4".into()], String::new()));
    }

    #[test]
    fn comments_alone_are_nothing() {
        assert!(is_blank(" -- one\n/* two */ \n"));
        assert!(!is_blank("/* never closed"));
        assert!(!is_blank("-- one\nSELECT"));
    }
}
