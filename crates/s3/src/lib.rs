//! Objects of S3, and of every server that speaks like it: listed, fetched into files, put as a whole or not at all. It
//! knows nothing of tables.
//!
//! ```no_run
//! # async fn example() -> Result<(), corsac_s3::S3Error> {
//! use corsac_s3::{Address, Condition, Settings, Store};
//!
//! let store = Store::new(Settings::from_environment(|name| std::env::var(name).ok())?)?;
//! for object in store.find(&Address::parse("s3://reviews/2026/*.csv")?).await? {
//!     store.fetch(&object, "here.csv".as_ref()).await?;
//! }
//! store.put(&Address::parse("s3://reviews/kinds.csv")?, "kinds.csv".as_ref(), &Condition::New).await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod error;
mod reply;
mod settings;
mod sign;
mod store;
mod transfer;

pub use address::Address;
pub use error::S3Error;
pub use settings::Settings;
pub use store::{Condition, Fetched, Store};
