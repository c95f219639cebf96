//! The SQL functions as they are registered: markers with a type and a usage line. They are never executed; the plan
//! rewrite replaces every one of them, and whatever it cannot replace is refused before anything is asked.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use corsac_schema::Schema;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::answer_type::{data_type, vector_type};
use crate::bind::template_says;
use crate::named::{NamedMarker, literal_of, name_of, positional_literal};

/// The semantic functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operator {
    Classify,
    Embed,
    Extract,
    Map,
    Predicate,
    Reduce,
    Sentiment,
    Summarize,
}

impl Operator {
    pub(crate) const ALL: [Operator; 8] = [
        Operator::Classify,
        Operator::Embed,
        Operator::Extract,
        Operator::Map,
        Operator::Predicate,
        Operator::Reduce,
        Operator::Sentiment,
        Operator::Summarize,
    ];

    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operator::Classify => "semantic_classify",
            Operator::Embed => "semantic_embed",
            Operator::Extract => "semantic_extract",
            Operator::Map => "semantic_map",
            Operator::Predicate => "semantic_predicate",
            Operator::Reduce => "semantic_reduce",
            Operator::Sentiment => "semantic_analyze_sentiment",
            Operator::Summarize => "semantic_summarize",
        }
    }

    /// How the function is written.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Operator::Classify => "semantic_classify(text, ['label', 'other label'])",
            Operator::Embed => "semantic_embed(text)",
            Operator::Extract => "semantic_extract(text, 'name string, stars int')",
            Operator::Map => "semantic_map('Translate {{ column }} into French', column)",
            Operator::Predicate => "semantic_predicate('Is {{ column }} about delivery?', column)",
            Operator::Reduce => "semantic_reduce('Sum up these: {{ column }}', column ORDER BY other_column)",
            Operator::Sentiment => "semantic_analyze_sentiment(text)",
            Operator::Summarize => "semantic_summarize(text, 'key points', max_words => 50)",
        }
    }

    fn check_count(self, count: usize) -> Result<()> {
        let fits = match self {
            Operator::Embed | Operator::Sentiment => count == 1,
            Operator::Classify | Operator::Extract => count == 2,
            Operator::Map | Operator::Predicate | Operator::Reduce => count >= 1,
            Operator::Summarize => count == 1 || count == 2,
        };
        if fits {
            return Ok(());
        }
        let wanted = match self {
            Operator::Classify => "a text and a list of labels",
            Operator::Embed | Operator::Sentiment => "a text",
            Operator::Extract => "a text and a schema",
            Operator::Map | Operator::Predicate | Operator::Reduce => "a template and the columns it names",
            Operator::Summarize => "a text and, if you like, 'paragraph' or 'key points'",
        };
        let given = if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") };
        plan_err!("{} takes {wanted}, not {given}. Write {}", self.name(), self.usage())
    }
}

/// A semantic function that stands in a query until the plan is rewritten.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Marker {
    pub(crate) operator: Operator,
    signature: Signature,
}

impl Marker {
    pub(crate) fn new(operator: Operator) -> Marker {
        // volatile, so that no rule of the engine copies or moves a call before it is lifted
        Marker { operator, signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        self.operator.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.operator.check_count(arguments.arg_fields.iter().filter(|field| name_of(field).is_none()).count())?;
        let data_type = match self.operator {
            Operator::Map => match (literal_of(arguments.arg_fields, "schema"), positional_literal(&arguments, 0)) {
                (Some(schema), Some(template))
                    if !template.try_as_str().flatten().is_some_and(|template| template_says(template, "schema")) =>
                {
                    data_type(read_schema(self.name(), &ScalarValue::from(schema))?.kind())
                }
                _ => DataType::Utf8,
            },
            Operator::Classify | Operator::Reduce | Operator::Sentiment | Operator::Summarize => DataType::Utf8,
            Operator::Predicate => DataType::Boolean,
            Operator::Embed => vector_type(literal_of(arguments.arg_fields, "dimensions").and_then(|text| text.parse().ok())),
            Operator::Extract => match positional_literal(&arguments, 1) {
                Some(scalar) => data_type(read_schema(self.name(), scalar)?.kind()),
                None => {
                    return plan_err!(
                        "the schema of semantic_extract must be a text in quotes, because it decides the type of the column. Write {}",
                        self.operator.usage()
                    );
                }
            },
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{} must be planned by a Corsac session before it can run", self.name())
    }
}

/// `semantic_reduce` as it stands in a query until the plan is rewritten.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReduceMarker {
    signature: Signature,
}

impl ReduceMarker {
    pub(crate) fn new() -> ReduceMarker {
        ReduceMarker { signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl AggregateUDFImpl for ReduceMarker {
    fn name(&self) -> &str {
        Operator::Reduce.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Operator::Reduce.check_count(types.len())?;
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        exec_err!("{} must be planned by a Corsac session before it can run", self.name())
    }
}

/// The schema that a literal gives: the short form, JSON Schema text, or the path of a `.json` file.
pub(crate) fn read_schema(function: &str, scalar: &ScalarValue) -> Result<Schema> {
    let Some(Some(text)) = scalar.try_as_str() else {
        return plan_err!("the schema of {function} must be a text, such as 'name string, stars int', not {scalar}");
    };
    let trimmed = text.trim();
    if !trimmed.to_ascii_lowercase().ends_with(".json") || trimmed.contains('\n') {
        return Schema::from_text(text).map_err(|error| plan_datafusion_err!("{error}"));
    }
    let read = std::fs::read_to_string(Path::new(trimmed)).map_err(|error| {
        plan_datafusion_err!("the schema file {trimmed} cannot be read: {error}. The path counts from the working directory")
    })?;
    Schema::from_text(&read).map_err(|error| plan_datafusion_err!("the schema file {trimmed} cannot be used: {error}"))
}

/// `outcome(call)`: the value together with what became of the call.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct OutcomeMarker {
    signature: Signature,
}

impl OutcomeMarker {
    pub(crate) const NAME: &'static str = "outcome";

    pub(crate) fn new() -> OutcomeMarker {
        OutcomeMarker { signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for OutcomeMarker {
    fn name(&self) -> &str {
        OutcomeMarker::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value] => Ok(outcome_type(value)),
            _ => plan_err!("outcome takes one semantic call, not {} arguments. Write outcome(semantic_…(…))", types.len()),
        }
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("outcome must be planned by a Corsac session before it can run")
    }
}

/// The struct that `outcome` gives for a call with values of this type.
pub(crate) fn outcome_type(value: &DataType) -> DataType {
    DataType::Struct(outcome_fields(value))
}

pub(crate) fn outcome_fields(value: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("value", value.clone(), true),
        Field::new("error_kind", DataType::Utf8, true),
        Field::new("error", DataType::Utf8, true),
        Field::new("attempts", DataType::Int64, true),
        Field::new("cost", DataType::Float64, true),
        Field::new("model", DataType::Utf8, true),
        Field::new("provider", DataType::Utf8, true),
    ])
}

/// All functions a session registers.
pub(crate) fn markers() -> Vec<Arc<ScalarUDF>> {
    let of_rows = Operator::ALL.into_iter().filter(|operator| *operator != Operator::Reduce);
    let mut functions: Vec<Arc<ScalarUDF>> = of_rows.map(|operator| Arc::new(ScalarUDF::new_from_impl(Marker::new(operator)))).collect();
    functions.push(Arc::new(ScalarUDF::new_from_impl(OutcomeMarker::new())));
    functions.push(Arc::new(ScalarUDF::new_from_impl(NamedMarker::new())));
    functions
}
