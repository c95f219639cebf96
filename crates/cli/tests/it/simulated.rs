//! The simulator on a loopback port of its own for as long as a test lasts.

use std::net::{Ipv4Addr, SocketAddr};

use corsac_sim::{Seen, SimConfig, Simulator, listen, serve};
use tokio::runtime::Runtime;

/// A simulator that serves until dropped.
pub(crate) struct Simulated {
    simulator: Simulator,
    url: String,
    // dropped with the server it runs
    _runtime: Runtime,
}

impl Simulated {
    /// Serves a script.
    pub(crate) fn start(script: &str) -> Simulated {
        let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        runtime.spawn(serve(simulator.clone(), listener));
        drop(entered);
        Simulated { simulator, url, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn seen(&self) -> Seen {
        self.simulator.seen()
    }

    /// How many chat requests came.
    pub(crate) fn asked(&self) -> u64 {
        self.seen().by_route.get("POST /chat/completions").copied().unwrap_or(0)
    }

    /// The values of a header of the chat requests, in the order they came.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let chats = self.seen().recent.into_iter().filter(|request| request.route == "POST /chat/completions");
        let headers = chats.flat_map(|request| request.headers);
        headers.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}
