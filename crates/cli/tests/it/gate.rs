//! A server that answers like the simulator but holds back the requests that contain a word, so that a test can stop the
//! program at a known moment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corsac_sim::{SimConfig, SimRequest, Simulator};

/// The server. Its threads end with the test.
pub(crate) struct Gate {
    url: String,
    inside: Arc<Inside>,
    held: Receiver<()>,
}

struct Inside {
    simulator: Simulator,
    word: Mutex<Option<String>>,
    bodies: Mutex<Vec<String>>,
    arrived: Mutex<Sender<()>>,
}

impl Gate {
    /// Holds back every chat request that contains the word.
    pub(crate) fn start(word: &str) -> Gate {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let (arrived, held) = channel();
        let inside = Arc::new(Inside {
            simulator: Simulator::new(SimConfig::default()).unwrap(),
            word: Mutex::new(Some(word.to_owned())),
            bodies: Mutex::new(Vec::new()),
            arrived: Mutex::new(arrived),
        });
        let shared = Arc::clone(&inside);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inside = Arc::clone(&shared);
                // a client that is killed in the middle is what these tests are about
                std::thread::spawn(move || serve(&inside, stream).is_ok());
            }
        });
        Gate { url, inside, held }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until so many requests are held back.
    pub(crate) fn wait_for(&self, requests: usize) {
        for number in 0..requests {
            if self.held.recv_timeout(Duration::from_secs(20)).is_err() {
                panic!("only {number} of {requests} requests came; all that came: {:#?}", self.bodies());
            }
        }
    }

    /// Holds back nothing from now on; what is held stays so.
    pub(crate) fn open(&self) {
        *self.inside.word.lock().unwrap() = None;
    }

    /// Every chat request that came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.inside.bodies.lock().unwrap().clone()
    }

    /// How many chat requests contained the word.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.bodies().iter().filter(|body| body.contains(word)).count()
    }
}

/// Answers the requests of one connection in turn.
fn serve(inside: &Inside, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut parts = first.split(' ').map(str::to_owned);
        let request = SimRequest { method: parts.next().unwrap(), path: parts.next().unwrap(), headers, body };
        if request.path.ends_with("/chat/completions") {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            inside.bodies.lock().unwrap().push(text.clone());
            let is_held = inside.word.lock().unwrap().as_deref().is_some_and(|word| text.contains(word));
            if is_held {
                // the test may have seen enough
                let _ = inside.arrived.lock().unwrap().send(());
                // until the client goes away
                return reader.read_line(&mut String::new()).map(drop);
            }
        }
        let reply = inside.simulator.handle(&request, Duration::ZERO);
        let body = reply.body_bytes();
        write!(stream, "HTTP/1.1 {} Said\r\ncontent-length: {}\r\n", reply.status, body.len())?;
        for (name, value) in reply.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&body)?;
    }
}
