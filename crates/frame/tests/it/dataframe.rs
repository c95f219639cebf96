//! The verbs of a frame make what the same SQL makes: the same rows, and the same questions.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use corsac_frame::aggregates::{count, count_all, max};
use corsac_frame::prelude::*;
use corsac_frame::scalars::{concat, length, upper};
use corsac_frame::semantic::{Demo, Summary};
use proptest::prelude::*;
use serde_json::json;

use crate::fake::{Fake, session, table};

/// A session with the tables `r` and `s`.
fn with_tables(fake: &Arc<Fake>) -> Session {
    let session = session(fake);
    let texts = |texts: &[Option<&str>]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let products = texts(&[Some("a lamp"), Some("a chair"), Some("a lamp"), None, Some("my sofa"), Some("a lamp")]);
    let said = texts(&[Some("good light"), Some("not hard"), None, Some("odd thing"), Some(" "), Some("good light")]);
    add(&session, "r", [("id", Arc::new(Int64Array::from_iter_values(1..=6)) as ArrayRef), ("product", products), ("t", said)]);
    let names = texts(&[Some("a lamp"), Some("a table"), Some("my sofa")]);
    add(&session, "s", [("n", Arc::new(Int64Array::from_iter_values(1..=3)) as ArrayRef), ("name", names)]);
    session
}

fn add<const N: usize>(session: &Session, name: &str, columns: [(&str, ArrayRef); N]) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap();
    let frame = session.from_batches(batch.schema(), vec![batch]).unwrap();
    session.register_frame(name, &frame).unwrap();
}

async fn shown(frame: &DataFrame) -> String {
    let batches = frame.collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// Everything that was asked, in an order of its own.
fn questions(fake: &Fake) -> Vec<String> {
    let shown = |call: corsac_dispatch::Call| {
        format!("{} {:?} {:?}\n{}\n{}", call.origin.operator, call.contract, call.settings, call.system, call.user)
    };
    let mut all: Vec<String> = fake.asked().into_iter().map(shown).collect();
    all.sort();
    all
}

/// A frame and a query give the same rows and ask the same.
async fn same(frame: impl AsyncFn(Session) -> Result<DataFrame, FrameError>, sql: &str) {
    let (of_frame, of_sql) = (Arc::new(Fake::new()), Arc::new(Fake::new()));
    let framed = frame(with_tables(&of_frame)).await.unwrap();
    assert_eq!(shown(&framed).await, table(&with_tables(&of_sql), sql).await, "{sql}");
    assert_eq!(questions(&of_frame), questions(&of_sql), "{sql}");
}

#[tokio::test]
async fn every_function_is_the_one_of_sql() {
    let select = |expression: fn() -> Expr| async move |session: Session| session.table("r").await?.select([col("id"), expression()]);
    same(select(|| semantic::map("Say {{ t }}").input("t").alias("x")), "SELECT id, semantic_map('Say {{ t }}', t) AS x FROM r").await;
    same(
        select(|| {
            let call = semantic::map("{{ a }} of {{ product }}: {{ n + 1 }}").column("a", upper(col("t"))).input("product").input(length(col("t")));
            call.model("other/model").profile("careful").temperature(0.5).max_tokens(9).timeout(Duration::from_secs(30)).alias("x")
        }),
        "SELECT id, semantic_map('{{ a }} of {{ product }}: {{ n + 1 }}', a => upper(t), product, length(t), model => 'other/model', profile => 'careful',
         temperature => 0.5, max_tokens => 9, timeout => '30s') AS x FROM r",
    )
    .await;
    same(
        select(|| semantic::map("{{ product }}: {{ t }}").input("product").input("t").strict(false).alias("x")),
        "SELECT id, semantic_map('{{ product }}: {{ t }}', product, t, strict => false) AS x FROM r",
    )
    .await;
    same(
        select(|| semantic::predicate("Is {{ t }} good?").input("t").example("bad", false).example("good", true).alias("x")),
        "SELECT id, semantic_predicate('Is {{ t }} good?', t, examples => [{input: 'bad', output: false}, {input: 'good', output: true}]) AS x FROM r",
    )
    .await;
    same(
        select(|| {
            let inputs = json!({"product": "bed", "t": "too soft"}).as_object().unwrap().clone();
            let demo = Demo { inputs, output: json!("The bed is too soft.") };
            semantic::map("{{ product }}: {{ t }}").input("product").input("t").examples([demo]).alias("x")
        }),
        "SELECT id, semantic_map('{{ product }}: {{ t }}', product, t, examples => [{product: 'bed', t: 'too soft', output: 'The bed is too soft.'}]) AS x
         FROM r",
    )
    .await;
    same(select(|| semantic::classify("t", ["good", "hard"]).alias("x")), "SELECT id, semantic_classify(t, ['good', 'hard']) AS x FROM r")
        .await;
    same(
        select(|| semantic::classify("t", [("good", "of use"), ("hard", "of no use")]).alias("x")),
        "SELECT id, semantic_classify(t, [{label: 'good', description: 'of use'}, {label: 'hard', description: 'of no use'}]) AS x FROM r",
    )
    .await;
    same(
        select(|| semantic::extract("t", "name string, stars int?").alias("x")),
        "SELECT id, semantic_extract(t, 'name string, stars int?') AS x FROM r",
    )
    .await;
    same(
        select(|| semantic::extract("t", corsac_schema::Schema::from_text("name string, stars int?").unwrap()).alias("x")),
        "SELECT id, semantic_extract(t, 'name string, stars int?') AS x FROM r",
    )
    .await;
    same(select(|| semantic::analyze_sentiment("t").alias("x")), "SELECT id, semantic_analyze_sentiment(t) AS x FROM r").await;
    same(
        select(|| semantic::summarize("t", Summary::KeyPoints).max_words(40).alias("x")),
        "SELECT id, semantic_summarize(t, 'key points', max_words => 40) AS x FROM r",
    )
    .await;
    same(select(|| semantic::embed("t").dimensions(2).alias("x")), "SELECT id, semantic_embed(t, dimensions => 2) AS x FROM r").await;
    same(
        select(|| semantic::classify("t", ["good", "hard"]).outcome().alias("x")),
        "SELECT id, outcome(semantic_classify(t, ['good', 'hard'])) AS x FROM r",
    )
    .await;
    same(select(|| semantic::classify("t", ["good", "hard"]).expr()), "SELECT id, semantic_classify(t, ['good', 'hard']) FROM r").await;
}

