//! Spans in the two forms of OTLP: protobuf and its JSON. The numbers of the fields are the protocol's.

use serde_json::json;

use super::settings::Form;
use super::{Span, Value};

const CLIENT: i64 = 3;
const INTERNAL: i64 = 1;
const ERROR: i64 = 2;

/// The body of a request.
pub(super) fn body(form: Form, resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    match form {
        Form::Json => json_body(resource, spans).to_string().into_bytes(),
        Form::Protobuf => protobuf_body(resource, spans),
    }
}

fn json_body(resource: &[(String, String)], spans: &[Span]) -> serde_json::Value {
    let resource: Vec<_> = resource.iter().map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } })).collect();
    let spans: Vec<_> = spans.iter().map(json_span).collect();
    let scope = json!({ "name": "corsac", "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

fn json_span(span: &Span) -> serde_json::Value {
    let attribute = |(name, value): &(&str, Value)| {
        // whole numbers of 64 bits are text in the JSON of protobuf
        let value = match value {
            Value::Text(text) => json!({ "stringValue": text }),
            Value::Int(number) => json!({ "intValue": number.to_string() }),
            Value::Float(number) => json!({ "doubleValue": number }),
            Value::Bool(is) => json!({ "boolValue": is }),
        };
        json!({ "key": name, "value": value })
    };
    let mut made = json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "name": span.name,
        "kind": if span.is_client { CLIENT } else { INTERNAL },
        "startTimeUnixNano": span.started.to_string(),
        "endTimeUnixNano": span.ended.to_string(),
        "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "status": if span.is_error { json!({ "code": ERROR }) } else { json!({}) },
    });
    if let Some(parent) = &span.parent {
        made["parentSpanId"] = hex(parent).into();
    }
    made
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn protobuf_body(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |made| {
            for (name, value) in resource {
                made.message(1, |pair| {
                    pair.text(1, name);
                    pair.message(2, |any| any.text(1, value));
                });
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| {
                scope.text(1, "corsac");
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            spans.iter().for_each(|span| of_scope.message(2, |made| protobuf_span(made, span)));
        });
    });
    request.0
}

fn protobuf_span(made: &mut Message, span: &Span) {
    made.bytes(1, &span.trace);
    made.bytes(2, &span.id);
    if let Some(parent) = &span.parent {
        made.bytes(4, parent);
    }
    made.text(5, &span.name);
    made.int(6, if span.is_client { CLIENT } else { INTERNAL });
    made.fixed(7, span.started);
    made.fixed(8, span.ended);
    for (name, value) in &span.attributes {
        made.message(9, |pair| {
            pair.text(1, name);
            pair.message(2, |any| match value {
                Value::Text(text) => any.text(1, text),
                Value::Bool(is) => any.int(2, i64::from(*is)),
                Value::Int(number) => any.int(3, *number),
                Value::Float(number) => any.fixed_float(4, *number),
            });
        });
    }
    if span.is_error {
        made.message(15, |status| status.int(3, ERROR));
    }
}

/// A message of protobuf under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn int(&mut self, field: u64, number: i64) {
        self.tag(field, 0);
        self.varint(number.cast_unsigned());
    }

    fn fixed(&mut self, field: u64, number: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn fixed_float(&mut self, field: u64, number: f64) {
        self.fixed(field, number.to_bits());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Span {
        Span {
            trace: [0xab; 16],
            id: [1; 8],
            parent: Some([2; 8]),
            name: "chat".into(),
            is_client: true,
            is_error: true,
            started: 1_790_000_000_000_000_001,
            ended: 1_790_000_000_000_000_300,
            attributes: vec![("a", Value::Text("é".into())), ("n", Value::Int(-1)), ("f", Value::Float(0.5)), ("b", Value::Bool(true))],
        }
    }

    #[test]
    fn json_is_the_protocols() {
        let body: serde_json::Value = serde_json::from_slice(&body(Form::Json, &[("service.name".into(), "x".into())], &[span()])).unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"], json!([{ "key": "service.name", "value": { "stringValue": "x" } }]));
        let made = &resource["scopeSpans"][0]["spans"][0];
        assert_eq!(
            (made["traceId"].as_str(), made["parentSpanId"].as_str()),
            (Some("ab".repeat(16).as_str()), Some("02".repeat(8).as_str()))
        );
        assert_eq!(
            (&made["kind"], &made["status"], &made["endTimeUnixNano"]),
            (&json!(3), &json!({ "code": 2 }), &json!("1790000000000000300"))
        );
        let values: Vec<_> = made["attributes"].as_array().unwrap().iter().map(|pair| pair["value"].clone()).collect();
        let expected =
            [json!({ "stringValue": "é" }), json!({ "intValue": "-1" }), json!({ "doubleValue": 0.5 }), json!({ "boolValue": true })];
        assert_eq!(values, expected);
    }

    /// Written out by hand from the fields of `opentelemetry.proto.trace.v1.Span`.
    #[test]
    fn protobuf_is_the_protocols() {
        let mut made = Message::default();
        protobuf_span(&mut made, &span());
        let expected = [
            &[0x0a, 16][..],
            &[0xab; 16],
            &[0x12, 8],
            &[1; 8],
            &[0x22, 8],
            &[2; 8],
            &[0x2a, 4],
            b"chat",
            &[0x30, 3],
            &[0x39],
            &1_790_000_000_000_000_001u64.to_le_bytes(),
            &[0x41],
            &1_790_000_000_000_000_300u64.to_le_bytes(),
            &[0x4a, 9, 0x0a, 1, b'a', 0x12, 4, 0x0a, 2, 0xc3, 0xa9],
            &[0x4a, 16, 0x0a, 1, b'n', 0x12, 11, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x4a, 14, 0x0a, 1, b'f', 0x12, 9, 0x21],
            &0.5f64.to_le_bytes(),
            &[0x4a, 7, 0x0a, 1, b'b', 0x12, 2, 0x10, 1],
            &[0x7a, 2, 0x18, 2],
        ]
        .concat();
        assert_eq!(made.0, expected);
    }

    #[test]
    fn long_messages_have_long_lengths() {
        let mut made = Message::default();
        made.text(1, &"x".repeat(300));
        assert_eq!(made.0[..3], [0x0a, 0xac, 0x02]);
        assert_eq!(made.0.len(), 303);
    }
}
