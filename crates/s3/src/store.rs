//! A server's objects: found, fetched into files, put from files.

use std::io::SeekFrom;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use time::OffsetDateTime;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::transfer::{Connections, SILENCE, Wanted, connections, send, text};
use crate::{Address, S3Error, Settings, reply};

/// Objects up to this size are put in one request, larger ones in parts of at least it.
const PART_BYTES: u64 = 16 << 20;
/// Parts that an object may have.
const PARTS_AT_MOST: u64 = 10_000;
/// How often a broken transfer is taken up again.
const RESUMED_AT_MOST: u32 = 5;

/// When an object is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// In any case; what is there is replaced.
    Always,
    /// Only if nothing has its name.
    New,
    /// Only if what is there is still this one.
    Unchanged(String),
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What tells this state of the object from any other.
    pub etag: String,
    /// When it was put, as far as the server says it.
    pub modified: Option<SystemTime>,
    /// Its size.
    pub bytes: u64,
}

/// A server's objects.
#[derive(Debug)]
pub struct Store {
    connections: Connections,
    settings: Settings,
    now: fn() -> OffsetDateTime,
}

impl Store {
    /// Prepares to ask; opens no connection yet.
    ///
    /// # Errors
    /// [`S3Error::Settings`] when TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Store, S3Error> {
        Ok(Store { connections: connections()?, settings, now: OffsetDateTime::now_utc })
    }

    async fn ask(
        &self,
        method: Method,
        address: &Address,
        parameters: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<http::Response<hyper::body::Incoming>, S3Error> {
        send(&self.connections, &self.settings, &Wanted { method, address, parameters, headers, body }, self.now).await
    }

    /// The objects that an address stands for, in the order of their names; none is no error.
    ///
    /// # Errors
    /// When the server refuses, fails or cannot be reached.
    pub async fn find(&self, address: &Address) -> Result<Vec<Address>, S3Error> {
        let bucket = address.beside(String::new());
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let mut parameters = vec![("list-type", "2"), ("prefix", address.prefix())];
            parameters.extend(next.as_deref().map(|token| ("continuation-token", token)));
            let reply = self.ask(Method::GET, &bucket, &parameters, &[], Bytes::new()).await?;
            let page = reply::page(&text(address, reply).await?.1);
            for key in page.keys {
                if address.stands_for(&key)? {
                    found.push(address.beside(key));
                }
            }
            // a server that names the same page again would never end
            if page.next.is_none() || page.next == next {
                return Ok(found);
            }
            next = page.next;
        }
    }

    /// What is known of an object without fetching it; none if there is none.
    ///
    /// # Errors
    /// When the server refuses, fails or cannot be reached.
    pub async fn look(&self, address: &Address) -> Result<Option<Fetched>, S3Error> {
        let reply = self.ask(Method::HEAD, address, &[], &[], Bytes::new()).await?;
        match text(address, reply).await {
            Ok((headers, _)) => Ok(Some(told(&headers))),
            Err(S3Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Copies an object into a file. A transfer that breaks is taken up where it broke, as long as the object is the same.
    ///
    /// # Errors
    /// [`S3Error::Missing`], [`S3Error::Changed`] when it was replaced meanwhile, and when the server or the disk fails.
    pub async fn fetch(&self, address: &Address, into: &Path) -> Result<Fetched, S3Error> {
        let of_file = |error| S3Error::File { address: address.to_string(), error };
        let mut file = File::create(into).await.map_err(of_file)?;
        let mut known: Option<Fetched> = None;
        let (mut written, mut resumed) = (0u64, 0);
        loop {
            let range = format!("bytes={written}-");
            let etag = known.as_ref().map(|known| known.etag.clone()).unwrap_or_default();
            let resuming = [("range", range.as_str()), ("if-match", etag.as_str())];
            let headers = if written > 0 { resuming.as_slice() } else { &[] };
            let reply = self.ask(Method::GET, address, &[], headers, Bytes::new()).await?;
            if !reply.status().is_success() {
                text(address, reply).await?;
                return Err(S3Error::Failed { address: address.to_string(), detail: "its reply makes no sense".to_owned() });
            }
            if written > 0 && reply.status() != StatusCode::PARTIAL_CONTENT {
                // the server gives the whole again
                written = 0;
                file.set_len(0).await.map_err(of_file)?;
                file.seek(SeekFrom::Start(0)).await.map_err(of_file)?;
            }
            let (head, mut body) = reply.into_parts();
            let fetched = known.get_or_insert_with(|| told(&head.headers));
            let broken = loop {
                match tokio::time::timeout(SILENCE, body.frame()).await {
                    Ok(Some(Ok(frame))) => {
                        let Some(data) = frame.data_ref() else { continue };
                        file.write_all(data).await.map_err(of_file)?;
                        written += data.len() as u64;
                    }
                    Ok(None) if written >= fetched.bytes => {
                        file.flush().await.map_err(of_file)?;
                        fetched.bytes = written;
                        return Ok(fetched.clone());
                    }
                    Ok(None) => break "it ended too early".to_owned(),
                    Ok(Some(Err(error))) => break error.to_string(),
                    Err(_) => break format!("nothing came for {} s", SILENCE.as_secs()),
                }
            };
            resumed += 1;
            if resumed > RESUMED_AT_MOST {
                let detail = format!("the transfer broke {resumed} times, the last time after {written} bytes: {broken}");
                return Err(S3Error::Failed { address: address.to_string(), detail });
            }
        }
    }

    /// Puts a file as an object, as a whole or not at all: an object that is larger than a part appears when its last part
    /// is there.
    ///
    /// # Errors
    /// [`S3Error::Changed`] when the condition does not hold, and when the server or the disk fails.
    pub async fn put(&self, address: &Address, from: &Path, condition: &Condition) -> Result<(), S3Error> {
        let of_file = |error| S3Error::File { address: address.to_string(), error };
        let mut file = File::open(from).await.map_err(of_file)?;
        let size = file.metadata().await.map_err(of_file)?.len();
        if size <= PART_BYTES {
            let body = read(&mut file, size).await.map_err(of_file)?;
            let reply = self.ask(Method::PUT, address, &[], &headers_of(condition), body).await?;
            return text(address, reply).await.map(drop);
        }
        let begun = text(address, self.ask(Method::POST, address, &[("uploads", "")], &[], Bytes::new()).await?).await?.1;
        let nameless = || S3Error::Failed { address: address.to_string(), detail: "the server did not name the upload".to_owned() };
        let upload = reply::upload(&begun).ok_or_else(nameless)?;
        let done = self.put_parts(address, &mut file, size, &upload, condition).await;
        if done.is_err() {
            // parts that nobody completes would be kept, and cost
            let _ = self.ask(Method::DELETE, address, &[("uploadId", &upload)], &[], Bytes::new()).await;
        }
        done
    }

    async fn put_parts(&self, address: &Address, file: &mut File, size: u64, upload: &str, condition: &Condition) -> Result<(), S3Error> {
        let of_file = |error| S3Error::File { address: address.to_string(), error };
        let most = PART_BYTES.max(size.div_ceil(PARTS_AT_MOST));
        let (mut sent, mut etags) = (0, Vec::new());
        while sent < size {
            let body = read(file, most.min(size - sent)).await.map_err(of_file)?;
            sent += body.len() as u64;
            let number = (etags.len() + 1).to_string();
            let reply = self.ask(Method::PUT, address, &[("partNumber", &number), ("uploadId", upload)], &[], body).await?;
            etags.push(told(&text(address, reply).await?.0).etag);
        }
        let body = Bytes::from(reply::completion(&etags));
        let reply = self.ask(Method::POST, address, &[("uploadId", upload)], &headers_of(condition), body).await?;
        text(address, reply).await.map(drop)
    }
}

/// So many bytes of a file; fewer are an error, since the file was to be that long.
async fn read(file: &mut File, bytes: u64) -> std::io::Result<Bytes> {
    let mut body = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
    file.read_exact(&mut body).await?;
    Ok(body.into())
}

fn headers_of(condition: &Condition) -> Vec<(&'static str, &str)> {
    match condition {
        Condition::Always => Vec::new(),
        Condition::New => vec![("if-none-match", "*")],
        Condition::Unchanged(etag) => vec![("if-match", etag)],
    }
}

fn told(headers: &HeaderMap) -> Fetched {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Fetched {
        etag: header("etag").unwrap_or_default().to_owned(),
        modified: header("last-modified").and_then(|moment| httpdate::parse_http_date(moment).ok()),
        bytes: header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
    }
}
