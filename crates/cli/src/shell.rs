//! `corsac sql` without a query: statements one after another, typed at a terminal or read from a pipe. Every statement
//! runs as the command alone would run it.

mod complete;
mod editor;
mod split;

use std::io::{IsTerminal, Read};
use std::time::Instant;

use corsac_frame::SessionOptions;
use corsac_wire::Usd;

use crate::args::Sql;
use crate::exit::{Exit, Stop};
use crate::job::Planning;
use crate::{home, interrupt, screen, sql};

const HELP: &str = "\
A statement ends with ; and may go over several lines: queries, EXPLAIN, EXPLAIN ANALYZE, CREATE VIEW, CREATE TABLE … AS,
CREATE EXTERNAL TABLE … LOCATION, CREATE FUNCTION … FROM, INSERT INTO, COPY … TO, COMMENT ON, DESCRIBE, SHOW TABLES,
SHOW FUNCTIONS, DROP. A file is a table by its path: FROM 'reviews.csv'.

  \\d             the tables and views; \\d NAME describes one
  \\budget 0.50   the most one statement may cost, in dollars; \\budget off lifts it
  \\timing        shows how long each statement takes, or no longer
  \\?             this help
  \\q             ends the shell, as Ctrl-D does

Tab completes keywords, functions, tables, columns, and paths in quotes. Ctrl-C stops a query politely: nothing new is asked, and the
answers under way are waited for, since they are paid for.";

/// The statements of a text, without their semicolons; the last one needs none.
pub(crate) fn statements(text: &str) -> Vec<String> {
    let mut rest = text.to_owned();
    let mut statements = split::take(&mut rest);
    if !split::is_blank(&rest) {
        statements.push(rest);
    }
    statements
}

/// What a line tells the shell itself.
#[derive(Debug, PartialEq, Eq)]
enum Told<'a> {
    Describe(Option<&'a str>),
    Budget(&'a str),
    Timing,
    Help,
    Quit,
    Unknown,
}

/// A line that begins with a backslash, or one of the words that people try.
fn told(line: &str) -> Option<Told<'_>> {
    let line = line.trim().trim_end_matches(';').trim();
    if matches!(line.to_ascii_lowercase().as_str(), "quit" | "exit") {
        return Some(Told::Quit);
    }
    if line.eq_ignore_ascii_case("help") {
        return Some(Told::Help);
    }
    let command = line.strip_prefix('\\')?;
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    Some(match name {
        "d" | "dt" | "dv" => Told::Describe((!rest.is_empty()).then_some(rest)),
        "budget" => Told::Budget(rest),
        "timing" => Told::Timing,
        "?" | "h" | "help" => Told::Help,
        "q" | "quit" => Told::Quit,
        _ => Told::Unknown,
    })
}

/// A shell: the flags of the command, which some lines change.
struct Shell {
    arguments: Sql,
    timing: bool,
}

pub(crate) async fn run(arguments: Sql) -> Result<Exit, Stop> {
    let shell = Shell { arguments, timing: false };
    if std::io::stdin().is_terminal() { shell.converse().await } else { shell.read_through().await }
}

