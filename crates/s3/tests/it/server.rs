//! A server on loopback that speaks as much S3 as is asked of it: lists by pages, ranges, heads, conditions, parts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

/// Names in one page of a list.
const PAGE: usize = 2;

/// What the server holds and has seen.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    pub(crate) uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    /// Each request: its method and address, and its headers as one text.
    pub(crate) seen: Vec<(String, String)>,
    /// So many replies to come are a server's error.
    pub(crate) failing: usize,
    /// So many objects to come are cut in the middle.
    pub(crate) cut: usize,
    /// Whether unsigned requests are refused.
    pub(crate) closed: bool,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    kept: Arc<Mutex<Kept>>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { address: format!("http://{}", listener.local_addr().unwrap()), kept: Arc::default() };
        let router = Router::new().fallback(answer).layer(axum::extract::DefaultBodyLimit::disable()).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(crate) fn with(self, key: &str, object: impl AsRef<[u8]>) -> Server {
        self.kept().objects.insert(key.to_owned(), object.as_ref().to_vec());
        self
    }

    pub(crate) fn object(&self, key: &str) -> Option<String> {
        self.kept().objects.get(key).map(|object| String::from_utf8_lossy(object).into_owned())
    }

    /// The variables of the environment that lead here.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL" => Some(self.address.clone()),
            "AWS_ACCESS_KEY_ID" => Some("AKTEST".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("hush-hush".to_owned()),
            "AWS_SESSION_TOKEN" => Some("hush-token".to_owned()),
            _ => None,
        }
    }
}

fn etag(object: &[u8]) -> String {
    let hash = object.iter().fold(17u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("\"{hash:x}-{}\"", object.len())
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let body = format!("<Error><Code>{code}</Code><Message>as the server says</Message></Error>");
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

async fn answer(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut kept = server.kept();
    kept.seen.push((format!("{method} {uri}"), format!("{headers:?}")));
    if kept.failing > 0 {
        kept.failing -= 1;
        return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    }
    if kept.closed || !headers.contains_key("authorization") {
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let path = decoded(uri.path());
    let Some(key) = path.strip_prefix("/shelf/") else { return error(StatusCode::NOT_FOUND, "NoSuchBucket") };
    let query: BTreeMap<String, String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let there = kept.objects.get(key).cloned();
    let is_kept = |there: &Option<Vec<u8>>| {
        let same = header("if-match").is_none_or(|wanted| there.as_ref().is_some_and(|object| etag(object) == wanted));
        same && (header("if-none-match").is_none() || there.is_none())
    };
    match (&method, query.get("uploadId").cloned()) {
        (&Method::GET, _) if query.contains_key("list-type") => list(&kept, &query),
        (&Method::HEAD | &Method::GET, _) => {
            let Some(object) = there else { return error(StatusCode::NOT_FOUND, "NoSuchKey") };
            if !is_kept(&Some(object.clone())) {
                return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            let from = header("range").map(|range| range["bytes=".len()..range.len() - 1].parse::<usize>().unwrap());
            let piece = object[from.unwrap_or(0)..].to_vec();
            let status = if from.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
            let reply = Response::builder()
                .status(status)
                .header("etag", etag(&object))
                .header("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT")
                .header("content-length", piece.len());
            if method == Method::GET && kept.cut > 0 && piece.len() > 1 {
                kept.cut -= 1;
                let half = Bytes::copy_from_slice(&piece[..piece.len() / 2]);
                let broken = futures::stream::unfold(Some(half), |half| async move {
                    if half.is_none() {
                        // what was given goes out meanwhile
                        tokio::task::yield_now().await;
                    }
                    Some((half.ok_or_else(|| std::io::Error::other("cut")), None))
                });
                return reply.body(Body::from_stream(broken)).unwrap();
            }
            reply.body(Body::from(piece)).unwrap()
        }
        (&Method::POST, None) if query.contains_key("uploads") => {
            let upload = format!("upload/{} +", kept.uploads.len());
            kept.uploads.insert(upload.clone(), BTreeMap::new());
            Response::new(Body::from(format!(
                "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )))
        }
        (&Method::PUT, Some(upload)) => {
            let number = query["partNumber"].parse().unwrap();
            let tag = etag(&body);
            kept.uploads.get_mut(&upload).unwrap().insert(number, body.to_vec());
            Response::builder().header("etag", tag).body(Body::empty()).unwrap()
        }
        (&Method::POST, Some(upload)) => {
            if !is_kept(&there) {
                return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            let parts = kept.uploads.remove(&upload).unwrap();
            let wanted = String::from_utf8_lossy(&body).matches("<PartNumber>").count();
            assert_eq!(parts.len(), wanted);
            kept.objects.insert(key.to_owned(), parts.into_values().flatten().collect());
            Response::new(Body::from("<CompleteMultipartUploadResult/>"))
        }
        (&Method::DELETE, Some(upload)) => {
            kept.uploads.remove(&upload);
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap()
        }
        (&Method::PUT, None) => {
            if !is_kept(&there) {
                return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
            }
            kept.objects.insert(key.to_owned(), body.to_vec());
            Response::builder().header("etag", etag(&body)).body(Body::empty()).unwrap()
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

fn list(kept: &Kept, query: &BTreeMap<String, String>) -> Response<Body> {
    let after = query.get("continuation-token").cloned().unwrap_or_default();
    let those: Vec<&String> = kept.objects.keys().filter(|key| key.starts_with(&query["prefix"]) && **key > after).collect();
    let page: String = those
        .iter()
        .take(PAGE)
        .map(|key| format!("<Contents><Key>{}</Key><Size>{}</Size></Contents>", key.replace('&', "&amp;"), kept.objects[*key].len()))
        .collect();
    let next = match those.get(PAGE - 1) {
        Some(last) if those.len() > PAGE => {
            format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>", last.replace('&', "&amp;"))
        }
        _ => "<IsTruncated>false</IsTruncated>".to_owned(),
    };
    Response::new(Body::from(format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{page}{next}</ListBucketResult>")))
}
