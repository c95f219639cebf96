//! Programs on the command line: a signature as text or a saved program, its inputs as `name=value`; run once, measured
//! on data, improved by data.

use std::path::Path;
use std::sync::Arc;

use corsac_dispatch::FailureKind;
use corsac_program::evaluate::{Class, Interval, Report, named_metric};
use corsac_program::{
    ChainOfThought, Context, Evaluate, Evaluation, Example, Lm, Module, ModuleError, MultiChainComparison, Predict, Prediction, Record,
    SavedProgram, Signature, misfit, read_cell, read_examples,
};
use corsac_tune::{Budget, OPTIMIZERS, Task, TuneError, named_optimizer};
use corsac_wire::Usd;
use serde_json::{Value, json};

use crate::args::{Ask, Asking, Eval, ModuleChoice, ProgramArguments, Tune};
use crate::exit::{Exit, Stop, of_kind};
use crate::screen;
use crate::work::Work;

/// A program, and what is known of it.
struct Loaded {
    module: Arc<dyn Module>,
    signature: Signature,
    saved: Option<SavedProgram>,
    /// Its file or its signature, for the list of runs.
    name: String,
}

/// Whether a question is a signature rather than a question.
pub(crate) fn is_signature(question: &[String]) -> bool {
    question.first().is_some_and(|first| first.contains("->"))
}

impl Loaded {
    /// From a file, or from a signature.
    fn from(arguments: &ProgramArguments, signature: Option<&str>) -> Result<Loaded, Stop> {
        let usage = |why: String| Stop::new(Exit::Usage, why);
        let given = signature.or(arguments.signature.as_deref());
        let parsed =
            given.map(|text| Signature::parse(text).map_err(|error| usage(format!("{text:?} is no signature: {error}")))).transpose()?;
        let parsed = parsed.map(|signature| match &arguments.instructions {
            Some(text) => signature.with_instructions(text),
            None => signature,
        });
        let Some(path) = &arguments.program else {
            let Some(signature) = parsed else {
                return Err(usage("there is no program: name a file with -p, or a signature such as \"question -> answer\"".to_owned()));
            };
            let module = module(arguments.module.unwrap_or(ModuleChoice::Predict), &signature)?;
            return Ok(Loaded { module, name: given.unwrap_or_default().to_owned(), signature, saved: None });
        };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| usage(format!("the program {shown} cannot be read: {error}")))?;
        let saved = SavedProgram::read(&text).map_err(|error| usage(format!("{shown}: {error}")))?;
        let kind = arguments.module.map(ModuleChoice::name).or(saved.about.module.as_deref());
        let signature = parsed.or_else(|| saved.about.signature.clone());
        let (Some(kind), Some(signature)) = (kind, signature) else {
            return Err(usage(format!(
                "{shown} does not say what it is a program of, as DSPy's files do not: add --signature \"question -> answer\" and --module \
                 predict or chain-of-thought"
            )));
        };
        let module = saved.build_as(kind, signature.clone()).map_err(|error| usage(format!("{shown}: {error}")))?;
        Ok(Loaded { module: Arc::new(module), signature, saved: Some(saved), name: shown.to_string() })
    }

    /// The model it was made for, unless the user names one.
    fn lm(&self, work: &Work, asking: &Asking) -> Lm {
        let lm = work.lm();
        match &self.saved {
            Some(saved) if asking.model.is_none() => saved.model(&lm),
            _ => lm,
        }
    }

    fn examples(&self, data: &Path) -> Result<Vec<Example>, Stop> {
        let examples = read_examples(data, &self.signature).map_err(|error| Stop::new(Exit::Usage, error.to_string()))?;
        if examples.is_empty() {
            return Err(Stop::new(Exit::Usage, format!("{} has no examples", data.display())));
        }
        Ok(examples)
    }
}

fn module(choice: ModuleChoice, signature: &Signature) -> Result<Arc<dyn Module>, Stop> {
    Ok(match choice {
        ModuleChoice::Predict => Arc::new(Predict::new(signature.clone())),
        ModuleChoice::ChainOfThought => Arc::new(ChainOfThought::new(signature.clone())),
        ModuleChoice::MultiChainComparison => {
            let compared = MultiChainComparison::new(signature.clone());
            Arc::new(compared.map_err(|error| Stop::new(Exit::Usage, error.to_string()))?)
        }
    })
}

