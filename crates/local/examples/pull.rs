//! Fetches the weights of both embedded models into the cache, so that the tests that need them run.
//!
//! `cargo run -p corsac-local --example pull`
#![expect(clippy::print_stdout, reason = "a program for people to run by hand")]

use corsac_local::LocalError;
use corsac_local::weights::{self, Progress, Pulled};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = weights::default_cache_dir().ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let say = |progress| match progress {
        Progress::Stage(text) => println!("{text}"),
        Progress::Bytes { .. } => {}
    };
    let done = |pulled: Result<Pulled, LocalError>| {
        pulled.map(|pulled| println!("{} ({} MB, {:?})", pulled.path.display(), pulled.bytes / 1_000_000, pulled.source))
    };
    done(weights::pull(&cache, say))?;
    done(weights::pull_embedding(&cache, say))?;
    Ok(())
}
