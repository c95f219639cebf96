//! The one door to a model: resolve, recall, admit, exchange, read, remedy, record.
//!
//! A [`Dispatcher`] answers [`Call`]s over an [`Exchange`] (HTTP, the embedded model or a simulator). It asks nothing
//! twice, paces requests, holds the budget, finds its way out of faults, and records what happened before it lets an
//! answer go. It knows neither rows nor modules.

mod atlas;
mod batch;
mod call;
mod catalog;
mod clock;
mod compose;
pub mod config;
mod dispatcher;
mod door;
mod earlier;
mod exchange;
mod failure;
mod flight;
mod forecast;
mod gate;
pub mod home;
mod http;
mod journey;
mod key_gap;
mod lane;
mod late;
mod lessons;
mod open;
mod outlook;
mod plain;
mod proxy;
mod purse;
mod read;
mod record;
mod settings;
mod standing;
mod stream;
mod tally;
pub mod telemetry;
mod trace;
mod turn;
mod turns;
mod vector;

pub use call::{Answer, Ask, Call, CallSettings, Contract, Failure, FailureKind, Origin, Outcome, Source};
pub use catalog::{Catalog, CatalogError};
pub use clock::{Clock, SystemClock, VirtualClock};
pub use compose::first_body;
pub use config::{Builder, Config, DoorOptions, Engine};
pub use dispatcher::Dispatcher;
pub use door::Door;
pub use earlier::{Share, earlier_truths};
pub use exchange::{Exchange, ExchangeError, OpenReply, RawReply, Request};
pub use forecast::{Forecast, Questions, forecast};
pub use http::{App, HttpExchange, HttpOptions, HttpOptionsError};
pub use late::LateAsk;
pub use open::{InProcess, InProcessDoor, OpenError, Opened, Opening};
pub use outlook::Outlook;
pub use plain::PlainHttp;
pub use settings::{Aliases, Ceilings, Deadlines, Memory, Pace, RequestSettings, Route, Settings, UnderProfile};
pub use stream::StreamItem;
pub use tally::{Summary, Tally};
pub use turn::Turn;