#[tokio::test]
async fn groups_are_reduced_alike() {
    same(
        async |session: Session| {
            let gist = semantic::reduce("What of the {{ product }}? {{ t }}", "t").column("product", "product").order_by([desc("id")]);
            let grouped = session.table("r").await?.group_by(["product"]);
            grouped.aggregate([count(col("id")).alias("n"), gist.alias("said")])?.sort(["product"])
        },
        "SELECT product, count(id) AS n, semantic_reduce('What of the {{ product }}? {{ t }}', t, product => product ORDER BY id DESC) AS said FROM r
         GROUP BY product ORDER BY product",
    )
    .await;
    same(
        async |session: Session| {
            let few = semantic::reduce("Sum up {{ t }}", "t").order_by([asc("t")]).filter(col("id").lt(lit(5))).distinct().part_tokens(900);
            let spread = (max(col("id")) - corsac_frame::aggregates::min(col("id"))).alias("spread");
            session.table("r").await?.aggregate([semantic::outcome(few).alias("o"), spread])
        },
        "SELECT outcome(semantic_reduce(DISTINCT 'Sum up {{ t }}', t, part_tokens => 900 ORDER BY t) FILTER (WHERE id < 5)) AS o, max(id) - min(id) AS spread FROM r",
    )
    .await;
    same(
        async |session: Session| {
            let mood = semantic::classify("t", ["good", "hard"]).alias("mood");
            session.table("r").await?.group_by([mood]).aggregate([count_all().alias("n")])?.filter(col("n").gt(lit(0)))?.sort([asc("mood")])
        },
        "SELECT semantic_classify(t, ['good', 'hard']) AS mood, count(*) AS n FROM r GROUP BY mood HAVING count(*) > 0 ORDER BY mood",
    )
    .await;
}

