//! Lists of calls put together: those of one row into one list, and those of many rows that become one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    lit,
};

use super::list::{CallList, column};

/// One list of what several columns list.
pub(super) fn together(mut columns: Vec<Expr>) -> Expr {
    match columns.pop() {
        None => lit(ScalarValue::Binary(None)),
        Some(only) if columns.is_empty() => only,
        Some(last) => {
            columns.push(last);
            let signature = Signature::variadic(vec![DataType::Binary], Volatility::Immutable);
            ScalarUDF::new_from_impl(Together { signature }).call(columns)
        }
    }
}

/// One list of what several columns list in all rows of a group.
pub(super) fn of_group(columns: Vec<Expr>) -> Expr {
    let signature = Signature::exact(vec![DataType::Binary], Volatility::Immutable);
    AggregateUDF::new_from_impl(OfGroup { signature }).call(vec![together(columns)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Together {
    signature: Signature,
}

impl ScalarUDFImpl for Together {
    fn name(&self) -> &str {
        "calls_together"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let rows = columns.first().map_or(0, |column| column.len());
        let lists = (0..rows).map(|row| {
            let mut list = CallList::default();
            columns.iter().for_each(|column| take_in(&mut list, column, row));
            list
        });
        Ok(ColumnarValue::Array(column(lists)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfGroup {
    signature: Signature,
}

impl AggregateUDFImpl for OfGroup {
    fn name(&self) -> &str {
        "calls_of_group"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered::default()))
    }
}

#[derive(Debug, Default)]
struct Gathered {
    list: CallList,
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for column in columns {
            (0..column.len()).for_each(|row| take_in(&mut self.list, column, row));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.list.cell()))
    }

    fn size(&self) -> usize {
        self.list.bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

fn take_in(list: &mut CallList, column: &Arc<dyn Array>, row: usize) {
    if let Some(cells) = column.as_binary_opt::<i32>()
        && cells.is_valid(row)
    {
        list.take_in(cells.value(row));
    }
}
