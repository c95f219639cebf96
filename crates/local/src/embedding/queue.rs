//! Callers who wait for vectors: a thread takes texts of all of them, in the order they came, and computes what fits
//! one round together. A long request does not hold up a short one for longer than its turn, and what nobody waits for
//! any more is not computed.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::{BATCH_TOKENS, Embedded, Encoder};
use crate::error::LocalError;

/// Tokens of one round for each thread that computes: some tenths of a second.
const ROUND_TOKENS: usize = 8 * BATCH_TOKENS;

/// The line, and the thread at its end, which goes with the last who can join it.
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    texts: Vec<String>,
    done: Embedded,
    reply: oneshot::Sender<Result<Embedded, LocalError>>,
}

impl Queue {
    pub(crate) fn start(encoder: Arc<Encoder>) -> Self {
        let (jobs, arriving) = mpsc::channel();
        // without a thread the receiver is gone, and whoever joins the line is told so
        let _ = std::thread::Builder::new().name("local-embed".into()).spawn(move || run(&encoder, &arriving));
        Self { jobs }
    }

    pub(crate) async fn embed(&self, texts: Vec<String>) -> Result<Embedded, LocalError> {
        if texts.is_empty() {
            return Ok(Embedded::default());
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { texts, done: Embedded::default(), reply }).map_err(|_| LocalError::Stopped)?;
        answer.await.map_err(|_| LocalError::Stopped)?
    }
}

fn run(encoder: &Encoder, arriving: &mpsc::Receiver<Job>) {
    let room = ROUND_TOKENS * encoder.pool.current_num_threads();
    let mut waiting: VecDeque<Job> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(job) = arriving.recv() else { return };
            waiting.push_back(job);
        }
        waiting.extend(arriving.try_iter());
        waiting.retain(|job| !job.reply.is_closed());
        let shares = shares(&waiting, room, encoder.most_tokens);
        let texts: Vec<&str> = waiting.iter().zip(&shares).flat_map(|(job, share)| job.next(*share)).map(String::as_str).collect();
        let mut computed = encoder.embed(&texts).map(Vec::into_iter);
        for share in shares {
            let Some(mut job) = waiting.pop_front() else { break };
            match &mut computed {
                // who gave up in the meantime gets nothing
                Err(error) => drop(job.reply.send(Err(error.clone()))),
                Ok(vectors) => {
                    for (vector, tokens) in vectors.by_ref().take(share) {
                        job.done.vectors.push(vector);
                        job.done.tokens += tokens;
                    }
                    match job.done.vectors.len() == job.texts.len() {
                        true => drop(job.reply.send(Ok(job.done))),
                        false => waiting.push_back(job),
                    }
                }
            }
        }
    }
}

impl Job {
    /// The texts whose turn it is.
    fn next(&self, share: usize) -> &[String] {
        let start = self.done.vectors.len();
        &self.texts[start..start + share]
    }
}

/// How many texts of each of the first jobs fit a round: one of each at least, as long as there is room.
fn shares(waiting: &VecDeque<Job>, room: usize, most_tokens: usize) -> Vec<usize> {
    let mut left = room;
    let mut shares = Vec::new();
    for (index, job) in waiting.iter().enumerate() {
        let fair = left / (waiting.len() - index);
        let (mut share, mut used) = (0, 0);
        for text in &job.texts[job.done.vectors.len()..] {
            // a rough guess is enough: a token has about four bytes
            let cost = (2 + text.len() / 4).min(most_tokens);
            if share > 0 && used + cost > fair {
                break;
            }
            share += 1;
            used += cost;
        }
        shares.push(share);
        left = left.saturating_sub(used);
        if left == 0 {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(texts: usize, bytes: usize, done: usize) -> Job {
        let done = Embedded { vectors: vec![Vec::new(); done], tokens: 0 };
        Job { texts: vec!["x".repeat(bytes); texts], done, reply: oneshot::channel().0 }
    }

    #[test]
    fn a_round_holds_something_of_everybody_as_far_as_there_is_room() {
        let shares = |jobs: Vec<Job>, room| shares(&jobs.into(), room, 256);
        assert_eq!(shares(vec![job(5, 32, 0)], 1000), [5]);
        assert_eq!(shares(vec![job(500, 32, 0)], 1000), [100]);
        assert_eq!(shares(vec![job(500, 32, 495), job(3, 32, 0)], 1000), [5, 3]);
        assert_eq!(shares(vec![job(500, 32, 0), job(500, 32, 0), job(1, 32, 0)], 900), [30, 30, 1]);
        assert_eq!(shares(vec![job(1, 4000, 0), job(1, 4000, 0), job(1, 4000, 0)], 300), [1, 1]);
        assert_eq!(shares(vec![job(2, 1 << 20, 1)], 10), [1]);
        assert!(shares(vec![], 10).is_empty());
    }
}