#[tokio::test]
async fn tables_are_joined_alike() {
    for (kind, word) in [
        (JoinType::Inner, "JOIN"),
        (JoinType::Left, "LEFT JOIN"),
        (JoinType::Right, "RIGHT JOIN"),
        (JoinType::LeftSemi, "LEFT SEMI JOIN"),
        (JoinType::RightSemi, "RIGHT SEMI JOIN"),
        (JoinType::LeftAnti, "LEFT ANTI JOIN"),
        (JoinType::RightAnti, "RIGHT ANTI JOIN"),
    ] {
        same(
            async |session: Session| {
                let (one, other) = (session.table("r").await?.alias("a")?, session.table("s").await?);
                let fits = semantic::predicate("Does {{ t }} fit {{ name }}?").column("t", "a.t").column("name", "name").strategy("cross");
                one.semantic_join(other, kind, fits)
            },
            &format!("SELECT * FROM r AS a {word} s ON semantic_predicate('Does {{{{ t }}}} fit {{{{ name }}}}?', t => a.t, name => name, strategy => 'cross')"),
        )
        .await;
        same(
            async |session: Session| {
                session.table("r").await?.join(session.table("s").await?, kind, [col("product").eq(col("name")), col("id").lt(lit(4))])
            },
            &format!("SELECT * FROM r {word} s ON product = name AND id < 4"),
        )
        .await;
    }
    same(
        async |session: Session| session.table("r").await?.similarity_join(session.table("s").await?, "t", "name", 2, Metric::L2),
        "SELECT * FROM similarity_join('r', 't', 's', 'name', k => 2, metric => 'l2')",
    )
    .await;
    same(
        async |session: Session| {
            let left = session.table("r").await?.filter(col("id").gt(lit(3)))?.select(["id", "t"])?;
            left.similarity_join(session.table("s").await?, concat(vec![col("t"), lit("!")]), semantic::embed("name"), 1, Metric::Cosine)
        },
        "SELECT id, t, n, name, similarity, rank FROM similarity_join('l', 'k', 'm', 'k')
         "
        .replace("'l'", "(SELECT id, t, concat(t, '!') AS k FROM r WHERE id > 3)")
        .replace("'m'", "(SELECT n, name, semantic_embed(name) AS k FROM s)")
        .as_str(),
    )
    .await;
}

#[tokio::test]
async fn rows_are_put_together_alike() {
    same(
        async |session: Session| {
            let frame =
                session.table("r").await?.filter(semantic::predicate("Is {{ t }} good?").input("t").expr().and(col("id").gt(lit(1))))?;
            frame.with_column("loud", upper(col("t")))?.rename("product", "thing")?.drop(["t"])?.limit(1)
        },
        "SELECT id, product AS thing, upper(t) AS loud FROM r WHERE semantic_predicate('Is {{ t }} good?', t) AND id > 1 LIMIT 1",
    )
    .await;
    same(
        async |session: Session| {
            let frame = session.table("r").await?;
            frame.clone().select(["product"])?.union(frame.select(["t"])?)?.distinct()?.sort([desc("product")])?.skip(1)
        },
        "SELECT product FROM (SELECT product FROM r UNION ALL SELECT t FROM r) GROUP BY product ORDER BY product DESC OFFSET 1",
    )
    .await;
    same(
        async |session: Session| {
            let frame = session.table("r").await?;
            frame.distinct_on([semantic::classify("t", ["good", "hard"])], [desc("id")])?.sort(["id"])
        },
        "SELECT * FROM (SELECT DISTINCT ON (semantic_classify(t, ['good', 'hard'])) * FROM r ORDER BY semantic_classify(t, ['good', 'hard']), id DESC) ORDER BY id",
    )
    .await;
    same(
        async |session: Session| {
            let frame = session.table("r").await?;
            let lists = frame.expr("[id, length(t)]")?;
            frame.with_column("numbers", lists)?.unnest(["numbers"])
        },
        "SELECT id, product, t, unnest([id, length(t)]) AS numbers FROM r",
    )
    .await;
    same(
        async |session: Session| {
            let frame = session.table("r").await?;
            frame.clone().intersect(frame.clone().filter(col("id").lt(lit(3)))?)?.except(frame.filter(col("id").eq(lit(1)))?)
        },
        "SELECT * FROM r INTERSECT SELECT * FROM r WHERE id < 3 EXCEPT SELECT * FROM r WHERE id = 1",
    )
    .await;
    same(
        async |session: Session| {
            let frame = session.table("r").await?;
            let call = frame.expr("semantic_map('Say {{ x }}', x => T) || '!'")?;
            frame.with_column("said", call)?.select([col("said"), session.function("length", ["said"])?.alias("n")])
        },
        "SELECT said, length(said) AS n FROM (SELECT semantic_map('Say {{ x }}', x => t) || '!' AS said FROM r)",
    )
    .await;
    same(
        async |session: Session| {
            let row = corsac_frame::windows::row_number().partition_by(vec![col("product")]).order_by(vec![desc("id")]).build();
            session.table("r").await?.with_column("place", row.unwrap())?.sort(["id"])
        },
        "SELECT *, row_number() OVER (PARTITION BY product ORDER BY id DESC) AS place FROM r ORDER BY id",
    )
    .await;
    same(
        async |session: Session| session.sql("SELECT id, upper(product) FROM r").await?.filter(col("upper(r.product)").eq(lit("A LAMP"))),
        "SELECT id, upper(product) FROM r WHERE upper(product) = 'A LAMP'",
    )
    .await;
}

