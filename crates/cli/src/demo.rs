//! `corsac demo`: real reviews, labelled by people, classified and read by a model; what the two agree on, and at what cost.

use corsac_frame::{Format, SessionOptions, Target};
use serde_json::json;

use crate::args::Demo;
use crate::exit::{Exit, Stop};
use crate::job::{Job, Planning, Told};
use crate::sql::terminal_width;
use crate::{engine, home, screen};

/// 309 review sentences with people's ratings; see `examples/README.md` for where they are from.
const REVIEWS: &str = include_str!("../../../examples/reviews.csv");
const REVIEWS_EXTRACTED: usize = 8;

pub(crate) async fn run(arguments: Demo) -> Result<Exit, Stop> {
    let mut prepared = engine::prepare(&arguments.asking)?;
    prepared.price(false).await?;
    let folder = home::folder()?.join("demo");
    std::fs::create_dir_all(&folder)?;
    let reviews = folder.join("reviews.csv");
    std::fs::write(&reviews, REVIEWS)?;
    let labelled = folder.join("labelled.parquet");

    let planning = Planning::new(SessionOptions::default());
    planning.session.register("reviews", &reviews.to_string_lossy()).await?;
    let classify = format!(
        "SELECT id, text, CASE WHEN sentiment > 0.5 THEN 'positive' WHEN sentiment < -0.5 THEN 'negative' ELSE 'neutral' END AS people, \
         semantic_classify(text, ['positive', 'negative', 'neutral']) AS model FROM reviews LIMIT {}",
        arguments.rows
    );
    let query = planning.session.plan(&classify).await?;
    let told = Told { command: "demo", query: classify, settings: json!({}), quiet: false };
    screen::note(&format!(
        "Classifying {} sentences of product reviews, and reading {REVIEWS_EXTRACTED} for facts.",
        arguments.rows.min(309)
    ));
    let mut job = Job::begin(planning, prepared, home::ledger()?, told).await?;
    let result = steps(&mut job, query, &labelled).await;
    job.end(result).await
}

async fn steps(job: &mut Job, query: corsac_frame::Query, labelled: &std::path::Path) -> Result<(), corsac_frame::FrameError> {
    job.run(query, Format::Parquet, Target::File(labelled.to_owned())).await?;
    job.session().register("labelled", &labelled.to_string_lossy()).await?;
    screen::result("\nSome of them, as people and the model see them:\n");
    show(job, "SELECT text, people, model FROM labelled WHERE length(text) BETWEEN 30 AND 110 ORDER BY id LIMIT 8").await?;
    screen::result("\nWhere they agree:\n");
    show(
        job,
        "SELECT people, count(*) AS sentences, count(model) AS answered, sum(CASE WHEN people = model THEN 1 ELSE 0 END) AS agreed, \
         concat(CAST(round(100.0 * sum(CASE WHEN people = model THEN 1 ELSE 0 END) / count(*)) AS INT), ' %') AS agreement \
         FROM labelled GROUP BY people \
         UNION ALL SELECT 'all', count(*), count(model), sum(CASE WHEN people = model THEN 1 ELSE 0 END), \
         concat(CAST(round(100.0 * sum(CASE WHEN people = model THEN 1 ELSE 0 END) / count(*)) AS INT), ' %') FROM labelled",
    )
    .await?;
    screen::result("\nFacts out of some complaints:\n");
    show(
        job,
        &format!(
            "SELECT text, facts['product'] AS product, facts['problem'] AS problem FROM (SELECT text, \
             semantic_extract(text, 'product string? ''the product or part spoken of'', problem string? ''what is wrong with it''') AS facts \
             FROM reviews WHERE sentiment < -1 AND length(text) BETWEEN 40 AND 140 LIMIT {REVIEWS_EXTRACTED})"
        ),
    )
    .await?;
    screen::result("");
    Ok(())
}

async fn show(job: &mut Job, sql: &str) -> Result<(), corsac_frame::FrameError> {
    let query = job.session().plan(sql).await?;
    let target = Target::Writer(Box::new(std::io::stdout()));
    job.run(query, Format::Table { width: terminal_width(true).or(Some(120)) }, target).await.map(drop)
}
