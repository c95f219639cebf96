//! Where spans go and which, out of the environment variables that OpenTelemetry defines.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

/// Spans that wait to be sent: some seconds of a fast run.
const QUEUE_SPANS: usize = 65_536;
/// Spans in one request.
const BATCH_SPANS: usize = 2_048;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(5);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why spans are not gathered, or did not all arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// A variable that cannot be followed.
    #[error("{variable}={value}: {why}")]
    Setting {
        /// Its name.
        variable: String,
        /// What it says.
        value: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// Nothing can be sent.
    #[error("spans cannot be sent: {0}")]
    Unusable(String),
    /// The process has a subscriber already.
    #[error("spans are gathered by another subscriber of this process")]
    Taken,
    /// Spans that did not arrive.
    #[error("{spans} spans did not reach the collector at {endpoint}: {why}")]
    Lost {
        /// How many.
        spans: u64,
        /// Where they were sent.
        endpoint: String,
        /// What happened.
        why: String,
    },
}

/// The form of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        }
    }
}

/// Where spans go and which.
#[derive(Clone)]
pub struct TelemetrySettings {
    pub(super) endpoint: Uri,
    /// They may hold a key of the collector's.
    pub(super) headers: HeaderMap,
    pub(super) form: Form,
    pub(super) timeout: Duration,
    pub(super) delay: Duration,
    pub(super) batch_spans: usize,
    pub(super) queue_spans: usize,
    /// The share of calls whose spans are gathered, 0 to 1.
    pub(super) sampled: f64,
    pub(super) resource: Vec<(String, String)>,
}

