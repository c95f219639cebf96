//! Follows the remedies to the end of a call.

use corsac_policy::{Course, Effort, Fault, FaultClass, Hop, Limits, Parameter, Parameters, Remedy, Step, Strategy, remedy};

/// Three routes: a model, another model with a larger context, the first model with another key at another host.
pub(crate) fn three_routes() -> Vec<Hop> {
    let first = Hop { context: Some(16_384), ..Hop::default() };
    vec![first, Hop { model: 1, context: Some(128_000), ..Hop::default() }, Hop { account: 1, host: 1, ..first }]
}

/// A structured call over some routes.
pub(crate) fn structured(routes: Vec<Hop>) -> Limits {
    let sent = Parameters::from_iter([Parameter::Seed, Parameter::Temperature, Parameter::Reasoning]);
    Limits { routes, strategy: Strategy::ResponseFormat, sent, effort: Some(Effort::None), ..Limits::default() }
}

/// A call of one route.
pub(crate) fn alone() -> Limits {
    structured(vec![Hop::default()])
}

/// A call under way.
pub(crate) struct Travel {
    pub(crate) course: Course,
    /// Every remedy so far.
    pub(crate) remedies: Vec<Remedy>,
}

impl Travel {
    pub(crate) fn new(limits: &Limits) -> Travel {
        Travel { course: Course::new(limits), remedies: Vec::new() }
    }

    /// Meets a fault; the name of the step that is taken.
    pub(crate) fn meets(&mut self, fault: &Fault) -> String {
        self.meets_with(fault, &|_| false)
    }

    /// The same, with routes that are rather not taken.
    pub(crate) fn meets_with(&mut self, fault: &Fault, skip: &dyn Fn(usize) -> bool) -> String {
        self.course.count(&fault.class);
        let found = remedy(fault, &self.course, 0.5, skip);
        self.course.take(&found.step);
        let name = found.step.name();
        self.remedies.push(found);
        name
    }

    /// Meets the same fault until nothing is left.
    pub(crate) fn follow_out(mut self, fault: &Fault) -> Travel {
        loop {
            self.meets(fault);
            assert!(self.remedies.len() < 400, "no end: {:?}", fault.class);
            if self.ended() {
                return self;
            }
        }
    }

    pub(crate) fn ended(&self) -> bool {
        self.remedies.last().is_some_and(|last| last.step == Step::GiveUp)
    }

    /// The steps by name, equal ones in a row counted.
    pub(crate) fn steps(&self) -> Vec<String> {
        let mut steps: Vec<(String, u32)> = Vec::new();
        for remedy in &self.remedies {
            let name = remedy.step.name();
            match steps.last_mut().filter(|(last, _)| *last == name) {
                Some((_, times)) => *times += 1,
                None => steps.push((name, 1)),
            }
        }
        steps.into_iter().map(|(name, times)| if times == 1 { name } else { format!("{name} ×{times}") }).collect()
    }
}

/// The steps against one fault, met again and again.
pub(crate) fn steps(fault: &Fault, limits: &Limits) -> Vec<String> {
    Travel::new(limits).follow_out(fault).steps()
}

/// The steps against a class of fault, from a provider or not.
pub(crate) fn follow(class: FaultClass, provider: Option<&str>, limits: &Limits) -> Vec<String> {
    steps(&Fault::new(class, "said").from_provider(provider), limits)
}
