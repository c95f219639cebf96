//! What a method and a path mean.

use crate::skin::Skin;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    Infer(Skin),
    Embeddings,
    Rerank,
    Models,
    ModelsOfUser,
    ModelsCount,
    EmbeddingModels,
    Endpoints(&'p str),
    ZeroRetention,
    Model(&'p str),
    Providers,
    Key,
    Credits,
    Keys,
    MakeKey,
    OneKey(&'p str),
    ChangeKey(&'p str),
    DeleteKey(&'p str),
    Activity,
    Generation,
    GenerationContent,
    SimSeen,
    SimReset,
    WrongMethod,
    Unknown,
}

impl<'p> Route<'p> {
    /// Reads a method, in capitals, and a path below the base.
    pub(crate) fn of(method: &str, path: &'p str) -> Self {
        let routes: &[(&str, Route<'p>)] = match path {
            "/chat/completions" => &[("POST", Route::Infer(Skin::Chat))],
            "/completions" => &[("POST", Route::Infer(Skin::Completions))],
            "/messages" => &[("POST", Route::Infer(Skin::Messages))],
            "/responses" => &[("POST", Route::Infer(Skin::Responses))],
            "/embeddings" => &[("POST", Route::Embeddings)],
            "/rerank" => &[("POST", Route::Rerank)],
            "/models" => &[("GET", Route::Models)],
            "/models/user" => &[("GET", Route::ModelsOfUser)],
            "/models/count" => &[("GET", Route::ModelsCount)],
            "/embeddings/models" => &[("GET", Route::EmbeddingModels)],
            "/endpoints/zdr" => &[("GET", Route::ZeroRetention)],
            "/providers" => &[("GET", Route::Providers)],
            "/key" | "/auth/key" => &[("GET", Route::Key)],
            "/credits" => &[("GET", Route::Credits)],
            "/keys" => &[("GET", Route::Keys), ("POST", Route::MakeKey)],
            "/activity" => &[("GET", Route::Activity)],
            "/generation" => &[("GET", Route::Generation)],
            "/generation/content" => &[("GET", Route::GenerationContent)],
            "/sim/seen" => &[("GET", Route::SimSeen)],
            "/sim/reset" => &[("POST", Route::SimReset)],
            _ => return Route::with_name(method, path),
        };
        let found = routes.iter().find(|(known, _)| method.eq_ignore_ascii_case(known));
        found.map_or(Route::WrongMethod, |(_, route)| *route)
    }

    /// Paths with a name in them.
    fn with_name(method: &str, path: &'p str) -> Self {
        if let Some(hash) = path.strip_prefix("/keys/") {
            return match method.to_ascii_uppercase().as_str() {
                "GET" => Route::OneKey(hash),
                "PATCH" => Route::ChangeKey(hash),
                "DELETE" => Route::DeleteKey(hash),
                _ => Route::WrongMethod,
            };
        }
        let endpoints = path.strip_prefix("/models/").and_then(|rest| rest.strip_suffix("/endpoints"));
        let route = match (endpoints, path.strip_prefix("/model/")) {
            (Some(id), _) => Route::Endpoints(id),
            (None, Some(id)) => Route::Model(id),
            (None, None) => return Route::Unknown,
        };
        if method.eq_ignore_ascii_case("GET") { route } else { Route::WrongMethod }
    }

    pub(crate) fn is_inference(self) -> bool {
        matches!(self, Route::Infer(_) | Route::Embeddings | Route::Rerank)
    }

    pub(crate) fn is_for_managers(self) -> bool {
        use Route::{Activity, ChangeKey, Credits, DeleteKey, Keys, MakeKey, OneKey};
        matches!(self, Credits | Keys | MakeKey | OneKey(_) | ChangeKey(_) | DeleteKey(_) | Activity)
    }

    pub(crate) fn needs_key(self) -> bool {
        self.is_inference()
            || self.is_for_managers()
            || matches!(self, Route::ModelsOfUser | Route::Key | Route::Generation | Route::GenerationContent)
    }

    /// The route as the counters call it: ids left out, so that there are few of them.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Route::Infer(Skin::Chat) => "POST /chat/completions",
            Route::Infer(Skin::Completions) => "POST /completions",
            Route::Infer(Skin::Messages) => "POST /messages",
            Route::Infer(Skin::Responses) => "POST /responses",
            Route::Embeddings => "POST /embeddings",
            Route::Rerank => "POST /rerank",
            Route::Models => "GET /models",
            Route::ModelsOfUser => "GET /models/user",
            Route::ModelsCount => "GET /models/count",
            Route::EmbeddingModels => "GET /embeddings/models",
            Route::Endpoints(_) => "GET /models/{id}/endpoints",
            Route::ZeroRetention => "GET /endpoints/zdr",
            Route::Model(_) => "GET /model/{id}",
            Route::Providers => "GET /providers",
            Route::Key => "GET /key",
            Route::Credits => "GET /credits",
            Route::Keys => "GET /keys",
            Route::MakeKey => "POST /keys",
            Route::OneKey(_) => "GET /keys/{hash}",
            Route::ChangeKey(_) => "PATCH /keys/{hash}",
            Route::DeleteKey(_) => "DELETE /keys/{hash}",
            Route::Activity => "GET /activity",
            Route::Generation => "GET /generation",
            Route::GenerationContent => "GET /generation/content",
            Route::SimSeen => "GET /sim/seen",
            Route::SimReset => "POST /sim/reset",
            Route::WrongMethod => "wrong method",
            Route::Unknown => "unknown path",
        }
    }
}
