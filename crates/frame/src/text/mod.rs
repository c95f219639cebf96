//! The functions on text, JSON, markdown, transcripts and vectors as SQL has them. What they do stands in `corsac-text`;
//! here they get names, types and columns.
//!
//! They are ordinary scalar functions: nothing here asks a model. NULL gives NULL, and so does a text that is not what the
//! function reads, such as JSON that is none. What is wrong with the call itself is an error, found when the query is
//! planned wherever the argument is a literal.

mod answers;
mod calendar;
mod chunks;
mod fuzzy;
mod json;
mod markdown;
mod patterns;
mod render;
mod scalar;
mod transcripts;
mod typed_json;
mod vectors;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

pub(crate) use render::check as check_template;
use scalar::{Definition, TextFunction};

/// Makes the functions known to a session.
pub(crate) fn register(context: &SessionContext) {
    for definition in definitions() {
        context.register_udf(ScalarUDF::new_from_impl(TextFunction::new(definition)));
    }
    context.register_udf(ScalarUDF::new_from_impl(calendar::TimestampDiff::new()));
    context.register_udf(ScalarUDF::new_from_impl(typed_json::JsonOf::new()));
    context.register_udf(ScalarUDF::new_from_impl(typed_json::JsonRead::new()));
    context.register_udf(ScalarUDF::new_from_impl(render::RenderMarker::new()));
    // a session's state takes every rewrite; only other registries refuse
    let _taken: Result<()> = context.state_ref().write().register_function_rewrite(Arc::new(render::BindTemplate));
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    let families: [&[Definition]; 7] = [
        &chunks::DEFINITIONS,
        &fuzzy::DEFINITIONS,
        &json::DEFINITIONS,
        &markdown::DEFINITIONS,
        &patterns::DEFINITIONS,
        &transcripts::DEFINITIONS,
        &vectors::DEFINITIONS,
    ];
    families.into_iter().flatten()
}
