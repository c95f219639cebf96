//! How soon the command is there: `corsac --version`, and the first request of a query over 1,000 rows. Each is set beside
//! starting a process that does nothing.
//!
//! `cargo build && cargo bench -p corsac-benches --profile dev --bench start`

use std::fmt::Write;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    let corsac = binary();
    let nothing = median(|| run(Command::new("true")));
    let version = median(|| {
        let mut command = Command::new(&corsac);
        command.arg("--version");
        run(command)
    });
    println!("corsac --version: {:.1} ms (goal 15); a process that does nothing: {:.1} ms", ms(version), ms(nothing));
    let folder = tempfile::tempdir().unwrap();
    let mut csv = String::from("id,text\n");
    for row in 0..1_000 {
        writeln!(csv, "{row},review {row} of a product that came on time").unwrap();
    }
    std::fs::write(folder.path().join("rows.csv"), csv).unwrap();
    let mut round = 0;
    let first = median(|| {
        round += 1;
        first_request(&corsac, folder.path(), round)
    });
    println!("first request of a query over 1,000 rows: {:.0} ms after the start (goal 150)", ms(first));
}

/// The binary beside this one.
fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here
        .ancestors()
        .find(|folder| folder.join("corsac").is_file())
        .unwrap_or_else(|| panic_with("build the command first: cargo build"));
    folder.join("corsac")
}

fn panic_with(message: &str) -> ! {
    println!("{message}");
    std::process::exit(1)
}

fn run(mut command: Command) -> Duration {
    let started = Instant::now();
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    started.elapsed()
}

fn first_request(corsac: &Path, folder: &Path, round: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let started = Instant::now();
    let mut process = Command::new(corsac)
        .args(["sql", "--quiet", "--yes", "--model", "openai/gpt-4o-mini", "SELECT semantic_classify(text, ['a', 'b']) FROM 'rows.csv'"])
        .current_dir(folder)
        .env("OPENROUTER_API_KEY", "sk-or-v1-bench")
        .env("OPENROUTER_BASE_URL", format!("http://{address}/api/v1"))
        .env("CORSAC_HOME", folder.join(format!("home-{round}")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let took = loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0u8; 32];
        stream.read_exact(&mut head).unwrap();
        if head.starts_with(b"POST ") {
            break started.elapsed();
        }
    };
    process.kill().unwrap();
    process.wait().unwrap();
    took
}

fn median(mut once: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..9).map(|_| once()).collect();
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
