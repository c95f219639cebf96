//! What can stand for a column in a verb, and for a key of a sort.

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Sort;

/// A column by its name, spelled as it is: `col("Title")` is not `col("title")`. Where two sides of a join have a column of
/// one name, `col("a.title")` says whose is meant.
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(column(name.into()))
}

/// A column by its name, without a look at dots in it.
pub fn ident(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

pub(super) fn column(name: String) -> Column {
    match name.rsplit_once('.') {
        // what the engine calls an expression, such as upper(t.text), is a name as a whole
        Some((table, column)) if !table.is_empty() && !column.is_empty() && !name.contains('(') => {
            Column::new(Some(TableReference::bare(table)), column)
        }
        _ => Column::new_unqualified(name),
    }
}

/// What can stand where an expression is wanted: an expression, a semantic call, or the name of a column.
pub trait IntoExpr {
    /// The expression.
    fn into_expr(self) -> Expr;
}

impl IntoExpr for Expr {
    fn into_expr(self) -> Expr {
        self
    }
}

impl IntoExpr for &Expr {
    fn into_expr(self) -> Expr {
        self.clone()
    }
}

impl IntoExpr for &str {
    fn into_expr(self) -> Expr {
        col(self)
    }
}

impl IntoExpr for String {
    fn into_expr(self) -> Expr {
        col(self)
    }
}

/// What can be a key of a sort: an expression, smallest first, or one with its direction.
pub trait IntoSort {
    /// The key.
    fn into_sort(self) -> Sort;
}

impl IntoSort for Sort {
    fn into_sort(self) -> Sort {
        self
    }
}

impl<E: IntoExpr> IntoSort for E {
    fn into_sort(self) -> Sort {
        asc(self)
    }
}

/// Smallest first and NULL last, as `ASC` in SQL.
pub fn asc(key: impl IntoExpr) -> Sort {
    key.into_expr().sort(true, false)
}

/// Largest first and NULL before all, as `DESC` in SQL.
pub fn desc(key: impl IntoExpr) -> Sort {
    key.into_expr().sort(false, true)
}