/// Inputs out of `name=value`. A signature with one input takes text without a name.
fn inputs(signature: &Signature, given: &[String]) -> Result<Record, Stop> {
    let mut inputs = Record::new();
    let names = || signature.inputs().iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    let fields = signature.inputs();
    for one in given {
        let named = one.split_once('=').and_then(|(name, text)| Some((fields.iter().find(|field| field.name == name.trim())?, text)));
        match (named, fields) {
            (Some((field, text)), _) => drop(inputs.insert(field.name.clone(), read_cell(&field.ty, text))),
            // `questoin=What?` is a name with an error in it rather than a question
            (None, [only]) if given.len() == 1 && !begins_with_a_name(one) => {
                drop(inputs.insert(only.name.clone(), read_cell(&only.ty, one)))
            }
            (None, _) => {
                return Err(Stop::new(Exit::Usage, format!("{one:?} is no input: write name=value; the inputs are {}", names())));
            }
        }
    }
    for field in fields {
        if let Some(why) = inputs.get(&field.name).and_then(|value| misfit(&field.ty, value)) {
            return Err(Stop::new(Exit::Usage, format!("the input {}: {why}", field.name)));
        }
    }
    let missing: Vec<&str> =
        fields.iter().filter(|field| !field.is_optional() && !inputs.contains_key(&field.name)).map(|field| field.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(inputs);
    }
    let example = missing.iter().map(|name| format!("{name}=…")).collect::<Vec<_>>().join(" ");
    Err(Stop::new(Exit::Usage, format!("the program needs {}: add {example}", missing.join(", "))))
}

/// Whether a text begins like `name=value`.
fn begins_with_a_name(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    text.split_once('=').is_some_and(|(name, _)| is_name(name.trim()))
}

/// `corsac ask` with a signature or a program.
pub(crate) async fn ask(arguments: Ask) -> Result<Exit, Stop> {
    let by_signature = arguments.program.program.is_none() && is_signature(&arguments.question);
    let signature = by_signature.then(|| arguments.question[0].as_str());
    let loaded = Loaded::from(&arguments.program, signature)?;
    let inputs = inputs(&loaded.signature, &arguments.question[usize::from(by_signature)..])?;
    let work = Work::begin(&arguments.asking, "ask", &loaded.name, arguments.quiet).await?;
    let result = loaded.lm(&work, &arguments.asking).run(loaded.module.as_ref(), &inputs).await;
    let took = work.took();
    let run = work.run.clone();
    let exit = result.as_ref().err().map_or(Exit::Done, |error| of_kind(error.kind()));
    work.end(exit, u64::from(result.is_ok()), result.as_ref().err().map(ModuleError::to_string)).await?;
    let prediction = result.map_err(|error| Stop::new(exit, error.to_string()))?;
    if arguments.json {
        screen::result(&told(&prediction, run.as_str()).to_string());
        return Ok(Exit::Done);
    }
    screen::result(&shown(&prediction.outputs));
    if !arguments.quiet {
        let by = prediction.provider().map_or(String::new(), |provider| format!(" by {provider}"));
        let model = prediction.model().unwrap_or_default();
        let requests = match prediction.attempts() {
            0 => "from memory (--fresh asks anew)".to_owned(),
            1 => "1 request".to_owned(),
            many => format!("{many} requests"),
        };
        screen::note(&format!("{model}{by}  {requests}  {}  {:.1} s  run {run}", prediction.cost(), took.as_secs_f64()));
    }
    Ok(Exit::Done)
}

fn told(prediction: &Prediction, run: &str) -> Value {
    json!({
        "outputs": prediction.outputs,
        "model": prediction.model(),
        "provider": prediction.provider(),
        "cost": prediction.cost().to_string().trim_start_matches('$'),
        "attempts": prediction.attempts(),
        "from_memory": prediction.attempts() == 0,
        "run": run,
    })
}

/// One output by itself, several under their names.
fn shown(outputs: &Record) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    };
    match outputs.iter().next() {
        Some((_, only)) if outputs.len() == 1 => text(only),
        _ => outputs.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n"),
    }
}

