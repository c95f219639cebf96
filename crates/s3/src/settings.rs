//! Who asks which server, by the usual variables.

use std::fmt;

use http::Uri;
use secrecy::SecretString;

use crate::S3Error;

/// The region where nobody names one.
const USUAL_REGION: &str = "us-east-1";

/// A key, in two or three parts.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    pub(crate) token: Option<SecretString>,
}

/// Who asks, and which server.
#[derive(Clone)]
pub struct Settings {
    pub(crate) key: Option<Key>,
    pub(crate) region: String,
    /// Another server than Amazon's.
    pub(crate) endpoint: Option<Uri>,
}

impl Settings {
    /// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` or `AWS_DEFAULT_REGION`, and
    /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`. Without a key, requests are not signed: public objects can be read.
    ///
    /// # Errors
    /// [`S3Error::Settings`] for half a key or an endpoint that is no address.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, S3Error> {
        let given = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let key = match (given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Some(Key { id, secret: secret.into(), token: given("AWS_SESSION_TOKEN").map(Into::into) }),
            (None, None) => None,
            (Some(_), None) => return Err(S3Error::Settings("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not".to_owned())),
            (None, Some(_)) => return Err(S3Error::Settings("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not".to_owned())),
        };
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter().find_map(|name| given(name).map(|url| (name, url)));
        let endpoint = endpoint.map(|(name, url)| {
            // an address may hold a password: it is not repeated
            let wrong = || S3Error::Settings(format!("{name} is no address: write it like https://minio.example.com:9000"));
            let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
            let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@')) && uri.query().is_none();
            (is_plain && matches!(uri.scheme_str(), Some("http" | "https"))).then_some(uri).ok_or_else(wrong)
        });
        let region = given("AWS_REGION").or_else(|| given("AWS_DEFAULT_REGION")).unwrap_or_else(|| USUAL_REGION.to_owned());
        if !region.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
            return Err(S3Error::Settings("AWS_REGION is no region: write it like eu-central-1".to_owned()));
        }
        Ok(Settings { key, region, endpoint: endpoint.transpose()? })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_ref().map(ToString::to_string);
        f.debug_struct("Settings").field("signs", &self.key.is_some()).field("region", &self.region).field("endpoint", &endpoint).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings, S3Error> {
        Settings::from_environment(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_usual_variables_say_who_asks_whom() {
        let set = of(&[
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
            ("AWS_SESSION_TOKEN", "hush-token"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/"),
        ]);
        let shown = format!("{:?}", set.unwrap());
        assert_eq!(shown, r#"Settings { signs: true, region: "eu-central-1", endpoint: Some("http://127.0.0.1:9000/") }"#);
        assert_eq!(format!("{:?}", of(&[]).unwrap()), r#"Settings { signs: false, region: "us-east-1", endpoint: None }"#);
    }

    #[test]
    fn what_cannot_be_used_is_told_without_a_secret() {
        for wrong in [
            &[("AWS_SECRET_ACCESS_KEY", "hush-hush")][..],
            &[("AWS_ACCESS_KEY_ID", "AKID")],
            &[("AWS_ENDPOINT_URL", "http://me:hush-hush@host")],
            &[("AWS_ENDPOINT_URL_S3", "ftp://host")],
            &[("AWS_REGION", "a/../b")],
        ] {
            let told = of(wrong).unwrap_err().to_string();
            assert!(told.contains("AWS_") && !told.contains("hush"), "{told}");
        }
    }
}
