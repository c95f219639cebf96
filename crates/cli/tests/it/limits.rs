//! The ceiling in dollars and the account's credits: what is answered is kept, the rest is not asked, the code is 5.

use crate::shell::Shell;
use crate::simulated::Simulated;

/// Every answer costs 1000 prompt tokens and more at these prices: about ten cents, known to the engine from the catalog.
const PRICED: &str =
    "[[model]]\nid = 'openai/gpt-4o-mini'\nprompt_price = '0.0001'\ncompletion_price = '0.0001'\n[[rule]]\ncontent = 'yes'\n";
const QUERY: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";

/// What the run spent, as `runs show` tells.
fn spent(shell: &Shell, id: &str) -> f64 {
    let shown = shell.run(&["runs", "show", id]).ends_with(0).stdout;
    let line = shown.lines().find_map(|line| line.strip_prefix("spent    $")).unwrap_or_else(|| panic!("no spending in:\n{shown}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn answered(stdout: &str) -> usize {
    stdout.lines().filter(|line| line.ends_with(",yes")).count()
}

#[test]
fn the_budget_is_never_passed_and_a_larger_one_goes_on() {
    let server = Simulated::start(PRICED);
    let shell = Shell::at(server.url());
    let rows: String = (1..=12).map(|id| format!("{id},review number {id}\n")).collect();
    shell.file("reviews.csv", format!("id,text\n{rows}"));
    // what one row costs, asked beforehand of another review of the same length
    shell.file("one.csv", "id,text\n1,review number 0\n");
    let one = shell.sql(&QUERY.replace("reviews.csv", "one.csv"), &["--budget", "100"]).ends_with(0).run_id();
    let price = spent(&shell, &one);
    assert!(price > 0.0);
    let asked_before = server.asked();

    // room for about half of the rows beside the most that one request may cost
    let ceiling = format!("{:.6}", 0.0001 * 600.0 + price * 6.0);
    let ran = shell.sql(QUERY, &["--budget", &ceiling]).ends_with(5);
    let first = answered(&ran.stdout);
    assert_eq!(ran.stdout.lines().count(), 13, "a row is missing:\n{}", ran.stdout);
    assert!((1..12).contains(&first), "{first} of 12 rows were answered under {ceiling}:\n{}", ran.stderr);
    let spent_first = spent(&shell, &ran.run_id());
    assert!(spent_first <= ceiling.parse().unwrap(), "${spent_first} of ${ceiling}");
    // one request more would not have fitted for certain, but several would
    assert!(spent_first + 0.0001 * 600.0 + price >= ceiling.parse().unwrap(), "stopped early: ${spent_first} of ${ceiling}");
    let asked_first = server.asked() - asked_before;
    assert_eq!(asked_first, first as u64);
    ran.says(&["budget", "go on"]);

    shell.sql(QUERY, &["--budget", "100"]).ends_with(0).says(&[&format!("{} answers, {first} from memory, 0 failed", 12 - first)]);
    assert_eq!(server.asked() - asked_before, 12);
}

#[test]
fn a_budget_below_one_request_asks_nothing_and_names_the_price() {
    let server = Simulated::start(PRICED);
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n");
    let ran = shell.sql(QUERY, &["--budget", "0.000001"]).ends_with(5).prints("id,said\n1,\n");
    assert_eq!(server.asked(), 0);
    assert!(!ran.stderr.contains("is used up"), "nothing was spent, but: {}", ran.stderr);
}

#[test]
fn a_budget_of_nothing_still_gives_what_is_known() {
    let server = Simulated::start(PRICED);
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n");
    shell.sql(QUERY, &["--quiet"]).ends_with(0);
    shell.sql(QUERY, &["--budget", "0"]).ends_with(0).prints("id,said\n1,yes\n").says(&["1 from memory"]);
    assert_eq!(server.asked(), 1);
}

#[test]
fn spent_credits_stop_the_run() {
    let server = Simulated::start("[[rule]]\nfrom_request = 2\nfault = 'no_credits_402'\n[[rule]]\ncontent = 'yes'");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n2,bad\n");
    let ran = shell.sql(QUERY, &[]).ends_with(5).says(&["out_of_credits", "credits"]);
    assert_eq!(answered(&ran.stdout), 1, "{}", ran.stdout);
    assert_eq!(server.asked(), 2);
}
