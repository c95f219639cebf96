//! Semantic operators on Apache DataFusion: functions, plan rewrite, streaming execution, session and tables
