//! Every decision of the engine, as pure functions and state machines over given time.
//!
//! Nothing here does I/O, sleeps, reads a clock or draws a random number of its own: time is a [`std::time::Duration`]
//! since a start the caller chose, chance is a number handed in.
//!
//! ```
//! use corsac_policy::{Course, Fault, FaultClass, Limits, Step, remedy};
//!
//! // a provider had a bad moment: the same request again, after a short wait
//! let course = Course::new(&Limits { models: 2, ..Limits::default() });
//! let fault = Fault::new(FaultClass::ServerError, "502 Bad Gateway");
//! assert!(matches!(remedy(&fault, &course, 0.5).step, Step::Retry { .. }));
//! ```

mod budget;
mod circuit;
mod course;
mod fault;
mod model_id;
mod pacer;
mod price;
mod remedy;
mod strategy;

pub use budget::{Budget, Refusal, Reserved};
pub use circuit::{Allowed, Circuit, CircuitLimits, CircuitState};
pub use course::{Course, Limits};
pub use fault::{Fault, FaultClass};
pub use model_id::{UnknownModel, nearest, resolve};
pub use pacer::{Admission, Ending, Pacer};
pub use price::{Estimate, estimated_tokens, upper_tokens};
pub use remedy::{Remedy, Step, remedy};
pub use strategy::Strategy;
