//! Spans reach a collector under the names of the conventions, and neither a key nor a prompt is among them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::gate::Gate;
use crate::shell::{KEY, Shell};
use crate::simulated::Simulated;

const SCRIPT: &str = "[[rule]]\ncontains = 'poisoned'\nfault = 'moderation_403'\n\
                      [[rule]]\ncontains = 'shaky'\ntimes = 1\nfault = 'http_500'\n[[rule]]\ncontent = 'the-answer-text'";
const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";
const REVIEWS: &str = "id,text\n0,wholesome\n1,poisoned\n2,shaky\n";

/// What one POST brought.
#[derive(Debug, Clone)]
struct Post {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A collector on a loopback port of its own. It answers for as long as the test's process lives.
struct Collector {
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(post) = receive(stream) {
                    kept.lock().unwrap().push(post);
                }
            }
        });
        Collector { address, posts }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The spans of all posts of JSON.
    fn spans(&self) -> Vec<Value> {
        let array = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let posts = self.posts();
        let bodies = posts.iter().map(|post| serde_json::from_slice::<Value>(&post.body).unwrap());
        let scopes = bodies.flat_map(|body| array(&body, "resourceSpans")).flat_map(|resource| array(&resource, "scopeSpans"));
        scopes.flat_map(|scope| array(&scope, "spans")).collect()
    }

    fn everything(&self) -> String {
        self.posts().iter().map(|post| format!("{} {:?} {}\n", post.path, post.headers, String::from_utf8_lossy(&post.body))).collect()
    }
}

fn receive(stream: TcpStream) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> =
        lines.iter().skip(1).filter_map(|line| line.split_once(':')).map(|(n, v)| (n.to_lowercase(), v.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    reader.get_mut().write_all(reply.as_bytes()).ok()?;
    Some(Post { path, headers, body })
}

fn shell(server: &Simulated, collector: &Collector) -> Shell {
    let shell = Shell::at(server.url())
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address)
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .set("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=the%20team");
    shell.file("reviews.csv", REVIEWS);
    shell
}

/// An attribute's value; JSON has whole numbers as text.
fn attribute(span: &Value, name: &str) -> Option<Value> {
    let attributes = span["attributes"].as_array()?;
    let value = &attributes.iter().find(|attribute| attribute["key"] == name)?["value"];
    let (kind, value) = value.as_object()?.iter().next()?;
    Some(match (kind.as_str(), value) {
        ("intValue", Value::String(digits)) => digits.parse::<i64>().unwrap().into(),
        _ => value.clone(),
    })
}

fn of_row<'a>(spans: &'a [Value], row: i64, name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| span["name"] == name && attribute(span, "corsac.row") == Some(row.into())).collect()
}

#[test]
fn spans_of_a_run_reach_the_collector() {
    let (server, collector) = (Simulated::start(SCRIPT), Collector::start());
    let shell = shell(&server, &collector);
    let run = shell.sql(QUERY, &[]).ends_with(3).run_id();

    let posts = collector.posts();
    assert!(!posts.is_empty(), "nothing was sent");
    for post in &posts {
        assert_eq!(post.path, "/v1/traces");
        assert!(post.headers.contains(&("x-tenant".to_owned(), "the team".to_owned())), "{:?}", post.headers);
    }
    let resource = serde_json::from_slice::<Value>(&posts[0].body).unwrap()["resourceSpans"][0]["resource"].clone();
    assert_eq!(attribute(&resource, "service.name"), Some("corsac".into()));

    let spans = collector.spans();
    let request = of_row(&spans, 0, "chat openai/gpt-4o-mini");
    assert_eq!(request.len(), 1, "{spans:#?}");
    let port: i64 = server.url().split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let said: [(&str, Value); 10] = [
        ("gen_ai.operation.name", "chat".into()),
        ("gen_ai.provider.name", "openrouter".into()),
        ("gen_ai.request.model", "openai/gpt-4o-mini".into()),
        ("gen_ai.output.type", "text".into()),
        ("server.address", "127.0.0.1".into()),
        ("server.port", port.into()),
        ("http.response.status_code", 200.into()),
        ("corsac.run", run.as_str().into()),
        ("corsac.operator", "semantic_map".into()),
        ("error.type", Value::Null),
    ];
    for (name, value) in said {
        assert_eq!(attribute(request[0], name).unwrap_or(Value::Null), value, "{name}");
    }
    for name in ["gen_ai.request.max_tokens", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        assert!(attribute(request[0], name).is_some_and(|value| value.as_i64().is_some_and(|tokens| tokens > 0)), "{name}");
    }
    for name in ["gen_ai.response.model", "gen_ai.response.id", "corsac.provider"] {
        assert!(attribute(request[0], name).is_some_and(|value| value.is_string()), "{name}");
    }
    assert!(attribute(request[0], "corsac.cost_usd").is_some_and(|cost| cost.as_f64().is_some_and(|cost| cost > 0.0)));
    assert_eq!(request[0]["kind"], 3, "a client's span");

    // two requests of one call stand below it, the first of them as an error
    let call = of_row(&spans, 2, "semantic_map");
    assert_eq!((call.len(), attribute(call[0], "corsac.attempts")), (1, Some(2.into())));
    let mut requests = of_row(&spans, 2, "chat openai/gpt-4o-mini");
    requests.sort_by_key(|span| span["startTimeUnixNano"].as_str().unwrap().to_owned());
    assert!(requests.iter().all(|span| span["parentSpanId"] == call[0]["spanId"] && span["traceId"] == call[0]["traceId"]));
    let ends: Vec<_> =
        requests.iter().map(|span| (attribute(span, "http.response.status_code"), span["status"]["code"].as_i64())).collect();
    assert_eq!(ends, [(Some(500.into()), Some(2)), (Some(200.into()), None)], "{requests:#?}");
    let failed = of_row(&spans, 1, "semantic_map");
    assert_eq!(attribute(failed[0], "error.type"), Some("moderated".into()));

    let everything = collector.everything();
    for secret in [KEY, "wholesome", "poisoned", "Say yes about", "the-answer-text"] {
        assert!(!everything.contains(secret), "{secret:?} was sent:\n{everything}");
    }
}

