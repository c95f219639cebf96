//! Over real sockets: headers, bodies, and services that are not there.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{App, Catalog, Exchange, ExchangeError, HttpExchange, HttpOptions, Request};
use corsac_sim::{SimConfig, Simulator, listen, serve};

async fn server() -> (Simulator, String) {
    let simulator = Simulator::new(SimConfig::default()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(simulator.clone(), listener));
    (simulator, format!("http://{address}/api/v1/"))
}

fn options(base_url: &str) -> HttpOptions {
    HttpOptions {
        base_url: base_url.to_owned(),
        key: Some("sk-or-v1-secret".to_owned().into()),
        app: App {
            name: Some("8-Bit Oracle ☯".into()),
            url: Some("https://8bitoracle.ai".into()),
            categories: vec!["writing-assistant".into()],
        },
        headers: vec![("X-Custom".into(), "yes".into())],
        window: 8,
        connect: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn attribution_is_on_every_request() {
    let (simulator, base_url) = server().await;
    let exchange = HttpExchange::new(&options(&base_url)).unwrap();
    let body = r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"Hello"}],"max_tokens":20}"#;
    let reply = exchange.exchange(Request::post("chat/completions", body.into(), Duration::from_secs(10))).await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.generation_id.is_some());
    let catalog = Catalog::fetch(&exchange, true, 5).await.unwrap();
    assert!(catalog.model("openai/gpt-4o-mini").is_some_and(|model| model.pricing.prompt.is_some()));
    assert!(!Catalog::endpoints(&exchange, "openai/gpt-4o-mini").await.unwrap().endpoints.is_empty());
    let seen = simulator.seen();
    assert_eq!(seen.without_attribution, 0);
    for request in &seen.recent {
        let header = |name: &str| request.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        assert_eq!(header("HTTP-Referer"), Some("https://8bitoracle.ai"), "{}", request.route);
        assert_eq!(header("X-OpenRouter-Title"), header("X-Title"));
        assert_eq!(header("X-OpenRouter-Categories"), Some("writing-assistant"));
        assert_eq!(header("X-Custom"), Some("yes"));
    }
}

#[tokio::test]
async fn nobody_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let exchange = HttpExchange::new(&options(&format!("http://127.0.0.1:{port}/api/v1"))).unwrap();
    let error = exchange.exchange(Request::get("models", Duration::from_secs(10))).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn addresses_that_are_none_are_refused() {
    for wrong in ["", "openrouter.ai", "ftp://x.y/z", "http://", "https://x.y/?a=b"] {
        assert!(HttpExchange::new(&options(wrong)).is_err(), "{wrong}");
    }
    let exchange: Arc<dyn Exchange> = Arc::new(HttpExchange::new(&options("https://openrouter.ai/api/v1/")).unwrap());
    assert_eq!(exchange.address(), "https://openrouter.ai/api/v1");
    assert!(!format!("{exchange:?}").contains("secret"));
}
