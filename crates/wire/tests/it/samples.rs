//! The sample exchanges beside the tests.

use std::path::PathBuf;

use serde_json::Value;

/// A reply as it came over the wire.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What was asked, where the sample is about that.
    pub(crate) request: Option<Value>,
}

impl Sample {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A sample by name.
pub(crate) fn sample(name: &str) -> Sample {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let mut exchange: Value = serde_json::from_str(&text).unwrap();
    let body = match (exchange["body"].take(), exchange.get("body_sse_lines").and_then(Value::as_array)) {
        (_, Some(lines)) => lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect::<String>().into_bytes(),
        (Value::String(page), None) => page.into_bytes(),
        (body, None) => serde_json::to_vec(&body).unwrap(),
    };
    let headers = exchange["http"]["headers"].as_object().unwrap();
    Sample {
        name: name.to_owned(),
        status: u16::try_from(exchange["http"]["status"].as_u64().unwrap()).unwrap(),
        headers: headers.iter().map(|(key, value)| (key.to_lowercase(), value.as_str().unwrap().to_owned())).collect(),
        body,
        request: exchange.get_mut("request").map(Value::take),
    }
}

/// All samples whose name starts like this, in order.
pub(crate) fn samples(prefix: &str) -> Vec<Sample> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files
        .filter_map(|file| file.strip_suffix(".json").map(str::to_owned))
        .filter(|name| name.starts_with(prefix) && name != "MANIFEST")
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no sample starts with {prefix:?}");
    names.iter().map(|name| sample(name)).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}
