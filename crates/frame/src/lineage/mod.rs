//! From a row of a result to the calls that made it: every operator that asks adds a column that says which calls told
//! it what it knows of a row; the column goes up through the plan beside the others, rows that become one put their
//! lists together, and where rows leave it is taken off and told to the ledger.
//!
//! What only decided whether a row stays and is no part of it (a subquery of `IN` or `EXISTS`, the side of a join that is
//! left out, a scalar subquery) leaves no trace in the row.

mod carry;
mod functions;
mod list;
mod tell;

pub(crate) use carry::{calls_field, carrying};
pub(crate) use list::{CallList, column};
pub(crate) use tell::Telling;
