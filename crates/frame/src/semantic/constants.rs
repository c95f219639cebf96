//! Constants of a call as the literals that SQL would make of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use corsac_program::{Demo, Label};
use corsac_schema::Schema;
use datafusion::common::ScalarValue;
use serde_json::Value;

/// What can be a label.
pub trait IntoLabel {
    /// The label.
    fn into_label(self) -> Label;
}

impl IntoLabel for Label {
    fn into_label(self) -> Label {
        self
    }
}

impl IntoLabel for &str {
    fn into_label(self) -> Label {
        Label::from(self)
    }
}

impl IntoLabel for String {
    fn into_label(self) -> Label {
        Label::from(self)
    }
}

/// A label and what belongs under it.
impl<N: Into<String>, D: Into<String>> IntoLabel for (N, D) {
    fn into_label(self) -> Label {
        Label { name: self.0.into(), description: Some(self.1.into()) }
    }
}

/// What can be the schema of [`extract`](super::extract).
pub trait IntoSchema {
    /// The schema's text: the short form, JSON Schema, or the path of a `.json` file.
    fn into_schema(self) -> String;
}

impl IntoSchema for &str {
    fn into_schema(self) -> String {
        self.to_owned()
    }
}

impl IntoSchema for String {
    fn into_schema(self) -> String {
        self
    }
}

/// JSON Schema.
impl IntoSchema for Value {
    fn into_schema(self) -> String {
        self.to_string()
    }
}

impl IntoSchema for &Schema {
    fn into_schema(self) -> String {
        self.original().to_string()
    }
}

impl IntoSchema for Schema {
    fn into_schema(self) -> String {
        self.original().to_string()
    }
}

/// Labels as a list of texts; of structs, where one is described.
pub(super) fn labels(labels: &[Label]) -> ScalarValue {
    if labels.iter().all(|label| label.description.is_none()) {
        let names: Vec<ScalarValue> = labels.iter().map(|label| ScalarValue::from(label.name.as_str())).collect();
        return ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8));
    }
    let names: StringArray = labels.iter().map(|label| Some(label.name.as_str())).collect();
    let descriptions: StringArray = labels.iter().map(|label| label.description.as_deref()).collect();
    list_of_structs(vec![("label", Arc::new(names)), ("description", Arc::new(descriptions))])
}

/// Examples as a list of structs: a column for each input, and `output`.
pub(super) fn examples(demos: &[Demo]) -> ScalarValue {
    let mut names: Vec<&str> = Vec::new();
    for name in demos.iter().flat_map(|demo| demo.inputs.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let inputs = names.into_iter().map(|name| (name, column(&demos.iter().map(|demo| demo.inputs.get(name)).collect::<Vec<_>>())));
    let outputs = column(&demos.iter().map(|demo| Some(&demo.output)).collect::<Vec<_>>());
    list_of_structs(inputs.chain([("output", outputs)]).collect())
}

fn list_of_structs(columns: Vec<(&str, ArrayRef)>) -> ScalarValue {
    let fields: Fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let rows: ArrayRef = Arc::new(StructArray::new(fields, columns, None));
    ScalarValue::List(Arc::new(datafusion::common::utils::SingleRowListArrayBuilder::new(rows).build_list_array()))
}

/// JSON values of one kind as a column of that kind; others as their texts.
fn column(values: &[Option<&Value>]) -> ArrayRef {
    let present = || values.iter().flatten().filter(|value| !value.is_null());
    if present().all(|value| value.is_boolean()) && present().next().is_some() {
        return Arc::new(BooleanArray::from_iter(values.iter().map(|value| value.and_then(Value::as_bool))));
    }
    if present().all(|value| value.is_i64()) && present().next().is_some() {
        return Arc::new(Int64Array::from_iter(values.iter().map(|value| value.and_then(Value::as_i64))));
    }
    if present().all(|value| value.is_number()) && present().next().is_some() {
        return Arc::new(Float64Array::from_iter(values.iter().map(|value| value.and_then(Value::as_f64))));
    }
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Arc::new(StringArray::from_iter(values.iter().map(|value| value.and_then(text))))
}
