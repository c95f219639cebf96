//! `s3://bucket/key`: one object, or a pattern or a folder of several.

use std::fmt;

use crate::S3Error;

/// What every address begins with.
const SCHEME: &str = "s3://";

/// Where an object is, or several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The bucket.
    pub bucket: String,
    /// The object's name in it; as it is, nothing in it is escaped.
    pub key: String,
}

impl Address {
    /// Whether a text is meant as such an address.
    pub fn is_one(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`S3Error::Address`] when it names no bucket.
    pub fn parse(text: &str) -> Result<Address, S3Error> {
        let wrong = || S3Error::Address { address: text.to_owned() };
        if !Address::is_one(text) {
            return Err(wrong());
        }
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(fits) {
            return Err(wrong());
        }
        Ok(Address { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Whether it stands for one object.
    pub fn is_single(&self) -> bool {
        !self.is_folder() && !self.is_pattern()
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    fn is_pattern(&self) -> bool {
        self.key.contains(['*', '?', '['])
    }

    /// How the names of all begin that it stands for.
    pub(crate) fn prefix(&self) -> &str {
        let end = self.key.find(['*', '?', '[']).unwrap_or(self.key.len());
        self.key.get(..end).unwrap_or_default()
    }

    /// Whether it stands for this object too, of those whose names begin right. A folder holds what lies in it, and not
    /// what lies in folders of it.
    pub(crate) fn stands_for(&self, key: &str) -> Result<bool, S3Error> {
        if self.is_folder() {
            let inside = key.get(self.key.len()..).unwrap_or_default();
            return Ok(!inside.is_empty() && !inside.contains('/'));
        }
        if !self.is_pattern() {
            return Ok(self.key == key);
        }
        let pattern = glob::Pattern::new(&self.key).map_err(|_| S3Error::Address { address: self.to_string() })?;
        let options = glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
        Ok(pattern.matches_with(key, options))
    }

    /// The object of that name beside it.
    pub(crate) fn beside(&self, key: String) -> Address {
        Address { bucket: self.bucket.clone(), key }
    }

    /// The last part of the name.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_told_as_they_are() {
        let one = Address::parse("S3://my-bucket/a b/ü%.csv").unwrap();
        assert_eq!((one.bucket.as_str(), one.key.as_str(), one.file_name()), ("my-bucket", "a b/ü%.csv", "ü%.csv"));
        assert_eq!(one.to_string(), "s3://my-bucket/a b/ü%.csv");
        assert!(one.is_single() && !Address::parse("s3://b").unwrap().is_single() && !Address::parse("s3://b/a/").unwrap().is_single());
        for wrong in ["s3://", "s3:///a", "/b/a", "s3://user:word@b/a", "s3:", ""] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_and_folders_stand_for_several() {
        let check = |address: &str, prefix: &str, those: &[&str], not: &[&str]| {
            let address = Address::parse(address).unwrap();
            assert_eq!(address.prefix(), prefix);
            assert!(those.iter().all(|key| address.stands_for(key).unwrap()), "{address} of {those:?}");
            assert!(!not.iter().any(|key| address.stands_for(key).unwrap()), "{address} of {not:?}");
        };
        check("s3://b/in/*.csv", "in/", &["in/a.csv"], &["in/a.txt", "in/deep/a.csv"]);
        check("s3://b/in/**/*.csv", "in/", &["in/a.csv", "in/deep/er/a.csv"], &["in/a.txt"]);
        check("s3://b/in/", "in/", &["in/a.csv"], &["in/", "in/deep/a.csv"]);
        check("s3://b/a", "a", &["a"], &["ab"]);
    }
}
