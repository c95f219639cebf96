//! `corsac sim`: the simulator on a port of this machine.

use std::net::{Ipv4Addr, SocketAddr};

use corsac_sim::{SimOptions, Simulator, listen, serve};

use crate::args::Sim;
use crate::engine::sim_config;
use crate::exit::{Exit, Stop};
use crate::screen;

pub(crate) async fn run(arguments: Sim) -> Result<Exit, Stop> {
    let usage = |error: corsac_sim::SimError| Stop::new(Exit::Usage, error.to_string());
    let options = SimOptions {
        seed: arguments.seed,
        latency: arguments.latency,
        rate_limit: arguments.rate_limit,
        down: arguments.down,
        fault_every: arguments.fault_every,
        credits: arguments.credits,
        open: arguments.open,
        ..SimOptions::default()
    };
    let config = sim_config(arguments.script.as_deref())?.with_options(&options).map_err(usage)?;
    let simulator = Simulator::new(config).map_err(usage)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = listen(address)
        .map_err(|error| Stop::new(Exit::Failure, format!("cannot listen on {address}: {error}; --port 0 takes a free one")))?;
    let address = listener.local_addr()?;
    screen::result(&format!("OpenRouter, simulated, at http://{address}/api/v1"));
    screen::note(&format!(
        "Use it with OPENROUTER_BASE_URL=http://{address}/api/v1 and any key that begins with sk-or-; what it saw: http://{address}/api/v1/sim/seen"
    ));
    tokio::select! {
        ended = serve(simulator, listener) => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(Exit::Done)
}
