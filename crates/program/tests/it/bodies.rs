//! The body of the fuzz target over texts made of what matters to its readers.

use proptest::prelude::*;

#[path = "../bodies/program.rs"]
mod program;

fn written() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "[[ ## why ## ]]",
        "[[ ## label ## ]]",
        "[[ ## tags ## ]]",
        "[[ ## n ## ]]",
        "[[ ## completed ## ]]",
        "\n",
        "<why>",
        "</why>",
        "<label>",
        "</label>",
        "<tags>",
        "</tags>",
        "<item>",
        "</item>",
        "{",
        "}",
        "\"why\"",
        "\"label\":",
        "\"good\"",
        "good",
        "[\"a\"]",
        "\"tags\":",
        ",",
        ":",
        "3",
        "None",
        " -> ",
        "list[",
        "]",
        "Literal['x']",
        "Optional[int]",
        "|",
        "{\"signature\":{},\"demos\":[]}",
        "\\u00e9",
        "\\",
        "\u{1f98a}",
        "é",
        " ",
    ]);
    let piece = prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => "\\PC{0,5}"];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_breaks_on_any_text(text in written()) {
        program::run(text.as_bytes());
    }

    #[test]
    fn nothing_breaks_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        program::run(&bytes);
    }
}
