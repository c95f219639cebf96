//! `json_of` and `json_read`: from columns of any type to JSON and back. They stand apart from the other functions of JSON
//! because what they take or give has no fixed type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use corsac_program::Output;
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility};

use crate::answer_type::{ColumnBuilder, data_type};
use crate::cell::{json_value, readable};
use crate::function::read_schema;

/// `json_of(value)`: the value as JSON. A text is taken for JSON itself, and is NULL where it is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonOf {
    signature: Signature,
}

impl JsonOf {
    pub(super) fn new() -> JsonOf {
        JsonOf { signature: Signature::new(TypeSignature::Any(1), Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonOf {
    fn name(&self) -> &str {
        "json_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = arguments.args.as_slice() else { return exec_err!("json_of takes one value") };
        let array = readable(value.to_array(arguments.number_rows)?)?;
        let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let mut made = StringBuilder::with_capacity(array.len(), 0);
        for row in 0..array.len() {
            if array.is_null(row) {
                made.append_null();
                continue;
            }
            match json_value(array.as_ref(), row)? {
                serde_json::Value::String(text) if is_text => match corsac_text::json::parse(&text) {
                    Ok(_) => made.append_value(text),
                    Err(_) => made.append_null(),
                },
                other => made.append_value(other.to_string()),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(made.finish())))
    }
}

/// `json_read(json, 'name string, stars int')`: an object of JSON as a struct. What is missing or does not fit is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonRead {
    signature: Signature,
}

const USAGE: &str = "json_read(json, 'name string, stars int')";

impl JsonRead {
    pub(super) fn new() -> JsonRead {
        JsonRead { signature: Signature::new(TypeSignature::Any(2), Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonRead {
    fn name(&self) -> &str {
        "json_read"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of json_read depends on its schema")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let Some(Some(schema)) = arguments.scalar_arguments.get(1) else {
            return plan_err!("the schema of json_read must be a text in quotes, because it decides the type of the column. Write {USAGE}");
        };
        match arguments.arg_fields.first().map(|field| field.data_type()) {
            Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) => {}
            other => return plan_err!("json_read reads JSON in a text, not {}. Write {USAGE}", other.unwrap_or(&DataType::Null)),
        }
        Ok(Arc::new(Field::new(self.name(), data_type(read_schema(self.name(), schema)?.kind()), true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [json, ColumnarValue::Scalar(schema)] = arguments.args.as_slice() else {
            return exec_err!("the schema of json_read must be known before the query runs. Write {USAGE}");
        };
        let texts: ArrayRef = cast(&json.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let schema = read_schema(self.name(), schema)?;
        let mut made = ColumnBuilder::for_output(Output::Json(schema.kind()), texts.len());
        for text in texts.as_string::<i32>() {
            let value = text.and_then(|text| serde_json::from_str(text).ok());
            made.append(value.as_ref());
        }
        Ok(ColumnarValue::Array(made.finish()?))
    }
}