#[tokio::test]
async fn columns_of_one_name_are_told_apart() {
    let fake = Arc::new(Fake::new());
    let session = with_tables(&fake);
    let frame = session.table("r").await.unwrap();
    for kind in [JoinType::Inner, JoinType::Left, JoinType::Right, JoinType::Full] {
        let right = frame.clone().filter(col("id").gt(lit(4))).unwrap().select([col("id") + lit(1), col("t")]).unwrap();
        let right = right.rename("r.id + Int32(1)", "id").unwrap();
        let joined = frame.clone().filter(col("id").gt(lit(4))).unwrap().join_using(right, kind, ["id"]).unwrap().sort(["id"]).unwrap();
        assert_eq!(joined.columns(), ["id", "product", "t", "t"]);
        insta::assert_snapshot!(format!("using_{kind}"), shown(&joined).await);
    }
    let twice = frame.clone().join(frame.clone(), JoinType::Inner, [col("id").eq(col("id"))]).unwrap_err().to_string();
    assert!(twice.contains("alias"), "{twice}");
    let pairs =
        frame.clone().alias("a").unwrap().cross_join(frame.alias("b").unwrap()).unwrap().filter(col("a.id").lt(col("b.id"))).unwrap();
    assert_eq!(pairs.count().await.unwrap(), 15);
}

