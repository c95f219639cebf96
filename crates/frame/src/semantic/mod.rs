//! The semantic functions as expressions. Each function here begins a call; the call takes what SQL gives it by name as
//! methods, and is an [`Expr`] wherever one is wanted. What comes out is the very expression that SQL makes, so both are
//! planned, priced and asked alike.
//!
//! ```
//! use corsac_frame::{col, semantic};
//!
//! let mood = semantic::classify(col("body"), ["praise", "complaint"]).model("openai/gpt-4o-mini").alias("mood");
//! let gist = semantic::map("Sum up in five words: {{ body }}").input(col("body")).temperature(0.2).alias("gist");
//! # assert_eq!(mood.qualified_name().1, "mood");
//! # assert_eq!(gist.qualified_name().1, "gist");
//! ```

mod call;
mod constants;

use datafusion::logical_expr::{Expr, ScalarUDF};

pub use call::{
    Call, Classify, Embed, Extract, Map, Operation, Predicate, Prompted, Reduce, Sentiment, Summarize, Taught, Templated, kind,
};
pub use constants::{IntoLabel, IntoSchema};
/// A question with its answer, shown to the model before it is asked.
pub use corsac_program::Demo;
/// A label, with what it means where that is said.
pub use corsac_program::Label;
/// The form of a summary.
pub use corsac_program::Summary;

use crate::dataframe::IntoExpr;
use crate::function::OutcomeMarker;

/// Does what a Jinja template says, and gives the answer as text. The template's names are given by
/// [`Call::column`] and [`Call::input`].
pub fn map(template: impl Into<String>) -> Map {
    Call::new(kind::Map).constant(template.into())
}

/// Decides whether a template's question or claim is true.
pub fn predicate(template: impl Into<String>) -> Predicate {
    Call::new(kind::Predicate).constant(template.into())
}

/// Puts a text under one of the labels: texts, pairs of a label and its description, or [`Label`]s.
pub fn classify(text: impl IntoExpr, labels: impl IntoIterator<Item = impl IntoLabel>) -> Classify {
    let labels: Vec<Label> = labels.into_iter().map(IntoLabel::into_label).collect();
    Call::new(kind::Classify).input(text).literal(constants::labels(&labels))
}

/// Takes facts out of a text. The schema is the short form (`"product string, stars int?"`), JSON Schema as text, the path
/// of a `.json` file with one, a JSON value, or a [`Schema`](corsac_schema::Schema).
pub fn extract(text: impl IntoExpr, schema: impl IntoSchema) -> Extract {
    Call::new(kind::Extract).input(text).constant(schema.into_schema())
}

/// Tells whether a text is `positive`, `negative` or `neutral`.
pub fn analyze_sentiment(text: impl IntoExpr) -> Sentiment {
    Call::new(kind::Sentiment).input(text)
}

/// Shortens a text to a paragraph or to key points.
pub fn summarize(text: impl IntoExpr, form: Summary) -> Summarize {
    Call::new(kind::Summarize).input(text).constant(form.to_string())
}

/// Makes one text of the rows of a group. It is an aggregate. `rows` is what the rows are reduced by; it stands under its own
/// name in the template, or in the next free place. Columns of the group are given by [`Call::column`].
pub fn reduce(template: impl Into<String>, rows: impl IntoExpr) -> Reduce {
    Call::new(kind::Reduce::default()).constant(template.into()).input(rows)
}

/// The vector of a text.
pub fn embed(text: impl IntoExpr) -> Embed {
    Call::new(kind::Embed).input(text)
}

/// A struct of what became of a call: `value`, `error_kind`, `error`, `attempts`, `cost`, `model` and `provider`.
pub fn outcome(call: impl IntoExpr) -> Expr {
    ScalarUDF::new_from_impl(OutcomeMarker::new()).call(vec![call.into_expr()])
}