/// `corsac eval`.
pub(crate) async fn eval(arguments: Eval) -> Result<Exit, Stop> {
    let metric = named_metric(&arguments.metric, arguments.field.as_deref()).map_err(|error| Stop::new(Exit::Usage, error.to_string()))?;
    let loaded = Loaded::from(&arguments.program, None)?;
    let examples = loaded.examples(&arguments.data)?;
    if let Some(by) = arguments.by.as_deref().filter(|by| examples.iter().all(|example| example.get(by).is_none())) {
        let known = examples.first().map(|first| first.values.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        return Err(Stop::new(Exit::Usage, format!("{} has no column {by:?} to group by; it has {known}", arguments.data.display())));
    }
    let other = match &arguments.compare {
        Some(path) => Some(Loaded::from(&ProgramArguments { program: Some(path.clone()), ..arguments.program.clone() }, None)?),
        None => None,
    };
    let work = Work::begin(&arguments.asking, "eval", &loaded.name, arguments.quiet).await?;
    let evaluate = Evaluate::new(examples);
    let evaluation = evaluate.run(&Context::new(&loaded.lm(&work, &arguments.asking)), loaded.module.as_ref(), metric.as_ref()).await;
    let compared = match &other {
        Some(other) => Some(evaluate.run(&Context::new(&other.lm(&work, &arguments.asking)), other.module.as_ref(), metric.as_ref()).await),
        None => None,
    };
    let run = work.run.clone();
    let exit = exit_of(&evaluation).max_of(compared.as_ref().map_or(Exit::Done, exit_of));
    work.end(exit, evaluation.outcomes.len() as u64, None).await?;
    if let Some(path) = &arguments.out {
        std::fs::write(path, lines(&evaluation, evaluate.examples()))?;
    }
    let (by, seed) = (arguments.by.as_deref(), arguments.seed);
    if arguments.json {
        let mut told = summary(&evaluation, evaluate.examples(), by, seed);
        told["run"] = run.as_str().into();
        if let (Some(second), Some(other)) = (&compared, &other) {
            told["compared"] = summary(second, evaluate.examples(), by, seed);
            told["compared"]["program"] = other.name.as_str().into();
            told["compared"]["difference"] = evaluation.compare(second, seed).map_or(Value::Null, |paired| {
                let Interval { mean, low, high, .. } = paired.difference;
                json!({"mean": mean, "low": low, "high": high, "better": paired.better, "worse": paired.worse, "examples": paired.examples, "p": paired.p})
            });
        }
        screen::result(&told.to_string());
    } else {
        screen::result(&Report { evaluation: &evaluation, examples: evaluate.examples(), by, seed }.to_string());
        if let (Some(second), Some(other)) = (&compared, &other) {
            let report = Report { evaluation: second, examples: evaluate.examples(), by: None, seed };
            screen::result(&format!("\n{}\n{report}", other.name));
            if let Some(paired) = evaluation.compare(second, seed) {
                screen::result(&format!("\n{} against {}: {paired}", other.name, loaded.name));
            }
        }
    }
    if !arguments.quiet {
        screen::note(&format!("run {run}  run the same again: what is answered comes from memory"));
    }
    Ok(exit)
}

/// How an evaluation ends the command.
fn exit_of(evaluation: &Evaluation) -> Exit {
    let kinds = evaluation.outcomes.iter().filter_map(|outcome| outcome.score.as_ref().err()).map(ModuleError::kind);
    kinds.map(of_kind).fold(Exit::Done, Exit::max_of)
}

/// An evaluation for programs.
fn summary(evaluation: &Evaluation, examples: &[Example], by: Option<&str>, seed: u64) -> Value {
    let interval = evaluation.interval(seed);
    let mut told = json!({
        "metric": evaluation.metric,
        "score": interval.map(|interval| interval.mean),
        "low": interval.map(|interval| interval.low),
        "high": interval.map(|interval| interval.high),
        "examples": evaluation.outcomes.len(),
        "failed": evaluation.failed(),
        "failures": evaluation.failures(),
        "cost": evaluation.cost().to_string().trim_start_matches('$'),
    });
    if let Some(classes) = evaluation.classes() {
        let of_one = |class: &Class| {
            let Class { label, precision, recall, f1, examples } = class;
            json!({"label": label, "precision": precision, "recall": recall, "f1": f1, "examples": examples})
        };
        told["classes"] = classes.figures().iter().map(of_one).collect();
        told["macro_f1"] = classes.macro_f1().into();
    }
    if let Some(by) = by {
        let groups = evaluation.by(examples, by, seed);
        let of_one = |(value, (examples, failed, interval)): (String, (usize, usize, Option<Interval>))| {
            let (score, low, high) = (interval.map(|one| one.mean), interval.map(|one| one.low), interval.map(|one| one.high));
            json!({by: value, "examples": examples, "failed": failed, "score": score, "low": low, "high": high})
        };
        told["groups"] = groups.into_iter().map(of_one).collect();
    }
    told
}

/// One JSON object an example.
fn lines(evaluation: &Evaluation, examples: &[Example]) -> String {
    let line = |(outcome, example): (&corsac_program::evaluate::Outcome, &Example)| {
        let line = json!({
            "row": outcome.row,
            "inputs": example.inputs(),
            "labels": example.labels(),
            "outputs": outcome.prediction.as_ref().ok().map(|prediction| &prediction.outputs),
            "score": outcome.score.as_ref().ok(),
            "error": outcome.score.as_ref().err().map(ModuleError::to_string),
            "cost": outcome.cost.to_string().trim_start_matches('$'),
            "attempts": outcome.attempts,
        });
        line.to_string() + "\n"
    };
    evaluation.outcomes.iter().zip(examples).map(line).collect()
}

/// `corsac tune`.
pub(crate) async fn tune(arguments: Tune) -> Result<Exit, Stop> {
    let usage = |why: String| Stop::new(Exit::Usage, why);
    let metric = named_metric(&arguments.metric, arguments.field.as_deref()).map_err(|error| usage(error.to_string()))?;
    let optimizer = named_optimizer(&arguments.optimizer, arguments.candidates)
        .ok_or_else(|| usage(format!("there is no optimizer {:?}; there are {}", arguments.optimizer, OPTIMIZERS.join(", "))))?;
    let loaded = Loaded::from(&arguments.program, None)?;
    let examples = loaded.examples(&arguments.data)?;
    let held_out = arguments.dev.as_deref().map(|dev| loaded.examples(dev)).transpose()?;
    let dollars = arguments.asking.budget.as_deref().map(|text| Usd::parse(text.trim_start_matches('$'))).transpose();
    let dollars = dollars.map_err(|error| usage(format!("--budget: {error}")))?;
    let budget = Budget { dollars, calls: arguments.calls };
    // the search stops itself, with room for what is under way; the run's own ceiling holds all the same
    let work = Work::begin(&arguments.asking, "tune", &loaded.name, arguments.quiet).await?;
    let lm = loaded.lm(&work, &arguments.asking);
    let program = Arc::clone(&loaded.module);
    let task = match held_out {
        Some(held_out) => Task::with_held_out(&lm, program, examples, held_out, metric, budget).with_seed(arguments.seed),
        None => Task::split(&lm, program, examples, arguments.held_out, arguments.seed, metric, budget),
    };
    let result = optimizer.tune(&task).await;
    let (run, took) = (work.run.clone(), work.took());
    let exit = match &result {
        Ok(tuned) if tuned.complete => Exit::Done,
        Ok(_) if work.engine.dispatcher.is_stopped() => Exit::Interrupted,
        Ok(_) => Exit::BudgetReached,
        Err(TuneError::TooFew(_)) => Exit::Usage,
        Err(TuneError::Stopped(error)) => match error.kind() {
            FailureKind::Internal => Exit::Failure,
            kind => of_kind(kind),
        },
    };
    let rows = result.as_ref().map_or(0, |tuned| tuned.candidates.len() as u64);
    work.end(exit, rows, result.as_ref().err().map(ToString::to_string)).await?;
    let tuned = result.map_err(|error| Stop::new(exit, error.to_string()))?;
    screen::result(&tuned.to_string());
    if let Some(gain) = tuned.gain() {
        screen::result(&format!("gain    {gain}"));
    }
    let program = tuned.program();
    let written = match &loaded.saved {
        Some(saved) => saved.updated(&program),
        None => SavedProgram::of(&program),
    };
    let beside = arguments.out.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, written.to_text())?;
    std::fs::rename(&beside, &arguments.out)?;
    if !arguments.quiet {
        screen::note(&format!("written to {}  {:.1} s  run {run}", arguments.out.display(), took.as_secs_f64()));
    }
    Ok(exit)
}