#[test]
fn prompts_are_sent_when_asked_for_and_keys_never() {
    let (server, collector) = (Simulated::start(SCRIPT), Collector::start());
    let shell =
        shell(&server, &collector).set("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true").set("OTEL_SERVICE_NAME", "reviews");
    shell.sql(QUERY, &[]).ends_with(3);
    let spans = collector.spans();
    let request = of_row(&spans, 0, "chat openai/gpt-4o-mini");
    let parsed = |name: &str| serde_json::from_str::<Value>(attribute(request[0], name).unwrap().as_str().unwrap()).unwrap();
    assert_eq!(parsed("gen_ai.input.messages")[0]["parts"][0]["content"], "Say yes about wholesome");
    assert_eq!(parsed("gen_ai.output.messages")[0]["parts"][0]["content"], "the-answer-text");
    assert!(parsed("gen_ai.system_instructions")[0]["content"].is_string());
    let everything = collector.everything();
    assert!(everything.contains("reviews") && !everything.contains(KEY), "{everything}");
}

#[test]
fn the_usual_form_is_protobuf_and_a_run_out_of_budget_is_sent_too() {
    let (server, collector) = (Simulated::start("[[rule]]\ncontent = 'yes'"), Collector::start());
    let shell = Shell::at(server.url()).set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/here", collector.address));
    shell.file("reviews.csv", REVIEWS);
    shell.sql(QUERY, &["--budget", "0.0000001"]).ends_with(5);
    let posts = collector.posts();
    let content_type = ("content-type".to_owned(), "application/x-protobuf".to_owned());
    assert!(!posts.is_empty() && posts.iter().all(|post| post.path == "/here" && post.headers.contains(&content_type)), "{posts:?}");
    assert!(collector.everything().contains("budget_reached"));
}

#[test]
fn an_interrupted_run_is_sent_too() {
    let (gate, collector) = (Gate::start("held back"), Collector::start());
    let shell =
        Shell::at(gate.url()).set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address).set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    shell.file("reviews.csv", "id,text\n1,one\n");
    let mut started = shell.start(&["sql", "SELECT semantic_map('held back: {{ text }}', text) AS said FROM 'reviews.csv'"], b"");
    gate.wait_for(1);
    started.signal("INT");
    started.wait_for("waiting for 1 answers under way");
    started.signal("INT");
    started.finish().ends_with(130);
    let spans = collector.spans();
    assert_eq!((of_row(&spans, 0, "semantic_map").len(), of_row(&spans, 0, "chat openai/gpt-4o-mini").len()), (1, 1), "{spans:#?}");
}

#[test]
fn nothing_is_sent_without_an_endpoint_and_a_dead_collector_costs_only_a_word() {
    let server = Simulated::start("[[rule]]\ncontent = 'yes'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", REVIEWS);
    let ran = shell.sql(QUERY, &["--quiet"]).ends_with(0);
    assert_eq!(ran.stderr, "");

    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let shell = shell.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{closed}"));
    shell.sql(QUERY, &["--fresh"]).ends_with(0).says(&["spans did not reach the collector"]);
    let shell = shell.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    shell.sql(QUERY, &[]).ends_with(4).says(&["http/protobuf"]);
}
