//! What reading an answer costs, by the shape of its schema and of the answer.
//!
//! `cargo bench -p corsac-benches --profile dev --bench reading`

use std::hint::black_box;
use std::time::Instant;

use corsac::schema::Schema;
use serde_json::json;

fn show(name: &str, times: u32, mut work: impl FnMut()) {
    work();
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    println!("{name:<44} {:>10.2} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(times));
}

fn main() {
    let bounded =
        json!({"type": "object", "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}}, "required": ["stars"]});
    let first = Instant::now();
    let checked = Schema::from_json(bounded.clone()).unwrap();
    println!("{:<44} {:>10.2} µs", "first full validator of the process", first.elapsed().as_secs_f64() * 1e6);
    let label = Schema::labels(&["positive".to_owned(), "negative".to_owned()]).unwrap();
    let flat = Schema::from_text("product string, stars int, defects list<string>, mood enum(good, bad), note string?").unwrap();
    let answer = r#"{"product":"kettle","stars":4,"defects":["lid","cord"],"mood":"good","note":null}"#;
    let fenced = format!("Here it is:\n```json\n{answer}\n```\n");
    let prose = "lorem ipsum {".repeat(8 * 1024 * 1024 / 13);
    let read = |schema: &Schema, text: &str| drop(black_box(schema.read(black_box(text))));
    show("label, valid", 200_000, || read(&label, r#"{"label":"positive"}"#));
    show("label, bare text", 100_000, || read(&label, "Positive."));
    show("five fields, valid with a null to take out", 100_000, || read(&flat, answer));
    show("five fields, in a fence after prose", 100_000, || read(&flat, &fenced));
    show("one field, full validator", 100_000, || read(&checked, r#"{"stars":4}"#));
    show("8 MB of prose and braces", 3, || read(&flat, &prose));
    show("build from short form", 10_000, || drop(black_box(Schema::from_text("a string, b int, c enum(x, y)"))));
    show("build with the full validator", 1_000, || drop(black_box(Schema::from_json(bounded.clone()))));
}