#[tokio::test]
async fn a_frame_is_priced_counted_watched_and_written() {
    let fake = Arc::new(Fake::new());
    let session = with_tables(&fake);
    let frame = session.table("r").await.unwrap().with_column("mood", semantic::classify("t", ["good", "hard"])).unwrap();
    assert_eq!(frame.schema().field(3).name(), "mood");
    assert_eq!(frame.count().await.unwrap(), 6);
    let estimates = frame.estimate().await.unwrap();
    assert_eq!((estimates.len(), estimates[0].sampled.asked, estimates[0].sampled.distinct), (1, 4, 3));
    assert!(frame.explain().await.unwrap().contains("semantic_classify(r.t → good|hard)"));
    assert_eq!(fake.count(), 0);
    let query = frame.plan().await.unwrap();
    let watch = query.watch();
    drop(query);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("moods.csv");
    assert_eq!(frame.write(&path).await.unwrap().rows, 6);
    assert_eq!((fake.count(), session.progress().rows_done(), watch.read().len()), (3, 6, 1));
    let read = session.read(&path.to_string_lossy()).await.unwrap().select(["id", "mood"]).unwrap();
    insta::assert_snapshot!(shown(&read).await);
    let refused = frame.write_into(&path, Existing::Refuse).await.unwrap_err().to_string();
    assert!(refused.contains("there already"), "{refused}");
    assert!(frame.write(directory.path().join("moods.what")).await.unwrap_err().to_string().contains("parquet"));
    std::fs::rename(&path, directory.path().join("moods.table")).unwrap();
    let again = session.read_csv(&directory.path().join("moods.table").to_string_lossy()).await.unwrap();
    assert_eq!(again.count().await.unwrap(), 6);
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_asked() {
    let fake = Arc::new(Fake::new());
    let session = with_tables(&fake);
    let frame = session.table("r").await.unwrap();
    let mut told = vec![
        session.table("q").await.unwrap_err().to_string(),
        frame.clone().select(["prodct"]).unwrap_err().to_string(),
        frame.clone().drop(["id", "product", "t"]).unwrap_err().to_string(),
        frame.clone().rename("nothing", "x").unwrap_err().to_string(),
        frame.clone().filter(upper(col("t"))).unwrap_err().to_string(),
        frame.clone().aggregate(Vec::<Expr>::new()).unwrap_err().to_string(),
        session.function("uper", ["t"]).unwrap_err().to_string(),
        frame.expr("upper(").unwrap_err().to_string(),
        session.sql("DROP TABLE r").await.unwrap_err().to_string(),
        frame.clone().similarity_join(frame.clone(), "t", "t", 0, Metric::Cosine).unwrap_err().to_string(),
    ];
    for wrong in [
        semantic::map("Say {{ t }}").expr(),
        semantic::map("Say {{ t }}").input("product").expr(),
        semantic::map("Say {{ t }}").input("t").temperature(3.0).expr(),
        semantic::map("Say {{ t }}").input("t").model("a").model("b").expr(),
        semantic::map("Say {{ t }}").input("t").argument("tone", lit("kind")).expr(),
        semantic::classify("t", Vec::<&str>::new()).expr(),
        semantic::predicate("Is {{ t }}?").input("t").example("x", "perhaps").expr(),
    ] {
        let planned = async { frame.clone().with_column("x", wrong)?.plan().await };
        told.push(planned.await.unwrap_err().to_string());
    }
    assert_eq!(fake.count(), 0);
    insta::assert_snapshot!(told.join("\n\n"));
}

/// One step of a frame, and how SQL says it.
#[derive(Debug, Clone)]
enum Step {
    Cheap(i64),
    Predicate,
    Classify,
    Map,
    Guarded(i64),
    Sort(bool),
    Limit(usize),
    Distinct,
    Doubled,
    Joined,
    Nearest,
    Counted,
}

/// What a step makes of a frame and of a query with the columns id, product and t.
fn taken(step: &Step, number: usize, frame: DataFrame, sql: &str, session: &Session) -> Result<(DataFrame, String), FrameError> {
    let name = format!("c{number}");
    let from = format!("({sql}) AS q{number}");
    let predicate = || semantic::predicate("Is {{ t }} good?").input("t");
    Ok(match step {
        Step::Cheap(id) => (frame.filter(col("id").gt(lit(*id)))?, format!("SELECT * FROM {from} WHERE id > {id}")),
        Step::Predicate => {
            (frame.filter(predicate())?, format!("SELECT * FROM {from} WHERE semantic_predicate('Is {{{{ t }}}} good?', t)"))
        }
        Step::Classify => (
            frame.with_column(&name, semantic::classify("t", ["good", "odd"]))?,
            format!("SELECT *, semantic_classify(t, ['good', 'odd']) AS {name} FROM {from}"),
        ),
        Step::Map => (
            frame.with_column("t", semantic::map("Say {{ t }}").input("t"))?,
            format!("SELECT * REPLACE (semantic_map('Say {{{{ t }}}}', t) AS t) FROM {from}"),
        ),
        Step::Guarded(id) => (
            frame.with_column(
                &name,
                when(col("id").lt(lit(*id)), semantic::summarize("t", Summary::Paragraph).expr()).otherwise(lit("-")).unwrap(),
            )?,
            format!("SELECT *, CASE WHEN id < {id} THEN semantic_summarize(t, 'paragraph') ELSE '-' END AS {name} FROM {from}"),
        ),
        Step::Sort(up) => {
            let key = if *up { asc("id") } else { desc("id") };
            let word = if *up { "ASC" } else { "DESC" };
            (frame.sort([key, asc("product"), asc("t")])?, format!("SELECT * FROM {from} ORDER BY id {word}, product, t"))
        }
        Step::Limit(rows) => {
            let sorted = frame.sort(["id", "product", "t"])?.limit(*rows)?;
            (sorted, format!("SELECT * FROM {from} ORDER BY id, product, t LIMIT {rows}"))
        }
        Step::Distinct => (frame.distinct()?, format!("SELECT DISTINCT * FROM {from}")),
        Step::Doubled => (frame.clone().union(frame)?, format!("SELECT * FROM {from} UNION ALL SELECT * FROM {from}")),
        Step::Joined => {
            let others = session.from_batches(Arc::clone(&names().schema()), vec![names()])?;
            let fits = semantic::predicate("{{ t }} and {{ name }}?").column("t", "t").column("name", "name").strategy("cross");
            let joined = frame.semantic_join(others, JoinType::Inner, fits)?.drop(["name"])?;
            let on = "semantic_predicate('{{ t }} and {{ name }}?', t => t, name => name, strategy => 'cross')";
            (joined, format!("SELECT * EXCEPT (name) FROM {from} JOIN (VALUES ('not a'), ('lamp light')) AS o (name) ON {on}"))
        }
        Step::Nearest => {
            let others = session.from_batches(Arc::clone(&names().schema()), vec![names()])?;
            let joined = frame.similarity_join(others, "t", "name", 1, Metric::Cosine)?.drop(["name", "similarity", "rank"])?;
            let nearest = format!("similarity_join(({sql}), 't', (SELECT * FROM (VALUES ('not a'), ('lamp light')) AS o (name)), 'name')");
            (joined, format!("SELECT * EXCEPT (name, similarity, rank) FROM {nearest}"))
        }
        Step::Counted => {
            let grouped = frame.group_by(["id", "product", "t"]).aggregate([count_all().alias(name.as_str())])?;
            (grouped, format!("SELECT id, product, t, count(*) AS {name} FROM {from} GROUP BY id, product, t"))
        }
    })
}

fn names() -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["not a", "lamp light"]));
    RecordBatch::try_from_iter_with_nullable([("name", names, true)]).unwrap()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0i64..7).prop_map(Step::Cheap),
        Just(Step::Predicate),
        Just(Step::Classify),
        Just(Step::Map),
        (0i64..7).prop_map(Step::Guarded),
        any::<bool>().prop_map(Step::Sort),
        (0usize..5).prop_map(Step::Limit),
        Just(Step::Distinct),
        Just(Step::Doubled),
        Just(Step::Joined),
        Just(Step::Nearest),
        Just(Step::Counted),
    ]
}

