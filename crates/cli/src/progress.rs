//! The progress line: rows, pace, dollars, time left. Shown on a terminal only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corsac_dispatch::Dispatcher;
use corsac_frame::Progress;
use corsac_wire::Usd;

use crate::screen;

/// Draws the line until dropped.
pub(crate) struct Shown(Option<tokio::task::JoinHandle<()>>);

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            screen::clear();
        }
    }
}

pub(crate) fn show(progress: Arc<Progress>, dispatcher: Arc<Dispatcher>) -> Shown {
    if !screen::is_watched() {
        return Shown(None);
    }
    Shown(Some(tokio::spawn(async move {
        let started = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(150));
        tick.tick().await;
        loop {
            tick.tick().await;
            let (_, failed, cost) = dispatcher.tally().glance();
            let line = line(progress.rows_done(), progress.rows_total(), dispatcher.in_flight(), failed, cost, started.elapsed());
            screen::redraw(&line);
        }
    })))
}

fn line(done: u64, total: Option<u64>, in_flight: usize, failed: u64, cost: Usd, elapsed: Duration) -> String {
    let pace = done as f64 / elapsed.as_secs_f64().max(0.001);
    let of = total.map_or(String::new(), |total| format!("/{}", grouped(total)));
    let left = match total {
        Some(total) if pace > 0.0 && total >= done => clock(Duration::from_secs_f64(((total - done) as f64 / pace).min(1e7))),
        _ => "?".to_owned(),
    };
    let pace = if pace >= 10.0 { format!("{pace:.0}") } else { format!("{pace:.1}") };
    format!("asked  {}{of}  {pace}/s  in flight {in_flight}  failed {failed}  {cost}  ETA {left}", grouped(done))
}

/// `1,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `4:05`, `1:02:03`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_it_all() {
        let cost = Usd::parse("0.0193").unwrap();
        assert_eq!(
            line(1_204, Some(2_408), 64, 2, cost, Duration::from_secs(10)),
            "asked  1,204/2,408  120/s  in flight 64  failed 2  $0.0193  ETA 0:10"
        );
        assert_eq!(line(0, None, 1, 0, Usd::ZERO, Duration::ZERO), "asked  0  0.0/s  in flight 1  failed 0  $0.0000  ETA ?");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
