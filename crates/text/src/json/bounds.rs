//! Bounds on what a query may take. jaq runs whatever is written: a query without an end, or one that calls itself for ever,
//! would hang or end the process. So every query is rewritten before it is compiled: where work can be repeated, a step is
//! counted, and where a value is built, its size is. It runs on a stack of its own.

use std::cell::Cell;

use jaq_core::box_iter::box_once;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{Fun, bome, v};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Error, Exn, Native};
use jaq_json::Val;
use jaq_std::ValT;

use super::natives::Data;

/// Steps of a query over one value, and more for each byte of the value.
const STEPS: u64 = 500_000;
const STEPS_A_BYTE: u64 = 8;
/// The longest text and list that a step hands on.
const LONGEST_TEXT: usize = 16 << 20;
const LONGEST_LIST: usize = 1 << 20;
/// The stack of a query, and what must be left of it for one more step.
const STACK: usize = 64 << 20;
const STACK_LEFT: usize = 8 << 20;

/// What the rewritten query calls. Nobody can write these names.
const STEP: &str = "step#";
const WEIGH: &str = "weigh#";
const TIMES: &str = "times#";

thread_local! {
    /// The query that runs on this thread: steps left, and why it was ended.
    static RUNNING: (Cell<u64>, Cell<Option<&'static str>>) = const { (Cell::new(0), Cell::new(None)) };
}

/// Runs a query over a value of so many bytes on a stack of its own. Why it was ended, if it was, whatever else came of it.
pub(super) fn within<T>(bytes: usize, run: impl FnOnce() -> T) -> (T, Option<&'static str>) {
    RUNNING.with(|(left, ended)| {
        left.set(STEPS + STEPS_A_BYTE * bytes as u64);
        ended.set(None);
    });
    let result = on_own_stack(run);
    (result, RUNNING.with(|(_, ended)| ended.get()))
}

/// Reads, compiles or runs: all of it calls itself as deeply as a query is nested.
pub(super) fn on_own_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::grow(STACK, run)
}

/// Takes so many steps, or ends the query. What has ended stays ended, whatever the query would catch.
fn take(steps: u64) -> Result<(), Error<Val>> {
    RUNNING.with(|(left, ended)| {
        let why = match ended.get() {
            Some(why) => Some(why),
            None if stacker::remaining_stack().is_some_and(|left| left < STACK_LEFT) => Some("it calls itself too deeply"),
            None => match left.get().checked_sub(steps) {
                Some(rest) => {
                    left.set(rest);
                    None
                }
                None => Some("it takes too many steps: it has no end, or builds too much"),
            },
        };
        ended.set(why);
        why.map_or(Ok(()), |why| Err(Error::str(why)))
    })
}

fn step(value: &Val) -> Result<(), Error<Val>> {
    let too_long = match value {
        Val::TStr(text) | Val::BStr(text) => text.len() > LONGEST_TEXT,
        Val::Arr(list) => list.len() > LONGEST_LIST,
        _ => false,
    };
    take(if too_long { u64::MAX } else { 1 })
}

/// Counts what a value holds: parts that it holds twice are counted twice, as whatever writes it down will find them.
fn weigh(value: &Val) -> Result<(), Error<Val>> {
    step(value)?;
    let mut waiting = vec![value];
    let mut counted = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Val::Arr(list) => {
                counted += list.len() as u64;
                waiting.extend(list.iter());
            }
            Val::Obj(map) => {
                counted += map.len() as u64;
                waiting.extend(map.values());
            }
            _ => {}
        }
        if counted > 1_000 {
            take(std::mem::take(&mut counted))?;
        }
    }
    take(counted)
}

/// A product. A text is repeated as often as the number says, which may be more than there is room for.
fn times(left: Val, right: Val) -> Result<Val, Error<Val>> {
    let repeated = |text: &Val, number: &Val| match (text, number.as_f64()) {
        (Val::TStr(text) | Val::BStr(text), Some(number)) => text.len() as f64 * number.max(0.0) > LONGEST_TEXT as f64,
        _ => false,
    };
    if repeated(&left, &right) || repeated(&right, &left) {
        take(u64::MAX)?;
    }
    left * right
}

/// What a rewritten query calls.
pub(super) fn functions() -> [Fun<Data>; 3] {
    let identity = |check: Native<Data>| {
        // a step can stand in a path and in an update, where it changes nothing
        check
            .with_paths(|cv| match step(&cv.1.0) {
                Ok(()) => box_once(Ok(cv.1)),
                Err(error) => box_once(Err(Exn::from(error))),
            })
            .with_update(|cv, update| match step(&cv.1) {
                Ok(()) => update(cv.1),
                Err(error) => box_once(Err(Exn::from(error))),
            })
    };
    [
        (STEP, v(0), identity(Native::new(|cv| bome(step(&cv.1).map(|()| cv.1))))),
        (WEIGH, v(0), identity(Native::new(|cv| bome(weigh(&cv.1).map(|()| cv.1))))),
        (
            TIMES,
            v(2),
            Native::new(|mut cv| {
                // the last argument comes first
                let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
                bome(times(left, right))
            }),
        ),
    ]
}