impl Shell {
    /// Statements from a pipe. The first that fails ends it, since those behind may stand on it.
    async fn read_through(mut self) -> Result<Exit, Stop> {
        if self.arguments.tables.iter().any(|table| table.ends_with("=-")) {
            return Err(Stop::new(Exit::Usage, "standard input cannot hold the statements and a table: name the query or a file of it"));
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let mut buffer = String::new();
        let mut worst = Exit::Done;
        let mut any = false;
        for line in text.lines() {
            if split::is_blank(&buffer)
                && let Some(told) = told(line)
            {
                any = true;
                if told == Told::Quit {
                    return Ok(worst);
                }
                self.obey(told).await?;
                continue;
            }
            buffer.push_str(line);
            buffer.push('\n');
            for statement in split::take(&mut buffer) {
                any = true;
                let exit = self.timed(statement).await?;
                worst = if worst == Exit::Done { exit } else { worst };
            }
        }
        // the last one needs no ;
        if !split::is_blank(&buffer) {
            any = true;
            let exit = self.timed(buffer).await?;
            worst = if worst == Exit::Done { exit } else { worst };
        }
        if any { Ok(worst) } else { Err(Stop::new(Exit::Usage, "the query is empty")) }
    }

    /// Statements from somebody at a terminal, until there are no more.
    async fn converse(mut self) -> Result<Exit, Stop> {
        let history = home::folder().ok().map(|home| home.join("history"));
        let mut editor = editor::Editor::new(history)?;
        screen::note("corsac: SQL that asks models. \\? helps, \\q ends.");
        editor.know(self.words().await);
        let mut buffer = String::new();
        loop {
            let line = tokio::task::block_in_place(|| editor.line(split::is_blank(&buffer)))?;
            let line = match line {
                editor::Line::Text(line) => line,
                editor::Line::Interrupted => {
                    buffer.clear();
                    continue;
                }
                editor::Line::End => return Ok(Exit::Done),
            };
            if split::is_blank(&buffer)
                && let Some(told) = told(&line)
            {
                editor.remember(&line);
                if told == Told::Quit {
                    return Ok(Exit::Done);
                }
                if let Err(stop) = self.obey(told).await {
                    screen::error(&stop.message);
                }
                continue;
            }
            buffer.push_str(&line);
            buffer.push('\n');
            let statements = split::take(&mut buffer);
            for statement in &statements {
                editor.remember(&format!("{};", statement.trim()));
                // what went wrong is told, and the next statement can be typed
                if let Err(stop) = self.interruptible(statement.clone()).await {
                    screen::error(&stop.message);
                }
            }
            if !statements.is_empty() {
                editor.know(self.words().await);
            }
        }
    }

    async fn interruptible(&self, statement: String) -> Result<Exit, Stop> {
        tokio::select! {
            done = self.timed(statement) => done,
            // a run watches for itself; anything else is simply dropped
            () = interrupt::nobody_else() => Err(Stop::new(Exit::Interrupted, "interrupted")),
        }
    }

    async fn timed(&self, statement: String) -> Result<Exit, Stop> {
        let started = Instant::now();
        let done = sql::run_statement(&self.arguments, statement).await;
        if self.timing {
            screen::note(&format!("time {:.3} s", started.elapsed().as_secs_f64()));
        }
        done
    }

    async fn obey(&mut self, told: Told<'_>) -> Result<(), Stop> {
        match told {
            Told::Describe(None) => self.timed("SHOW TABLES".to_owned()).await.map(drop),
            Told::Describe(Some(name)) => {
                let name = name.trim_matches(['"', '\'']);
                self.timed(format!("DESCRIBE \"{}\"", name.replace('"', "\"\""))).await.map(drop)
            }
            Told::Budget("") => {
                let limit =
                    self.arguments.asking.budget.as_deref().map_or("no limit of its own".to_owned(), |limit| format!("at most ${limit}"));
                screen::note(&format!("one statement may cost {limit}"));
                Ok(())
            }
            Told::Budget("off") => {
                self.arguments.asking.budget = None;
                screen::note("one statement may cost what the configuration allows");
                Ok(())
            }
            Told::Budget(limit) => {
                let dollars = limit.trim_start_matches('$');
                Usd::parse(dollars).map_err(|_| Stop::new(Exit::Usage, format!("{limit} is no sum of dollars: write \\budget 0.50")))?;
                self.arguments.asking.budget = Some(dollars.to_owned());
                screen::note(&format!("one statement may cost at most ${dollars}"));
                Ok(())
            }
            Told::Timing => {
                self.timing = !self.timing;
                screen::note(if self.timing { "the time of each statement is shown" } else { "times are not shown" });
                Ok(())
            }
            Told::Help => {
                screen::note(HELP);
                Ok(())
            }
            Told::Quit => Ok(()),
            Told::Unknown => Err(Stop::new(Exit::Usage, "this is no command of the shell: \\? lists them")),
        }
    }

    /// What can be completed now; nothing but keywords where the tables cannot be read.
    async fn words(&self) -> Vec<String> {
        let planning = Planning::new(SessionOptions { home: home::folder().ok(), ..SessionOptions::default() });
        let mut words = planning.session.function_names();
        if sql::register_tables(&planning.session, &self.arguments.tables).await.is_ok()
            && let Ok(tables) = planning.session.tables().await
        {
            for (table, columns) in tables {
                words.push(table);
                words.extend(columns);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_the_shell_are_told_from_sql() {
        assert_eq!(told("\\d"), Some(Told::Describe(None)));
        assert_eq!(told(" \\d reviews ;"), Some(Told::Describe(Some("reviews"))));
        assert_eq!(told("\\budget 0.50"), Some(Told::Budget("0.50")));
        assert_eq!(told("exit"), Some(Told::Quit));
        assert_eq!(told("\\nonsense"), Some(Told::Unknown));
        assert_eq!(told("SELECT '\\d'"), None);
        assert_eq!(told("help_me"), None);
    }
}
