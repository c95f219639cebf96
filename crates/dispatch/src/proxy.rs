//! Connections through a proxy, where `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` name one and `NO_PROXY` does not except
//! the host. Addresses of this machine are always reached directly.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use tower_service::Service;

/// Connects to a host, directly or by a tunnel through the proxy.
#[derive(Clone)]
pub(crate) struct ProxyConnector {
    direct: HttpConnector,
    proxies: Arc<Matcher>,
}

type Connected = <HttpConnector as Service<Uri>>::Response;
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl ProxyConnector {
    /// With the proxies that the environment names.
    pub(crate) fn from_environment(direct: HttpConnector) -> ProxyConnector {
        ProxyConnector { direct, proxies: Arc::new(Matcher::from_env()) }
    }

    #[cfg(test)]
    fn through(proxy: &str) -> ProxyConnector {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        ProxyConnector { direct, proxies: Arc::new(Matcher::builder().all(proxy).build()) }
    }
}

/// Whether an address is on this machine.
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Service<Uri> for ProxyConnector {
    type Response = Connected;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Connected, Failed>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let proxy = if is_here(&uri) { None } else { self.proxies.intercept(&uri) };
        let Some(proxy) = proxy else {
            let connecting = self.direct.call(uri);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.direct.clone());
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        Box::pin(async move { tunnel.call(with_port(uri)).await.map_err(Into::into) })
    }
}

/// A tunnel wants to be told the port.
fn with_port(uri: Uri) -> Uri {
    if uri.port().is_some() {
        return uri;
    }
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let mut parts = uri.clone().into_parts();
    parts.authority = uri.host().and_then(|host| format!("{host}:{port}").parse().ok());
    Uri::from_parts(parts).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn this_machine_is_reached_directly() {
        for (uri, here) in
            [("http://127.0.0.1:8080/x", true), ("http://[::1]/", true), ("https://LOCALHOST/", true), ("https://openrouter.ai/", false)]
        {
            assert_eq!(is_here(&uri.parse().unwrap()), here, "{uri}");
        }
    }

    #[tokio::test]
    async fn the_proxy_is_asked_for_a_tunnel() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 512];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let mut connector = ProxyConnector::through(&format!("http://user:pass@{address}"));
        connector.call("https://openrouter.ai/api/v1".parse().unwrap()).await.unwrap();
        let request = proxy.await.unwrap();
        assert!(request.starts_with("CONNECT openrouter.ai:443 HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("proxy-authorization: basic"), "{request}");
    }
}