/// A definition whose calls are counted.
pub(super) fn bounded_definition(definition: Def<&str>) -> Def<&str> {
    Def { body: piped(call(STEP), bounded(definition.body)), ..definition }
}

fn call(name: &'static str) -> Term<&'static str> {
    Term::Call(name, Vec::new())
}

fn piped<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// A part whose every result is counted.
fn counted(term: Term<&str>) -> Term<&str> {
    piped(bounded(term), call(STEP))
}

fn weighed(term: Term<&str>) -> Term<&str> {
    piped(term, call(WEIGH))
}

/// A query that counts its steps.
pub(super) fn bounded<'s>(term: Term<&'s str>) -> Term<&'s str> {
    let inside = |term: Box<Term<&'s str>>| Box::new(bounded(*term));
    let outside = |term: Box<Term<&'s str>>| Box::new(counted(*term));
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => term,
        Term::Str(format, parts) => {
            let part = |part| match part {
                StrPart::Term(term) => StrPart::Term(bounded(term)),
                other => other,
            };
            Term::Str(format, parts.into_iter().map(part).collect())
        }
        Term::Arr(Some(items)) => weighed(Term::Arr(Some(outside(items)))),
        Term::Obj(entries) if entries.is_empty() => Term::Obj(entries),
        Term::Obj(entries) => {
            // a key alone stands for the entry of that name, and must stay as it is
            let entry = |(key, value): (Term<&'s str>, Option<Term<&'s str>>)| match value {
                Some(value) => (bounded(key), Some(counted(value))),
                None => (key, None),
            };
            weighed(Term::Obj(entries.into_iter().map(entry).collect()))
        }
        Term::Neg(term) => Term::Neg(inside(term)),
        Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
            let pattern = pattern.map(bounded_pattern);
            Term::BinOp(inside(left), BinaryOp::Pipe(pattern), Box::new(piped(call(STEP), bounded(*right))))
        }
        Term::BinOp(left, BinaryOp::Math(Math::Mul), right) => Term::Call(TIMES, vec![bounded(*left), bounded(*right)]),
        Term::BinOp(left, BinaryOp::UpdateMath(Math::Mul), right) => {
            let factor = "$factor#";
            let product = Term::Call(TIMES, vec![Term::Id, Term::Var(factor)]);
            let update = weighed(Term::BinOp(inside(left), BinaryOp::Update, Box::new(product)));
            Term::BinOp(inside(right), BinaryOp::Pipe(Some(Pattern::Var(factor))), Box::new(update))
        }
        Term::BinOp(left, op @ (BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt), right) => {
            weighed(Term::BinOp(inside(left), op, outside(right)))
        }
        Term::BinOp(left, op @ BinaryOp::Alt, right) => Term::BinOp(outside(left), op, inside(right)),
        Term::BinOp(left, op, right) => Term::BinOp(inside(left), op, inside(right)),
        Term::Label(name, term) => Term::Label(name, inside(term)),
        Term::Fold(kind, items, pattern, arguments) => {
            let arguments = arguments.into_iter().map(|argument| piped(call(STEP), bounded(argument))).collect();
            Term::Fold(kind, outside(items), bounded_pattern(pattern), arguments)
        }
        Term::TryCatch(term, catch) => Term::TryCatch(inside(term), catch.map(inside)),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.into_iter().map(|(when, then)| (counted(when), bounded(then))).collect();
            Term::IfThenElse(branches, otherwise.map(inside))
        }
        Term::Def(definitions, term) => Term::Def(definitions.into_iter().map(bounded_definition).collect(), inside(term)),
        Term::Call(name, arguments) => {
            let call = Term::Call(name, arguments.into_iter().map(counted).collect());
            // the only function of the library that gives results without an end and is not written in jq
            if name == "range" { piped(call, self::call(STEP)) } else { call }
        }
        Term::Path(term, Path(parts)) => {
            let part = |part| match part {
                Part::Index(index) => Part::Index(bounded(index)),
                Part::Range(from, until) => Part::Range(from.map(bounded), until.map(bounded)),
            };
            Term::Path(inside(term), Path(parts.into_iter().map(|(one, opt)| (part(one), opt)).collect()))
        }
    }
}

fn bounded_pattern(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(bounded_pattern).collect()),
        Pattern::Obj(parts) => Pattern::Obj(parts.into_iter().map(|(key, part)| (bounded(key), bounded_pattern(part))).collect()),
    }
}
