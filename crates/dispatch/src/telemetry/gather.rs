//! The subscriber: it keeps the engine's spans while they are open and hands them on when they close. Spans and events of
//! anybody else are not looked at.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::{Span, Sums, Value};
use crate::trace::TARGET;

/// Parts of the table of open spans, each with a lock of its own.
const PARTS: usize = 16;

thread_local! {
    /// The spans this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A span that has not ended.
struct Open {
    span: Span,
    handles: usize,
    is_sampled: bool,
}

/// Gathers the spans of the process.
pub(super) struct Gatherer {
    open: [Mutex<HashMap<u64, Open>>; PARTS],
    next: AtomicU64,
    chance: RandomState,
    queue: mpsc::Sender<Span>,
    sums: Arc<Sums>,
    sampled: f64,
}

impl Gatherer {
    pub(super) fn new(queue: mpsc::Sender<Span>, sums: Arc<Sums>, sampled: f64) -> Gatherer {
        Gatherer { open: Default::default(), next: AtomicU64::new(1), chance: RandomState::new(), queue, sums, sampled }
    }

    fn part(&self, id: u64) -> &Mutex<HashMap<u64, Open>> {
        &self.open[id as usize % PARTS]
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Open)) {
        let id = id.into_u64();
        if let Some(open) = self.part(id).lock().get_mut(&id) {
            change(open);
        }
    }

    /// A number nobody can foretell: each process has a secret of its own, each span a number.
    fn random(&self, number: u64, salt: u64) -> u64 {
        self.chance.hash_one((number, salt)).max(1)
    }

    fn new_trace(&self, number: u64) -> ([u8; 16], bool) {
        let (high, low) = (self.random(number, 1), self.random(number, 2));
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&high.to_be_bytes());
        trace[8..].copy_from_slice(&low.to_be_bytes());
        // the same share of traces is taken by everybody who looks at the last 56 bits
        let share = (low & 0x00ff_ffff_ffff_ffff) as f64 / (1u64 << 56) as f64;
        (trace, share >= 1.0 - self.sampled)
    }
}

