//! Every decision of the engine, as pure functions and state machines over given time.
//!
//! Nothing here does I/O, sleeps, reads a clock or draws a random number of its own: time is a [`std::time::Duration`]
//! since a start the caller chose, chance is a number handed in.
//!
//! ```
//! use corsac_policy::{Course, Fault, FaultClass, Hop, Limits, Step, remedy};
//!
//! // two models at one host: a bad moment is waited out, a key that is refused is refused for both
//! let routes = vec![Hop::default(), Hop { model: 1, ..Hop::default() }];
//! let course = Course::new(&Limits { routes, ..Limits::default() });
//! let busy = Fault::new(FaultClass::ServerError, "502 Bad Gateway");
//! assert!(matches!(remedy(&busy, &course, 0.5, &|_| false).step, Step::Retry { .. }));
//! let refused = Fault::new(FaultClass::Unauthorized, "User not found.");
//! assert_eq!(remedy(&refused, &course, 0.5, &|_| false).step, Step::GiveUp);
//! ```

mod budget;
mod circuit;
mod course;
mod fault;
mod hop;
mod lesson;
mod model_id;
mod pacer;
mod parameter;
mod plan;
mod price;
mod remedy;
mod strategy;

pub use budget::{Budget, Refusal, Reserved};
pub use circuit::{Allowed, Circuit, CircuitLimits, CircuitState};
pub use course::{Course, Limits};
pub use fault::{Advice, Blame, Fault, FaultClass};
pub use hop::Hop;
pub use lesson::{Lesson, Lessons, Record};
pub use model_id::{UnknownModel, nearest, resolve};
pub use pacer::{Admission, Ending, PaceLimits, Pacer, TokenUse};
pub use parameter::{Effort, Efforts, Parameter, Parameters};
pub use plan::{Impossible, Needs, Plan, plan};
pub use price::{Answers, Estimate, Load, OutputSizes, estimated_tokens, room, upper_tokens};
pub use remedy::{Remedy, Step, remedy};
pub use strategy::{Ladder, Strategy};
