//! One side of a join: its rows, held, with the different values they have and a vector for each value.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{Result, plan_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, collect};

use super::Vectors;
use crate::execute::{PlannedCall, QueryRuntime, SemanticExec};
use crate::node::SemanticCall;

/// A side as it is planned.
#[derive(Debug, Clone)]
pub(crate) struct PlannedSide {
    pub(crate) input: Arc<dyn ExecutionPlan>,
    /// What is compared: a text or a vector.
    pub(crate) key: Arc<dyn PhysicalExpr>,
    /// How texts are embedded.
    pub(crate) embed: SemanticCall,
    pub(crate) runtime: Arc<QueryRuntime>,
}

impl PlannedSide {
    /// Whether the key is a text, whose vector has to be asked for.
    pub(crate) fn is_text(&self) -> Result<bool> {
        Ok(is_text(&self.key.data_type(&self.input.schema())?))
    }

    /// The operator that embeds the rows, for prices and plans.
    pub(crate) fn operator(&self) -> Result<Option<SemanticExec>> {
        if !self.is_text()? {
            return Ok(None);
        }
        embedding(&self.embed, Arc::clone(&self.input), Arc::clone(&self.key), &self.runtime).map(Some)
    }

    /// Reads all rows.
    pub(crate) async fn collect(&self, context: Arc<TaskContext>) -> Result<Side> {
        let batches = collect(Arc::clone(&self.input), context).await?;
        let rows = concat_batches(&self.input.schema(), &batches)?;
        let keys = self.key.evaluate(&rows)?.into_array(rows.num_rows())?;
        Side::new(rows, keys)
    }

    /// A vector for each different value. Texts are embedded, each once.
    pub(crate) async fn vectors(&self, side: &Side, context: Arc<TaskContext>) -> Result<SideVectors> {
        if !is_text(side.values.data_type()) {
            return SideVectors::of(&side.values);
        }
        let schema = Arc::new(Schema::new(vec![Field::new("value", DataType::Utf8, true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&side.values)])?;
        let input = MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&schema), None)?;
        let operator = embedding(&self.embed, input, Arc::new(Column::new("value", 0)), &self.runtime)?;
        let batches = collect(Arc::new(operator.clone()), context).await?;
        let embedded = concat_batches(&operator.schema(), &batches)?;
        SideVectors::of(embedded.column(1))
    }
}

fn embedding(
    call: &SemanticCall,
    input: Arc<dyn ExecutionPlan>,
    key: Arc<dyn PhysicalExpr>,
    runtime: &Arc<QueryRuntime>,
) -> Result<SemanticExec> {
    let planned = PlannedCall::new(call, vec![key], None);
    SemanticExec::try_new(input, vec![planned], &crate::execute::added_fields(std::slice::from_ref(call)), Arc::clone(runtime))
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// A side's rows.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) rows: RecordBatch,
    /// The number of each row's value; none where it is NULL or blank.
    pub(crate) value_of: Vec<Option<u32>>,
    /// The rows that have each value.
    pub(crate) rows_of: Vec<Vec<u32>>,
    /// The different values.
    values: ArrayRef,
}

impl Side {
    fn new(rows: RecordBatch, keys: ArrayRef) -> Result<Side> {
        if !is_text(keys.data_type()) {
            // vectors are compared as they are, each row's for itself
            let value_of = (0..keys.len()).map(|row| Some(row as u32).filter(|_| keys.is_valid(row))).collect();
            let rows_of = (0..keys.len() as u32).map(|row| vec![row]).collect();
            return Ok(Side { rows, value_of, rows_of, values: keys });
        }
        let keys = cast(&keys, &DataType::Utf8)?;
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut rows_of: Vec<Vec<u32>> = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        let mut value_of = Vec::with_capacity(keys.len());
        for (row, text) in keys.as_string::<i32>().iter().enumerate() {
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
                value_of.push(None);
                continue;
            };
            let number = *numbers.entry(text).or_insert_with(|| {
                texts.push(text);
                rows_of.push(Vec::new());
                texts.len() as u32 - 1
            });
            rows_of[number as usize].push(row as u32);
            value_of.push(Some(number));
        }
        let values: ArrayRef = Arc::new(StringArray::from(texts));
        Ok(Side { rows, value_of, rows_of, values })
    }

    /// The first row that has a value.
    pub(crate) fn first_row(&self, value: u32) -> Option<u32> {
        self.rows_of.get(value as usize)?.first().copied()
    }

    /// How many different values there are.
    pub(crate) fn values(&self) -> usize {
        self.rows_of.len()
    }

    /// The mean length of the values in bytes.
    pub(crate) fn mean_bytes(&self) -> u64 {
        let bytes = self.values.as_string_opt::<i32>().map_or(0, |texts| texts.value_data().len());
        (bytes / self.values().max(1)) as u64
    }
}

/// The vectors of a side's values.
#[derive(Debug)]
pub(crate) struct SideVectors {
    pub(crate) vectors: Vectors,
    /// The value each vector belongs to: values without a vector are left out.
    pub(crate) value_of: Vec<u32>,
    /// The vector of each value.
    pub(crate) vector_of: Vec<Option<u32>>,
}

impl SideVectors {
    fn of(column: &ArrayRef) -> Result<SideVectors> {
        let lists = match column.data_type() {
            DataType::FixedSizeList(field, _) | DataType::LargeList(field) => cast(column, &DataType::List(Arc::clone(field)))?,
            DataType::List(_) => Arc::clone(column),
            other => return plan_err!("only texts and lists of numbers can be compared, not {other}"),
        };
        let lists = lists.as_list::<i32>();
        let mut found: Option<Vectors> = None;
        let (mut value_of, mut vector_of) = (Vec::new(), Vec::with_capacity(lists.len()));
        for row in 0..lists.len() {
            let numbers = if lists.is_valid(row) { Some(cast(&lists.value(row), &DataType::Float32)?) } else { None };
            let numbers = numbers.filter(|numbers| numbers.null_count() == 0 && !numbers.is_empty());
            let Some(numbers) = numbers else {
                vector_of.push(None);
                continue;
            };
            let numbers = numbers.as_primitive::<Float32Type>().values();
            let vectors = found.get_or_insert_with(|| Vectors::new(numbers.len()));
            if numbers.len() != vectors.dimensions() {
                return plan_err!(
                    "the vectors of one column differ in size: one has {} numbers, another {}",
                    vectors.dimensions(),
                    numbers.len()
                );
            }
            let taken = vectors.push(numbers);
            vector_of.push(taken.then(|| vectors.len() as u32 - 1));
            if taken {
                value_of.push(row as u32);
            }
        }
        Ok(SideVectors { vectors: found.unwrap_or_default(), value_of, vector_of })
    }

    /// The vectors of both sides made ready for a metric.
    pub(crate) fn prepared(left: SideVectors, right: SideVectors, metric: super::Metric) -> Result<(SideVectors, SideVectors)> {
        let (of_left, of_right) = (left.vectors.dimensions(), right.vectors.dimensions());
        if left.vectors.len() > 0 && right.vectors.len() > 0 && of_left != of_right {
            return plan_err!("the vectors of the two sides differ in size: {of_left} numbers on the left and {of_right} on the right");
        }
        let prepare = |side: SideVectors| SideVectors { vectors: metric.prepare(side.vectors), ..side };
        Ok((prepare(left), prepare(right)))
    }
}
