//! The simulator on a port of this machine, for tests of programs: OpenRouter's API with faults by script.

use std::net::{Ipv4Addr, SocketAddr};

use corsac_dispatch::{Clock, SystemClock};
use corsac_sim::{SimConfig, SimOptions, listen, serve};
use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::task::JoinHandle;

use crate::errors::configuration;
use crate::runtime;

/// OpenRouter, simulated, on a loopback port.
///
/// `script` is TOML or JSON: faults by rule, limits, answers; its names are those of `corsac sim --script`.
#[pyclass(frozen, subclass, module = "corsac")]
pub(crate) struct Simulator {
    simulator: corsac_sim::Simulator,
    address: SocketAddr,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (script = None, *, port = 0, latency_ms = None, open = false))]
    fn new(script: Option<&str>, port: u16, latency_ms: Option<u64>, open: bool) -> PyResult<Simulator> {
        let wrong = |error: corsac_sim::SimError| configuration(error.to_string());
        let mut config = match script {
            Some(text) => SimConfig::from_script(text).map_err(wrong)?,
            None => SimConfig::default(),
        };
        if config.started_at_epoch_s == SimConfig::default().started_at_epoch_s {
            config.started_at_epoch_s = SystemClock::new().epoch_ms().unsigned_abs() / 1_000;
        }
        let options = SimOptions { latency: latency_ms.map(|latency| latency.to_string()), open, ..SimOptions::default() };
        let simulator = corsac_sim::Simulator::new(config.with_options(&options).map_err(wrong)?).map_err(wrong)?;
        let _inside = runtime::handle()?.enter();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = listen(address).map_err(|error| PyOSError::new_err(format!("cannot listen on {address}: {error}")))?;
        let address = listener.local_addr()?;
        let served = simulator.clone();
        let serving = runtime::handle()?.spawn(async move {
            // ends when it is dropped; an error of the listener shows as connections refused
            let _ = serve(served, listener).await;
        });
        Ok(Simulator { simulator, address, serving: Mutex::new(Some(serving)) })
    }

    /// Its address, as `OPENROUTER_BASE_URL` has it.
    #[getter]
    fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// What it saw, as JSON.
    fn seen_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.simulator.seen()).map_err(|error| configuration(error.to_string()))
    }

    /// Everything as freshly made.
    fn reset(&self) {
        self.simulator.reset();
    }

    /// Serves no more.
    fn close(&self) {
        if let Some(serving) = self.serving.lock().take() {
            serving.abort();
        }
    }

    fn __repr__(&self) -> String {
        format!("Simulator({:?})", self.base_url())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.close();
    }
}
