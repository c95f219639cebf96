//! The prompts of the built-in operators, their demos and overlays.

use corsac_schema::Schema;
use serde_json::json;

use super::*;

#[test]
fn null_and_blank_ask_nothing() {
    let map = Program::map("Join {{ a }} and {{ b }}").unwrap();
    assert_eq!(map.prompt(&[json!("x"), Value::Null]).unwrap(), None);
    assert_eq!(map.prompt(&[json!(" "), json!("")]).unwrap(), None);
    assert_eq!(map.prompt(&[json!("x"), json!("")]).unwrap().unwrap().user, "Join x and ");
}

#[test]
fn values_come_out_of_their_envelope() {
    let classify = Program::classify(&["a".into(), "b".into()]).unwrap();
    assert_eq!(classify.value(&json!({"label": "b"})), json!("b"));
    let predicate = Program::predicate("Is {{ x }} red?").unwrap();
    assert_eq!(predicate.value(&json!({"answer": true})), json!(true));
    assert_eq!(predicate.output(), Output::Boolean);
}

fn example(inputs: Value, output: Value) -> Demo {
    let Value::Object(inputs) = inputs else { panic!("inputs by name") };
    Demo { inputs, output }
}

#[test]
fn examples_stand_behind_the_instructions() {
    let classify = Program::classify(&["a".into(), "b".into()]).unwrap();
    let shown = classify.clone().with_demos(&[example(json!({"input": "x"}), json!("b"))]).unwrap();
    assert_eq!(shown.system(), format!("{}\n\nExamples:\n\nInput: x\nAnswer: {{\"label\":\"b\"}}", classify.system()));
    let predicate = Program::predicate("Is {{ what }} {{ how }}?").unwrap();
    let shown = predicate.with_demos(&[example(json!({"what": "snow", "how": "hot"}), json!("False"))]).unwrap();
    assert!(shown.system().ends_with("Input: Is snow hot?\nAnswer: {\"answer\":false}"), "{}", shown.system());
}

#[test]
fn examples_that_fit_nothing_are_told() {
    let map = Program::map("{{ a }} and {{ b }}").unwrap();
    let why = |program: &Program, example| program.clone().with_demos(&[example]).unwrap_err().to_string();
    assert!(why(&map, example(json!({"a": "x"}), json!("y"))).contains("example 1 cannot be used: it has no input for b"));
    assert!(why(&map, example(json!({"a": "x", "b": "y", "c": "z"}), json!("y"))).contains("nothing here is called c"));
    let classify = Program::classify(&["a".into()]).unwrap();
    assert!(why(&classify, example(json!({"input": "x"}), json!("z"))).contains("cannot be an answer"));
    assert!(why(&classify, example(json!({"input": " "}), json!("a"))).contains("blank"));
}

#[test]
fn labels_can_be_described() {
    let labels = [Label { name: "bug".into(), description: Some("something is broken".into()) }, "wish".into()];
    assert!(Program::classify(&labels).unwrap().system().contains("- bug: something is broken\n- wish\n"));
}

#[test]
fn a_group_is_asked_about_as_a_whole_and_in_parts() {
    let program = Program::reduce("Sum up {{ t }} for {{ who }}").unwrap().over_rows(0);
    let group = program.group(&[json!(["one", null, " ", 2]), Value::Null]).unwrap();
    assert_eq!(group.documents, ["one", "2"]);
    let whole = program.group_prompt(&group, &group.documents, Stage::Whole).unwrap();
    assert_eq!(whole.user, "Sum up \n[1] one\n[2] 2\n for ");
    let part = program.group_prompt(&group, &group.documents[..1], Stage::Part).unwrap();
    assert!(part.system.starts_with(&*whole.system) && part.system != whole.system);
    assert_eq!(program.group(&[json!([" ", null]), json!("x")]), None);
    assert_eq!(program.group(&[Value::Null, json!("x")]), None);
}

#[test]
fn numbers_can_be_asked_about() {
    let classify = Program::classify(&["odd".into(), "even".into()]).unwrap();
    assert_eq!(classify.prompt(&[json!(41)]).unwrap().unwrap().user, "41");
}

fn saved(text: &str) -> crate::SavedProgram {
    crate::SavedProgram::read(text).unwrap()
}

