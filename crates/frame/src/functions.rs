//! The functions of a session that are made of programs: registered by the caller, or kept in the catalog and looked up again
//! for each statement that names one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use corsac_dispatch::CallSettings;
use corsac_program::Module;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{self, Visit, Visitor};

use crate::catalog::{Catalog, KeptFunction};
use crate::error::FrameError;
use crate::program::{ProgramFunction, ProgramMarker, function_name};

/// The functions made of programs.
pub(crate) struct Functions {
    context: SessionContext,
    catalog: Catalog,
    /// Whether the models are asked that saved programs were made for.
    heeds_models: bool,
    /// What stands for entries of the catalog now.
    from_catalog: Mutex<BTreeMap<String, KeptFunction>>,
}

/// A function and where it comes from.
pub(crate) struct Listed {
    pub(crate) function: Arc<ProgramFunction>,
    pub(crate) source: Option<String>,
    pub(crate) description: Option<String>,
}

impl Functions {
    pub(crate) fn new(context: SessionContext, catalog: Catalog, heeds_models: bool) -> Functions {
        Functions { context, catalog, heeds_models, from_catalog: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, KeptFunction>> {
        self.from_catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a program a name in SQL, as long as the session lasts. A name given again stands for the new one.
    pub(crate) fn register(&self, name: &str, program: Arc<dyn Module>) -> Result<(), FrameError> {
        let name = function_name(name, &self.context)?;
        let function = ProgramFunction::new(&name, program, CallSettings::default())?;
        self.kept().remove(&name);
        self.context.register_udf(ScalarUDF::new_from_impl(ProgramMarker::new(function)));
        Ok(())
    }

    /// Registers the functions of the catalog that a statement names.
    pub(crate) fn make_ready(&self, statement: &Parsed) -> Result<(), FrameError> {
        let named = functions_in(statement);
        if named.is_empty() {
            return Ok(());
        }
        let state = self.context.state();
        let unknown = |name: &String| !state.scalar_functions().contains_key(name) || self.kept().contains_key(name);
        let wanted: Vec<String> = named.into_iter().filter(unknown).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let known = self.catalog.functions()?;
        for name in wanted {
            self.stand_for(&name, known.get(&name))?;
        }
        Ok(())
    }

    /// Lets a name stand for what the catalog has now; for nothing, if it has nothing any more.
    fn stand_for(&self, name: &str, entry: Option<&KeptFunction>) -> Result<(), FrameError> {
        let same = self.kept().get(name) == entry;
        match entry {
            _ if same => {}
            None => {
                self.context.deregister_udf(name);
                self.kept().remove(name);
            }
            Some(entry) => {
                let function = self.function(name, entry)?;
                self.context.register_udf(ScalarUDF::new_from_impl(ProgramMarker::new(function)));
                self.kept().insert(name.to_owned(), entry.clone());
            }
        }
        Ok(())
    }

    /// An entry of the catalog as a function.
    fn function(&self, name: &str, entry: &KeptFunction) -> Result<ProgramFunction, FrameError> {
        let cannot = |why: String| FrameError::query(format!("the function {name} cannot be used: {why}"));
        let saved = entry.saved().map_err(|error| cannot(error.to_string()))?;
        let program = saved.build().map_err(|error| cannot(error.to_string()))?;
        let made_for = if self.heeds_models {
            CallSettings { model: saved.about.model.clone(), profile: saved.about.profile.clone(), ..CallSettings::default() }
        } else {
            CallSettings::default()
        };
        ProgramFunction::new(name, Arc::new(program), made_for)
    }

    /// The name under which a function would be kept, if it is free for it.
    pub(crate) fn free_name(&self, name: &str) -> Result<String, FrameError> {
        function_name(name, &self.context)
    }

    /// Looks at a function that is to be kept.
    pub(crate) fn look_at(&self, name: &str, entry: &KeptFunction) -> Result<(), FrameError> {
        self.function(name, entry).map(drop)
    }

    /// The names in the catalog.
    pub(crate) fn names(&self) -> Result<Vec<String>, FrameError> {
        Ok(self.catalog.functions()?.into_keys().collect())
    }

    /// All functions made of programs, by name; those of the catalog that cannot be used any more are told.
    pub(crate) fn all(&self) -> Result<(Vec<Listed>, Vec<String>), FrameError> {
        let known = self.catalog.functions()?;
        let mut warnings = Vec::new();
        for (name, entry) in &known {
            let taken = self.context.state().scalar_functions().contains_key(name) && !self.kept().contains_key(name);
            if !taken && let Err(error) = self.stand_for(name, Some(entry)) {
                warnings.push(format!("{name} is left out: {error}"));
            }
        }
        let listed = |function: Arc<ProgramFunction>| {
            let entry = self.kept().get(&*function.name).cloned();
            let (source, description) = entry.map_or((None, None), |entry| (Some(entry.source), entry.description));
            Listed { function, source, description }
        };
        Ok((ProgramMarker::all_in(&self.context).into_iter().map(listed).collect(), warnings))
    }
}

/// The names of the functions in a statement, in lower case.
fn functions_in(statement: &Parsed) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Function(function) = expression
                && let Some(name) = function.name.0.last().and_then(ast::ObjectNamePart::as_ident)
            {
                self.0.insert(name.value.to_lowercase());
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    match statement {
        Parsed::Statement(inner) => drop(inner.visit(&mut names)),
        Parsed::Explain(explain) => names.0 = functions_in(&explain.statement),
        _ => {}
    }
    names.0
}
