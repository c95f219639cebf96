//! `corsac models`: what can be asked, and the embedded model's weights.

use corsac_dispatch::config::Config;
use corsac_dispatch::{Catalog, CatalogError, Clock, Exchange, HttpExchange, SystemClock};
use corsac_local::weights;
use corsac_policy::{Lessons, Needs, Parameters, plan};
use corsac_wire::catalog::Model;
use corsac_wire::{ProviderPreferences, Usd};

use crate::args::{Models, ModelsCommand};
use crate::exit::{Exit, Stop};
use crate::{engine, home, screen};

pub(crate) async fn run(arguments: Models) -> Result<Exit, Stop> {
    let command = arguments.command.unwrap_or(ModelsCommand::List { search: None, structured: false, tools: false, max_price: None });
    if let ModelsCommand::Pull = command {
        return tokio::task::spawn_blocking(pull).await.map_err(|error| Stop::new(Exit::Failure, error.to_string()))?;
    }
    let environment = |name: &str| std::env::var(name).ok();
    let config_folder = dirs::config_dir().map(|folder| folder.join("corsac"));
    let config = Config::load(arguments.config.as_deref(), &std::env::current_dir()?, config_folder.as_deref(), &environment)?;
    let exchange = HttpExchange::new(&config.http_options(4))?;
    let catalog = catalog(&exchange, config.key.is_some()).await?;
    match command {
        ModelsCommand::List { search, structured, tools, max_price } => {
            let limit = max_price.map(|text| Usd::parse(text.trim_start_matches('$'))).transpose();
            let limit = limit.map_err(|error| Stop::new(Exit::Usage, format!("--max-price: {error}")))?;
            let wanted = search.map(|text| text.to_lowercase());
            list(&catalog, |model| {
                let named = |text: &str| {
                    model.id.to_lowercase().contains(text) || model.name.as_deref().unwrap_or_default().to_lowercase().contains(text)
                };
                wanted.as_deref().is_none_or(named)
                    && (!structured || model.supports("structured_outputs"))
                    && (!tools || model.supports("tools"))
                    && limit.is_none_or(|limit| model.pricing.prompt.is_some_and(|price| price.times(1_000_000) <= limit))
            });
        }
        ModelsCommand::Show { id } => show(&exchange, &catalog, &id).await?,
        ModelsCommand::Pull => {}
    }
    Ok(Exit::Done)
}

fn pull() -> Result<Exit, Stop> {
    let folder = home::weights_folder()?;
    let told = |there: bool| if there { "already there:" } else { "ready:" };
    let there = weights::locate(None, &folder).is_some();
    screen::result(&format!("{} {}", told(there), engine::pull(&folder)?.display()));
    let there = weights::locate_embedding(None, &folder).is_some();
    screen::result(&format!("{} {}", told(there), engine::pull_embedding(&folder)?.display()));
    Ok(Exit::Done)
}

async fn catalog(exchange: &HttpExchange, with_key: bool) -> Result<Catalog, Stop> {
    let file = home::catalog_file(exchange.address().trim_end_matches('/'))?;
    let now_ms = SystemClock::new().epoch_ms();
    match Catalog::fetch(exchange, with_key, now_ms).await {
        Ok(catalog) => {
            // not being able to keep it costs one more fetch next time, nothing else
            let _ = catalog.keep(&file);
            Ok(catalog)
        }
        Err(CatalogError::Fetch { address, why }) => match Catalog::kept(&file, &address) {
            Some(kept) => {
                let hours = (now_ms - kept.fetched_ms) / 3_600_000;
                screen::note(&format!("corsac: {address} did not give its catalog ({why}); this one is {hours} h old"));
                Ok(kept)
            }
            None => Err(Stop::new(Exit::Failure, CatalogError::Fetch { address, why }.to_string())),
        },
    }
}

fn list(catalog: &Catalog, wanted: impl Fn(&Model) -> bool) {
    let mut models: Vec<&Model> = catalog.models.iter().filter(|model| wanted(model)).collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    screen::result(&format!("{:<48} {:>9} {:>10} {:>10}  {}", "model", "context", "$/M in", "$/M out", "structure"));
    for model in &models {
        screen::result(&format!(
            "{:<48} {:>9} {:>10} {:>10}  {}",
            model.id,
            model.context_length.map_or("?".to_owned(), |tokens| tokens.to_string()),
            per_million(model.pricing.prompt),
            per_million(model.pricing.completion),
            structure(&model.supported_parameters),
        ));
    }
    screen::note(&format!("{} of {} models", models.len(), catalog.models.len()));
}

async fn show(exchange: &HttpExchange, catalog: &Catalog, written: &str) -> Result<(), Stop> {
    let id = catalog.resolve(written).map_err(|error| Stop::new(Exit::Configuration, error.to_string()))?;
    if let Some(model) = catalog.model(&id) {
        screen::result(&format!("{}  {}", model.id, model.name.as_deref().unwrap_or_default()));
        screen::result(&format!(
            "context {}  $/M in {}  $/M out {}  structure {}",
            model.context_length.map_or("?".to_owned(), |tokens| tokens.to_string()),
            per_million(model.pricing.prompt),
            per_million(model.pricing.completion),
            structure(&model.supported_parameters)
        ));
    }
    let endpoints = Catalog::endpoints(exchange, &id).await.map_err(|error| Stop::new(Exit::Failure, error.to_string()))?;
    screen::result(&format!(
        "\n{:<24} {:>9} {:>8} {:>10} {:>10} {:>7}  {}",
        "provider", "context", "out", "$/M in", "$/M out", "up", "structure"
    ));
    for endpoint in &endpoints.endpoints {
        let count = |tokens: Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
        screen::result(&format!(
            "{:<24} {:>9} {:>8} {:>10} {:>10} {:>7}  {}",
            endpoint.tag.as_deref().unwrap_or(&endpoint.provider_name),
            count(endpoint.context_length),
            count(endpoint.max_completion_tokens),
            per_million(endpoint.pricing.prompt),
            per_million(endpoint.pricing.completion),
            endpoint.uptime_last_30m.map_or("?".to_owned(), |percent| format!("{percent:.1} %")),
            structure(&endpoint.supported_parameters),
        ));
    }
    let needs = Needs { structure: true, tools: false, preferred: None, must_support: false, sent: Parameters::NONE, prompt_tokens: 0 };
    let preferences = ProviderPreferences::default();
    match plan(catalog.model(&id), Some(&endpoints.endpoints), &preferences, &needs, &Lessons::default()) {
        Ok(plan) if !plan.why.is_empty() => {
            let rungs = plan.ladder.map(|ladder| ladder.rungs().iter().map(|rung| rung.name()).collect::<Vec<_>>().join(", then "));
            screen::result(&format!("\nstructure  {}", plan.why));
            screen::result(&format!("           asked by {}", rungs.unwrap_or_default()));
        }
        Ok(_) => {}
        Err(impossible) => screen::result(&format!("\nstructure  {}; {}", impossible.why, impossible.change)),
    }
    Ok(())
}

fn per_million(price: Option<Usd>) -> String {
    price.map_or("?".to_owned(), |price| format!("{:.3}", price.times(1_000_000).as_f64()))
}

/// How structure can be asked for, best way first.
fn structure(parameters: &[String]) -> &'static str {
    let has = |name: &str| parameters.iter().any(|parameter| parameter == name);
    match (has("structured_outputs"), has("tools")) {
        (true, _) => "response_format",
        (false, true) => "forced_tool",
        (false, false) => "prompted",
    }
}