const TUNED: &str = r#"{
    "demos": [{"augmented": true, "review": "Broke after a day.", "reasoning": "It broke.", "verdict": "bad"}, {"review": "no verdict"}],
    "signature": {"instructions": "Judge what the customer felt in the end.", "fields": []},
    "metadata": {"corsac": {"module": "ChainOfThought", "signature": {"name": "judge", "instructions": "",
        "inputs": [{"name": "review"}], "outputs": [{"name": "verdict"}]}}}
}"#;

#[test]
fn an_overlay_changes_what_is_said_and_not_what_is_wanted() {
    let classify = Program::classify(&["good".into(), "bad".into()]).unwrap();
    let tuned = classify.clone().with_overlay(&saved(TUNED)).unwrap();
    assert_eq!(
        tuned.system(),
        "Judge what the customer felt in the end.\n\nThe label is one of:\n- good\n- bad\nAnswer as JSON.\n\nExamples:\n\n\
         Input: Broke after a day.\nAnswer: {\"label\":\"bad\"}"
    );
    assert_eq!(tuned.output(), classify.output());
    // instructions that nobody wrote leave the operator's own
    let plain = saved(
        r#"{"demos": [{"text": "x", "label": "bad"}], "signature": {"instructions": "Given the fields `text`, produce the fields `label`.", "fields": []}}"#,
    );
    let shown = classify.clone().with_overlay(&plain).unwrap();
    assert_eq!(shown.system(), classify.with_demos(&[example(json!({"text": "x"}), json!("bad"))]).unwrap().system());
}

#[test]
fn an_overlay_of_groups_shows_groups() {
    let tuned = saved(
        r#"{"demos": [{"texts": ["Too loud.", " ", "Loud!"], "gist": "Noise."}, {"texts": "Fine.", "gist": "Praise."}, {"texts": [], "gist": "-"}],
            "signature": {"instructions": "Name what most texts share.", "fields": []},
            "metadata": {"corsac": {"module": "Predict", "signature": {"name": "gist", "instructions": "",
                "inputs": [{"name": "texts"}], "outputs": [{"name": "gist"}]}}}}"#,
    );
    let reduce = Program::reduce("What do {{ body }} say?").unwrap().with_overlay(&tuned).unwrap().over_rows(0);
    assert_eq!(
        reduce.system(),
        "Name what most texts share.\n\nExamples:\n\nInput: What do \n[1] Too loud.\n[2] Loud!\n say?\nAnswer: Noise.\n\n\
         Input: What do \n[1] Fine.\n say?\nAnswer: Praise."
    );
    let group = reduce.group(&[json!(["a", "b"])]).unwrap();
    let prompt = reduce.group_prompt(&group, &group.documents, Stage::Whole).unwrap();
    assert_eq!((&*prompt.system, prompt.user.as_str()), (reduce.system(), "What do \n[1] a\n[2] b\n say?"));
}

#[test]
fn an_overlay_of_something_else_is_told() {
    let why = |program: Program, text: &str| program.with_overlay(&saved(text)).unwrap_err().to_string();
    let classify = || Program::classify(&["good".into()]).unwrap();
    assert_eq!(
        why(classify(), TUNED),
        "demo 1 does not fit: its output \"bad\" cannot be an answer: at /label: expected \"good\", got \"bad\""
    );
    let two = Program::map("{{ a }} and {{ b }}").unwrap();
    assert!(why(two, TUNED).starts_with("it is given review, and the operator a, b"));
    let parts = r#"{"a": {"demos": [], "signature": {}}, "b": {"demos": [], "signature": {}}}"#;
    assert!(why(classify(), parts).starts_with("it is a program of 2 parts"));
}

#[test]
fn what_an_operator_is_as_a_program() {
    use crate::Module;
    let of = |program: Program| format!("{}: {}", program.kind(), program.interface().unwrap());
    let schema = Schema::from_text("name string, stars int, tags list<string>?").unwrap();
    let shown = [
        of(Program::classify(&["a".into(), "b".into()]).unwrap()),
        of(Program::predicate("Is {{ text }} {{ answer }}?").unwrap()),
        of(Program::map("Say {{ text }}").unwrap()),
        of(Program::extract(schema).unwrap()),
        of(Program::extract(Schema::from_text("\"delivery days\" int").unwrap()).unwrap()),
    ];
    assert_eq!(
        shown,
        [
            "semantic_classify: text -> label: Literal['a', 'b']",
            "semantic_predicate: text, answer -> answer_: bool",
            "semantic_map: text -> result",
            "semantic_extract: text -> name, stars: int, tags: Optional[list[str]]",
            "semantic_extract: text -> value: Any",
        ]
    );
}