fn in_any_order(table: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = table.lines().collect();
    lines.sort_unstable();
    lines
}

/// Filters that stand directly on each other move down together, below what need not be asked about the rows they leave out.
#[tokio::test]
async fn two_filters_in_a_row_go_below_what_is_asked_for_a_column() {
    same(
        async |session| {
            let frame = session.table("r").await?.with_column("kind", semantic::classify("t", ["good", "odd"]))?;
            frame
                .filter(semantic::predicate("Is {{ t }} good?").input("t"))?
                .filter(semantic::predicate("Is {{ product }} a lamp?").input("product"))
        },
        "SELECT * FROM (SELECT *, semantic_classify(t, ['good', 'odd']) AS kind FROM r) AS q
         WHERE semantic_predicate('Is {{ t }} good?', t) AND semantic_predicate('Is {{ product }} a lamp?', product)",
    )
    .await;
}

/// A condition that needs one asked column is asked before another that it does not need.
#[tokio::test]
async fn a_filter_on_an_asked_column_goes_below_what_is_asked_after_it() {
    same(
        async |session| {
            let frame = session.table("r").await?.with_column("t", semantic::map("Say {{ t }}").input("t"))?;
            frame.with_column("kind", semantic::classify("t", ["good", "odd"]))?.filter(semantic::predicate("Is {{ t }} good?").input("t"))
        },
        "SELECT * FROM (SELECT *, semantic_classify(t, ['good', 'odd']) AS kind FROM (SELECT * REPLACE (semantic_map('Say {{ t }}', t) AS t) FROM r) AS p) AS q
         WHERE semantic_predicate('Is {{ t }} good?', t)",
    )
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chain_of_verbs_is_the_same_sql(steps in prop::collection::vec(step(), 1..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (of_frame, of_sql) = (Arc::new(Fake::new()), Arc::new(Fake::new()));
            let session = with_tables(&of_frame);
            let (mut frame, mut sql) = (session.table("r").await.unwrap(), "SELECT * FROM r".to_owned());
            for (number, step) in steps.iter().enumerate() {
                (frame, sql) = taken(step, number, frame, &sql, &session).unwrap();
            }
            let (framed, queried) = (shown(&frame).await, table(&with_tables(&of_sql), &sql).await);
            prop_assert_eq!(in_any_order(&framed), in_any_order(&queried), "{}", sql);
            // a GROUP BY over groups groups SQL's rows by what hangs on the keys too, which may ask what nobody reads; a frame does not
            let (by_frame, by_sql) = (questions(&of_frame), questions(&of_sql));
            prop_assert!(by_frame.iter().all(|question| by_sql.contains(question)) && by_frame.len() <= by_sql.len(), "{}", sql);
            let groups = steps.iter().filter(|step| matches!(step, Step::Counted)).count();
            prop_assert!(groups > 1 || by_frame == by_sql, "{}", sql);
            Ok(())
        })?;
    }
}
