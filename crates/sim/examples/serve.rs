//! Serves the simulator: `cargo run -p corsac-sim --example serve -- 8787 [SCRIPT]`.

use std::io::Write as _;
use std::net::SocketAddr;

use corsac_sim::{SimConfig, Simulator, listen, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(8787), |port| port.parse())?;
    let script = arguments.next().map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let simulator = Simulator::new(SimConfig::from_script(&script)?)?;
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], port)))?;
    writeln!(std::io::stdout(), "base URL http://{}/api/v1", listener.local_addr()?)?;
    serve(simulator, listener).await?;
    Ok(())
}