impl std::fmt::Debug for TelemetrySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelemetrySettings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl TelemetrySettings {
    /// Reads the variables. `None` where they name no collector or want nothing sent.
    ///
    /// # Errors
    /// A variable that cannot be followed, and what to write instead.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<TelemetrySettings>, TelemetryError> {
        let said = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let is = |name: &str, value: &str| said(name).is_some_and(|said| said.eq_ignore_ascii_case(value));
        // for traces alone, else for everything
        let either = |suffix: &str| {
            let alone = format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}");
            let all = format!("OTEL_EXPORTER_OTLP_{suffix}");
            said(&alone).map(|value| (alone, value)).or_else(|| said(&all).map(|value| (all, value)))
        };
        let Some((name, endpoint)) = either("ENDPOINT") else { return Ok(None) };
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let address = if name.contains("_TRACES_") { endpoint.clone() } else { format!("{}/v1/traces", endpoint.trim_end_matches('/')) };
        let uri = address.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        let uri = uri.ok_or_else(|| wrong(&name, &endpoint, "write an address such as http://localhost:4318"))?;
        let form = match either("PROTOCOL") {
            None => Form::Protobuf,
            Some((_, form)) if form == "http/protobuf" => Form::Protobuf,
            Some((_, form)) if form == "http/json" => Form::Json,
            Some((name, other)) => return Err(wrong(&name, &other, "spans go by http/protobuf or http/json, usually to port 4318")),
        };
        let milliseconds = |name: &str, usual: Duration| -> Result<Duration, TelemetryError> {
            let Some(value) = said(name) else { return Ok(usual) };
            value.parse().map(Duration::from_millis).map_err(|_| wrong(name, &value, "write a number of milliseconds"))
        };
        let spans = |name: &str, usual: usize| -> Result<usize, TelemetryError> {
            let Some(value) = said(name) else { return Ok(usual) };
            value
                .parse()
                .ok()
                .filter(|count| (1..=10_000_000).contains(count))
                .ok_or_else(|| wrong(name, &value, "write a number of spans"))
        };
        let timeout = either("TIMEOUT").map_or("OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), |(name, _)| name);
        Ok(Some(TelemetrySettings {
            endpoint: uri,
            headers: either("HEADERS").map(|(name, value)| headers(&name, &value)).transpose()?.unwrap_or_default(),
            form,
            timeout: milliseconds(&timeout, TIMEOUT)?,
            delay: milliseconds("OTEL_BSP_SCHEDULE_DELAY", DELAY)?,
            batch_spans: spans("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SPANS)?,
            queue_spans: spans("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SPANS)?,
            sampled: sampled(said("OTEL_TRACES_SAMPLER"), said("OTEL_TRACES_SAMPLER_ARG"))?,
            resource: resource(said("OTEL_SERVICE_NAME"), said("OTEL_RESOURCE_ATTRIBUTES")),
        }))
    }

    /// Whether spans are to carry prompts and answers.
    pub fn wants_content(variable: impl Fn(&str) -> Option<String>) -> bool {
        variable("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
}

fn wrong(variable: &str, value: &str, why: &str) -> TelemetryError {
    TelemetryError::Setting { variable: variable.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

/// `name=value,name=value`, both escaped as in a URL. The values may be secrets, so they appear in no error.
fn headers(variable: &str, list: &str) -> Result<HeaderMap, TelemetryError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(list) {
        let name_of = HeaderName::from_bytes(name.as_bytes());
        let value_of = HeaderValue::from_str(&value);
        let (Ok(name), Ok(mut value)) = (name_of, value_of) else {
            return Err(wrong(variable, "[hidden]", "write name=value,name=value, escaped as in a URL"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The share of calls whose spans are gathered. The variables' names stem from samplers that ask a parent first; here no
/// call has one.
fn sampled(sampler: Option<String>, share: Option<String>) -> Result<f64, TelemetryError> {
    match sampler.as_deref() {
        None | Some("always_on" | "parentbased_always_on") => Ok(1.0),
        Some("always_off" | "parentbased_always_off") => Ok(0.0),
        Some("traceidratio" | "parentbased_traceidratio") => match share {
            None => Ok(1.0),
            Some(share) => share
                .parse()
                .ok()
                .filter(|number| (0.0..=1.0).contains(number))
                .ok_or_else(|| wrong("OTEL_TRACES_SAMPLER_ARG", &share, "write a share from 0 to 1")),
        },
        Some(other) => Err(wrong("OTEL_TRACES_SAMPLER", other, "write always_on, always_off or traceidratio")),
    }
}

/// What the spans are said of: the service's name and version, and what the user says.
fn resource(name: Option<String>, more: Option<String>) -> Vec<(String, String)> {
    let mut resource = vec![
        ("service.name".to_owned(), "corsac".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("telemetry.sdk.name".to_owned(), "corsac".to_owned()),
        ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
        ("telemetry.sdk.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let said = more.as_deref().map(pairs).unwrap_or_default();
    for (key, value) in said.into_iter().chain(name.map(|name| ("service.name".to_owned(), name))) {
        match resource.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => resource.push((key, value)),
        }
    }
    resource
}

fn pairs(list: &str) -> Vec<(String, String)> {
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name.trim()), unescaped(value.trim()))).filter(|(name, _)| !name.is_empty()).collect()
}

/// `%20` and the like as what they stand for; what is no escape stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |place: usize| after.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TelemetrySettings>, TelemetryError> {
        TelemetrySettings::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn without_an_endpoint_there_is_nothing_to_send() {
        assert!(read(&[("OTEL_SERVICE_NAME", "x")]).unwrap().is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap().is_none());
        assert!(read(&[AT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        assert!(read(&[AT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
    }

    #[test]
    fn the_standard_variables_are_followed() {
        let settings = read(&[
            AT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret, x-a=b"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb,service.name=other"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.endpoint, "http://collector:4318/v1/traces");
        assert_eq!(settings.headers.get("authorization").unwrap(), "Bearer secret");
        assert_eq!((settings.form, settings.timeout, settings.sampled), (Form::Json, Duration::from_millis(250), 0.25));
        let resource: Vec<_> = settings.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert!(resource.contains(&("service.name", "mine")) && resource.contains(&("team", "a,b")), "{resource:?}");
        assert!(!format!("{settings:?}").contains("secret"));
        let alone = read(&[AT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t.example/in")]).unwrap().unwrap();
        assert_eq!((alone.endpoint.to_string().as_str(), alone.form), ("https://t.example/in", Form::Protobuf));
    }

    #[test]
    fn what_cannot_be_followed_is_told_without_secrets() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ] {
            let told = read(&[AT, (name, value)]).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{name}={value}: ")), "{told}");
        }
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]).is_err());
        let told = read(&[AT, ("OTEL_EXPORTER_OTLP_HEADERS", "bad name=secret")]).unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn escapes_are_undone_and_nothing_else() {
        assert_eq!(unescaped("a%20b%zz%4"), "a b%zz%4");
        assert_eq!(unescaped("%C3%A9%ff"), "é\u{fffd}");
    }
}
