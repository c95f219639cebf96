//! One implementation for all functions that take texts or vectors row by row and constants beside them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Int64Array, ListArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Int64Type};
use corsac_text::TextError;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::answers::{Answer, Output, build};

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number.
    Whole,
    /// A whole number, or a text with a sign behind it, such as '20%'.
    WholeOrText,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Vector,
}

impl Kind {
    /// The type in which the function reads the argument.
    fn read_as(self) -> DataType {
        match self {
            Kind::Text | Kind::WholeOrText => DataType::Utf8,
            Kind::Whole => DataType::Int64,
            Kind::Texts => DataType::new_list(DataType::Utf8, true),
            Kind::Vector => DataType::new_list(DataType::Float32, true),
        }
    }

    fn takes(self, given: &DataType) -> bool {
        match (self, given) {
            (_, DataType::Null) => true,
            (kind, DataType::Dictionary(_, values)) => kind.takes(values),
            (Kind::Text, other) => other.is_string(),
            (Kind::Whole, other) => other.is_integer(),
            (Kind::WholeOrText, other) => other.is_integer() || other.is_string(),
            (Kind::Texts, other) => item(other).is_some_and(|item| item.is_string() || item.is_null()),
            (Kind::Vector, other) => item(other).is_some_and(|item| item.is_numeric() || item.is_null()),
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Whole => "a whole number",
            Kind::WholeOrText => "a whole number or a percentage in quotes",
            Kind::Texts => "a list of texts",
            Kind::Vector => "a list of numbers",
        }
    }
}

fn item(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// A value that changes from row to row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Vector(&'a [f32]),
}

impl<'a> Value<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Value::Text(text) => text,
            Value::Vector(_) => "",
        }
    }

    pub(super) fn vector(&self) -> &'a [f32] {
        match self {
            Value::Vector(numbers) => numbers,
            Value::Text(_) => &[],
        }
    }
}

/// The arguments that say what is done; those left out are absent.
#[derive(Debug)]
pub(super) struct Constants<'a> {
    columns: &'a [Column],
    row: usize,
}

impl<'a> Constants<'a> {
    pub(super) fn text(&self, index: usize) -> Option<&'a str> {
        match self.columns.get(index)? {
            Column::Text(texts, one) => Some(texts.value(if *one { 0 } else { self.row })),
            _ => None,
        }
    }

    pub(super) fn whole(&self, index: usize) -> Option<i64> {
        match self.columns.get(index)? {
            Column::Whole(numbers, one) => Some(numbers.value(if *one { 0 } else { self.row })),
            _ => None,
        }
    }

    pub(super) fn texts(&self, index: usize) -> Option<Vec<String>> {
        match self.columns.get(index)? {
            Column::List(lists, one) => {
                let items = lists.value(if *one { 0 } else { self.row });
                Some(items.as_string_opt::<i32>()?.iter().flatten().map(str::to_owned).collect())
            }
            _ => None,
        }
    }
}

