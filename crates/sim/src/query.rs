//! The query part of a path, percent-decoded on demand.

/// `a=1&b=2` without the question mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl Query<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| decode(value))
    }

    /// The query without some names, ready for more: empty, or with an ampersand at its end.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let pairs = self.0.split('&').filter(|pair| !pair.is_empty());
        pairs.filter(|pair| !names.contains(&pair.split('=').next().unwrap_or(""))).map(|pair| format!("{pair}&")).collect()
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }
}

/// Percent signs and plus signs read back; what is no escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let escape = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, escape.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn values_are_decoded() {
        let query = Query("q=gpt%204o+mini&limit=5&bad=%zz");
        assert_eq!(query.get("q").unwrap(), "gpt 4o mini");
        assert_eq!(query.number("limit"), Some(5));
        assert_eq!(query.get("bad").unwrap(), "%zz");
        assert_eq!(query.get("none"), None);
    }
}
