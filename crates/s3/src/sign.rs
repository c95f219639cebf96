//! Amazon's Signature Version 4, as "Authenticating Requests: Using the Authorization Header" of the S3 API reference
//! describes it. Pure: the moment is given.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::settings::Key;

/// What stands as it is in what is signed: letters, digits and these four.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ESCAPED_PATH: AsciiSet = ESCAPED.remove(b'/');

/// A request as it is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// Escaped.
    pub(crate) path: &'a str,
    /// Escaped and in order, see [`query`].
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) region: &'a str,
}

/// A name of an object as it stands in an address.
pub(crate) fn path(key: &str) -> String {
    utf8_percent_encode(key, &ESCAPED_PATH).to_string()
}

/// Parameters as they stand in an address, in the order in which they are signed.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, &ESCAPED).to_string();
    let mut pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.sort();
    pairs.join("&")
}

/// The headers that sign a request, by name; the last one holds the signature.
pub(crate) fn headers(request: &Signed<'_>, key: Option<&Key>, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let Some(key) = key else { return Vec::new() };
    let moment = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap_or_default();
    let day = moment.get(..8).unwrap_or_default();
    let body = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    let mut headers = vec![("x-amz-content-sha256", body.clone()), ("x-amz-date", moment.clone())];
    headers.extend(key.token.as_ref().map(|token| ("x-amz-security-token", token.expose_secret().to_owned())));
    let names = std::iter::once("host").chain(headers.iter().map(|(name, _)| *name)).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{}\n{}\n{}\nhost:{}\n{lines}\n{names}\n{body}", request.method, request.path, request.query, request.host);
    let scope = format!("{day}/{}/s3/aws4_request", request.region);
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}");
    let start = format!("AWS4{}", key.secret.expose_secret());
    let signing = [day, request.region, "s3", "aws4_request"].into_iter().fold(start.into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&signing, &text));
    headers
        .push(("authorization", format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", key.id)));
    headers
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    /// The list of objects in the API reference's examples, but for its bucket in the host.
    #[test]
    fn the_references_own_example_is_signed_as_it_says() {
        let key = Key {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned().into(),
            token: None,
        };
        let request = Signed {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: &query(&[("prefix", "J"), ("max-keys", "2")]),
            body: b"",
            region: "us-east-1",
        };
        let headers = headers(&request, Some(&key), datetime!(2013-05-24 00:00 UTC));
        let signature = headers.last().unwrap().1.rsplit('=').next().unwrap();
        assert_eq!(signature, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    }

    #[test]
    fn names_are_escaped_as_they_are_signed() {
        assert_eq!(path("a b/ü+%~.csv"), "a%20b/%C3%BC%2B%25~.csv");
        assert_eq!(query(&[("prefix", "a/b c"), ("list-type", "2"), ("delimiter", "")]), "delimiter=&list-type=2&prefix=a%2Fb%20c");
    }
}