/// What a function does once its constants are read.
pub(super) type Apply = Box<dyn Fn(&[Value<'_>]) -> Result<Option<Answer>, TextError>>;

/// A function with its constants read.
pub(super) struct Prepared {
    pub(super) apply: Apply,
    /// The columns of a record whose names the constants give.
    pub(super) record: Vec<String>,
}

impl Prepared {
    pub(super) fn new(apply: impl Fn(&[Value<'_>]) -> Result<Option<Answer>, TextError> + 'static) -> Result<Prepared, TextError> {
        Ok(Prepared { apply: Box::new(apply), record: Vec::new() })
    }
}

/// A function as it is written down.
pub(super) struct Definition {
    pub(super) name: &'static str,
    /// How it is called, with every argument.
    pub(super) usage: &'static str,
    /// Its arguments: first those that change from row to row, then the constants.
    pub(super) kinds: &'static [Kind],
    /// How many of them change from row to row.
    pub(super) values: usize,
    /// How many arguments it needs.
    pub(super) least: usize,
    pub(super) output: Output,
    /// Reads the constants, whose places count from the first of them.
    pub(super) prepare: fn(&Constants<'_>) -> Result<Prepared, TextError>,
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A definition as the query engine sees it.
#[derive(Debug)]
pub(super) struct TextFunction {
    definition: &'static Definition,
    signature: Signature,
}

impl PartialEq for TextFunction {
    fn eq(&self, other: &TextFunction) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl TextFunction {
    pub(super) fn new(definition: &'static Definition) -> TextFunction {
        TextFunction { definition, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn check_count(&self, given: usize) -> Result<()> {
        let Definition { name, usage, kinds, least, .. } = self.definition;
        if (*least..=kinds.len()).contains(&given) {
            return Ok(());
        }
        let wanted = if *least == kinds.len() { least.to_string() } else { format!("{least} to {}", kinds.len()) };
        plan_err!("{name} takes {wanted} arguments, not {given}. Write {usage}")
    }

    fn prepare(&self, constants: &Constants<'_>) -> Result<Prepared, TextError> {
        (self.definition.prepare)(constants)
    }

    /// The constants, if all of them are literals that hold something.
    fn literal_constants(&self, arguments: &ReturnFieldArgs<'_>) -> Result<Option<Vec<Column>>> {
        let Definition { kinds, values, .. } = self.definition;
        let mut columns = Vec::new();
        for (argument, kind) in arguments.scalar_arguments.iter().zip(*kinds).skip(*values) {
            match argument {
                Some(scalar) if !scalar.is_null() => {
                    columns.push(Column::read(*kind, &scalar.to_array()?, true)?);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(columns))
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.check_count(types.len())?;
        let Definition { name, usage, kinds, .. } = self.definition;
        let coerced = types.iter().zip(*kinds).enumerate().map(|(index, (given, kind))| {
            if kind.takes(given) {
                return Ok(kind.read_as());
            }
            plan_err!("argument {} of {name} must be {}, not {given}. Write {usage}", index + 1, kind.wanted())
        });
        coerced.collect()
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.check_count(arguments.arg_fields.len())?;
        let Definition { name, usage, output, .. } = self.definition;
        let mut record = None;
        if let Some(columns) = self.literal_constants(&arguments)? {
            let prepared = self.prepare(&Constants { columns: &columns, row: 0 });
            record = Some(prepared.map_err(|error| plan_datafusion_err!("{name}: {error}. Write {usage}"))?.record);
        }
        let data_type = match (output, record) {
            (Output::Record, None) => {
                return plan_err!("the template of {name} must be a text in quotes, because it decides the columns. Write {usage}");
            }
            (output, record) => output.data_type(&record.unwrap_or_default()),
        };
        Ok(Arc::new(Field::new(*name, data_type, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ScalarFunctionArgs { args, number_rows, return_field, .. } = arguments;
        let Definition { name, kinds, values: count, .. } = self.definition;
        let all_scalar = args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { number_rows };
        let columns = args.iter().zip(*kinds).map(|(argument, kind)| match argument {
            ColumnarValue::Scalar(scalar) => Column::read(*kind, &scalar.to_array()?, true),
            ColumnarValue::Array(array) => Column::read(*kind, array, false),
        });
        let columns: Vec<Column> = columns.collect::<Result<_>>()?;
        let (values, constants) = columns.split_at((*count).min(columns.len()));

        let mut answers = Vec::with_capacity(rows);
        let mut prepared: Option<(usize, Prepared)> = None;
        let mut now = Vec::with_capacity(values.len());
        for row in 0..rows {
            if columns.iter().any(|column| column.is_null(row)) {
                answers.push(None);
                continue;
            }
            let kept = prepared.take().filter(|(before, _)| constants.iter().all(|column| column.same(*before, row)));
            let (before, ready) = match kept {
                Some(kept) => kept,
                None => {
                    let ready = self.prepare(&Constants { columns: constants, row });
                    (row, ready.map_err(|error| exec_datafusion_err!("{name}: {error}"))?)
                }
            };
            now.clear();
            now.extend(values.iter().filter_map(|column| column.value(row)));
            answers.push(match (ready.apply)(&now) {
                Ok(answer) => answer,
                // the text is not what it should be: that is the row's matter, and NULL says it
                Err(error) if error.is_malformed() => None,
                Err(error) => return Err(exec_datafusion_err!("{name}: {error}")),
            });
            prepared = Some((before, ready));
        }
        let built = build(return_field.data_type(), answers)?;
        if all_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?));
        }
        Ok(ColumnarValue::Array(built))
    }
}

/// One argument's values for a batch; `true` where one value stands for all rows.
#[derive(Debug)]
enum Column {
    Text(StringArray, bool),
    Whole(Int64Array, bool),
    List(ListArray, bool),
    Vector { lists: ListArray, numbers: Float32Array, one: bool },
}

impl Column {
    fn read(kind: Kind, array: &ArrayRef, one: bool) -> Result<Column> {
        let array = cast(array, &kind.read_as())?;
        Ok(match kind {
            Kind::Text | Kind::WholeOrText => Column::Text(array.as_string::<i32>().clone(), one),
            Kind::Whole => Column::Whole(array.as_primitive::<Int64Type>().clone(), one),
            Kind::Texts => Column::List(array.as_list::<i32>().clone(), one),
            Kind::Vector => {
                let lists = array.as_list::<i32>().clone();
                let numbers = lists.values().as_primitive::<Float32Type>().clone();
                Column::Vector { lists, numbers, one }
            }
        })
    }

    /// Where a row's value stands.
    fn place(&self, row: usize) -> usize {
        let (Column::Text(_, one) | Column::Whole(_, one) | Column::List(_, one) | Column::Vector { one, .. }) = self;
        if *one { 0 } else { row }
    }

    fn is_null(&self, row: usize) -> bool {
        let place = self.place(row);
        match self {
            Column::Text(array, _) => array.is_null(place),
            Column::Whole(array, _) => array.is_null(place),
            Column::List(array, _) => array.is_null(place),
            Column::Vector { lists, numbers, .. } => {
                lists.is_null(place) || numbers.null_count() > 0 && vector_range(lists, place).any(|index| numbers.is_null(index))
            }
        }
    }

    fn value(&self, row: usize) -> Option<Value<'_>> {
        let place = self.place(row);
        match self {
            Column::Text(array, _) => Some(Value::Text(array.value(place))),
            Column::Vector { lists, numbers, .. } => numbers.values().get(vector_range(lists, place)).map(Value::Vector),
            Column::Whole(..) | Column::List(..) => None,
        }
    }

    /// Whether two rows have the same value; lists count as different.
    fn same(&self, before: usize, row: usize) -> bool {
        let (before, row) = (self.place(before), self.place(row));
        before == row
            || match self {
                Column::Text(array, _) => array.value(before) == array.value(row),
                Column::Whole(array, _) => array.value(before) == array.value(row),
                Column::List(..) | Column::Vector { .. } => false,
            }
    }
}

fn vector_range(lists: &ListArray, place: usize) -> std::ops::Range<usize> {
    let at = |index: usize| lists.value_offsets().get(index).map_or(0, |offset| usize::try_from(*offset).unwrap_or(0));
    at(place)..at(place + 1)
}