impl Subscriber for Gatherer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let parent = match attributes.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if attributes.is_contextual() => ENTERED.try_with(|entered| entered.borrow().last().copied()).ok().flatten(),
            None => None,
        };
        let above = parent.and_then(|id| self.part(id).lock().get(&id).map(|open| (open.span.trace, open.span.id, open.is_sampled)));
        let (trace, is_sampled) = match above {
            Some((trace, _, is_sampled)) => (trace, is_sampled),
            None => self.new_trace(number),
        };
        let mut span = Span {
            trace,
            id: self.random(number, 3).to_be_bytes(),
            parent: above.map(|(_, id, _)| id),
            name: attributes.metadata().name().to_owned(),
            is_client: false,
            is_error: false,
            started: now(),
            ended: 0,
            attributes: Vec::new(),
        };
        if is_sampled {
            attributes.record(&mut Reader(&mut span));
        }
        let open = Open { span, handles: 1, is_sampled };
        self.part(number).lock().insert(number, open);
        Id::from_u64(number)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.change(id, |open| {
            if open.is_sampled {
                values.record(&mut Reader(&mut open.span));
            }
        });
    }

    fn record_follows_from(&self, _id: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        // a thread that is ending needs no place in it
        let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        let id = id.into_u64();
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if let Some(place) = entered.iter().rposition(|known| *known == id) {
                entered.remove(place);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.change(id, |open| open.handles += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let number = id.into_u64();
        let closed = {
            let mut part = self.part(number).lock();
            match part.get_mut(&number) {
                Some(open) if open.handles > 1 => {
                    open.handles -= 1;
                    None
                }
                Some(_) => part.remove(&number),
                None => None,
            }
        };
        let Some(mut open) = closed else { return false };
        if open.is_sampled {
            open.span.ended = now().max(open.span.started);
            self.sums.ended.fetch_add(1, Ordering::Relaxed);
            // when too many wait the span is lost, and counted as that at the end
            let _ = self.queue.try_send(open.span);
        }
        true
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes fields over. Those that begin with `otel.` say something of the span itself.
struct Reader<'s>(&'s mut Span);

impl Reader<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let attributes = &mut self.0.attributes;
        match attributes.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, known)) => *known = value,
            None => attributes.push((field.name(), value)),
        }
    }
}

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => value.clone_into(&mut self.0.name),
            "otel.kind" => self.0.is_client = value.eq_ignore_ascii_case("client"),
            "otel.status_code" => self.0.is_error = value.eq_ignore_ascii_case("error"),
            _ => self.put(field, Value::Text(value.to_owned())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::{Instrument, info_span};

    /// Runs something under a subscriber of its own and gives the spans that ended, in the order of their ends.
    fn gathered(sampled: f64, work: impl FnOnce()) -> Vec<Span> {
        let (queue, mut waiting) = mpsc::channel(64);
        tracing::subscriber::with_default(Gatherer::new(queue, Arc::default(), sampled), work);
        std::iter::from_fn(|| waiting.try_recv().ok()).collect()
    }

    #[test]
    fn a_span_has_its_parent_its_fields_and_its_kind() {
        let spans = gathered(1.0, || {
            let call = info_span!(target: "corsac", "call", corsac.row = 3u64);
            let request =
                call.in_scope(|| info_span!(target: "corsac", "request", otel.name = tracing::field::Empty, otel.kind = "client"));
            request.record("otel.name", "chat model");
            request.record("otel.status_code", "ERROR");
            let _elsewhere = info_span!(target: "hyper", "connection");
            tracing::info!(target: "corsac", "an event");
            drop(request);
            drop(call);
        });
        let [request, call] = spans.as_slice() else { panic!("{spans:#?}") };
        assert_eq!((call.name.as_str(), call.parent, call.is_client), ("call", None, false));
        assert_eq!(call.attributes, [("corsac.row", Value::Int(3))]);
        assert_eq!((request.name.as_str(), request.parent, request.trace), ("chat model", Some(call.id), call.trace));
        assert!(request.is_client && request.ended >= request.started && request.attributes.is_empty());
        // a field that was not declared is not recorded
        assert!(!request.is_error);
    }

    #[tokio::test]
    async fn tasks_that_take_turns_on_a_thread_keep_their_own_spans() {
        let (queue, mut waiting) = mpsc::channel(64);
        let _default = tracing::subscriber::set_default(Gatherer::new(queue, Arc::default(), 1.0));
        let call = |row: i64| {
            let span = info_span!(target: "corsac", "call", corsac.row = row);
            async move {
                tokio::task::yield_now().await;
                let request = info_span!(target: "corsac", "request", corsac.row = row);
                async { tokio::task::yield_now().await }.instrument(request).await;
            }
            .instrument(span)
        };
        futures::future::join_all((0..8).map(call)).await;
        let spans: Vec<Span> = std::iter::from_fn(|| waiting.try_recv().ok()).collect();
        assert_eq!(spans.len(), 16);
        for request in spans.iter().filter(|span| span.name == "request") {
            let call = spans.iter().find(|span| Some(span.id) == request.parent).unwrap();
            assert_eq!((call.name.as_str(), &call.attributes, call.trace), ("call", &request.attributes, request.trace));
        }
    }

    #[test]
    fn a_share_of_the_calls_is_gathered_whole() {
        let work = || {
            for _ in 0..1_000 {
                info_span!(target: "corsac", "call").in_scope(|| drop(info_span!(target: "corsac", "request")));
            }
        };
        let (queue, mut waiting) = mpsc::channel(4_000);
        tracing::subscriber::with_default(Gatherer::new(queue, Arc::default(), 0.25), work);
        let spans: Vec<Span> = std::iter::from_fn(|| waiting.try_recv().ok()).collect();
        assert!((300..=700).contains(&spans.len()) && spans.len().is_multiple_of(2), "{}", spans.len());
        assert_eq!(gathered(0.0, || drop(info_span!(target: "corsac", "call"))), []);
    }

    #[test]
    fn what_does_not_fit_is_counted_as_lost() {
        let (queue, mut waiting) = mpsc::channel(1);
        let sums: Arc<Sums> = Arc::default();
        tracing::subscriber::with_default(Gatherer::new(queue, Arc::clone(&sums), 1.0), || {
            (0..3).for_each(|_| drop(info_span!(target: "corsac", "call")));
        });
        assert!(waiting.try_recv().is_ok() && waiting.try_recv().is_err());
        assert_eq!(sums.ended.load(Ordering::Relaxed), 3);
    }
}
